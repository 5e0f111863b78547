"""Rows of a sweep → a mean with its interval over seeds for every point, and what that mixes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

import polars as pl

from iclscope.claims.intervals import Interval, mean_interval
from iclscope.claims.summaries import over_seeds, rate_over_seeds
from iclscope.sweeps.results import LENGTH, STOPPED_AT, TEST, SweepResults, has_lengths

RATES = ("classification_error",)
"""What is a share of test prompts, and so uncertain by prompt as well."""


class Section(NamedTuple):
    """What one table or one panel is about: a test, or training itself.

    Attributes:
        test: the name of the test; None: training itself.
        rows: those of the test, or one per trial.
        settings: the columns of varied settings that say which point a row is of, `LENGTH` too if it is several.
        metrics: the columns of what was measured.
    """

    test: str | None
    rows: pl.DataFrame
    settings: tuple[str, ...]
    metrics: tuple[str, ...]

    def varies(self, setting: str) -> bool:
        """Whether a setting has several values here."""
        return setting in self.settings and self.rows[setting].n_unique() > 1


class Point(NamedTuple):
    """One point of a sweep.

    Attributes:
        values: its settings.
        estimates: mean and 95 % interval over seeds of everything measured.
        seeds: how many seeds it has, those whose runs diverged included.
        diverged: how many of its runs diverged.
    """

    values: Mapping[str, Any]
    estimates: Mapping[str, Interval]
    seeds: int
    diverged: int


class Mixture(NamedTuple):
    """What happens to settings that are not told apart.

    Attributes:
        averaged: those that every point has the same several values of: the mean is over these.
        uneven: those that some points have other values of than others, and some have several.
        moving: those of one value at each point, but not the same at all.
    """

    averaged: tuple[str, ...]
    uneven: tuple[str, ...]
    moving: tuple[str, ...]


def section_of_training(results: SweepResults) -> Section:
    """Steps until the target risk, against the settings of training."""
    settings = tuple(name for name in results.settings if not name.startswith(f"{TEST}."))
    rows = results.rows.unique("trial", keep="first", maintain_order=True)
    return Section(None, rows, settings, (STOPPED_AT,))


def section_of_test(results: SweepResults, test: str) -> Section:
    """What was measured on a test, against the settings of training and of the test."""
    rows = results.rows.filter(results.rows[TEST] == test)
    own = [name for name in results.settings if not name.startswith(f"{TEST}.") or not rows[name].is_null().all()]
    lengths = [LENGTH] if has_lengths(rows, own) else []
    measured = [name for name in results.metrics if not rows[name].is_null().all()]
    return Section(test, rows, (*own, *lengths), tuple(measured))


def seed_means(section: Section, by: Sequence[str]) -> pl.DataFrame:
    """One row per point of some settings and seed: what was measured, averaged over all other settings.

    A mean over a run that diverged, or over a training that never met its target risk, is NaN.

    Returns:
        The settings, seed, each metric, prompts (the fewest), runs, diverged (runs that did).
    """
    measured = [
        pl.col(name).cast(pl.Float64).fill_null(float("nan")).mean()  # a training that never stopped
        if name == STOPPED_AT
        else pl.col(name).mean()  # null: of another kind of task, which does not have this metric
        for name in section.metrics
    ]
    counts = [
        pl.col("prompts").min(),
        pl.len().alias("runs"),
        pl.col("diverged_at").is_not_null().sum().alias("diverged"),
    ]
    return section.rows.group_by(*by, "seed", maintain_order=True).agg(*measured, *counts)


def points(section: Section, by: Sequence[str], most: int | None = None) -> tuple[list[Point], int]:
    """The points of some settings, averaged over the others.

    Args:
        section: what they are of.
        by: the settings that tell points apart; all others are averaged over, seed by seed (`mixture` says which).
        most: how many points are worked out; None: all.

    Returns:
        The points in the order of the sweep, and how many there are.
    """
    seeds = seed_means(section, by)
    count = seeds.select(by).n_unique() if by else 1
    return list(islice(_each_point(section, seeds, by), most)), count


def _each_point(section: Section, seeds: pl.DataFrame, by: Sequence[str]) -> Iterator[Point]:
    for values, group in groups(seeds, by):
        estimates = {name: estimate(group, name) for name in section.metrics}
        yield Point(values, estimates, group.height, int(group["diverged"].sum()))


def groups(rows: pl.DataFrame, by: Sequence[str]) -> Iterator[tuple[dict[str, Any], pl.DataFrame]]:
    """Rows that agree in some settings, in the order in which they come; all rows where no setting is given."""
    if not by:
        yield {}, rows
        return
    for key, group in rows.group_by(by, maintain_order=True):
        yield dict(zip(by, key, strict=True)), group


def estimate(seeds: pl.DataFrame, metric: str) -> Interval:
    """Mean of a metric with its 95 % interval over seeds, for a rate that of `rate_interval`.

    Args:
        seeds: one row per seed, as `seed_means` makes them.
        metric: which one; runs that diverged, or never stopped, are missing: they may have any value.
    """
    if seeds[metric].is_null().all():
        return mean_interval([])
    return rate_over_seeds(seeds, metric) if metric in RATES else over_seeds(seeds, metric)


def mixture(section: Section, by: Sequence[str]) -> Mixture:
    """What becomes of the settings that are not in ``by``."""
    averaged, uneven, moving = [], [], []
    for name in section.settings:
        if name in by or not section.varies(name):
            continue
        held = [tuple(group[name].unique().sort().to_list()) for _, group in groups(section.rows, by)]
        if len(set(held)) == 1:
            averaged.append(name)
        elif any(len(values) > 1 for values in held):
            uneven.append(name)
        else:
            moving.append(name)
    return Mixture(tuple(averaged), tuple(uneven), tuple(moving))


def is_numeric(rows: pl.DataFrame, setting: str) -> bool:
    """Whether a setting is a number in all rows, and so has a place on an axis."""
    return rows[setting].dtype.is_numeric() and not rows[setting].is_null().any()
