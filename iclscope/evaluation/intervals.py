"""95 % intervals, over seeds unless a docstring says otherwise."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy

LEVEL = 0.95


class Interval(NamedTuple):
    """A number with its uncertainty.

    Attributes:
        value: the estimate.
        low: lower end of the 95 % interval.
        high: upper end of the 95 % interval.
        seeds: how many seeds it rests on.
    """

    value: float
    low: float
    high: float
    seeds: int


class UpperBound(Interval):
    """An interval of which only the upper end was measured; the lower one is as low as it could be."""


def upper_bound(estimate: Interval, floor: float) -> UpperBound:
    """What is left of an estimate of which only the upper end counts; the lower one goes down to ``floor``."""
    return UpperBound(*estimate._replace(low=min(estimate.low, floor)))


def mean_interval(values: Sequence[float]) -> Interval:
    """Mean over seeds with Student's t interval; unbounded from a single seed.

    Runs that diverged (NaN) are left out; ``seeds`` counts those that remain.
    """
    finite = np.asarray([value for value in values if math.isfinite(value)], dtype=float)
    if len(finite) == 0:
        return Interval(math.nan, -math.inf, math.inf, 0)
    mean = float(finite.mean())
    if len(finite) == 1:
        return Interval(mean, -math.inf, math.inf, 1)
    quantile = float(scipy.stats.t.ppf((1 + LEVEL) / 2, len(finite) - 1))
    half = quantile * float(finite.std(ddof=1)) / math.sqrt(len(finite))
    return Interval(mean, mean - half, mean + half, len(finite))


def rate_interval(rates: Sequence[float], prompts: int) -> Interval:
    """Mean of error rates over seeds, uncertain both by seed and by prompt.

    The union of Student's t interval over seeds and the Clopper–Pearson interval of all prompts pooled: five
    seeds without a single error are not certain to make none.

    Args:
        rates: each seed's share of wrong answers.
        prompts: test prompts per seed.
    """
    seeds = mean_interval(rates)
    if seeds.seeds == 0:
        return seeds
    total = prompts * seeds.seeds
    wrong = min(total, round(seeds.value * total))
    pooled = scipy.stats.binomtest(wrong, total).proportion_ci(LEVEL, method="exact")
    low = min(max(seeds.low, 0.0), float(pooled.low))
    high = max(min(seeds.high, 1.0), float(pooled.high))
    return Interval(seeds.value, low, high, seeds.seeds)


def rate_difference_interval(first: Sequence[float], second: Sequence[float], prompts: int) -> Interval:
    """Difference of two error rates, first less second, uncertain both by seed and by prompt.

    The union of Student's t interval of the seeds' differences and Newcombe's interval of the pooled rates ("Interval
    estimation for the difference between independent proportions", 1998, method 10), which stays honest where both
    rates are zero. Answers to the same prompts count as independent, which makes it no shorter.

    Args:
        first: each seed's share of wrong answers.
        second: another method's, for the same seeds.
        prompts: test prompts per seed and method.
    """
    seeds = mean_interval([a - b for a, b in zip(first, second, strict=True)])
    if seeds.seeds == 0:
        return seeds
    total = prompts * seeds.seeds
    rates = [float(np.nanmean(np.asarray(values, dtype=float))) for values in (first, second)]
    tests = [scipy.stats.binomtest(min(total, round(rate * total)), total) for rate in rates]
    limits = [test.proportion_ci(LEVEL, "wilson") for test in tests]
    difference = rates[0] - rates[1]
    below = math.hypot(rates[0] - limits[0].low, limits[1].high - rates[1])
    above = math.hypot(limits[0].high - rates[0], rates[1] - limits[1].low)
    low = min(max(seeds.low, -1.0), difference - below)
    high = max(min(seeds.high, 1.0), difference + above)
    return Interval(seeds.value, low, high, seeds.seeds)
