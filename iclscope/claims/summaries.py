"""Rows → intervals: the steps that claims and drawings share."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import polars as pl

from iclscope.claims.columns import expect_columns
from iclscope.claims.families import ForAll, for_all
from iclscope.claims.intervals import LEVEL, Interval, bounded_mean, mean_interval, rate_interval
from iclscope.claims.slopes import log_log_slope


def signed(value: float, digits: int = 2) -> str:
    """A number for a sentence or a legend, with a true minus sign."""
    return f"{value:.{digits}f}".replace("-", "−")


RANGES = {
    "hinge_risk": (0.0, math.inf),
    "relative_risk": (0.0, math.inf),
    "classification_error": (0.0, 1.0),
    "attention_concentration": (0.0, 1.0),
    "attention": (0.0, 1.0),
    "dominant_attention": (0.0, 1.0),
    "same_pattern": (0.0, 1.0),
    "best_head": (0.0, 1.0),
    "neighbour": (0.0, 1.0),
    "small": (0.0, 1.0),
    "layers": (0.0, 3.0),
    "halfway": (0.0, 1.0),
    "straight": (-math.inf, 1.0),
    "pattern_cosine": (-1.0, 1.0),
    "irrelevant_norm": (0.0, math.inf),
    "three": (0.0, 1.0),
    "by_sign": (0.0, 1.0),
    "lucky_share": (0.0, 1.0),
    "large_if_lucky": (0.0, 1.0),
    "large_if_not": (0.0, 1.0),
    "gain": (-1.0, 1.0),
    "small_share": (0.0, 1.0),
    "stopped_at": (0.0, math.inf),
    "angle": (0.0, math.pi),
    "steps": (0.0, math.inf),
}
"""What values a quantity can have, for the seeds that have none; any, for a quantity that is not named here."""


def over_seeds(rows: pl.DataFrame, column: str, level: float = LEVEL) -> Interval:
    """Mean of a column with its interval over seeds; several rows of one seed are averaged first.

    Args:
        rows: with the column and a column ``seed``.
        column: what is averaged.
        level: of the interval.

    Raises:
        BadRequest: if a column is missing.

    >>> import polars as pl
    >>> print(over_seeds(pl.DataFrame({"seed": [0, 1, 2], "error": [0.31, 0.29, 0.3]}), "error"))
    0.3 [0.275, 0.325]
    """
    least, most = RANGES.get(column, (-math.inf, math.inf))
    return mean_interval(per_seed(rows, column), least=least, most=most, level=level)


def rate_over_seeds(rows: pl.DataFrame, column: str = "classification_error", level: float = LEVEL) -> Interval:
    """Mean of an error rate, uncertain both by seed and by prompt (column ``prompts``).

    Several rows of one seed are averaged. They are tests on the same prompts in other settings, so they count once.
    """
    if rows.is_empty():
        return mean_interval([])
    expect_columns(rows, "seed", column, "prompts")
    return rate_interval(per_seed(rows, column), min(rows["prompts"].to_list()), level=level)


def mean_at_every(rows: pl.DataFrame, by: str | Sequence[str], column: str) -> ForAll:
    """`over_seeds` at every setting; ``by`` names the columns that tell settings apart."""
    return for_all(rows, by, lambda part, level: over_seeds(part, column, level))


def rate_at_every(rows: pl.DataFrame, by: str | Sequence[str]) -> ForAll:
    """`rate_over_seeds` of the classification error at every setting."""
    return for_all(rows, by, lambda part, level: rate_over_seeds(part, level=level))


def per_seed(rows: pl.DataFrame, column: str) -> list[float]:
    """A column's mean for each seed, in the order of the seeds; NaN where one of the seed's values is missing."""
    expect_columns(rows, "seed", column)
    value = pl.col(column).cast(pl.Float64).fill_null(math.nan).mean()
    return rows.group_by("seed").agg(value).sort("seed")[column].to_list()


def summarise(rows: pl.DataFrame, by: str, column: str, *, rate: bool = False) -> pl.DataFrame:
    """One row per value of ``by``: mean and interval of ``column`` over seeds.

    Args:
        rows: one row per seed and value of ``by``.
        by: the abscissa.
        column: the ordinate.
        rate: whether the column is an error rate over ``prompts`` prompts.

    Returns:
        Columns ``by``, value, low, high, sorted by ``by``.
    """
    expect_columns(rows, by, column, "seed")
    points = []
    for (position,), group in rows.drop_nulls(by).group_by(by):
        interval = rate_over_seeds(group, column) if rate else over_seeds(group, column)
        points.append({by: position, "value": interval.value, "low": interval.low, "high": interval.high})
    return pl.DataFrame(points, schema_overrides={"value": pl.Float64}).sort(by) if points else pl.DataFrame()


def slope_of(rows: pl.DataFrame, x: str, y: str, *, at_least: float | None = None, level: float = LEVEL) -> Interval:
    """Log-log slope of ``y`` against ``x``, fitted to each seed's rows, with an interval over seeds.

    A seed with a missing point may have any slope, or, where the missing value is known to be at least ``at_least``,
    any that such a value allows: to drop the point would favour the settings that are easy to reach, to drop the seed
    those that are fast.

    Args:
        rows: one row per seed and value of ``x``.
        x: the abscissa.
        y: the ordinate; values of 0 or less have no logarithm and are left out.
        at_least: what a missing value is at least, such as the steps after which nobody waited longer; rows of runs
            that diverged (column ``diverged_at``) are missing without that knowledge.
        level: of the interval.
    """
    expect_columns(rows, "seed", x, y)
    fits = [
        _slope_bounds(group, x, y, at_least) for _, group in rows.sort("seed", x).group_by("seed", maintain_order=True)
    ]
    known = [low for low, high in fits if low == high]
    value = sum(known) / len(known) if known else math.nan
    lows, highs = [low for low, _ in fits], [high for _, high in fits]
    return bounded_mean(lows, highs, value=value, missing=len(fits) - len(known), level=level)


def _slope_bounds(group: pl.DataFrame, x: str, y: str, at_least: float | None) -> tuple[float, float]:
    """The least and the largest slope that one seed's curve can have."""
    values = group[y].cast(pl.Float64).fill_null(math.nan)
    missing = values.is_nan().to_numpy()
    if not missing.any():
        slope = log_log_slope(group[x].to_list(), values.to_list())
        return (-math.inf, math.inf) if math.isnan(slope) else (slope, slope)
    diverged = "diverged_at" in group.columns and group["diverged_at"].is_not_null().any()
    if at_least is None or diverged or len(values) < 3:
        return -math.inf, math.inf
    log_x = np.log(group[x].cast(pl.Float64).to_numpy())
    weights = (log_x - log_x.mean()) / np.square(log_x - log_x.mean()).sum()
    log_y = np.log(values.fill_nan(at_least).to_numpy())
    fit = float(weights @ log_y)
    # A larger value in a missing point raises the slope at the right end and lowers it at the left one.
    return -math.inf if (weights[missing] < 0).any() else fit, math.inf if (weights[missing] > 0).any() else fit
