"""Intervals over draws and queries: they cover what they should, and do not pretend to know what was not seen."""

from __future__ import annotations

import numpy as np
import pytest

from iclscope.claims.crossed import crossed_mean, crossed_rate, crossed_rate_difference


def coverage(draw_spread: float, query_spread: float, noise: float, *, draws: int = 4, queries: int = 40) -> float:
    """How often the interval of a crossed sample holds the true mean, 0."""
    numbers = np.random.default_rng(1)
    held = 0
    for _ in range(600):
        values = (
            draw_spread * numbers.standard_normal((draws, 1))
            + query_spread * numbers.standard_normal((1, queries))
            + noise * numbers.standard_normal((draws, queries))
        )
        found = crossed_mean(values)
        held += found.low <= 0 <= found.high
    return held / 600


@pytest.mark.parametrize("spreads", [(1, 0, 0.3), (0, 1, 0.3), (0.3, 1, 1), (1, 1, 1)])
def test_intervals_cover_the_mean(spreads: tuple[float, float, float]) -> None:
    """Monte Carlo: at least 94 % of the time, up to its own error of two points."""
    assert coverage(*spreads) > 0.93


def test_draws_that_differ_widen_the_interval() -> None:
    same = np.tile(np.arange(20) % 2, (3, 1)).astype(float)
    other = same.copy()
    other[0] = 1
    assert crossed_mean(other).high - crossed_mean(other).low > crossed_mean(same).high - crossed_mean(same).low


def test_a_single_draw_is_uncertain_by_query_only() -> None:
    values = np.array([[0.0, 1.0, 1.0, 1.0]])
    found = crossed_mean(values)
    half = 3.182446 * values.std(ddof=1) / 2
    assert (found.value, found.high, found.seeds) == pytest.approx((0.75, 0.75 + half, 1), rel=1e-5)


def test_a_single_number_is_certain_of_nothing() -> None:
    found = crossed_rate(np.ones((1, 1)))
    assert (found.value, found.low, found.high) == (1, 0, 1)


def test_all_right_may_still_be_wrong_elsewhere() -> None:
    found = crossed_rate(np.ones((3, 100)))
    assert found.high == 1
    assert found.low == pytest.approx(0.025 ** (1 / 100))


def test_no_difference_seen_is_not_none() -> None:
    same = np.ones((3, 50))
    found = crossed_rate_difference(same, same)
    assert found.value == 0
    assert found.high == -found.low == pytest.approx(1 - 0.025 ** (1 / 50))


def test_differences_are_paired() -> None:
    numbers = np.random.default_rng(0)
    first = (numbers.random((3, 200)) < 0.5).astype(float)
    second = first.copy()
    second[:, :10] = 1 - second[:, :10]
    found = crossed_rate_difference(first, second)
    assert found.value == pytest.approx((first - second).mean())
    assert found.high - found.low < 0.1
