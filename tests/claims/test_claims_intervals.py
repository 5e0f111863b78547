"""Intervals: by hand, against SciPy, and by how often they cover the truth."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from iclscope.claims.intervals import bounded_mean, share_limits, upper_ends
from iclscope.evaluation import Interval, mean_interval, rate_difference_interval, rate_interval


def test_by_hand() -> None:
    # Mean 3, standard deviation √2.5, t(4; 0.975) = 2.776445.
    half = 2.7764451 * math.sqrt(2.5 / 5)
    assert mean_interval([1, 2, 3, 4, 5]) == pytest.approx((3, 3 - half, 3 + half, 5, 0), rel=1e-7)
    # t(1; 0.975) = 12.7062047, standard deviation √2/2·2.
    assert mean_interval([0.0, 2.0]) == pytest.approx((1, 1 - 12.7062047, 1 + 12.7062047, 2, 0), rel=1e-7)


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=30))
def test_never_narrower_than_students_by_scipy(values: list[float]) -> None:
    found = mean_interval(values)
    assert (found.seeds, found.missing) == (len(values), 0)
    assert found.low - 1e-9 * abs(found.low) <= found.value <= found.high + 1e-9 * abs(found.high)
    if np.std(values) > 1e-9:
        low, high = stats.ttest_1samp(values, 0).confidence_interval(0.95)
        assert found.low <= low + 1e-6 * max(1, abs(low))
        assert found.high >= high - 1e-6 * max(1, abs(high))


def test_one_seed_is_not_an_interval() -> None:
    assert mean_interval([0.3]) == Interval(0.3, -math.inf, math.inf, 1)
    assert mean_interval([0.3], least=0, most=1) == Interval(0.3, 0, 1, 1)


def test_a_seed_without_a_value_may_have_any() -> None:
    found = mean_interval([math.nan, 1.0, 2.0, 3.0, math.inf])
    assert found == Interval(2.0, -math.inf, math.inf, 5, missing=2)
    for values in ([], [math.nan], [math.nan, math.nan]):
        value, low, high, seeds, missing = mean_interval(values)
        assert math.isnan(value)
        assert (low, high, seeds, missing) == (-math.inf, math.inf, len(values), len(values))


def test_a_seed_without_a_value_stands_for_both_ends_of_what_is_possible() -> None:
    values = [math.nan, 1.0, 2.0, 3.0, math.inf]
    found = mean_interval(values, least=0.0, most=10.0)
    assert (found.value, found.seeds, found.missing) == (2.0, 5, 2)
    assert found.low == mean_interval([0.0, 1.0, 2.0, 3.0, 0.0], least=0.0).low
    assert found.high == mean_interval([10.0, 1.0, 2.0, 3.0, 10.0], most=10.0).high
    # One open end: 8 of 10 runs that diverged say nothing of how large the risk is.
    most = mean_interval([1.0, 1.001] + [math.nan] * 8, least=0.0)
    assert (most.high, most.missing) == (math.inf, 8)
    assert 0.0 <= most.low < 0.5


def test_intervals_stay_within_what_is_possible() -> None:
    values = [0.0, 0.0, 0.9, 1.0, 1.0]
    assert mean_interval(values).low < 0 < 1 < mean_interval(values).high
    assert mean_interval(values, least=0, most=1)[1:3] == (0, 1)


def test_bounds_of_single_seeds_make_an_interval_from_the_least_to_the_most() -> None:
    found = bounded_mean([0.0, 1.0, 2.0], [1.0, 1.0, 5.0], value=1.5, missing=2)
    assert found == Interval(1.5, mean_interval([0, 1, 2]).low, mean_interval([1, 1, 5]).high, 3, 2)
    assert bounded_mean([0.0, -math.inf], [1.0, 2.0], value=1.0, missing=1).low == -math.inf
    assert bounded_mean([0.0, 1.0], [1.0, math.inf], value=1.0, missing=1, most=9.0).high == 9.0
    assert bounded_mean([0.2], [0.4], value=0.3, missing=1, least=0, most=1) == Interval(0.3, 0, 1, 1, 1)


def test_another_level_is_another_width() -> None:
    values = [1.0, 2.0, 3.0, 4.0, 5.0]
    widths = [found.high - found.low for found in (mean_interval(values, level=level) for level in (0.5, 0.95, 0.99))]
    assert widths == sorted(widths)
    assert widths[2] == pytest.approx(2 * stats.t.ppf(0.995, 4) * math.sqrt(2.5 / 5))
    assert rate_interval([0.0] * 5, 1000, level=0.99).high == pytest.approx(1 - 0.005 ** (1 / 5000))
    wide, usual = (rate_difference_interval([0.1, 0.2], [0.0, 0.1], 40, level=level) for level in (0.99, 0.95))
    assert wide.low < usual.low < usual.high < wide.high


def test_mean_intervals_cover_the_mean_in_at_least_95_of_100() -> None:
    """Of values that scatter evenly: by Student's interval alone it would be 95, the second bound adds at most 3."""
    generator = np.random.default_rng(0)
    for seeds in (2, 5, 20):
        samples = generator.normal(3.0, 2.0, size=(4000, seeds))
        covered = np.mean((-upper_ends(-samples) <= 3.0) & (upper_ends(samples) >= 3.0))
        error = math.sqrt(0.95 * 0.05 / 4000)
        assert 0.95 - 4 * error < covered < 0.98 + 4 * error
        one = mean_interval(samples[0].tolist())
        assert (one.low, one.high) == (-float(upper_ends(-samples[0])), float(upper_ends(samples[0])))


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
    assert by_prompt == pytest.approx((0.3, exact.low, exact.high, 2, 0))
    one = rate_interval([0.3], 100)
    assert (one.low, one.high, one.seeds) == (0.0, 1.0, 1)


@given(wrong=st.lists(st.integers(0, 40), min_size=1, max_size=8), diverged=st.integers(0, 2))
def test_rate_intervals_are_within_zero_and_one_and_hold_both(wrong: list[int], diverged: int) -> None:
    rates = [k / 40 for k in wrong] + [math.nan] * diverged
    found = rate_interval(rates, 40)
    total = 40 * len(rates)
    least = stats.binomtest(sum(wrong), total).proportion_ci(0.95, method="exact")
    most = stats.binomtest(sum(wrong) + 40 * diverged, total).proportion_ci(0.95, method="exact")
    by_seed = mean_interval(rates, least=0, most=1)
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert found.low == pytest.approx(min(least.low, by_seed.low))
    assert found.high == pytest.approx(max(most.high, by_seed.high))
    assert (found.seeds, found.missing) == (len(rates), diverged)


def test_without_a_rate_all_is_possible() -> None:
    for rates in ([], [math.nan], [math.nan] * 3):
        found = rate_interval(rates, 100)
        assert math.isnan(found.value)
        assert found[1:] == (0, 1, len(rates), len(rates))


def test_a_run_that_diverged_may_have_any_rate() -> None:
    found = rate_interval([0.0] * 19 + [math.nan], 4096)
    assert (found.value, found.seeds, found.missing) == (0.0, 20, 1)
    assert found.low == 0
    assert found.high == rate_interval([0.0] * 19 + [1.0], 4096).high > 0.2
    worst = rate_interval([1.0] * 19 + [math.nan], 4096)
    assert worst.low == rate_interval([1.0] * 19 + [0.0], 4096).low < 0.8


def test_rate_intervals_cover_the_rate() -> None:
    """At least 95 of 100: the union of two intervals may be wider, and is where errors are rare."""
    generator = np.random.default_rng(1)
    for rate in (0.001, 0.02, 0.3):
        rates = generator.binomial(200, rate, size=(150, 5)) / 200
        covered = sum(one.low <= rate <= one.high for one in (rate_interval(row, 200) for row in rates.tolist()))
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


def test_a_difference_pairs_the_rates_of_each_seed() -> None:
    """Seeds that are hard for both methods do not blur what one of them adds."""
    first, second = [0.1, 0.3, 0.5, 0.2], [0.0, 0.2, 0.4, 0.1]
    found = rate_difference_interval(first, second, prompts=10**6)
    assert found[:3] == pytest.approx((0.1, 0.1, 0.1), abs=0.002)
    assert (found.seeds, found.missing) == (4, 0)


def test_a_missing_rate_leaves_the_difference_that_the_other_allows() -> None:
    first, second = [0.1, math.nan, 0.3, math.nan], [0.0, 0.25, math.nan, math.nan]
    found = rate_difference_interval(first, second, prompts=10**6)
    assert (found.value, found.seeds, found.missing) == (0.1, 4, 3)
    seeds = bounded_mean(
        [0.1, -0.25, -0.7, -1.0], [0.1, 0.75, 0.3, 1.0], value=0.1, missing=3, least=-1, most=1
    )  # fmt: skip
    assert found == seeds
    nothing = rate_difference_interval([math.nan, 0.2], [0.1, math.nan], prompts=100)
    assert math.isnan(nothing.value)
    assert nothing.missing == 2
    assert -1 <= nothing.low < 0 < nothing.high <= 1


@given(total=st.integers(1, 5000), share=st.floats(0, 1), level=st.sampled_from([0.9, 0.95, 0.9975]))
def test_limits_of_a_share_are_those_of_scipy(total: int, share: float, level: float) -> None:
    count = round(share * total)
    expected = stats.binomtest(count, total).proportion_ci(level, method="exact")
    assert share_limits(count, total, level) == pytest.approx((expected.low, expected.high), rel=1e-6, abs=1e-9)


def test_a_share_of_nothing_may_be_any() -> None:
    assert share_limits(0, 0) == (0.0, 1.0)
