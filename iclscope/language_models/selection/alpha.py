"""Does a larger share of demonstrations with the query's pattern help? Slopes, means, and shots needed."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import polars as pl
from jaxtyping import Float64
from scipy import stats

from iclscope.claims.crossed import crossed_level
from iclscope.claims.intervals import Interval
from iclscope.language_models.prompts.draws import generator

BINS = (0.0, 0.125, 0.375, 0.625, 0.875, 1.0)
"""Ends of the bins of α': none, quarters around their middles, all."""

RESAMPLES = 1000
_NO_SPREAD = 1e-9


def error_slope(rows: pl.DataFrame) -> Interval:
    """How much the calibrated error rises with α', from 0 to 1, within queries.

    Least squares over all rows, with a constant for each query at each number of shots: a query that is hard whatever
    is shown, or has a rare pattern, counts for nothing. The interval is robust and clustered both by query and by draw,
    whose demonstrations many queries share (`_two_ways`).

    Args:
        rows: with ``query``, ``draw``, ``shots``, ``alpha`` and ``calibrated_correct``; those without
            demonstrations are left out.

    Returns:
        The slope with its interval; NaN if α' is the same in all rows of each query. ``seeds`` counts the draws.
    """
    draws = rows["draw"].n_unique()
    rows = rows.filter(pl.col("alpha").is_not_nan())
    both = rows.select("query", "draw", "shots", x="alpha", y=1 - pl.col("calibrated_correct").cast(pl.Float64))
    centred = (pl.col(name) - pl.col(name).mean().over("query", "shots") for name in ("x", "y"))
    within = both.select("query", "draw", *centred)
    x, y = within["x"].to_numpy(), within["y"].to_numpy()
    spread, queries = float(x @ x), within["query"].n_unique()
    if spread < _NO_SPREAD or queries < 2:
        return Interval(math.nan, -math.inf, math.inf, draws)
    slope = float(x @ y) / spread
    parts = within.select("query", "draw", part=pl.col("x") * (pl.col("y") - slope * pl.col("x")))
    half = _two_ways(parts) / spread
    return Interval(slope, slope - half, slope + half, draws)


def _two_ways(parts: pl.DataFrame) -> float:
    """Half the width of the interval of a sum whose parts are clustered both by query and by draw.

    The variance is the sum of the two clustered ones (Liang & Zeger, 1986), each with its small-sample factor
    G/(G − 1), which is never too small (Cameron, Gelbach & Miller, "Robust inference with multiway clustering", 2011,
    whose third term would be taken off); Student's t with Satterthwaite's degrees of freedom. A single draw is no
    cluster.

    Args:
        parts: columns ``query``, ``draw`` and ``part``, which sums to 0 where the estimate is taken.
    """
    found = []
    for name in ("query", "draw"):
        sums = parts.group_by(name).agg(pl.col("part").sum())["part"].to_numpy()
        if len(sums) > 1:
            found.append((float(np.square(sums).sum()) * len(sums) / (len(sums) - 1), len(sums) - 1))
    variance = sum(part for part, _ in found)
    if not found:
        return math.inf
    if variance == 0:
        return 0.0
    freedom = variance**2 / sum(part**2 / degrees for part, degrees in found)
    return float(stats.t.ppf((1 + crossed_level()) / 2, freedom)) * math.sqrt(variance)


def error_by_alpha(rows: pl.DataFrame) -> pl.DataFrame:
    """Calibrated error of prompts whose α' lies in the same bin, with 95 % intervals clustered by query and by draw.

    Args:
        rows: with ``query``, ``draw``, ``shots``, ``alpha`` and ``calibrated_correct``; rows without demonstrations are
            left out.

    Returns:
        Columns ``shots``, ``alpha`` (mean of the bin), ``error``, ``low``, ``high``, ``prompts``, ``queries``.
    """
    shown = rows.filter(pl.col("alpha").is_not_nan()).with_columns(
        bin=pl.Series(np.digitize(rows.filter(pl.col("alpha").is_not_nan())["alpha"].to_numpy(), BINS[1:-1])),
        error=1 - pl.col("calibrated_correct").cast(pl.Float64),
    )
    found = []
    for (shots, _), part in sorted(shown.group_by("shots", "bin"), key=lambda item: item[0]):
        mean = float(part["error"].to_numpy().mean())
        count = part["query"].n_unique()
        half = math.inf
        if count > 1:
            half = _two_ways(part.select("query", "draw", part=pl.col("error") - mean)) / len(part)
            half = max(half, 1 - ((1 - crossed_level()) / 2) ** (1 / count))  # what no query showed may still happen
        found.append(
            {
                **{"shots": shots, "alpha": float(part["alpha"].to_numpy().mean()), "error": mean},
                **{"low": max(0.0, mean - half), "high": min(1.0, mean + half), "prompts": len(part), "queries": count},
            }
        )
    return pl.DataFrame(found)


def shots_needed(
    shots: Sequence[int], accuracy: Float64[np.ndarray, "*rest shots"], target: Float64[np.ndarray, "*rest"]
) -> Float64[np.ndarray, "*rest"]:
    """How many shots first reach an accuracy, between measured numbers on a straight line over log(shots).

    Args:
        shots: measured, rising, from 1 on.
        accuracy: at each.
        target: to be reached.

    Returns:
        The number; ``shots[0]`` where the first number is enough, which is at most so many; infinity where the last is
        not: it was not reached.
    """
    at = np.log(np.asarray(shots, dtype=float))
    enough = accuracy >= target[..., None]
    first = enough.argmax(axis=-1)
    before = np.maximum(first - 1, 0)
    high, low = (np.take_along_axis(accuracy, where[..., None], axis=-1)[..., 0] for where in (first, before))
    rise = np.where(first > 0, high - low, 1.0)
    part = np.where(first > 0, (target - low) / np.where(rise > 0, rise, 1.0), 0.0)
    number = np.exp(at[before] + part * (at[first] - at[before]))
    return np.where(enough.any(axis=-1), number, np.inf)


def saved_shots(
    shots: Sequence[int],
    first: Float64[np.ndarray, "shots draw query"],
    second: Float64[np.ndarray, "shots draw query"],
    seed: int = 0,
) -> Interval:
    """By how many times fewer shots the second selector reaches what the first reaches at its most, as log₂.

    Both numbers of shots are read off curves of mean accuracy. The interval is that of a bootstrap over draws and
    queries, the same for both (Owen, "The pigeonhole bootstrap", 2007).

    Args:
        shots: measured, rising.
        first: correct or not, of the selector that sets the target.
        second: the same of the other.
        seed: of the bootstrap.

    Returns:
        log₂(shots of the first / shots of the second); minus infinity where the second does not reach it.
    """
    _, draws, queries = first.shape
    numbers = generator(seed, "shots needed")

    def counts(size: int) -> Float64[np.ndarray, "resample size"]:
        return numbers.multinomial(size, np.full(size, 1 / size), size=RESAMPLES).astype(float) / size

    weights_d, weights_q = counts(draws), counts(queries)
    weights_d[0], weights_q[0] = 1 / draws, 1 / queries  # the first is the sample itself
    curves = [np.einsum("sdq,rd,rq->rs", values, weights_d, weights_q, optimize=True) for values in (first, second)]
    target = curves[0][:, -1] - 1e-12
    needs = [shots_needed(shots, curve, target) for curve in curves]
    with np.errstate(divide="ignore"):
        saved = np.log2(needs[0] / needs[1])
    low, high = np.quantile(saved[1:], [(1 - crossed_level()) / 2, (1 + crossed_level()) / 2], method="inverted_cdf")
    return Interval(float(saved[0]), float(low), float(high), draws)
