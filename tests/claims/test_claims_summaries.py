"""Rows → intervals, on frames small enough to do by hand."""

from __future__ import annotations

import math

import polars as pl
import pytest

from iclscope.claims.intervals import Interval, RateInterval, bounded_mean, rate_interval
from iclscope.claims.summaries import (
    mean_at_every,
    over_seeds,
    per_seed,
    rate_at_every,
    rate_over_seeds,
    slope_of,
    summarise,
)

T_2 = 4.302652729911275  # Student's t, 97.5 %, two degrees of freedom: a table


def frame(**columns: list[object]) -> pl.DataFrame:
    return pl.DataFrame(columns)


def test_several_rows_of_a_seed_are_averaged_first() -> None:
    rows = frame(seed=[2, 0, 0, 1], x=[7.0, 1.0, 3.0, 3.0])
    assert per_seed(rows, "x") == [2.0, 3.0, 7.0]
    found = over_seeds(rows, "x")
    # Seeds' means 2, 3, 7: mean 4, standard deviation √7, three seeds. Rows alone would have given 3.5.
    assert found.value == pytest.approx(4.0)
    half = T_2 * math.sqrt(7) / math.sqrt(3)
    assert (found.low, found.high) == pytest.approx((4 - half, 4 + half))
    assert found.seeds == 3


def test_runs_without_a_number_stand_for_all_that_they_could_have_been() -> None:
    rows = frame(seed=[0, 1, 2, 3], x=[1.0, None, float("nan"), 3.0])
    assert over_seeds(rows, "x") == Interval(2.0, -math.inf, math.inf, 4, missing=2)
    assert math.isnan(per_seed(rows, "x")[1])
    empty = over_seeds(rows.head(0), "x")
    assert math.isnan(empty.value)
    assert (empty.low, empty.high, empty.seeds) == (-math.inf, math.inf, 0)


@pytest.mark.parametrize(
    ("column", "least", "most"),
    [
        ("hinge_risk", 0, math.inf),
        ("relative_risk", 0, math.inf),
        ("classification_error", 0, 1),
        ("attention_concentration", 0, 1),
        ("attention", 0, 1),
        ("dominant_attention", 0, 1),
        ("same_pattern", 0, 1),
        ("best_head", 0, 1),
        ("neighbour", 0, 1),
        ("small", 0, 1),
        ("small_share", 0, 1),
        ("layers", 0, 3),
        ("angle", 0, math.pi),
        ("steps", 0, math.inf),
        ("stopped_at", 0, math.inf),
        ("cosine", -math.inf, math.inf),
    ],
)
def test_each_quantity_has_its_own_range(column: str, least: float, most: float) -> None:
    rows = pl.DataFrame({"seed": [0, 1, 2], column: [0.4, None, 0.5]})
    known = [0.4, 0.5]
    expected = bounded_mean([*known, least], [*known, most], value=0.45, missing=1, least=least, most=most)
    assert over_seeds(rows, column)[1:] == expected[1:]
    assert (expected.low > -math.inf, expected.high < math.inf) == (least > -math.inf, most < math.inf)


def test_a_seed_with_one_value_missing_has_no_mean() -> None:
    """The mean of its other settings would be of those that were easy."""
    rows = frame(seed=[0, 0, 1, 1], hinge_risk=[0.1, None, 0.1, 0.3])
    assert math.isnan(per_seed(rows, "hinge_risk")[0])
    assert per_seed(rows, "hinge_risk")[1] == pytest.approx(0.2)
    found = over_seeds(rows, "hinge_risk")
    assert (found.value, found.seeds, found.missing, found.high) == (pytest.approx(0.2), 2, 1, math.inf)


def test_a_rate_knows_of_seeds_and_prompts() -> None:
    # Two settings tested on the same 100 prompts a seed are still 100 prompts a seed.
    rows = frame(
        seed=[0, 0, 1, 1], prompts=[100, 100, 100, 100], classification_error=[0.0, 0.0, 0.0, 0.0], length=[1, 2, 1, 2]
    )
    found = rate_over_seeds(rows)
    assert found == rate_interval([0.0, 0.0], 100)
    # Clopper–Pearson of no error in 200: the upper end is 1 − 0.025^(1/200).
    assert found.high == pytest.approx(1 - 0.025 ** (1 / 200))
    assert found.low == 0
    assert rate_over_seeds(rows.filter(pl.col("length") == 1)).high == pytest.approx(1 - 0.025 ** (1 / 200))
    assert math.isnan(rate_over_seeds(rows.head(0)).value)


def test_summaries_are_sorted_points_with_intervals() -> None:
    rows = frame(x=[4, 1, 4, 1, None], seed=[0, 0, 1, 1, 0], y=[40.0, 10.0, 42.0, 10.0, 99.0])
    points = summarise(rows, "x", "y")
    assert points.columns == ["x", "value", "low", "high"]
    assert points["x"].to_list() == [1, 4]
    assert points["value"].to_list() == [10.0, 41.0]
    assert points["low"][0] == points["high"][0] == 10.0
    t_1 = 12.706204736432095
    assert points["high"][1] == pytest.approx(41 + t_1 * math.sqrt(2) / math.sqrt(2))


def test_summaries_of_rates_and_of_nothing() -> None:
    rows = frame(x=[1, 1], seed=[0, 1], y=[0.0, 0.0], prompts=[50, 50])
    assert summarise(rows, "x", "y", rate=True)["high"][0] == pytest.approx(1 - 0.025 ** (1 / 100))
    assert summarise(rows, "x", "y")["high"][0] == 0
    assert summarise(rows.head(0), "x", "y").is_empty()


def test_slopes_are_fitted_to_each_seed() -> None:
    # Seed 0 grows as x², seed 1 as x; the rows are shuffled, and another factor of seed 1 must not matter.
    x = [1.0, 4.0, 2.0]
    rows = frame(
        seed=[0, 0, 0, 1, 1, 1],
        x=[*x, *x],
        y=[*(v**2 for v in x), *(300 * v for v in x)],
    ).sample(fraction=1.0, shuffle=True, seed=3)
    found = slope_of(rows, "x", "y")
    assert found.value == pytest.approx(1.5)
    assert found.seeds == 2
    # 1.5 ± t₁ · (1/√2) / √2.
    assert found.high - found.value == pytest.approx(12.706204736432095 / 2)


def test_a_seed_with_a_missing_point_may_have_any_slope() -> None:
    rows = frame(seed=[0, 0, 0, 1, 1, 1], x=[1.0, 2.0, 4.0, 1.0, 2.0, 4.0], y=[4.0, 2.0, 1.0, 5.0, None, float("nan")])
    found = slope_of(rows, "x", "y")
    assert found == Interval(pytest.approx(-1.0), -math.inf, math.inf, 2, missing=1)
    assert math.isnan(slope_of(rows.filter(pl.col("seed") == 1), "x", "y").value)


def curves(last: float | None, first: float | None = 4.0) -> pl.DataFrame:
    """Three seeds with y = 4/x; of a fourth the first or the last point is another."""
    x = [1.0, 2.0, 4.0]
    y = [4.0, 2.0, 1.0] * 3 + [first, 2.0, last]
    return frame(seed=[seed for seed in range(4) for _ in x], x=x * 4, y=y)


def test_a_value_that_is_at_least_known_bounds_the_slope_from_one_side() -> None:
    # log2 of x is −1, 0, 1 about its mean: the slope is half the difference of the last and the first log2.
    right = slope_of(curves(last=None), "x", "y", at_least=8.0)
    assert right.low == pytest.approx(slope_of(curves(last=8.0), "x", "y").low)
    assert (right.value, right.high, right.seeds, right.missing) == (pytest.approx(-1.0), math.inf, 4, 1)
    left = slope_of(curves(last=1.0, first=None), "x", "y", at_least=8.0)
    assert left.high == pytest.approx(slope_of(curves(last=1.0, first=8.0), "x", "y").high)
    assert (left.low, left.missing) == (-math.inf, 1)
    both = slope_of(curves(last=None, first=None), "x", "y", at_least=8.0)
    assert (both.low, both.high) == (-math.inf, math.inf)


def test_a_point_in_the_middle_says_nothing_of_the_slope() -> None:
    x = [1.0, 2.0, 4.0]
    rows = frame(seed=[0] * 3 + [1] * 3, x=x * 2, y=[4.0, None, 1.0, 4.0, 2.0, 1.0])
    found = slope_of(rows, "x", "y", at_least=8.0)
    assert found[:3] == pytest.approx((-1.0, -1.0, -1.0))


def test_of_a_run_that_diverged_not_even_the_least_is_known() -> None:
    rows = curves(last=None).with_columns(diverged_at=pl.when(pl.col("y").is_null()).then(5))
    found = slope_of(rows, "x", "y", at_least=8.0)
    assert (found.low, found.high, found.missing) == (-math.inf, math.inf, 1)


def test_slopes_of_another_level_are_wider() -> None:
    rows = curves(last=1.1)
    usual, strict = slope_of(rows, "x", "y"), slope_of(rows, "x", "y", level=0.99)
    assert strict.low < usual.low < usual.value == strict.value < usual.high < strict.high


def test_settings_are_measured_one_by_one_in_their_order() -> None:
    rows = frame(
        seed=[0, 1] * 3, S1=[1.4, 1.4, 1.1, 1.1, 1.3, 1.3], hinge_risk=[0.4, 0.4, 0.1, 0.1, 0.3, 0.3],
        classification_error=[0.0] * 6, prompts=[50] * 6,
    )  # fmt: skip
    means = mean_at_every(rows, "S1", "hinge_risk")
    assert [one.name for one in means.settings] == ["S1 = 1.1", "S1 = 1.3", "S1 = 1.4"]
    assert [one.interval.value for one in means.settings] == pytest.approx([0.1, 0.3, 0.4])
    rates = rate_at_every(rows, ("S1", "prompts"))
    assert rates.settings[0].name == "S1 = 1.1, prompts = 50"
    assert all(isinstance(one.interval, RateInterval) for one in rates.settings)
    # One of three may refute all: at 1 − 0.05/3.
    assert rates.settings[0].strict.high == pytest.approx(1 - (0.05 / 6) ** (1 / 100))
    assert mean_at_every(rows.head(0), "S1", "hinge_risk").settings == ()
