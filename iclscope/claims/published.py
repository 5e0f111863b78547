"""Curves that a paper printed, and how far ours lie from them.

A paper's package keeps them in ``published.csv``: figure, curve, x, y, how exact y is ("3 %" of it, or an absolute
number), and where it was read off.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Literal, NamedTuple

import numpy as np
import polars as pl
from jaxtyping import Float64
from numpy.typing import NDArray

from iclscope.claims.families import ForAll, Setting, strict_level
from iclscope.claims.intervals import LEVEL, Interval, bounded_mean, mean_interval, share_limits
from iclscope.claims.paper import paper_named
from iclscope.claims.summaries import RANGES

FILE = "published.csv"
COLUMNS = ["figure", "curve", "x", "y", "exact", "source"]


class PublishedCurve(NamedTuple):
    """A curve of a paper, in the order of its abscissae.

    Attributes:
        x: abscissae.
        y: values.
        reading: by how much each value may be off, since it was read off a picture.
        source: where.
    """

    x: tuple[float, ...]
    y: tuple[float, ...]
    reading: tuple[float, ...]
    source: str

    def at(self, x: float) -> float:
        """The value at one of its abscissae."""
        return self.y[self.x.index(x)]


@cache
def published_curves(paper: str, figure: str) -> Mapping[str, PublishedCurve]:
    """The published curves of a figure by name; empty where the paper's package has none.

    Args:
        paper: short name.
        figure: the figure's name.
    """
    points = _points_of(paper).get(figure, {})
    return MappingProxyType({curve: _curve(found) for curve, found in points.items()})


@cache
def _points_of(paper: str) -> dict[str, dict[str, list[dict[str, str]]]]:
    """The rows of a paper's file by figure and curve; the file is read once for all figures."""
    package = paper_named(paper).package
    if not package or not (path := resources.files(package) / FILE).is_file():
        return {}
    points: dict[str, dict[str, list[dict[str, str]]]] = {}
    for record in csv.DictReader(path.read_text(encoding="utf-8").splitlines()):
        points.setdefault(record["figure"], {}).setdefault(record["curve"], []).append(record)
    return points


def _curve(records: Sequence[Mapping[str, str]]) -> PublishedCurve:
    ordered = sorted(records, key=lambda one: float(one["x"]))
    values = [float(one["y"]) for one in ordered]
    reading = [reading_error(one["exact"], value) for one, value in zip(ordered, values, strict=True)]
    sources = list(dict.fromkeys(one["source"] for one in ordered))
    return PublishedCurve(tuple(float(one["x"]) for one in ordered), tuple(values), tuple(reading), "; ".join(sources))


def reading_error(exact: str, value: float) -> float:
    """How far off a value may be, from its column ``exact``: "3 %" of it, or an absolute number."""
    number = exact.removesuffix("%")
    return abs(value) * float(number) / 100 if number != exact else float(exact)


class Distance(NamedTuple):
    """How far our curve lies from a published one, ours less theirs; intervals include the reading error.

    Attributes:
        mean: signed mean over the points that both have.
        largest: the difference that is largest in size, with its sign, at the level at which one of so many may be.
        at: its abscissa.
        logarithmic: whether differences are of log((errors + ½)/(prompts + 1)), so that their exponential is how many
            times as often ours errs.
    """

    mean: Interval
    largest: Interval
    at: float
    logarithmic: bool

    @property
    def told(self) -> tuple[str, str]:
        """Mean and largest difference with their intervals, in words: factors of errors, else differences."""

        def words(one: Interval) -> str:
            value, low, high = (math.exp(end) if self.logarithmic else end for end in one[:3])
            sign = "×" if self.logarithmic else ("+" if value > 0 else "")
            digits = [f"{end:.2g}".replace("-", "−") for end in (value, low, high)]
            known = math.isfinite(low) and math.isfinite(high)
            return f"{sign}{digits[0]} [{digits[1]}, {digits[2]}]" if known else f"{sign}{digits[0]}"

        return words(self.mean), f"{words(self.largest)} at {self.at:g}"


Distances = Callable[[pl.DataFrame, float], Mapping[str, Distance]]
"""Rows of one arm and a level → how far each of a figure's curves lies from the published one, by name."""


def every_curve(distances: Distances, which: Literal["mean", "largest"] = "mean") -> Callable[[pl.DataFrame], ForAll]:
    """The estimate of a claim on all curves of a figure: the distance of each.

    Args:
        distances: the figure's.
        which: the signed mean, for claims that ours is no larger; the largest difference, for questions of whether two
            curves are one: differences of both signs have a small mean.
    """

    def estimate(rows: pl.DataFrame) -> ForAll:
        found = distances(rows, LEVEL)
        strict = distances(rows, strict_level(len(found)))
        return ForAll(
            tuple(Setting(name, getattr(one, which), getattr(strict[name], which)) for name, one in found.items())
        )

    return estimate


def error_distance(rows: pl.DataFrame, theirs: PublishedCurve, x: str, *, level: float = LEVEL) -> Distance:
    """How far a curve of error rates lies from a published one, on a logarithmic scale.

    The errors of all seeds are pooled, as a mean is drawn; the interval is that of the jackknife over seeds, or that of
    the pooled prompts by Clopper and Pearson where it is wider. A seed without an error rate may have any.

    Args:
        rows: of one curve, with the columns seed, prompts, classification_error and the abscissa.
        theirs: the published curve.
        x: name of the abscissa; points are compared where both curves have one.
        level: of the intervals.

    Raises:
        ValueError: if no point is common.
    """
    points, errors = _by_seed(rows, x, "classification_error", theirs, interpolated=False)
    total = float(min(rows["prompts"].to_list()) * len(errors))

    def logarithm(rates: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(np.log((rates * total + 0.5) / (total + 1)))

    y, reading = (np.array(values)[points] for values in (theirs.y, theirs.reading))
    published = logarithm(y)
    shift = (published - logarithm(np.minimum(y + reading, 1)), published - logarithm(np.maximum(y - reading, 0)))
    filled = [np.where(np.isfinite(errors), errors, worst) for worst in (0.0, 1.0)]
    pseudo = [_jackknife(one, logarithm) - published for one in filled]
    value = logarithm(_mean_of_known(errors)) - published
    missing = int((~np.isfinite(errors)).any(axis=1).sum())

    def interval(chosen: list[int], wanted: float) -> Interval:
        of_seeds = bounded_mean(
            pseudo[0][:, chosen].mean(axis=1).tolist(),
            pseudo[1][:, chosen].mean(axis=1).tolist(),
            value=float(value[chosen].mean()),
            missing=missing,
            level=wanted,
        )
        pooled = [
            [share_limits(round(rate * total), round(total), wanted)[end] for rate in side.mean(axis=0)[chosen]]
            for end, side in enumerate(filled)
        ]
        least, most = ((logarithm(np.array(ends)) - published[chosen]).mean() for ends in pooled)
        low, high = min(of_seeds.low, least), max(of_seeds.high, most)
        return of_seeds._replace(low=low + shift[0][chosen].mean(), high=high + shift[1][chosen].mean())

    return _distance(value, [theirs.x[one] for one in points], interval, level, logarithmic=True)


def value_distance(rows: pl.DataFrame, theirs: PublishedCurve, x: str, y: str, *, level: float = LEVEL) -> Distance:
    """How far a curve of any quantity but an error lies from a published one.

    Args:
        rows: of one curve, with the columns seed, abscissa and ordinate.
        theirs: the published curve.
        x: name of the abscissa; ours is interpolated linearly where it was measured on both sides.
        y: name of the ordinate.
        level: of the intervals.

    Raises:
        ValueError: if no point lies within our curve.
    """
    points, values = _by_seed(rows, x, y, theirs, interpolated=True)
    published, reading = (np.array(given)[points] for given in (theirs.y, theirs.reading))
    differences = values - published
    least, most = RANGES.get(y, (-math.inf, math.inf))

    def interval(chosen: list[int], wanted: float) -> Interval:
        own, mean = differences[:, chosen].mean(axis=1).tolist(), float(published[chosen].mean())
        found = mean_interval(own, least=least - mean, most=most - mean, level=wanted)
        wide = float(reading[chosen].mean())
        return found._replace(low=found.low - wide, high=found.high + wide)

    value = _mean_of_known(differences)
    return _distance(value, [theirs.x[one] for one in points], interval, level, logarithmic=False)


def _distance(
    value: Float64[np.ndarray, " point"],
    at: Sequence[float],
    interval: Callable[[list[int], float], Interval],
    level: float,
    *,
    logarithmic: bool,
) -> Distance:
    furthest = int(np.argmax(np.abs(np.nan_to_num(value))))
    mean, largest = interval(list(range(len(at))), level), interval([furthest], 1 - (1 - level) / len(at))
    return Distance(mean, largest, at[furthest], logarithmic)


def _by_seed(
    rows: pl.DataFrame, x: str, y: str, theirs: PublishedCurve, *, interpolated: bool
) -> tuple[list[int], Float64[np.ndarray, "seed point"]]:
    """Which published points ours can be compared with, and our value at each, per seed."""
    value = pl.col(y).cast(pl.Float64).fill_null(math.nan).mean()
    table = rows.drop_nulls(x).group_by("seed", x).agg(value).sort("seed", x)
    places = sorted(set(table[x].cast(pl.Float64).to_list()))
    if interpolated:
        points = [i for i, one in enumerate(theirs.x) if places[0] - 1e-9 <= one <= places[-1] + 1e-9]
    else:
        points = [i for i, one in enumerate(theirs.x) if any(abs(one - own) < 1e-9 for own in places)]
    if not points:
        raise ValueError(f"no published point lies on our curve: {x} = {theirs.x} and {places}")
    wanted = [theirs.x[i] for i in points]
    found = [
        np.interp(wanted, part[x].cast(pl.Float64).to_numpy(), part[y].to_numpy())
        for _, part in table.group_by("seed", maintain_order=True)
    ]
    return points, np.array(found)


def _mean_of_known(values: Float64[np.ndarray, "seed point"]) -> Float64[np.ndarray, " point"]:
    """Mean over the seeds that have a value; NaN where none has."""
    known = np.isfinite(values)
    total, count = np.where(known, values, 0.0).sum(axis=0), known.sum(axis=0)
    return np.asarray(np.where(count > 0, total / np.maximum(count, 1), math.nan))


def _jackknife(
    errors: Float64[np.ndarray, "seed point"], transform: Callable[[NDArray[np.float64]], NDArray[np.float64]]
) -> Float64[np.ndarray, "seed point"]:
    """Pseudo-values of a function of the mean over seeds, whose mean and scatter are those of the function."""
    seeds = len(errors)
    if seeds < 2:
        return np.asarray(transform(errors))
    whole = transform(errors.mean(axis=0))
    without = transform((errors.sum(axis=0) - errors) / (seeds - 1))
    return np.asarray(seeds * whole - (seeds - 1) * without)
