"""How likely a model finds each answer to each prompt: shared beginnings are read once, the rest in batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float64, Int64

from iclscope.core.errors import refused
from iclscope.core.renamed import warn_renamed
from iclscope.language_models.models.cached import PrefixCache
from iclscope.language_models.models.finite import not_numbers
from iclscope.language_models.models.halving import in_halves, split_in_two
from iclscope.language_models.models.kept_state import check_attention_only
from iclscope.language_models.models.loading import LanguageModel
from iclscope.language_models.models.logits import most_positions
from iclscope.language_models.models.remote import RemoteModel
from iclscope.language_models.models.shared_prefix import (
    ReadBehind,
    SharedPrefixes,
    reading_behind_prefixes,
    why_copied,
)
from iclscope.language_models.prompts.format import PromptGroup
from iclscope.language_models.prompts.tokens import EncodedGroup, encode_group

# Tokens that one call reads: enough to keep the cores busy, few enough for their caches.
_TOKENS_ON_CPU, _TOKENS_ON_GPU = 2048, 32768
# Bytes that keys and values of one batch may take.
_CACHE_ON_CPU, _CACHE_ON_GPU = 1 << 29, 1 << 32

# Tokens from which on a batch is worth a call of its own, and how many places it may have for each of its tokens.
_WORTH_A_CALL, _MOST_PADDED = 96, 1.25

OnProgress = Callable[[int], None]

Scores = Float64[np.ndarray, "row label"]


class Row(NamedTuple):
    """One prompt: its group, its place in the group, the tokens behind the shared ones."""

    group: int
    place: int
    tokens: tuple[int, ...]


class ScoredGroup(NamedTuple):
    """What a model makes of the labels behind each prompt of a group.

    Attributes:
        sums: Σ log p(token | all before it) over the tokens of each label; natural logarithms.
        tokens: how many tokens each label has behind each prompt.
    """

    sums: Float64[np.ndarray, "query label"]
    tokens: Int64[np.ndarray, "query label"]


def label_scores(
    language_model: LanguageModel,
    groups: Sequence[PromptGroup],
    answers: Sequence[str],
    *,
    on_progress: OnProgress | None = None,
    told: OnProgress | None = None,
) -> list[Float64[np.ndarray, "query label"]]:
    """Log-likelihood of each answer behind each prompt.

    Args:
        language_model: what is asked.
        groups: prompts that begin alike stand in one group; what they share is read once.
        answers: continuations, of one or several tokens.
        on_progress: called after each batch with its number of prompts.
        told: deprecated name of ``on_progress``.

    Returns:
        For each group, Σ log p(token | all before it) over an answer's tokens; natural logarithms.

    Raises:
        BadRequest: if an answer has no tokens, a prompt is too long, the model is no transformer of attention layers
            only, or what it gives are no numbers.
    """
    if told is not None:
        warn_renamed("label_scores(told=…)", "on_progress=…")
        on_progress = told
    return [one.sums for one in scored_labels(language_model, groups, answers, on_progress=on_progress)]


def scored_labels(
    language_model: LanguageModel,
    groups: Sequence[PromptGroup],
    answers: Sequence[str],
    *,
    on_progress: OnProgress | None = None,
) -> list[ScoredGroup]:
    """The same as `label_scores`, with how many tokens each answer has."""
    if isinstance(language_model, RemoteModel):
        return [ScoredGroup(*language_model.scored(group, answers, on_progress)) for group in groups]
    check_attention_only(language_model)
    encoded = [encode_group(language_model, group, answers) for group in groups]
    found = [np.full((len(group.prompts), len(answers)), np.nan) for group in encoded]
    limits = batch_limits(language_model, encoded)

    copies = why_copied(language_model) != ""

    def read_shared(bundle: Sequence[int]) -> PrefixCache | SharedPrefixes:
        shared = [encoded[number].prompts[0][: encoded[number].shared] for number in bundle]
        if shared[0] and not copies:
            with reading_behind_prefixes(language_model.model):
                return SharedPrefixes(language_model.model, shared)
        read = PrefixCache(language_model.model, len(bundle))
        if shared[0]:
            read.read_only(shared)
        return read

    bundles = _bundles(encoded, limits)
    for bundle, read in (one for each in bundles for one in in_halves(language_model, each, read_shared, split_in_two)):

        def scores_of(
            rows: Sequence[Row], read: PrefixCache | SharedPrefixes = read, bundle: Sequence[int] = bundle
        ) -> Scores:
            with ExitStack() as block:
                if isinstance(read, SharedPrefixes):
                    block.enter_context(reading_behind_prefixes(language_model.model))
                return _scores_of(read.copied([bundle.index(row.group) for row in rows]), encoded, rows, limits)

        batches = row_batches(encoded, bundle, limits)
        for rows, scores in (
            one for each in batches for one in in_halves(language_model, each, scores_of, split_in_two)
        ):
            _check(language_model, encoded, rows, scores)
            for row, of_row in zip(rows, scores, strict=True):
                found[row.group][row.place] = of_row
            if on_progress is not None:
                on_progress(len(rows))
    counts = [np.asarray([[len(answer) for answer in each] for each in group.answers]) for group in encoded]
    return [ScoredGroup(sums, tokens) for sums, tokens in zip(found, counts, strict=True)]


def _scores_of(
    read: PrefixCache | ReadBehind, encoded: Sequence[EncodedGroup], rows: Sequence[Row], limits: Limits
) -> Float64[np.ndarray, "row label"]:
    """Read what is left of the rows, then the answers that are longer than a token."""
    first = read.read([row.tokens for row in rows])[:, 0]
    answers = [encoded[row.group].answers[row.place] for row in rows]
    starts = torch.tensor([[answer[0] for answer in each] for each in answers], device=first.device)
    scores = first.gather(1, starts).double().cpu().numpy()
    longer = [(r, a) for r, each in enumerate(answers) for a, answer in enumerate(each) if len(answer) > 1]
    longer.sort(key=lambda at: len(answers[at[0]][at[1]]))
    # Like lengths together: nothing is padded, so a window of attention sees what it should.
    for length, found in groupby(longer, key=lambda at: len(answers[at[0]][at[1]])):
        alike = list(found)
        count = max(1, min(len(rows), limits.positions // (length - 1)))  # no more than fitted before
        for start in range(0, len(alike), count):
            part = alike[start : start + count]
            ends = [answers[r][a] for r, a in part]
            behind = read.copied([r for r, _ in part]).read([end[:-1] for end in ends], keep=length - 1)
            following = torch.tensor([end[1:] for end in ends], device=behind.device)
            added = behind.gather(2, following.unsqueeze(2)).double().sum(dim=(1, 2)).cpu().numpy()
            np.add.at(scores, tuple(zip(*part, strict=True)), added)
    return scores


def _check(
    language_model: LanguageModel,
    encoded: Sequence[EncodedGroup],
    rows: Sequence[Row],
    scores: Float64[np.ndarray, "row label"],
) -> None:
    """Refuse scores of which none is the largest. One of −∞ is a label that never comes; some label may be such."""
    for row, of_row in zip(rows, scores, strict=True):
        group = encoded[row.group]
        prompt = group.prompts[row.place]
        if np.isnan(of_row).any() or np.isposinf(of_row).any():
            raise not_numbers(language_model, [(*prompt, *answer) for answer in group.answers[row.place]])
        if np.isneginf(of_row).all():
            end = " ".join(str(language_model.tokenizer.decode(list(prompt[-20:]))).split())[-40:]
            raise refused(
                "MODEL",
                language_model.name,
                (
                    "a model that gives some label a chance; to this one all labels are impossible behind "
                    f"the prompt that ends in {end!r}"
                ),
            )


class Limits(NamedTuple):
    """How much goes into one batch.

    Attributes:
        read: tokens that are read.
        kept: tokens whose keys and values are kept.
        positions: places at which logits are asked for.
        equal: whether all rows must be equally long.
    """

    read: int
    kept: int
    positions: int
    equal: bool


def batch_limits(language_model: LanguageModel, encoded: Sequence[EncodedGroup]) -> Limits:
    """What one batch may take on the model's device."""
    config: Any = language_model.model.config.get_text_config()
    on_cpu = language_model.device.type == "cpu"
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    per_token = 2 * config.num_hidden_layers * heads * size * language_model.model.dtype.itemsize
    window = getattr(config, "sliding_window", None)
    longest = max((group.longest for group in encoded), default=0)
    read = _TOKENS_ON_CPU if on_cpu else _TOKENS_ON_GPU
    return Limits(
        read,
        (_CACHE_ON_CPU if on_cpu else _CACHE_ON_GPU) // per_token,
        most_positions(language_model),
        # Padding counts in a window of attention: a prompt that is longer than it must have none.
        isinstance(window, int) and longest > window,
    )


def _bundles(encoded: Sequence[EncodedGroup], limits: Limits) -> Iterator[Sequence[int]]:
    """Groups whose shared tokens are read together: as many as fit with all their rows; a large group stands alone."""
    bundle: list[int] = []
    kept = read = 0
    order = sorted(range(len(encoded)), key=lambda number: (encoded[number].shared, encoded[number].longest))
    for number in order:
        group = encoded[number]
        apart = bundle and (
            kept + _kept(group) > limits.kept
            or len(bundle) >= limits.positions
            or read + max(group.shared, 1) > limits.read
            or (encoded[bundle[0]].shared == 0) != (group.shared == 0)
            or (limits.equal and encoded[bundle[0]].shared != group.shared)
        )
        if apart:
            yield bundle
            bundle, kept, read = [], 0, 0
        bundle.append(number)
        kept += _kept(group)
        read += max(group.shared, 1)
    if bundle:
        yield bundle


def _kept(group: EncodedGroup) -> int:
    return group.longest * len(group.prompts)


def row_batches(encoded: Sequence[EncodedGroup], bundle: Sequence[int], limits: Limits) -> Iterator[Sequence[Row]]:
    """The rows of a bundle, like lengths together."""
    rows = [
        Row(number, place, prompt[encoded[number].shared :])
        for number in bundle
        for place, prompt in enumerate(encoded[number].prompts)
    ]
    rows.sort(key=lambda row: len(row.tokens))
    shared = max(encoded[number].shared for number in bundle)
    batch: list[Row] = []
    filled = 0
    for row in rows:
        width = len(row.tokens)
        count = len(batch) + 1
        too_many = count * width > limits.read or count * (shared + width) > limits.kept or count > limits.positions
        # Short rows, such as queries without content, are read by themselves rather than padded to the long ones.
        padded = filled >= _WORTH_A_CALL and count * width > _MOST_PADDED * (filled + width)
        if batch and (too_many or padded or (limits.equal and len(batch[0].tokens) != width)):
            yield batch
            batch, filled = [], 0
        batch.append(row)
        filled += width
    if batch:
        yield batch
