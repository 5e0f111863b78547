"""Claims about several settings at once, and how each setting is judged."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import polars as pl

from iclscope.claims.columns import expect_columns
from iclscope.claims.intervals import ENOUGH_SEEDS, LEVEL, Interval, RateInterval, with_unseen_seeds

Verdict = Literal["holds", "fails", "inconclusive"]


class Region(NamedTuple):
    """The closed interval that a claim expects an estimate in; an end may be infinite.

    >>> import iclscope as icl
    >>> icl.Region(high=0.1)
    Region(low=-inf, high=0.1)
    """

    low: float = -math.inf
    high: float = math.inf


class Setting(NamedTuple):
    """One of the settings that a claim is about.

    Attributes:
        name: what was set, for instance "S1 = 1.1".
        interval: the estimate there with its 95 % interval.
        strict: the same at the level at which one setting of so many may refute all: 1 − 0.05 over their number.
        needs: where the constant of a law is not known and this setting needs more of it than it got, how many times as
            much; infinite if it needs more than was tried, NaN otherwise.
    """

    name: str
    interval: Interval
    strict: Interval
    needs: float = math.nan


@dataclass(frozen=True)
class ForAll:
    """Estimates for all settings that a claim is about.

    Attributes:
        settings: one or more.
        note: what a reader must know of how they were chosen, such as the constant of a law; may be empty.
        constant: the constant that a law got at its reference; NaN where there is none.
        enough: whether that constant is one that the reference itself did not exceed in this run.
    """

    settings: tuple[Setting, ...]
    note: str = ""
    constant: float = math.nan
    enough: bool = True


Estimate = Interval | ForAll


def strict_level(settings: int) -> float:
    """The confidence level at which one of this many settings can refute the claim for all."""
    return 1 - (1 - LEVEL) / max(1, settings)


def for_all(
    rows: pl.DataFrame, by: str | Sequence[str], measure: Callable[[pl.DataFrame, float], Interval], *, note: str = ""
) -> ForAll:
    """Estimate each setting separately.

    Args:
        rows: of one arm.
        by: the columns that tell settings apart.
        measure: rows of one setting and a level → its interval.
        note: see `ForAll`.
    """
    names = [by] if isinstance(by, str) else list(by)
    expect_columns(rows, *names)
    parts = sorted(rows.group_by(names, maintain_order=True), key=lambda part: [*map(_in_order, part[0])])
    strict = strict_level(len(parts))
    settings = [
        Setting(
            ", ".join(
                f"{name} = {value:g}" if isinstance(value, float) else f"{name} = {value}" for name, value in named
            ),
            measure(part, LEVEL),
            measure(part, strict),
        )
        for key, part in parts
        for named in [list(zip(names, key, strict=True))]
    ]
    return ForAll(tuple(settings), note)


def _in_order(value: object) -> tuple[bool, float, str]:
    """Numbers by size, before words by their letters."""
    is_number = isinstance(value, (int, float))
    return (not is_number, float(value) if isinstance(value, (int, float)) else 0.0, "" if is_number else str(value))


def judge(estimate: Estimate, expected: Region) -> Verdict:
    """Hold, fail or stay open.

    One estimate ``holds`` if its whole interval lies in the region, ``fails`` if it lies wholly outside, else it is
    ``inconclusive``, as is one that is no number (nothing could be measured). The rate of fewer than 17 seeds holds
    only if it would with as many bad seeds as so few can miss (`with_unseen_seeds`).

    A statement about all settings ``holds`` if each does (an intersection–union test, which needs no correction),
    and ``fails`` if one lies wholly outside at the level divided by the number of settings.
    """
    if isinstance(estimate, ForAll):
        if not estimate.settings:
            return "inconclusive"
        if estimate.enough and all(judge(one.interval, expected) == "holds" for one in estimate.settings):
            return "holds"
        return "fails" if any(judge(one.strict, expected) == "fails" for one in estimate.settings) else "inconclusive"
    if math.isnan(estimate.value):
        return "inconclusive"
    sure: Interval = estimate
    if isinstance(estimate, RateInterval) and too_few_seeds(estimate):
        sure = with_unseen_seeds(estimate)
    if expected.low <= sure.low and sure.high <= expected.high:
        return "holds"
    if estimate.high < expected.low or expected.high < estimate.low:
        return "fails"
    return "inconclusive"


def too_few_seeds(estimate: Interval) -> bool:
    """Whether an estimate is a rate over too few seeds to notice that one in five fails."""
    return isinstance(estimate, RateInterval) and estimate.seeds < ENOUGH_SEEDS


def deciding(estimate: ForAll, expected: Region) -> Setting | None:
    """The setting that decides: the one furthest outside, or else the one that reaches furthest out of the region.

    A setting of which nothing is known decides where none lies outside. None if there are no settings.
    """

    def reach(one: Setting) -> tuple[bool, float]:
        outside = max(one.strict.low - expected.high, expected.low - one.strict.high)
        return (True, outside) if outside > 0 else (False, _margin_missed(one.interval, expected))

    return max(estimate.settings, key=reach, default=None)


def decisive(estimate: Estimate, expected: Region) -> Interval:
    """The interval to show: of several settings, that of the deciding one (`deciding`)."""
    if not isinstance(estimate, ForAll):
        return estimate
    found = deciding(estimate, expected)
    return Interval(math.nan, -math.inf, math.inf, 0) if found is None else found.interval


def _margin_missed(estimate: Interval, expected: Region) -> float:
    """How far an interval reaches over the nearer end of a region; negative inside; NaN counts as furthest."""
    over = max(estimate.high - expected.high, expected.low - estimate.low)
    return math.inf if math.isnan(over) else over


def deciding_seeds(estimate: Interval, expected: Region) -> int | None:
    """The seeds at which an interval as wide as this one, shrunk about its value, crosses no end of a region."""
    value, low, high, seeds, _ = estimate
    if math.isnan(value):
        return None
    factors = []
    for end in expected:
        if math.isfinite(end) and low <= end <= high:
            if end == value or not (math.isfinite(low) and math.isfinite(high)):
                return None
            factors.append(((high - value if end > value else value - low) / abs(end - value)) ** 2)
    enough = [ENOUGH_SEEDS] if too_few_seeds(estimate) else []
    return max([*enough, *(math.ceil(seeds * factor) for factor in factors)], default=None)
