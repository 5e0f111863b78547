"""Intervals of means over seeds, 95 % unless a level is given.

Every seed counts. A seed that diverged, or whose value could not be measured, stands for both ends of what its value
could have been: the lower end of an interval is that of the sample in which it has the least value, the upper end that
of the sample in which it has the largest.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy
from jaxtyping import Float64

LEVEL = 0.95
ENOUGH_SEEDS = 17
"""From here on a fault of one seed in five is seen with probability 1 − 0.8^17 = 0.977."""


class Interval(NamedTuple):
    """A number with its uncertainty.

    Attributes:
        value: the estimate, over the seeds that have a value; NaN if none has.
        low: lower end of the interval.
        high: upper end of the interval.
        seeds: how many seeds it rests on, those without a value included.
        missing: how many of them have none: they diverged, or did not get where they were measured.

    >>> import iclscope as icl
    >>> print(icl.Interval(0.0123, 0.01, 0.015, seeds=5))
    0.0123 [0.01, 0.015]
    """

    value: float
    low: float
    high: float
    seeds: int
    missing: int = 0

    def __str__(self) -> str:
        from iclscope.claims.formats import format_interval, format_number

        return f"{format_number(self.value)} {format_interval(self)}".rstrip()


class UpperBound(Interval):
    """An interval of which only the upper end was measured; the lower end is the lowest possible."""


class RateInterval(Interval):
    """The interval of a proportion or an error rate, within [0, 1]."""

    least = 0.0


class RateDifferenceInterval(RateInterval):
    """The interval of a difference of two rates, within [−1, 1]."""

    least = -1.0


def interval_of_record(record: Mapping[str, Any]) -> Interval:
    """An estimate as it stands in ``claims.json``, where null is infinite or undefined."""
    value, (low, high) = record["estimate"], record["interval"]
    kind = UpperBound if record.get("is_bound") else Interval
    return kind(
        math.nan if value is None else value,
        -math.inf if low is None else low,
        math.inf if high is None else high,
        record["seeds"],
    )


def upper_bound(estimate: Interval, floor: float) -> UpperBound:
    """An estimate as an upper bound: its lower end goes down to ``floor``."""
    return UpperBound(*estimate._replace(low=min(estimate.low, floor)))


def unseen_share(seeds: int) -> float:
    """What share of all seeds may be bad although none of so many was: Clopper and Pearson's upper end, 97.5 %."""
    return 1.0 - ((1 - LEVEL) / 2) ** (1 / seeds) if seeds > 0 else 1.0


def with_unseen_seeds(estimate: RateInterval) -> RateInterval:
    """The interval if as many bad seeds as could have been missed (`unseen_share`) had the worst rates there are."""
    share = unseen_share(estimate.seeds)
    low, high = (
        (1 - share) * end + share * worst for end, worst in ((estimate.low, estimate.least), (estimate.high, 1))
    )
    return estimate._replace(low=low, high=high)


def upper_ends(samples: Float64[np.ndarray, "*samples seed"], level: float = LEVEL) -> Float64[np.ndarray, "*samples"]:
    """Upper ends of the intervals of means, of many samples at once; two or more seeds each.

    The larger one of two. Student's is right where values scatter evenly. Where one seed in some is far off, it forgets
    that there may be more of its kind: one seed of 17 with error ½ gives at most 0.09, though with one bad seed in
    five, and so a mean of 0.1, a tenth of all samples look like this. Therefore also Gaffke's bound (Phan, Thomas and
    Learned-Miller, "Towards practical mean bounds for small samples", 2021, Section 2), the quantile of a mean with
    uniformly random weights on the values and on the largest possible one. Rates near 0 could hardly be told from rates
    near 1 if that were 1; in its place stands what the sample makes likely, as far above the largest value as the next
    is below it. The distribution of the weighted mean is taken as the Beta distribution of equal mean and variance,
    which is exact where there are two values, as with Clopper and Pearson.

    Args:
        samples: the values, infinite ones allowed.
        level: of the two-sided interval.
    """
    seeds = samples.shape[-1]
    quantile = (1 + level) / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        mean, spread = samples.mean(axis=-1), samples.std(axis=-1, ddof=1)
        student = mean + scipy.stats.t.ppf(quantile, seeds - 1) * spread / math.sqrt(seeds)
        ordered = np.sort(samples, axis=-1)
        least, next_to_most, most = ordered[..., 0], ordered[..., -2], ordered[..., -1]
        width = 2 * most - next_to_most - least
        scaled = (samples - least[..., None]) / width[..., None]
        centre = (scaled.sum(axis=-1) + 1) / (seeds + 1)
        variance = ((np.square(scaled).sum(axis=-1) + 1) / (seeds + 1) - np.square(centre)) / (seeds + 2)
        counts = centre * (1 - centre) / variance - 1
        weighted = least + width * scipy.stats.beta.ppf(quantile, centre * counts, (1 - centre) * counts)
    # Rounding alone makes a spread of equal values; what is infinite has no spread.
    ends = np.where(width > 1e-12 * np.abs(most), np.fmax(student, weighted), most)
    return np.where(np.isfinite(most), ends, most)


def bounded_mean(
    lows: Sequence[float],
    highs: Sequence[float],
    *,
    value: float,
    missing: int,
    least: float = -math.inf,
    most: float = math.inf,
    level: float = LEVEL,
) -> Interval:
    """Interval of a mean over seeds of which each is known to lie between two bounds.

    Args:
        lows: the least that each seed's value can be.
        highs: the most, in the same order.
        value: the estimate.
        missing: how many seeds are known by bounds only.
        least: the least that the mean can be.
        most: the most.
        level: of the interval.

    Returns:
        From the lower end of the interval of ``lows`` to the upper end of that of ``highs``; of a single seed all that
        is possible.
    """
    if len(lows) < 2:
        return Interval(value, least, most, len(lows), missing)
    below, above = np.asarray(lows, dtype=float), np.asarray(highs, dtype=float)
    low = -float(upper_ends(-below, level)) if np.isfinite(below).all() else -math.inf
    high = float(upper_ends(above, level)) if np.isfinite(above).all() else math.inf
    return Interval(value, max(low, least), min(high, most), len(lows), missing)


def mean_interval(
    values: Sequence[float], *, least: float = -math.inf, most: float = math.inf, level: float = LEVEL
) -> Interval:
    """Mean over seeds with its interval (`upper_ends`); all that is possible from a single seed.

    Args:
        values: one per seed; one that is no number or infinite is missing and may be anything.
        least: the least that a value can be.
        most: the most that a value can be.
        level: of the interval.
    """
    found = np.asarray(values, dtype=float)
    finite = np.isfinite(found)
    value = float(found[finite].mean()) if finite.any() else math.nan
    lows, highs = (np.where(finite, found, end).tolist() for end in (least, most))
    missing = int((~finite).sum())
    return bounded_mean(lows, highs, value=value, missing=missing, least=least, most=most, level=level)


def rate_interval(rates: Sequence[float], prompts: int, *, level: float = LEVEL) -> RateInterval:
    """Mean of error rates over seeds, uncertain both by seed and by prompt.

    The union of the interval over seeds and the Clopper–Pearson interval of all prompts pooled: five seeds without a
    single error are not certain to make none. A seed without a rate may have any.

    Args:
        rates: each seed's share of wrong answers.
        prompts: test prompts per seed.
        level: of the interval.
    """
    seeds = mean_interval(rates, least=0.0, most=1.0, level=level)
    total = prompts * len(rates)
    ends = []
    for missing in (0.0, 1.0):
        filled = [rate if math.isfinite(rate) else missing for rate in rates]
        ends.append(share_limits(min(total, round(sum(filled) * prompts)), total, level))
    (low, _), (_, high) = ends
    return RateInterval(seeds.value, min(seeds.low, low), max(seeds.high, high), seeds.seeds, seeds.missing)


def share_limits(count: int, total: int, level: float = LEVEL) -> tuple[float, float]:
    """The interval of a share by Clopper and Pearson (1934), by the quantiles of Beta distributions.

    Those of ``scipy.stats.binomtest`` to 10⁻¹², which finds them by a search, five hundred times as slowly.

    Args:
        count: how many have it.
        total: of how many; 0: any share.
        level: of the interval.
    """
    tail = (1 - level) / 2
    low = float(scipy.special.betaincinv(count, total - count + 1, tail)) if count else 0.0
    high = float(scipy.special.betaincinv(count + 1, total - count, 1 - tail)) if count < total else 1.0
    return low, high


def rate_difference_interval(
    first: Sequence[float], second: Sequence[float], prompts: int, *, level: float = LEVEL
) -> RateDifferenceInterval:
    """Difference of two error rates, first less second, uncertain both by seed and by prompt.

    The union of the interval of the seeds' differences and Newcombe's interval of the pooled rates ("Interval
    estimation for the difference between independent proportions", 1998, method 10), which stays honest where both
    rates are zero. Answers to the same prompts count as independent, which makes it no shorter. A seed with one of the
    two rates missing has a difference that is as small or as large as the other rate allows.

    Args:
        first: each seed's share of wrong answers.
        second: another method's, for the same seeds in the same order.
        prompts: test prompts per seed and method.
        level: of the interval.
    """
    a, b = (np.asarray(values, dtype=float) for values in (first, second))
    pairs = np.isfinite(a) & np.isfinite(b)
    value = float((a - b)[pairs].mean()) if pairs.any() else math.nan
    known = [np.isfinite(values) for values in (a, b)]
    lows = np.where(known[0], a, 0.0) - np.where(known[1], b, 1.0)
    highs = np.where(known[0], a, 1.0) - np.where(known[1], b, 0.0)
    missing = int((~pairs).sum())
    seeds = bounded_mean(lows.tolist(), highs.tolist(), value=value, missing=missing, least=-1.0, most=1.0, level=level)
    if not pairs.any():
        return RateDifferenceInterval(*seeds)
    total = prompts * int(pairs.sum())
    rates = [float(values[pairs].mean()) for values in (a, b)]
    tests = [scipy.stats.binomtest(min(total, round(rate * total)), total) for rate in rates]
    limits = [test.proportion_ci(level, "wilson") for test in tests]
    below = math.hypot(rates[0] - limits[0].low, limits[1].high - rates[1])
    above = math.hypot(limits[0].high - rates[0], rates[1] - limits[1].low)
    low, high = min(seeds.low, value - below), max(seeds.high, value + above)
    return RateDifferenceInterval(value, max(low, -1.0), min(high, 1.0), seeds.seeds, missing)
