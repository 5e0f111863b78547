"""Prompts that are longer than the model reads: refused, left out or shortened before the first is read."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

import numpy as np
import polars as pl
from jaxtyping import Int64

from iclscope.core.errors import BadRequest, refused
from iclscope.language_models.models.remote import RemoteModel
from iclscope.language_models.prompts.answers import answers
from iclscope.language_models.prompts.format import CONTENT_FREE, PromptGroup
from iclscope.language_models.prompts.prepared import Prepared
from iclscope.language_models.prompts.scoring import OnProgress
from iclscope.language_models.prompts.tokens import encode_group, prompt_lengths
from iclscope.language_models.selectors import Choice
from iclscope.language_models.settings import DROP_SHOTS, SKIP
from iclscope.language_models.texts.labelled_text import LabelledTexts

UnitT = TypeVar("UnitT", bound=Hashable)
Show = Callable[[Sequence[int]], LabelledTexts]


class Plan(NamedTuple):
    """The prompts of one unit.

    Attributes:
        choice: the demonstrations of each query.
        show: places in the pool → the demonstrations as they are written.
    """

    choice: Choice
    show: Show


@dataclass(frozen=True)
class Fitted(Generic[UnitT]):
    """Prompts that the model can read.

    Attributes:
        prepared: with the queries that are left.
        choices: the demonstrations of these queries in each unit.
        left_out: places of the queries that are not asked.
        notes: what a reader must know.
    """

    prepared: Prepared
    choices: Mapping[UnitT, Choice]
    left_out: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def mark(self) -> str:
        """What to know finished parts of the same queries by: more draws may leave out more."""
        if not self.left_out:
            return ""
        return "-without-" + hashlib.sha256(str(self.left_out).encode()).hexdigest()[:8]


def fit_prompts(
    prepared: Prepared, plans: Mapping[UnitT, Plan], *, free: Sequence[str] = CONTENT_FREE
) -> Fitted[UnitT]:
    """Count the tokens of all prompts, and do with those that are too long what `TextMeasurement.too_long` says.

    A query counts as too long behind demonstrations that make a query without content too long, too. With ``skip`` a
    query is left out of all units if it is too long in one: all units are then measured on the same queries. With
    ``drop-shots`` only the prompts that are too long lose demonstrations, the first ones first, until they fit.

    Args:
        prepared: model and texts.
        plans: all prompts, by unit.
        free: queries without content that are asked behind the same demonstrations.

    Raises:
        BadRequest: if a label cannot be told from another, or if prompts are too long: any with ``refuse``, all with
            ``skip``, those that have no demonstrations left with ``drop-shots``.
    """
    check_labels(prepared, free)
    lengths = {unit: _lengths(prepared, plan, free) for unit, plan in plans.items()}
    too_long = {unit: np.flatnonzero(found > most_tokens(prepared)) for unit, found in lengths.items()}
    count = sum(len(places) for places in too_long.values())
    choices = {unit: plan.choice for unit, plan in plans.items()}
    if count == 0:
        return Fitted(prepared, choices)
    if prepared.settings.too_long == DROP_SHOTS:
        shorter = {
            unit: _shortened(prepared, plan, too_long[unit].tolist(), free) if len(too_long[unit]) else plan.choice
            for unit, plan in plans.items()
        }
        return Fitted(prepared, shorter, notes=_dropped(prepared, choices, shorter))
    if prepared.settings.too_long == SKIP:
        return _without(prepared, choices, too_long)
    bare = any(len(plans[unit].choice.demonstrations[place]) == 0 for unit in plans for place in too_long[unit])
    total = sum(map(len, lengths.values()))
    raise refusal(prepared, f"{count} of {total} prompts", max(int(found.max()) for found in lengths.values()), bare)


def fitted_answers(
    prepared: Prepared,
    choice: Choice,
    shots: int,
    *,
    pool: LabelledTexts | None = None,
    on_progress: OnProgress | None = None,
) -> pl.DataFrame:
    """Ask all queries behind demonstrations of which some may have been dropped.

    Args:
        prepared: of `Fitted`.
        choice: of `Fitted`.
        shots: how many demonstrations were asked for.
        pool: what they are taken from; None: ``sampled.pool``.
        on_progress: called with the number of prompts read.

    Returns:
        The rows of `answers`; with ``drop-shots`` ``dropped`` says how many demonstrations each prompt has fewer.
    """
    form, model = prepared.format, prepared.language_model
    if len({len(shown) for shown in choice.demonstrations}) <= 1:
        found = answers(model, prepared.sampled, choice, form, pool=pool, on_progress=on_progress)
    else:  # those with the same demonstrations together: these are read once
        parts = []
        for those in _by_shown(choice).values():
            sampled, alike = prepared.at(those).sampled, Choice(choice.at(those).demonstrations, True)
            part = answers(model, sampled, alike, form, pool=pool, on_progress=on_progress)
            parts.append(part.with_columns(query=pl.Series(those, dtype=part.schema["query"])))
        found = pl.concat(parts).sort("query")
    if prepared.settings.too_long != DROP_SHOTS:
        return found
    return found.with_columns(dropped=pl.Series([shots - len(shown) for shown in choice.demonstrations]))


def check_labels(prepared: Prepared, free: Sequence[str] = CONTENT_FREE) -> None:
    """Refuse labels that the tokenizer does not tell apart, behind any of the queries.

    Raises:
        BadRequest: naming them.
    """
    if isinstance(prepared.language_model, RemoteModel):  # it tells them apart or refuses when it is asked
        return
    form, sampled = prepared.format, prepared.sampled
    queries = tuple(form.render_query(text) for text in (*sampled.queries.texts, *free))
    encode_group(prepared.language_model, PromptGroup("", queries), form.answers(sampled.classes), any_length=True)


def most_tokens(prepared: Prepared) -> float:
    """How many tokens the model reads."""
    allowed = prepared.language_model.context_length
    return float("inf") if allowed is None else allowed


def refusal(prepared: Prepared, what: str, longest: int, bare: bool) -> BadRequest:
    """What is told of prompts that are too long.

    Args:
        prepared: whose prompts.
        what: how many.
        longest: tokens of the longest.
        bare: whether some are too long without any demonstration, so that fewer do not help.
    """
    model = prepared.language_model
    ways = "shorter texts, or --too-long skip" if bare else "fewer --shots, or --too-long skip or drop-shots"
    return BadRequest(
        f"{what} are longer than the model reads: expected at most {model.context_length} tokens, the context length "
        f"of {model.name}, got {longest} in the longest; ask for {ways}"
    )


def lengths_behind(
    prepared: Prepared, shown: LabelledTexts, places: Sequence[int], free: Sequence[str] = ()
) -> Int64[np.ndarray, " query"]:
    """Tokens of the prompts of some queries behind the same demonstrations, or of ``free`` ones if those are longer."""
    form, sampled = prepared.format, prepared.sampled
    queries = [form.render_query(sampled.queries.texts[place]) for place in places]
    group = PromptGroup(form.prefix(shown), (*queries, *map(form.render_query, free)))
    found = np.asarray(prompt_lengths(prepared.language_model, group, form.answers(sampled.classes)), dtype=np.int64)
    longest: Int64[np.ndarray, " query"] = np.maximum(found[: len(places)], found[len(places) :].max(initial=0))
    return longest


def _lengths(prepared: Prepared, plan: Plan, free: Sequence[str]) -> Int64[np.ndarray, " query"]:
    found = np.zeros(len(plan.choice.demonstrations), dtype=np.int64)
    for shown, those in _by_shown(plan.choice).items():
        found[those] = lengths_behind(prepared, plan.show(shown), those, free)
    return found


def _by_shown(choice: Choice) -> dict[tuple[int, ...], list[int]]:
    """The queries behind the same demonstrations."""
    found: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for place, shown in enumerate(choice.demonstrations):
        found[shown].append(place)
    return found


def _shortened(prepared: Prepared, plan: Plan, places: Sequence[int], free: Sequence[str]) -> Choice:
    """Without the first demonstrations of some queries, as few as it takes."""
    shown, scores = list(plan.choice.demonstrations), list(plan.choice.scores)
    left = list(places)
    while left:
        bare = [place for place in left if not shown[place]]
        if bare:
            longest = int(lengths_behind(prepared, plan.show(()), bare, free).max())
            raise refusal(prepared, f"{len(bare)} prompts without demonstrations", longest, bare=True)
        for place in left:
            shown[place] = shown[place][1:]
            if scores:
                scores[place] = scores[place][1:]
        some = [shown[place] for place in left]
        found = _lengths(prepared.at(left), Plan(Choice(tuple(some), False), plan.show), free)
        left = [place for place, length in zip(left, found, strict=True) if length > most_tokens(prepared)]
    return Choice(tuple(shown), len(set(shown)) == 1, tuple(scores), plan.choice.undecided)


def _dropped(prepared: Prepared, before: Mapping[UnitT, Choice], after: Mapping[UnitT, Choice]) -> tuple[str, ...]:
    fewer = [
        len(whole) - len(part)
        for unit, choice in before.items()
        for whole, part in zip(choice.demonstrations, after[unit].demonstrations, strict=True)
    ]
    lost = [count for count in fewer if count > 0]
    model = prepared.language_model
    return (
        f"{len(lost)} of {len(fewer)} prompts have fewer demonstrations than asked for, by {np.mean(lost):.1f} on "
        f"average and {max(lost)} at most, so as to fit into the {model.context_length} tokens that {model.name} reads "
        f"(--too-long {DROP_SHOTS}).",
    )


def _without(
    prepared: Prepared, choices: Mapping[UnitT, Choice], too_long: Mapping[UnitT, Int64[np.ndarray, " place"]]
) -> Fitted[UnitT]:
    left_out = tuple(sorted({int(place) for places in too_long.values() for place in places}))
    total = len(prepared.sampled.queries.texts)
    kept = [place for place in range(total) if place not in set(left_out)]
    model = prepared.language_model
    because = f"longer than the {model.context_length} tokens that {model.name} reads"
    if not kept:
        raise refused(
            "--too-long",
            SKIP,
            (
                f"{DROP_SHOTS}, fewer --shots or shorter texts: each of the {total} queries has a prompt "
                f"that is {because}"
            ),
        )
    note = (
        f"{len(left_out)} of {total} queries are left out of everything: a prompt of theirs is {because} "
        f"(--too-long {SKIP})."
    )
    return Fitted(prepared.at(kept), {unit: choice.at(kept) for unit, choice in choices.items()}, left_out, (note,))
