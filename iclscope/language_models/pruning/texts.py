"""The prompts that neurons are scored on, and others on which perplexity is measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from iclscope.core.errors import require
from iclscope.language_models.prompts.prepared import Prepared
from iclscope.language_models.prompts.tokens import encode_texts
from iclscope.language_models.prompts.too_long import most_tokens, refusal
from iclscope.language_models.selectors.random_selectors import balanced
from iclscope.language_models.settings import DROP_SHOTS, SKIP

Tokens = tuple[tuple[int, ...], ...]


class PruningTexts(NamedTuple):
    """Prompts of demonstrations as tokens; no example stands in two of them, and no query in any.

    Attributes:
        scored: what neurons are scored on.
        held_out: what perplexity is measured on.
        notes: what became of those that were too long.
    """

    scored: Tokens
    held_out: Tokens
    notes: tuple[str, ...] = ()


def pruning_texts(prepared: Prepared, *, shots: int, scored: int, held_out: int, seed: int) -> PruningTexts:
    """Write prompts of labelled examples, as they stand before a query, each example of the pool at most once.

    Args:
        prepared: the model, the pool, and how an example is written.
        shots: examples per prompt.
        scored: how many prompts to score neurons on.
        held_out: how many prompts for perplexity. A small pool gives fewer of both, in the same ratio.
        seed: of the draw.

    Raises:
        BadRequest: if the pool has a single example, or prompts are too long: any with ``refuse``, all of a kind with
            ``skip``, one without examples to drop with ``drop-shots``.
    """
    sampled = prepared.sampled
    require(len(sampled.pool.texts) >= 2, "DATA", sampled.name, "a pool of at least two texts")
    count = min(shots * (scored + held_out), len(sampled.pool.texts))
    order = balanced(sampled, count, seed)
    cut = min(max(1, count * scored // (scored + held_out)), count - 1)
    parts = [_chunks(part, shots) for part in (order[:cut], order[cut:])]
    return _fitted(prepared, parts)


def _chunks(order: Sequence[int], size: int) -> list[Sequence[int]]:
    """Runs of equal size; what is left over only if there is no other."""
    whole = len(order) // size
    return [order[start * size : (start + 1) * size] for start in range(whole)] or [order]


def _fitted(prepared: Prepared, parts: Sequence[Sequence[Sequence[int]]]) -> PruningTexts:
    """The texts of both kinds, with those that are too long refused, left out, or shortened from the front."""
    way, most = prepared.settings.too_long, most_tokens(prepared)
    encoded = [[_encoded(prepared, rows) for rows in part] for part in parts]
    long = [len(row) for part in encoded for row in part if len(row) > most]
    if not long:
        return PruningTexts(tuple(encoded[0]), tuple(encoded[1]))
    what = f"{len(long)} of {sum(map(len, encoded))} texts of demonstrations"
    fits = "in the tokens that the model reads (--too-long"
    if way == SKIP:
        kept = [tuple(row for row in part if len(row) <= most) for part in encoded]
        if all(kept):
            return PruningTexts(kept[0], kept[1], (f"{what} are left out, which do not fit {fits} {SKIP}).",))
    if way == DROP_SHOTS:
        shorter = [tuple(_shortened(prepared, rows) for rows in part) for part in parts]
        note = f"{what} lost their first demonstrations so as to fit {fits} {way})."
        return PruningTexts(shorter[0], shorter[1], (note,))
    raise refusal(prepared, what, max(long), bare=any(len(rows) == 1 for part in parts for rows in part))


def _shortened(prepared: Prepared, rows: Sequence[int]) -> tuple[int, ...]:
    for start in range(len(rows)):
        found = _encoded(prepared, rows[start:])
        if len(found) <= most_tokens(prepared):
            return found
    raise refusal(prepared, "Texts of a single demonstration", len(_encoded(prepared, rows[-1:])), bare=True)


def _encoded(prepared: Prepared, rows: Sequence[int]) -> tuple[int, ...]:
    form = prepared.format
    text = form.prefix(prepared.sampled.pool.at(rows)).removesuffix(form.between)
    (found,) = encode_texts(prepared.language_model, [text])
    return found
