"""Intervals: by hand, against SciPy, and by how often they cover the truth."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from iclscope.evaluation import Interval, mean_interval, rate_difference_interval, rate_interval


def test_by_hand() -> None:
    # Mean 3, standard deviation √2.5, t(4; 0.975) = 2.776445.
    half = 2.7764451 * math.sqrt(2.5 / 5)
    assert mean_interval([1, 2, 3, 4, 5]) == pytest.approx((3, 3 - half, 3 + half, 5), rel=1e-7)
    # t(1; 0.975) = 12.7062047, standard deviation √2/2·2.
    assert mean_interval([0.0, 2.0]) == pytest.approx((1, 1 - 12.7062047, 1 + 12.7062047, 2), rel=1e-7)


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=30))
def test_against_scipy(values: list[float]) -> None:
    found = mean_interval(values)
    assert found.seeds == len(values)
    assert found.low <= found.value <= found.high
    if np.std(values) > 1e-9:
        low, high = stats.ttest_1samp(values, 0).confidence_interval(0.95)
        assert found.low == pytest.approx(low, rel=1e-6, abs=1e-6)
        assert found.high == pytest.approx(high, rel=1e-6, abs=1e-6)


def test_one_seed_is_not_an_interval() -> None:
    assert mean_interval([0.3]) == Interval(0.3, -math.inf, math.inf, 1)


def test_runs_that_diverged_are_left_out() -> None:
    assert mean_interval([math.nan, 1.0, 2.0, 3.0, math.inf]) == mean_interval([1.0, 2.0, 3.0])
    for values in ([], [math.nan], [math.nan, math.nan]):
        value, low, high, seeds = mean_interval(values)
        assert math.isnan(value)
        assert (low, high, seeds) == (-math.inf, math.inf, 0)


def test_mean_intervals_cover_the_mean_in_95_of_100() -> None:
    generator = np.random.default_rng(0)
    for seeds in (2, 5, 20):
        samples = generator.normal(3.0, 2.0, size=(2000, seeds))
        covered = sum(low <= 3.0 <= high for _, low, high, _ in map(mean_interval, samples.tolist()))
        assert abs(covered / 2000 - 0.95) < 5 * math.sqrt(0.95 * 0.05 / 2000)


def test_no_error_in_any_seed_is_not_certainty() -> None:
    found = rate_interval([0.0] * 5, 1000)
    assert found.value == found.low == 0
    assert found.high == pytest.approx(1 - 0.025 ** (1 / 5000))  # Clopper and Pearson for 0 of 5000
    assert found.seeds == 5
    always = rate_interval([1.0] * 5, 1000)
    assert always.value == always.high == 1
    assert always.low == pytest.approx(0.025 ** (1 / 5000))


def test_rates_are_uncertain_by_seed_and_by_prompt() -> None:
    by_seed = rate_interval([0.1, 0.5, 0.3], 10**6)
    assert by_seed[:3] == pytest.approx((0.3, 0.0, 0.3 + 4.3026527 * 0.2 / math.sqrt(3)), abs=1e-6)
    exact = stats.binomtest(60, 200).proportion_ci(0.95, method="exact")
    by_prompt = rate_interval([0.3, 0.3], 100)
    assert by_prompt == pytest.approx((0.3, exact.low, exact.high, 2))
    one = rate_interval([0.3], 100)
    assert (one.low, one.high, one.seeds) == (0.0, 1.0, 1)


@given(wrong=st.lists(st.integers(0, 40), min_size=1, max_size=8), diverged=st.integers(0, 2))
def test_rate_intervals_are_within_zero_and_one_and_hold_both(wrong: list[int], diverged: int) -> None:
    rates = [k / 40 for k in wrong] + [math.nan] * diverged
    found = rate_interval(rates, 40)
    exact = stats.binomtest(sum(wrong), 40 * len(wrong)).proportion_ci(0.95, method="exact")
    by_seed = mean_interval(rates)
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert found.low <= min(exact.low, max(by_seed.low, 0)) + 1e-12
    assert found.high >= max(exact.high, min(by_seed.high, 1)) - 1e-12
    assert found.seeds == len(wrong)


def test_no_seed_no_rate() -> None:
    assert rate_interval([math.nan], 100).seeds == 0


def test_rate_intervals_cover_the_rate() -> None:
    """At least 95 of 100: the union of two intervals may be wider, and is where errors are rare."""
    generator = np.random.default_rng(1)
    for rate in (0.001, 0.02, 0.3):
        rates = generator.binomial(200, rate, size=(150, 5)) / 200
        covered = sum(low <= rate <= high for _, low, high, _ in (rate_interval(row, 200) for row in rates.tolist()))
        assert covered / 150 > 0.95 - 5 * math.sqrt(0.95 * 0.05 / 150)


def test_a_difference_of_two_rates_without_errors_is_uncertain() -> None:
    found = rate_difference_interval([0.0, 0.0], [0.0, 0.0], prompts=500)
    assert found.value == 0
    assert -0.01 < found.low < 0 < found.high < 0.01


def test_a_difference_of_two_rates_against_newcombe_by_hand() -> None:
    """64/80 less 48/80: the Wilson limits are roots of (p − rate)² = z² p(1 − p)/n."""
    z = stats.norm.ppf(0.975)

    def wilson(rate: float) -> tuple[float, float]:
        roots = np.roots([1 + z**2 / 80, -(2 * rate + z**2 / 80), rate**2])
        return float(min(roots)), float(max(roots))

    (low_1, high_1), (low_2, high_2) = wilson(0.8), wilson(0.6)
    found = rate_difference_interval([0.8, 0.8], [0.6, 0.6], prompts=40)
    assert found.low == pytest.approx(0.2 - math.hypot(0.8 - low_1, high_2 - 0.6))
    assert found.high == pytest.approx(0.2 + math.hypot(high_1 - 0.8, 0.6 - low_2))


def test_a_difference_holds_the_truth_about_as_often_as_it_says() -> None:
    generator = np.random.default_rng(0)
    held = 0
    for _ in range(300):
        first, second = (generator.binomial(400, rate, size=5) / 400 for rate in (0.05, 0.02))
        found = rate_difference_interval(first.tolist(), second.tolist(), prompts=400)
        held += found.low <= 0.03 <= found.high
    assert held / 300 >= 0.95
