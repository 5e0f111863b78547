"""Figure and tables of `iclscope llm dose`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from matplotlib.axes import Axes

from iclscope.claims.crossed import crossed_rate
from iclscope.claims.intervals import Interval
from iclscope.language_models.dilution.advice import sentences
from iclscope.language_models.dilution.claims import FIGURE
from iclscope.language_models.dilution.demonstrations import ANYWHERE, FIRST, LAST
from iclscope.language_models.dilution.learners import KNN, LEARNERS, LOGISTIC
from iclscope.language_models.evaluation.rows import AS_GIVEN, accuracy_table
from iclscope.language_models.prompts.answers import crossed
from iclscope.language_models.report import DrawnFigure, percent
from iclscope.plotting.style import curve, legend, new_figure, reference_line
from iclscope.study.pages.page import TextTable

_NAMES = {KNN: "k nearest neighbours", LOGISTIC: "logistic regression"}


def dose_figure(rows: pl.DataFrame, chance: float, *, what: str) -> DrawnFigure:
    """Error over α' and the number of demonstrations, in four panels.

    Args:
        rows: of `Dose`.
        chance: accuracy of the most frequent label.
        what: what the demonstrations are that are not relevant.
    """
    given = rows.filter(pl.col("arm") == AS_GIVEN)
    table = accuracy_table(given, by=("shots", "alpha"))
    figure = new_figure(9.4, 6.8)
    axes = figure.subplots(2, 2)
    _draw_map(axes[0, 0], table)
    _draw_lengths(axes[0, 1], table, chance)
    _draw_learners(axes[1, 0], given, chance)
    _draw_places(axes[1, 1], rows, what)
    told = sentences(rows, what=what)
    return DrawnFigure(
        name=FIGURE,
        title="Error against the share of relevant demonstrations",
        caption="Errors after contextual calibration. Top: over α', the share of demonstrations that are about the "
        "task, and l, their number; dotted: the most frequent label alone. Bottom left: classical learners on the same "
        "demonstrations, given the model's hidden states, at the most of them. Bottom right: with the "
        f"{what} ones first, anywhere or last. Intervals are 95 %, over draws of demonstrations and queries.",
        finding=f"{told[-1]}." if told else _best(table),
        figure=figure,
    )


def _best(table: pl.DataFrame) -> str:
    best = table.sort("calibrated", descending=True, maintain_order=True).row(0, named=True)
    interval = Interval(best["calibrated"], best["calibrated_low"], best["calibrated_high"], best["draws"])
    return (
        f"best calibrated accuracy {percent(interval)} %, at {best['shots']} demonstrations and α' = {best['alpha']:g}."
    )


def _draw_map(axes: Axes, table: pl.DataFrame) -> None:
    shots, alphas = (sorted(table[name].unique()) for name in ("shots", "alpha"))
    grid = np.full((len(shots), len(alphas)), np.nan)
    for row in table.iter_rows(named=True):
        grid[shots.index(row["shots"]), alphas.index(row["alpha"])] = 1 - row["calibrated"]
    if min(grid.shape) > 1 and np.ptp(grid) > 0:
        levels = np.linspace(grid.min(), grid.max(), 11)
        axes.contourf(alphas, shots, grid, levels=levels, cmap="cividis")
        lines = axes.contour(alphas, shots, grid, levels=levels[2::2], colors="white", linewidths=0.8)
        axes.clabel(lines, fmt="%.2f", fontsize=8)
    for y, number in enumerate(shots):
        for x, alpha in enumerate(alphas):
            axes.plot(alpha, number, marker=".", color="white", markersize=3)
            if min(grid.shape) == 1:
                axes.annotate(f"{grid[y, x]:.2f}", (alpha, number), ha="center", va="bottom")
    axes.set_yscale("log", base=2)
    axes.set_yticks(shots, labels=[str(number) for number in shots])
    axes.set_xlabel("α': share of relevant demonstrations")
    axes.set_ylabel("l: demonstrations")
    axes.set_title("calibrated error")


def _draw_lengths(axes: Axes, table: pl.DataFrame, chance: float) -> None:
    for index, ((alpha,), part) in enumerate(table.sort("alpha", "shots").group_by("alpha", maintain_order=True)):
        low, high = 1 - part["calibrated_high"], 1 - part["calibrated_low"]
        beside = part["shots"] * 2 ** (0.05 * index)  # so that none hides another
        curve(axes, beside, 1 - part["calibrated"], low, high, label=f"α' = {alpha:g}", index=index, bars=True)
    reference_line(axes, 1 - chance)
    shots = sorted(table["shots"].unique())
    axes.set_xscale("log", base=2)
    axes.set_xticks(shots, labels=[str(number) for number in shots])
    axes.set_xlabel("l: demonstrations")
    axes.set_ylabel("calibrated error")
    axes.set_title("against l at each α'")
    legend(axes)


def _draw_learners(axes: Axes, given: pl.DataFrame, chance: float) -> None:
    part = given.filter(pl.col("shots") == given["shots"].max())
    columns = {"the model": "calibrated_correct", **{_NAMES[name]: f"{name}_correct" for name in _there(given)}}
    for index, (name, column) in enumerate(columns.items()):
        alphas = sorted(part["alpha"].unique())
        found = [crossed_rate(crossed(part.filter(pl.col("alpha") == alpha), column)) for alpha in alphas]
        errors = [(1 - one.value, 1 - one.high, 1 - one.low) for one in found]
        curve(axes, alphas, *zip(*errors, strict=True), label=name, index=index)
    reference_line(axes, 1 - chance)
    axes.set_xlabel("α': share of relevant demonstrations")
    axes.set_ylabel("error")
    axes.set_title(f"learners, at {part['shots'][0]} demonstrations")
    legend(axes)


def _draw_places(axes: Axes, rows: pl.DataFrame, what: str) -> None:
    names = [where for where in (FIRST, LAST) if (rows["arm"] == arm_of(where)).any()]
    if not names:
        axes.set_visible(False)
        return
    there = rows.filter(pl.col("arm") == arm_of(names[0]))
    same = (pl.col("shots") == there["shots"][0]) & (pl.col("alpha") == there["alpha"][0])
    found = []
    for where in (FIRST, ANYWHERE, LAST):
        part = rows.filter(same & (pl.col("arm") == arm_of(where)))
        found.append(crossed_rate(crossed(part, "calibrated_correct")))
    errors = [(1 - one.value, 1 - one.high, 1 - one.low) for one in found]
    curve(axes, range(3), *zip(*errors, strict=True), label=None, index=0, bars=True)
    axes.set_xticks(range(3), labels=(FIRST, ANYWHERE, LAST))
    axes.set_xlabel(f"where the {what} ones stand")
    axes.set_ylabel("calibrated error")
    axes.set_title(f"place, at {there['shots'][0]} demonstrations and α' = {there['alpha'][0]:g}")


def _there(rows: pl.DataFrame) -> list[str]:
    """The learners that were asked: a model behind an address shows them no hidden states."""
    return [name for name in LEARNERS if f"{name}_correct" in rows.columns]


def arm_of(where: str) -> str:
    """The arm of prompts whose irrelevant demonstrations stand there."""
    return AS_GIVEN if where == ANYWHERE else f"the others {where}"


def dose_text(rows: pl.DataFrame) -> TextTable:
    """Accuracies of the model and of the learners as a table of texts."""
    found: list[Sequence[str]] = []
    for (shots, alpha), part in sorted(rows.filter(pl.col("arm") == AS_GIVEN).group_by("shots", "alpha")):
        rates = [crossed_rate(crossed(part, f"{name}_correct")) for name in ("calibrated", *_there(rows))]
        found.append((str(shots), f"{alpha:g}", *map(percent, rates)))
    return TextTable(
        title="Accuracies",
        caption="In per cent, with 95 % intervals over draws of demonstrations and queries.",
        head=("shots", "α'", "calibrated", *(_NAMES[name] for name in _there(rows))),
        rows=found,
    )
