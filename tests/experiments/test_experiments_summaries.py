"""Rows → intervals, on frames small enough to do by hand."""

from __future__ import annotations

import math

import polars as pl
import pytest

from iclscope.evaluation.intervals import rate_interval
from iclscope.experiments.summaries import over_seeds, per_seed, rate_over_seeds, slope_of, summarise

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


def test_runs_without_a_number_are_left_out_and_counted() -> None:
    rows = frame(seed=[0, 1, 2, 3], x=[1.0, None, float("nan"), 3.0])
    found = over_seeds(rows, "x")
    assert (found.value, found.seeds) == (2.0, 2)
    assert math.isnan(per_seed(rows, "x")[1])
    empty = over_seeds(rows.head(0), "x")
    assert math.isnan(empty.value)
    assert (empty.low, empty.high, empty.seeds) == (-math.inf, math.inf, 0)


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


def test_a_seed_with_too_few_points_is_left_out() -> None:
    rows = frame(seed=[0, 0, 0, 1, 1, 1], x=[1.0, 2.0, 4.0, 1.0, 2.0, 4.0], y=[4.0, 2.0, 1.0, 5.0, None, float("nan")])
    found = slope_of(rows, "x", "y")
    assert (found.value, found.seeds) == (pytest.approx(-1.0), 1)
    assert found.high == math.inf
    assert math.isnan(slope_of(rows.filter(pl.col("seed") == 1), "x", "y").value)
