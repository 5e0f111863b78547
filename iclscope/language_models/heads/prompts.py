"""The prompts that attention is measured on: which queries, behind which demonstrations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from typing import NamedTuple

from iclscope.core.errors import require
from iclscope.language_models.evaluation.rows import draw_seed
from iclscope.language_models.measurement import Unit
from iclscope.language_models.prompts.draws import SampledTask, generator
from iclscope.language_models.prompts.prepared import Prepared
from iclscope.language_models.prompts.too_long import Fitted, Plan, fit_prompts, lengths_behind, most_tokens
from iclscope.language_models.selectors import Choice, choose
from iclscope.language_models.settings import DROP_SHOTS, SKIP
from iclscope.language_models.texts.labelled_text import LabelledTexts

LEAST_QUERIES = 4
"""A label with fewer queries is left out: each half of the queries needs two of it, for a mean and its spread."""


class Queries(NamedTuple):
    """The queries that attention is measured on.

    Attributes:
        places: of the queries among those drawn.
        labels: of each.
        others: for each query the place, in these tuples, of another one of its half at random, each once.
        half: 0 or 1: heads are chosen on the first half and measured on the second; labels are spread over both.
        left_out: labels with too few queries.
    """

    places: tuple[int, ...]
    labels: tuple[str, ...]
    others: tuple[int, ...]
    half: tuple[int, ...]
    left_out: tuple[str, ...]

    @property
    def dealt(self) -> tuple[str, ...]:
        """The same labels shuffled at random within each half."""
        return tuple(self.labels[other] for other in self.others)


def measured_queries(sampled: SampledTask, seed: int) -> Queries:
    """The queries whose labels have enough of them, split into halves.

    Raises:
        BadRequest: if fewer than two labels have.
    """
    counts = Counter(sampled.queries.labels)
    left_out = tuple(kind for kind in sampled.classes if counts[kind] < LEAST_QUERIES)
    enough = len(sampled.classes) - len(left_out) >= 2
    allowed = f"more: at least two labels need {LEAST_QUERIES} queries each"
    require(enough, "--queries", len(sampled.queries.labels), allowed)
    places = tuple(i for i, kind in enumerate(sampled.queries.labels) if kind not in left_out)
    labels = tuple(sampled.queries.labels[i] for i in places)
    seen: Counter[str] = Counter()
    half = []
    for kind in labels:
        half.append(seen[kind] % 2)
        seen[kind] += 1
    others = list(range(len(labels)))
    for part in range(2):
        inside = [i for i, number in enumerate(half) if number == part]
        order = generator(seed, "query labels", part).permutation(len(inside))
        for place, other in zip(inside, order, strict=True):
            others[place] = inside[int(other)]
    return Queries(places, labels, tuple(others), tuple(half), left_out)


def dealt_labels(shown: LabelledTexts, seed: int) -> LabelledTexts:
    """Demonstrations with their labels dealt among them at random: each label is shown as often as before."""
    order = generator(seed, "dealt labels").permutation(len(shown.labels))
    return LabelledTexts(shown.texts, tuple(shown.labels[int(i)] for i in order))


def shown_demonstrations(prepared: Prepared, unit: Unit, places: Sequence[int]) -> LabelledTexts:
    """Demonstrations as a unit shows them: with their own labels, or with these dealt among them."""
    given = prepared.sampled.pool.at(places)
    seed = draw_seed(prepared.settings.seed, unit.tags["draw"])
    return dealt_labels(given, seed) if unit.tags["shuffled"] else given


def fit_attention(prepared: Prepared, shots: int, units: Sequence[Unit]) -> Fitted[Unit]:
    """Choose the demonstrations of each draw, and see that the prompts of all measured queries fit.

    With ``drop-shots`` all prompts of a draw lose the same demonstrations: all queries look at the same ones.

    Args:
        prepared: model and texts.
        shots: demonstrations per prompt, balanced over labels.
        units: what is to be measured.

    Raises:
        BadRequest: as `fit_prompts`; or if there are too few demonstrations or queries, or too few are left.
    """
    least = len(prepared.sampled.classes)
    require(shots >= least, "--shots", shots, f"at least {least}, one demonstration of each label")
    measured = prepared.at(measured_queries(prepared.sampled, prepared.settings.seed).places)
    plans = {}
    for unit in units:
        seed = draw_seed(prepared.settings.seed, unit.tags["draw"])
        choice = choose("balanced", prepared.language_model, measured.sampled, shots, seed)
        plans[unit] = Plan(choice, partial(shown_demonstrations, prepared, unit))
    found = fit_prompts(measured, plans, free=())
    if found.left_out:
        measured_queries(found.prepared.sampled, prepared.settings.seed)  # enough must be left
        return found
    if found.notes:
        choices = _alike(measured, found.choices)
        return Fitted(prepared, choices, notes=_fewer(prepared, choices, shots))
    return Fitted(prepared, found.choices)


def _alike(measured: Prepared, choices: Mapping[Unit, Choice]) -> dict[Unit, Choice]:
    """For all prompts of a draw the demonstrations that fit into each of them."""
    sampled = measured.sampled
    found: dict[Unit, Choice] = {}
    places = range(len(sampled.queries.texts))
    for draw in sorted({unit.tags["draw"] for unit in choices}):
        both = [unit for unit in choices if unit.tags["draw"] == draw]
        shown = min((one for unit in both for one in choices[unit].demonstrations), key=len)
        while True:
            kinds = set(sampled.pool.at(shown).labels)
            allowed = f"{SKIP}, fewer --shots or shorter texts: of draw {draw} no demonstration of each label would fit"
            require(kinds == set(sampled.classes), "--too-long", DROP_SHOTS, allowed)
            longest = max(
                lengths_behind(measured, shown_demonstrations(measured, unit, shown), places).max() for unit in both
            )
            if longest <= most_tokens(measured):
                break
            shown = shown[1:]  # shuffled labels may be longer
        found |= {unit: Choice((shown,) * len(places), True) for unit in both}
    return found


def _fewer(prepared: Prepared, choices: Mapping[Unit, Choice], shots: int) -> tuple[str, ...]:
    left = {unit.tags["draw"]: len(choice.demonstrations[0]) for unit, choice in choices.items()}
    shown = ", ".join(f"{count} in draw {draw}" for draw, count in left.items() if count < shots)
    model = prepared.language_model
    return (
        f"Of {shots} demonstrations all prompts show only the last {shown}, so as to fit into the "
        f"{model.context_length} tokens that {model.name} reads (--too-long {DROP_SHOTS}).",
    )
