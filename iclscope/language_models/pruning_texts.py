"""The prompts that neurons are scored on, and others on which perplexity is measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from iclscope.errors import require
from iclscope.language_models.draws import Asked
from iclscope.language_models.loading import LanguageModel
from iclscope.language_models.prompts import PromptFormat
from iclscope.language_models.selectors.at_random import balanced
from iclscope.language_models.tokens import check_length, encode_texts

Tokens = tuple[tuple[int, ...], ...]


class PruningTexts(NamedTuple):
    """Prompts of demonstrations as tokens; no example stands in two of them, and no query in any.

    Attributes:
        scored: what neurons are scored on.
        held_out: what perplexity is measured on.
    """

    scored: Tokens
    held_out: Tokens


def pruning_texts(
    language_model: LanguageModel,
    asked: Asked,
    form: PromptFormat,
    *,
    shots: int,
    scored: int,
    held_out: int,
    seed: int,
) -> PruningTexts:
    """Write prompts of labelled examples, as they stand before a query, each example of the pool at most once.

    Args:
        language_model: whose tokens.
        asked: the pool.
        form: how an example is written.
        shots: examples per prompt.
        scored: how many prompts to score neurons on.
        held_out: how many prompts for perplexity. A small pool gives fewer of both, in the same ratio.
        seed: of the draw.

    Raises:
        BadRequest: if the pool has a single example or a prompt is too long.
    """
    require(len(asked.pool.texts) >= 2, "DATA", asked.name, "a pool of at least two texts")
    count = min(shots * (scored + held_out), len(asked.pool.texts))
    order = balanced(asked, count, seed)
    cut = min(max(1, count * scored // (scored + held_out)), count - 1)
    parts = [_chunks(part, shots) for part in (order[:cut], order[cut:])]
    texts = [[form.prefix(asked.pool.at(rows)).removesuffix(form.between) for rows in part] for part in parts]
    return PruningTexts(*(_encoded(language_model, part) for part in texts))


def _chunks(order: Sequence[int], size: int) -> list[Sequence[int]]:
    """Runs of equal size; what is left over only if there is no other."""
    whole = len(order) // size
    return [order[start * size : (start + 1) * size] for start in range(whole)] or [order]


def _encoded(language_model: LanguageModel, texts: Sequence[str]) -> Tokens:
    tokens = tuple(encode_texts(language_model, texts))
    for text, row in zip(texts, tokens, strict=True):
        check_length(language_model, text, len(row))
    return tokens
