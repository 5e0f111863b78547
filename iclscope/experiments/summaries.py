"""Rows → intervals: the steps that claims and drawings share."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from iclscope.evaluation.intervals import Interval, mean_interval, rate_interval
from iclscope.evaluation.slopes import slope_over_seeds


def signed(value: float, digits: int = 2) -> str:
    """A number for a sentence or a legend, with a true minus sign."""
    return f"{value:.{digits}f}".replace("-", "−")


def over_seeds(rows: pl.DataFrame, column: str) -> Interval:
    """Mean of a column with its interval over seeds; several rows of one seed are averaged first."""
    return mean_interval(per_seed(rows, column))


def rate_over_seeds(rows: pl.DataFrame, column: str = "classification_error") -> Interval:
    """Mean of an error rate, uncertain both by seed and by prompt (column ``prompts``).

    Several rows of one seed are averaged. They are tests on the same prompts in other settings, so they count once.
    """
    if rows.is_empty():
        return mean_interval([])
    return rate_interval(per_seed(rows, column), min(rows["prompts"].to_list()))


def per_seed(rows: pl.DataFrame, column: str) -> list[float]:
    """A column's mean for each seed, in the order of the seeds."""
    values = rows.group_by("seed").agg(pl.col(column).mean()).sort("seed")[column]
    return [float("nan") if value is None else float(value) for value in values]


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
    points = []
    for (position,), group in rows.drop_nulls(by).group_by(by):
        interval = rate_over_seeds(group, column) if rate else over_seeds(group, column)
        points.append({by: position, "value": interval.value, "low": interval.low, "high": interval.high})
    return pl.DataFrame(points, schema_overrides={"value": pl.Float64}).sort(by) if points else pl.DataFrame()


def worst(rows: pl.DataFrame, by: str, column: str) -> pl.DataFrame:
    """The rows of the one setting whose mean is largest: "suffices" must be true of every setting.

    Args:
        rows: one row per seed and setting.
        by: the setting.
        column: what is bad when it is large.
    """
    means = rows.group_by(by).agg(pl.col(column).mean()).sort(column, descending=True)
    return rows.filter(pl.col(by) == means[by][0])


def slope_of(rows: pl.DataFrame, x: str, y: str) -> Interval:
    """Log-log slope of ``y`` against ``x``, fitted to each seed's rows, with an interval over seeds.

    A seed with a missing point has no slope: dropping the point would favour the settings that are easy to reach.
    """
    complete: list[tuple[Sequence[float], Sequence[float]]] = []
    for _, group in rows.sort(x).group_by("seed", maintain_order=True):
        values = group[y].fill_null(float("nan"))
        if not values.is_nan().any():
            complete.append((group[x].to_list(), values.to_list()))
    return slope_over_seeds(complete)
