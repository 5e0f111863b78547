"""Intervals of a mean over two crossed samples: demonstration draws and queries."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np
import scipy
from jaxtyping import Float64

from iclscope.claims.intervals import LEVEL, Interval

_LEVEL: ContextVar[float] = ContextVar("the level of intervals over draws and queries", default=LEVEL)


def crossed_level() -> float:
    """The level of intervals over draws and queries: 95 % unless `at_level` says otherwise."""
    return _LEVEL.get()


@contextmanager
def at_level(level: float) -> Iterator[None]:
    """In the block intervals over draws and queries are of another level: where several looks share one error."""
    token = _LEVEL.set(level)
    try:
        yield
    finally:
        _LEVEL.reset(token)


def crossed_mean(values: Float64[np.ndarray, "draw query"], *, least: float = 0.0) -> Interval:
    """Mean over draws and queries, uncertain by both, with a 95 % interval.

    The variance is the sum of that of the draws' means and that of the queries' means, each divided by its number,
    which is never too small (Owen, "The pigeonhole bootstrap", 2007, Section 3: an upper bound where both samples are
    random); Student's t with Satterthwaite's degrees of freedom.

    Args:
        values: one number per draw and query, none of them NaN; of a single draw the interval is over queries only.
        least: the interval reaches at least so far to both sides.

    Returns:
        The interval; ``seeds`` counts the draws.
    """
    draws, queries = values.shape
    mean = float(values.mean())
    parts = [
        (float(values.mean(axis=1 - axis).var(ddof=1)) / count, count - 1)
        for axis, count in ((0, draws), (1, queries))
        if count > 1
    ]
    if not parts:
        return Interval(mean, -math.inf, math.inf, draws)
    variance = sum(part for part, _ in parts)
    half = 0.0
    if variance > 0:
        freedom = variance**2 / sum(part**2 / degrees for part, degrees in parts)
        half = float(scipy.stats.t.ppf((1 + crossed_level()) / 2, freedom)) * math.sqrt(variance)
    half = max(half, least)
    return Interval(mean, mean - half, mean + half, draws)


def crossed_rate(values: Float64[np.ndarray, "draw query"], *, lowest: float = 0.0) -> Interval:
    """Mean of zeros and ones, or of differences of such, uncertain by draw and by query.

    What was not seen among the queries may still happen: the interval reaches at least 1 − 0.025^(1/queries) to both
    sides, the Clopper–Pearson bound of an event that none of them showed.

    Args:
        values: one per draw and query.
        lowest: what such a mean can be at least; it is at most 1.
    """
    found = crossed_mean(values, least=1 - ((1 - crossed_level()) / 2) ** (1 / values.shape[1]))
    return found._replace(low=max(lowest, found.low), high=min(1.0, found.high))


def crossed_rate_difference(
    first: Float64[np.ndarray, "draw query"], second: Float64[np.ndarray, "draw query"]
) -> Interval:
    """Difference of two rates over the same draws and queries, first less second."""
    return crossed_rate(first - second, lowest=-1.0)
