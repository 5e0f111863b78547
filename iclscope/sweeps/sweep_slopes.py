"""How what a sweep measured grows with each of its numeric settings: log-log slopes, curve by curve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

import polars as pl

from iclscope.claims.intervals import Interval
from iclscope.claims.summaries import slope_of
from iclscope.sweeps.results import LENGTH, TEST
from iclscope.sweeps.summary import Section, groups, is_numeric, seed_means

FEWEST = 3
"""Positive values that a slope needs."""


class Slope(NamedTuple):
    """Slopes of one curve.

    Attributes:
        against: the setting that runs along it.
        at: the settings that are held.
        unheld: the settings that are not held, as the points of the sweep were drawn and are no grid.
        of: log-log slope of each metric, fitted for each seed, with the 95 % interval over seeds; NaN if no seed has
            one.
        seeds: how many seeds the curve has.
    """

    against: str
    at: Mapping[str, Any]
    unheld: tuple[str, ...]
    of: Mapping[str, Interval]
    seeds: int


def slopes(
    section: Section, by: Sequence[str], setting: str, *, drawn: bool = False, most: int | None = None
) -> tuple[list[Slope], int]:
    """Slopes against one setting, one for each combination of the others.

    Settings that move together with it cannot be held. Where points were drawn, no two of them share the value of
    another numeric setting of training: then one line is fitted through all, whatever that setting is.

    Each seed's curve is fitted on its own (`slope_of`): values of 0 or less have no logarithm and are left out, and a
    seed that misses a point, because the run diverged or never met its target, may have any slope: it has no part in
    the estimate, and widens the interval.

    Args:
        section: what was measured.
        by: the settings that tell points apart; all others are averaged over first.
        setting: one of them, numeric.
        drawn: whether the points of the sweep were drawn.
        most: how many curves are worked out; None: all.

    Returns:
        The slopes in the order of the sweep, and how many curves there are.
    """
    seeds = seed_means(section, by)
    held, unheld = _held(seeds, [name for name in by if section.varies(name)], setting, drawn=drawn)
    telling = _telling(seeds, held)
    found = [
        Slope(
            setting,
            {name: values[name] for name in telling},
            unheld,
            {metric: slope_of(_measured(curve, metric), setting, metric) for metric in section.metrics},
            curve["seed"].n_unique(),
        )
        for values, curve in islice(groups(seeds, held), most)
    ]
    return found, seeds.select(held).n_unique() if held else 1


def sloped_settings(section: Section, by: Sequence[str]) -> tuple[list[str], list[str]]:
    """The numeric settings that slopes can be had against, and those with fewer than `FEWEST` positive values.

    Of settings that always have the same value (``task.d_X, model.d_X``) the first one stands for all.
    """
    numeric = [name for name in by if section.varies(name) and is_numeric(section.rows, name)]
    different = [
        name
        for place, name in enumerate(numeric)
        if not any((section.rows[name] == section.rows[other]).all() for other in numeric[:place])
    ]
    enough = [name for name in different if section.rows[name].filter(section.rows[name] > 0).n_unique() >= FEWEST]
    return enough, [name for name in different if name not in enough]


def _held(
    seeds: pl.DataFrame, varied: Sequence[str], setting: str, *, drawn: bool
) -> tuple[list[str], tuple[str, ...]]:
    """The settings that are held along a curve, and those that are not as the points were drawn."""
    held: list[str] = []
    unheld: list[str] = []
    for name in varied:
        if name == setting:
            continue
        if drawn and _of_training(name) and _of_training(setting):
            (unheld if is_numeric(seeds, name) else held).append(name)
        elif not _follows(seeds, name, [setting]):
            held.append(name)
    return held, tuple(unheld)


def _telling(seeds: pl.DataFrame, held: Sequence[str]) -> list[str]:
    """The settings that say which curve it is, without those that follow from the ones before."""
    telling: list[str] = []
    for name in held:
        if not telling or not _follows(seeds, name, telling):
            telling.append(name)
    return telling


def _follows(seeds: pl.DataFrame, name: str, from_: Sequence[str]) -> bool:
    """Whether a setting has one value only for each combination of some others, and so moves together with them."""
    return seeds.select(*from_, name).n_unique() == seeds.select(from_).n_unique()


def _of_training(setting: str) -> bool:
    return setting != LENGTH and not setting.startswith(f"{TEST}.")


def _measured(curve: pl.DataFrame, metric: str) -> pl.DataFrame:
    """Without the points that do not have this metric at all."""
    return curve.drop_nulls(metric)
