"""Figure and tables of `iclscope llm prune`."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import polars as pl

from iclscope.claims.intervals import Interval
from iclscope.language_models.pruning.claims import FIGURE
from iclscope.language_models.pruning.losses import Point
from iclscope.language_models.pruning.rows import WHOLE
from iclscope.language_models.report import DrawnFigure, percent
from iclscope.plotting.style import curve, legend, new_figure, reference_line
from iclscope.study.pages.page import TextTable


def prune_figure(points: Sequence[Point], chance: float, finding: str) -> DrawnFigure:
    """Calibrated accuracy and perplexity against the share of removed neurons.

    Args:
        points: of `prune_points`.
        chance: accuracy of always giving the most frequent label.
        finding: one sentence.
    """
    figure = new_figure(8.6, 3.6)
    left, right = figure.subplots(1, 2)
    whole = next(point for point in points if point.score == WHOLE)
    for index, score in enumerate(scores_of(points)):
        part = [whole, *(point for point in points if point.score == score)]
        rates = [100 * point.rate for point in part]
        curve(left, rates, *_ends([point.calibrated for point in part]), label=score, index=index)
        perplexities = [_exponential(point.nll) for point in part]
        curve(right, rates, *_ends(perplexities), label=None, index=index)
    reference_line(left, chance, label="most frequent label")
    left.set_ylabel("calibrated accuracy")
    right.set_ylabel("perplexity per token")
    right.set_yscale("log")
    for axes in (left, right):
        axes.set_xlabel("removed neurons (%)")
    legend(left, outside=True)
    return DrawnFigure(
        name=FIGURE,
        title="Accuracy and perplexity against the share of removed neurons",
        caption="Left: share of queries that the model answers rightly after contextual calibration. Right: perplexity "
        "of prompts of demonstrations on which no neuron was scored. The same share of MLP neurons is removed in each "
        "layer, the smallest of a score first; largest removes the largest norms first, and it and random are "
        "controls. Shades: 95 % intervals over draws and queries, and over texts.",
        finding=finding,
        figure=figure,
    )


def scores_of(points: Sequence[Point]) -> list[str]:
    """The scores that were measured, in their order."""
    return list(dict.fromkeys(point.score for point in points if point.score != WHOLE))


def _ends(intervals: Sequence[Interval]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    found = np.asarray([(one.value, one.low, one.high) for one in intervals])
    return found[:, 0], found[:, 1], found[:, 2]


def _exponential(nll: Interval) -> Interval:
    # Larger numbers leave no room for the margin of a logarithmic axis.
    low, value, high = (math.exp(min(x, 600.0)) for x in (nll.low, nll.value, nll.high))
    return Interval(value, low, high, nll.seeds)


def points_text(points: Sequence[Point]) -> TextTable:
    """The points as a table of texts."""
    found = []
    for point in points:
        whole = point.score == WHOLE
        perplexity = _exponential(point.nll)
        found.append(
            (
                point.score,
                f"{100 * point.rate:g}",
                percent(point.accuracy),
                percent(point.calibrated),
                "–" if whole else percent(point.loss),
                f"{perplexity.value:.2f} [{perplexity.low:.2f}, {perplexity.high:.2f}]",
            )
        )
    return TextTable(
        title="What is lost",
        caption="In per cent, with 95 % intervals; loss is the calibrated accuracy of the whole model less that "
        "without the neurons, on the same draws and queries.",
        head=("score", "removed", "accuracy", "calibrated", "loss", "perplexity"),
        rows=found,
    )


def costs_text(costs: pl.DataFrame) -> TextTable:
    """The costs as a table of texts.

    Args:
        costs: of `cost_rows`, with ``rate``.
    """
    first = costs.row(0, named=True)
    found = [_cost_cells("0", first, "whole_")]
    found += [_cost_cells(f"{100 * row['rate']:g}", row, "") for row in costs.iter_rows(named=True)]
    return TextTable(
        title="What is saved",
        caption="Weights as they stand in a checkpoint of the same type, and medians of latency: reading a prompt, and "
        "each new token behind it. Behind a latency: how many times faster than the whole model, which took turns with "
        "it in the same process, and the least and the most in any turn; where 1 is between them, no time was seen to "
        "be saved.",
        head=(
            "removed",
            "parameters",
            "weights",
            "prompt",
            "new token",
            *(("working memory",) if _on_gpu(costs) else ()),
        ),
        rows=found,
    )


def _cost_cells(removed: str, row: dict[str, float], prefix: str) -> tuple[str, ...]:
    cells = [
        removed,
        f"{row[prefix + 'parameters'] / 1e6:.1f} M",
        f"{row[prefix + 'weight_bytes'] / 1e6:.1f} MB",
    ]
    for name in ("prompt", "token"):
        cells.append(f"{1000 * row[f'{prefix}{name}_seconds']:.1f} ms")
        if not prefix:
            ends = (row[f"{name}_faster_{end}"] for end in ("low", "high"))
            cells[-1] += f" ({row[f'{name}_faster']:.2f}×, {'–'.join(f'{end:.2f}' for end in ends)})"
    if row["working_bytes"] is not None:
        cells.append(f"{row[prefix + 'working_bytes'] / 1e6:.1f} MB")
    return tuple(cells)


def _on_gpu(costs: pl.DataFrame) -> bool:
    return costs["working_bytes"].null_count() == 0
