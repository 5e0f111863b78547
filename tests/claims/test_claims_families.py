"""Statements about every one of several settings: each is judged on its own, and the one that decides is shown."""

from __future__ import annotations

import math

import polars as pl
import pytest

from iclscope.claims.claim import Verdict
from iclscope.claims.families import ForAll, Region, Setting, decisive, for_all, judge
from iclscope.claims.intervals import ENOUGH_SEEDS, Interval, RateInterval, mean_interval

WITHIN = Region(high=1.0)
INSIDE, AT_BORDER, OUTSIDE = (Interval(value, value - 0.1, value + 0.1, 20) for value in (0.5, 1.0, 1.5))


def setting(interval: Interval, strict: Interval | None = None, name: str = "S1 = 1.1") -> Setting:
    return Setting(name, interval, interval if strict is None else strict)


def every(*intervals: Interval, enough: bool = True) -> ForAll:
    return ForAll(tuple(map(setting, intervals)), enough=enough)


@pytest.mark.parametrize(
    ("intervals", "verdict"),
    [
        ((INSIDE,), "holds"),
        ((INSIDE, INSIDE, INSIDE), "holds"),
        ((INSIDE, AT_BORDER, INSIDE), "inconclusive"),
        ((INSIDE, INSIDE, OUTSIDE), "fails"),
        ((AT_BORDER, OUTSIDE, AT_BORDER), "fails"),
        ((AT_BORDER, AT_BORDER), "inconclusive"),
        ((OUTSIDE, OUTSIDE), "fails"),
    ],
)
def test_all_settings_must_hold_and_one_refutes(intervals: tuple[Interval, ...], verdict: Verdict) -> None:
    assert judge(every(*intervals), WITHIN) == verdict
    assert judge(every(*reversed(intervals)), WITHIN) == verdict


def test_the_setting_with_the_larger_mean_does_not_hide_one_that_is_less_sure() -> None:
    sure, unsure = Interval(0.98, 0.98, 0.98, 20), Interval(0.9, 0.5, 1.3, 20)
    assert judge(every(sure, unsure), WITHIN) == "inconclusive"
    assert decisive(every(sure, unsure), WITHIN) == unsure


def test_one_of_many_refutes_at_the_level_of_one_of_many() -> None:
    """At 95 % it lies outside; with as many settings as there are one in twenty would, by chance."""
    usual, strict = Interval(1.5, 1.01, 1.99, 20), Interval(1.5, 0.9, 2.1, 20)
    assert judge(usual, WITHIN) == "fails"
    assert judge(ForAll((setting(INSIDE), setting(usual, strict))), WITHIN) == "inconclusive"
    assert judge(ForAll((setting(INSIDE), setting(usual, usual))), WITHIN) == "fails"
    # To hold there is nothing to correct: the usual interval counts.
    assert judge(ForAll((setting(INSIDE, strict), setting(INSIDE, strict))), WITHIN) == "holds"


def test_without_a_setting_nothing_is_said() -> None:
    assert judge(ForAll(()), WITHIN) == "inconclusive"
    shown = decisive(ForAll(()), WITHIN)
    assert math.isnan(shown.value)
    assert shown[1:] == (-math.inf, math.inf, 0, 0)


def test_a_constant_that_does_not_serve_its_reference_holds_nowhere() -> None:
    assert judge(every(INSIDE, INSIDE, enough=False), WITHIN) == "inconclusive"
    # A control that misses the target misses it by any constant.
    assert judge(every(INSIDE, OUTSIDE, enough=False), WITHIN) == "fails"


def test_a_setting_of_which_nothing_is_known_leaves_all_open() -> None:
    nothing = Interval(math.nan, -math.inf, math.inf, 20, 20)
    assert judge(every(INSIDE, nothing), WITHIN) == "inconclusive"
    assert decisive(every(INSIDE, nothing), WITHIN) == nothing
    assert judge(every(OUTSIDE, nothing), WITHIN) == "fails"


def test_rates_of_few_seeds_hold_in_no_setting() -> None:
    few, many = (RateInterval(0.0, 0.0, 0.01, seeds) for seeds in (ENOUGH_SEEDS - 1, ENOUGH_SEEDS))
    assert judge(every(many, many), Region(high=0.1)) == "holds"
    assert judge(every(many, few), Region(high=0.1)) == "inconclusive"


@pytest.mark.parametrize(
    ("expected", "shown"),
    [
        (Region(high=1.0), OUTSIDE),
        (Region(low=0.7), INSIDE),
        (Region(0.9, 2.0), INSIDE),
        (Region(0.0, 1.2), OUTSIDE),
        (Region(-9.0, 9.0), OUTSIDE),  # all inside: the one nearest to leaving it
    ],
)
def test_the_setting_that_decides_is_the_one_farthest_out_or_nearest_to_leaving(
    expected: Region, shown: Interval
) -> None:
    assert decisive(every(INSIDE, AT_BORDER, OUTSIDE), expected) == shown
    assert decisive(shown, expected) == shown


def test_of_settings_outside_the_one_whose_near_end_is_farthest_decides() -> None:
    far, long, across = Interval(1.55, 1.5, 1.6, 20), Interval(1.8, 1.2, 2.4, 20), Interval(2.0, 0.9, 3.1, 20)
    assert decisive(every(across, far, long), WITHIN) == far
    below = [Interval(-one.value, -one.high, -one.low, 20) for one in (across, far, long)]
    assert decisive(every(*below), Region(low=-1.0)) == below[1]


def test_a_setting_that_touches_the_region_from_outside_does_not_lie_outside() -> None:
    """Its end belongs to the region, so the one that reaches farther out is shown."""
    touching, across = Interval(1.1, 1.0, 1.2, 20), Interval(0.9, 0.2, 1.6, 20)
    assert judge(every(touching, across), WITHIN) == "inconclusive"
    assert decisive(every(touching, across), WITHIN) == across
    below = [Interval(-one.value, -one.high, -one.low, 20) for one in (touching, across)]
    assert decisive(every(*below), Region(low=-1.0)) == below[1]


def rows_of(risks: dict[float, list[float]]) -> pl.DataFrame:
    return pl.DataFrame(
        [{"S1": S1, "seed": seed, "risk": risk} for S1, values in risks.items() for seed, risk in enumerate(values)]
    )


def test_each_setting_is_measured_on_its_rows_at_both_levels() -> None:
    rows = rows_of({1.4: [0.3, 0.4, 0.5], 1.1: [0.1, 0.2, 0.3], 1.3: [0.2, 0.2, 0.3]})
    found = for_all(rows, "S1", lambda part, level: mean_interval(part["risk"].to_list(), level=level), note="c = 2")
    assert [one.name for one in found.settings] == ["S1 = 1.1", "S1 = 1.3", "S1 = 1.4"]
    assert found.settings[0].interval == mean_interval([0.1, 0.2, 0.3])
    assert found.settings[2].strict == mean_interval([0.3, 0.4, 0.5], level=1 - 0.05 / 3)
    assert (found.note, found.enough, math.isnan(found.constant)) == ("c = 2", True, True)
    assert all(math.isnan(one.needs) for one in found.settings)


def test_settings_are_told_apart_by_all_columns_that_are_named() -> None:
    rows = pl.DataFrame(
        {"domain": ["out", "in", "out", "in"], "alpha": [0.8, 0.8, 1.0, 1.0], "risk": [1.0, 2.0, 3.0, 4.0]}
    )
    found = for_all(rows, ("domain", "alpha"), lambda part, _: Interval(part["risk"].sum(), 0, 9, len(part)))
    assert [(one.name, one.interval.value) for one in found.settings] == [
        ("domain = in, alpha = 0.8", 2.0),
        ("domain = in, alpha = 1", 4.0),
        ("domain = out, alpha = 0.8", 1.0),
        ("domain = out, alpha = 1", 3.0),
    ]
    assert for_all(rows.head(0), "alpha", lambda *_: INSIDE).settings == ()


def test_numbers_are_in_the_order_of_numbers() -> None:
    rows = pl.DataFrame({"N": [10, 5, 40, 5], "M": [1, 20, 3, 3]})
    found = for_all(rows, ("N", "M"), lambda *_: INSIDE)
    assert [one.name for one in found.settings] == ["N = 5, M = 3", "N = 5, M = 20", "N = 10, M = 1", "N = 40, M = 3"]


def test_a_single_setting_is_judged_as_one_estimate() -> None:
    rows = rows_of({1.1: [0.9, 1.0, 1.2]})
    found = for_all(rows, "S1", lambda part, level: mean_interval(part["risk"].to_list(), level=level))
    assert found.settings[0].interval == pytest.approx(found.settings[0].strict)
    assert judge(found, WITHIN) == judge(found.settings[0].interval, WITHIN) == "inconclusive"
