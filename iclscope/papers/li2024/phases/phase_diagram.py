"""Maps of a risk over two settings with theory's boundary on them: what the phase diagrams share.

Theory says from which y = c · x^exponent on the risk is small. It states the exponent but not the constant c, which is
therefore fitted: only the shape of the line is theory's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.patheffects import Normal, Stroke
from numpy.typing import ArrayLike, NDArray

from iclscope.claims.intervals import Interval, mean_interval
from iclscope.claims.slopes import first_below
from iclscope.claims.summaries import slope_of
from iclscope.evaluation.evaluate_model import evaluate
from iclscope.models.softmax_relu import SoftmaxReLUTransformer
from iclscope.papers.li2024.settings import OneLayerGroup
from iclscope.plotting.style import INK
from iclscope.study.experiment import Preset
from iclscope.tasks.patterns import PatternClassification

LEAST_SHARE = 0.95
"""What share of its cells a map must have on the right side of theory's boundary.

On grids as even as ours in both logarithms, a line whose exponent is off by 1/4 has 0.96 to 0.98 of them there, by
1/2 some 0.93, and one that ignores x 0.84 to 0.90 (tests/papers/test_phase_diagrams.py).
"""

SHARE_REASON = f"ours: {LEAST_SHARE} of the cells; on this grid a line whose exponent is off by a half, or that ignores α, has fewer"

# More runs than that leave the cache, fewer leave the cost of a call unshared.
_RUNS_AT_ONCE = 20

# Not the report's ink, which the page turns light where it is dark: a map has the same colours on every page.
_DARK, _LIGHT = "#14171c", "#ffffff"


class RiskMap(NamedTuple):
    """What is mapped.

    Attributes:
        x: column of the setting on the horizontal axis.
        y: column of the setting on the vertical axis, which the risk falls with.
        risk: column of the risk.
        target: the risk is small if it is at most this.
    """

    x: str
    y: str
    risk: str
    target: float


def prompts_per_cell(preset: Preset) -> int:
    """Fewer than for a point of a curve: there are hundreds of cells, and neighbours say nearly the same."""
    return min(preset.prompts, 1024)


def cell_rows(
    group: OneLayerGroup,
    model: SoftmaxReLUTransformer,
    cells: Sequence[Mapping[str, float]],
    test: Callable[..., PatternClassification],
    *,
    arm: str,
    prompts: int,
) -> pl.DataFrame:
    """One row per cell and run. Several cells are tested at once, side by side along the run axis.

    Args:
        group: what was trained.
        model: its runs, trained or not.
        cells: the settings of each cell; those of one call must be of one context length.
        test: a trained task and a cell's settings → what to test on.
        arm: "trained", or the name of a control.
        prompts: test prompts per cell and run.
    """
    at_once = max(1, _RUNS_AT_ONCE // len(group.trials))
    rows = []
    for start in range(0, len(cells), at_once):
        chosen = cells[start : start + at_once]
        beside = model.runs([run for _ in chosen for run in range(len(group.trials))])
        tests = [test(one.patterns, **cell) for cell in chosen for one in group.trials]
        risks = evaluate(beside, tests, prompts=prompts)
        hinge, error = (values.reshape(len(chosen), -1) for values in risks)
        for i, cell in enumerate(chosen):
            columns: dict[str, Any] = {**cell, "hinge_risk": hinge[i], "classification_error": error[i]}
            rows.append(group.rows(arm=arm, prompts=prompts, **columns))
    return pl.concat(rows)


def in_name_only(rows: pl.DataFrame, x: str, arm: str) -> pl.DataFrame:
    """A control: every value of ``x`` gets the trained rows of the middle one, so that its boundary is level."""
    trained = rows.filter(pl.col("arm") == "trained")
    values = sorted(trained[x].unique())
    middle = trained.filter(pl.col(x) == values[len(values) // 2])
    return pl.concat([middle.with_columns(pl.lit(arm).alias("arm"), pl.lit(value).alias(x)) for value in values])


def contour(rows: pl.DataFrame, shown: RiskMap) -> pl.DataFrame:
    """Per seed and x, the y at which the risk first is small, interpolated; NaN where it never is."""
    found = [
        {
            "seed": seed,
            shown.x: x,
            shown.y: first_below(group[shown.y].to_list(), _numbers(group[shown.risk]), shown.target),
        }
        for (seed, x), group in rows.sort(shown.y).group_by("seed", shown.x)
    ]
    kinds = {"seed": pl.Int64, shown.x: pl.Float64, shown.y: pl.Float64}
    return pl.DataFrame(found, schema=kinds).sort("seed", shown.x)


def contour_slope(rows: pl.DataFrame, shown: RiskMap) -> Interval:
    """Log-log slope of the contour, with an interval over seeds."""
    return slope_of(contour(rows, shown), shown.x, shown.y)


class Fit(NamedTuple):
    """Theory's line, moved to where it is right of most cells.

    Attributes:
        constant: c of y = c · x^exponent; NaN if all cells have a small risk or none has, so that no line is seen.
        share: the share of cells on the right side of it.
    """

    constant: float
    share: float


def fitted(rows: pl.DataFrame, shown: RiskMap, exponent: float) -> Fit:
    """Fit the constant to the cells of one map; cells of runs that diverged are left out."""
    kept = rows.filter(pl.col(shown.risk).is_finite())
    scores = kept[shown.y].to_numpy() / kept[shown.x].to_numpy() ** exponent
    order = np.argsort(scores)
    scores, small = scores[order], (kept[shown.risk].to_numpy() <= shown.target)[order]
    if small.all() or not small.any():
        return Fit(math.nan, math.nan)
    # Right if the first k cells are said to have a large risk and the others a small one, for k = 1, 2, …
    right = np.cumsum(~small)[:-1] + small.sum() - np.cumsum(small)[:-1]
    # Between equal scores no line goes through.
    right[scores[1:] <= scores[:-1] * (1 + 1e-9)] = -1
    best = np.flatnonzero(right == right.max())
    k = int(best[len(best) // 2])
    return Fit(float(np.sqrt(scores[k] * scores[k + 1])), float(right[k] / len(small)))


def right_share(rows: pl.DataFrame, shown: RiskMap, exponent: float) -> Interval:
    """Share of cells on the right side of theory's line, its constant fitted to each seed's map; interval over seeds.

    A seed of which a cell is missing has no share.
    """
    shares = []
    for _, group in rows.sort("seed").group_by("seed", maintain_order=True):
        whole = bool(group[shown.risk].cast(pl.Float64).is_finite().fill_null(value=False).all())
        shares.append(fitted(group, shown, exponent).share if whole else math.nan)
    return mean_interval(shares, least=0.0, most=1.0)


def mean_map(rows: pl.DataFrame, shown: RiskMap) -> pl.DataFrame:
    """The map of the mean over seeds that did not diverge, as the rows of one seed, 0."""
    value = pl.col(shown.risk).fill_nan(None).mean()
    return rows.group_by(shown.x, shown.y).agg(value).with_columns(seed=pl.lit(0)).sort(shown.x, shown.y)


def draw_map(axes: Axes, rows: pl.DataFrame, shown: RiskMap, *, log: bool = True) -> None:
    """Draw the mean over seeds as colours, with a colour bar; `legend_above` says what they are.

    Args:
        axes: where to draw.
        rows: of one arm.
        shown: what is mapped.
        log: whether both settings are on logarithmic axes.
    """
    table = mean_map(rows, shown).pivot(on=shown.x, index=shown.y, values=shown.risk).sort(shown.y)
    x, y = sorted(rows[shown.x].unique()), table[shown.y].to_list()
    values = np.ma.masked_invalid(table.drop(shown.y).to_numpy().astype(float))
    low, high = _RANGES[shown.risk]
    # A risk of 0 has no logarithm; it is shown as the smallest colour.
    norm = LogNorm(low, high, clip=True)
    edges = _edges(x, log=log), _edges(y, log=log)
    mesh = axes.pcolormesh(*edges, values, norm=norm, cmap="cividis", edgecolors="face", linewidth=0.2)
    if log:
        axes.set(xscale="log", yscale="log")
    axes.grid(visible=False)
    axes.set(xlim=edges[0][[0, -1]], ylim=edges[1][[0, -1]])
    figure = axes.get_figure(root=True)
    assert figure is not None
    bar = figure.colorbar(mesh, ax=axes, extend="min", pad=0.02)
    bar.ax.minorticks_off()
    ticks = [tick for tick in (0.001, 0.01, 0.1, 0.5, 1.0) if low <= tick <= high]
    bar.set_ticks(ticks, labels=[f"{tick:g}" for tick in ticks])
    bar.outline.set_visible(False)


# Colours from the first value (and below) to the second: an untrained model has hinge risk 1 and error 1/2.
_RANGES = {"hinge_risk": (0.01, 1.0), "classification_error": (0.001, 0.5)}


def draw_contour(axes: Axes, rows: pl.DataFrame, shown: RiskMap, *, label: str) -> None:
    """Draw where the mean over seeds first is small: a light line with a dark rim."""
    points = contour(mean_map(rows, shown), shown)
    line = axes.plot(points[shown.x], points[shown.y], color=_LIGHT, linewidth=1.8, label=label)
    line[0].set_path_effects([Stroke(linewidth=3.6, foreground=_DARK), Normal()])


def draw_boundary(axes: Axes, x: ArrayLike, y: ArrayLike, *, label: str) -> None:
    """Draw theory's line: dark dashes with a light rim."""
    line = axes.plot(np.asarray(x), np.asarray(y, dtype=float), color=_DARK, linestyle=(0, (3, 2)), label=label)
    line[0].set_path_effects([Stroke(linewidth=4.2, foreground=_LIGHT), Normal()])


def draw_fitted_boundary(axes: Axes, rows: pl.DataFrame, shown: RiskMap, exponent: float, *, label: str) -> None:
    """Draw theory's y = c · x^exponent, c fitted to the mean over seeds; ``label`` says where c stands: {c}."""
    cells = mean_map(rows, shown)
    constant = fitted(cells, shown, exponent).constant
    x = cells[shown.x].unique().sort().to_numpy()
    draw_boundary(axes, x, constant * x**exponent, label=label.format(c=constant))


def draw_frame(axes: Axes, x: tuple[float, float], y: tuple[float, float], *, label: str) -> None:
    """Frame the cells that a claim speaks of, thinly."""
    corners = [x[0], x[1], x[1], x[0], x[0]], [y[0], y[0], y[1], y[1], y[0]]
    line = axes.plot(*corners, color=_LIGHT, linewidth=0.9, linestyle=(0, (1, 1.2)), label=label, clip_on=False)
    line[0].set_path_effects([Stroke(linewidth=2.2, foreground=_DARK), Normal()])


def legend_above(axes: Axes, *, title: str) -> None:
    """Say above the map what colours and lines are: on it no ink reads everywhere.

    Args:
        axes: a map with labelled lines.
        title: what the colours are.
    """
    box = axes.legend(
        title=title, loc="lower left", bbox_to_anchor=(0, 1), alignment="left", frameon=False, fontsize=9,
        labelcolor=INK, borderaxespad=0.2, borderpad=0.1,
    )  # fmt: skip
    box.get_title().set(color=INK, fontsize=10, fontweight="bold")


def _numbers(values: pl.Series) -> list[float]:
    """What was not measured is no number."""
    return [math.nan if value is None else value for value in values]


def _edges(centres: Sequence[float], *, log: bool) -> NDArray[np.float64]:
    """Where cells meet: half-way between their centres."""
    at = np.log(centres) if log else np.asarray(centres, dtype=float)
    middles = (at[1:] + at[:-1]) / 2
    edges = np.concatenate([[2 * at[0] - middles[0]], middles, [2 * at[-1] - middles[-1]]])
    return np.exp(edges) if log else edges
