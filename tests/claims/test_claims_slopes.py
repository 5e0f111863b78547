"""Slopes recover the exponents they are given; crossings are where they were put."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iclscope.evaluation import first_below, log_log_slope, slope_over_seeds


@given(
    exponent=st.floats(-3, 3),
    factor=st.floats(1e-3, 1e3),
    x=st.lists(st.integers(1, 1000), min_size=3, max_size=8, unique=True),
)
def test_a_power_law_gives_its_exponent(exponent: float, factor: float, x: list[int]) -> None:
    assert log_log_slope(x, [factor * v**exponent for v in x]) == pytest.approx(exponent, abs=1e-6)


def test_points_without_a_logarithm_are_left_out() -> None:
    x = [1, 2, 4, 8, 16, 32, 64]
    y = [1, 4, 16, 64, math.nan, 0.0, math.inf]
    assert log_log_slope(x, y) == pytest.approx(2)
    assert log_log_slope([0, -1, *x], [5, 5, *y]) == pytest.approx(2)
    assert math.isnan(log_log_slope([1, 2], [1, 4]))
    assert math.isnan(log_log_slope([2, 2, 2], [1, 4, 5]))
    assert log_log_slope([1, 1, 4], [2, 2, 8]) == pytest.approx(1), "two places are enough"
    assert math.isnan(log_log_slope([1, 2, 3], [1, 4, math.nan]))


def test_noise_averages_out() -> None:
    generator = np.random.default_rng(0)
    x = np.geomspace(1, 100, 30)
    curves = [(x.tolist(), (x**-0.67 * np.exp(generator.normal(0, 0.1, 30))).tolist()) for _ in range(10)]
    slope = slope_over_seeds(curves)
    assert slope.seeds == 10
    assert slope.low < -0.67 < slope.high
    assert slope.high - slope.low < 0.05
    assert slope.value == pytest.approx(float(np.mean([np.polyfit(np.log(a), np.log(b), 1)[0] for a, b in curves])))


def test_a_seed_without_a_slope_may_have_any() -> None:
    line = ([1, 2, 4], [1, 2, 4])
    assert slope_over_seeds([line, line]) == pytest.approx((1, 1, 1, 2, 0))
    found = slope_over_seeds([line, line, ([1, 2, 4], [1, math.nan, 4])])
    assert found == pytest.approx((1, -math.inf, math.inf, 3, 1))


@given(rate=st.floats(0.05, 2), level=st.floats(0.01, 0.9))
def test_exponential_decay_crosses_exactly(rate: float, level: float) -> None:
    """Interpolation in log y is exact for e^{−rate·x}."""
    x = [float(v) for v in range(0, 400, 3)]
    expected = -math.log(level) / rate
    assert first_below(x, [math.exp(-rate * v) for v in x], level) == pytest.approx(expected, rel=1e-9)


def test_crossings_by_hand() -> None:
    assert first_below([0, 10, 20], [1.0, 0.1, 0.01], 0.1) == 10
    assert first_below([0, 10, 20], [4.0, 1.0, 0.25], 2.0) == pytest.approx(5)
    assert first_below([0, 10, 20], [1.0, 4.0, 0.25], 2.0) == 0
    assert first_below([5, 10], [0.5, 0.1], 0.5) == 5
    assert first_below([0, 10, 20, 30], [1.0, 0.5, 1.0, 0.1], 0.6) < 10  # the first, though the curve comes back


def test_a_level_that_is_never_reached() -> None:
    assert math.isnan(first_below([0, 10, 20], [1.0, 0.9, 0.8], 0.5))
    assert math.isnan(first_below([], [], 0.5))
    assert math.isnan(first_below([0, 10], [math.nan, math.nan], 0.5))
    assert math.isnan(first_below([0, 10], [1.0, math.nan], 0.5))


def test_a_risk_of_zero_is_below_every_level() -> None:
    crossing = first_below([0, 10], [1.0, 0.0], 0.5)
    assert 0 < crossing < 1


@pytest.mark.parametrize("before", [math.nan, math.inf])
def test_a_point_that_is_missing_does_not_hide_the_crossing(before: float) -> None:
    crossing = first_below([0, 10, 20], [1.0, before, 0.1], 0.5)
    assert 0 < crossing <= 20
