"""Trajectories of scores, attention and loss: the rows and estimates that the figures of Huang 2024 share."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np
import polars as pl
import torch
from jaxtyping import Float
from matplotlib.axes import Axes
from numpy.typing import NDArray
from torch import Tensor

from iclscope.claims.intervals import Interval, mean_interval
from iclscope.claims.summaries import summarise
from iclscope.evaluation.risks import EVALUATION_PURPOSE
from iclscope.mechanism import (
    UnderRepresentedPhases,
    balanced_phases,
    feature_scores,
    query_means,
    under_represented_phases,
)
from iclscope.papers.huang2024.settings import AT_START, CONTEXTS, EPSILON, FeatureGroup, task_of
from iclscope.plotting.style import curve, reference_line
from iclscope.tasks import CountPrompts
from iclscope.tasks.orthonormal_features import FeatureSampler

FeatureClass = Literal["all", "first", "others"]
"""Query features over which is averaged: all K, the first (the dominant one, if any is), or the others."""

Columns = dict[str, NDArray[np.float64]]


class Trajectory(NamedTuple):
    """What the recorded matrices Q do, in float64; NaN after a run had ended.

    Attributes:
        scores: A_k and B_{k,n}, as `feature_scores` gives them.
        attention: on each feature, mean over contexts.
        loss: of each query feature, mean over contexts.
    """

    scores: Float[Tensor, "run records K K"]
    attention: Float[Tensor, "run records K K"]
    loss: Float[Tensor, "run records K"]


def sampler_of(group: FeatureGroup) -> FeatureSampler:
    """The contexts that a group is measured on, and its features."""
    task = task_of(group.trials[0])
    on = task if task.expectation == "exact" else task.replace(expectation="counts")
    sampler: FeatureSampler = on.sampler([trial.seed for trial in group.trials], dtype=torch.float64)
    return sampler


def trajectory_of(group: FeatureGroup) -> Trajectory:
    """Scores, attention and loss at every record, on contexts that no training saw."""
    sampler = sampler_of(group)
    prompts = sampler.prompts(group.trials[0].evaluation.prompts, purpose=EVALUATION_PURPOSE)
    assert isinstance(prompts, CountPrompts)
    scores = feature_scores(group.trajectory[f"{CONTEXTS}/Q"].double().cpu(), sampler.features)
    return Trajectory(scores, *query_means(scores, prompts.counts))


def feature_rows(group: FeatureGroup, found: Trajectory, *, arm: str, feature: FeatureClass) -> pl.DataFrame:
    """One row per run and record: means over query features of a class.

    Columns: own_score A_k; dominant_score B_{k,1} and dominant_attention (0 where the query is feature 1 itself); cross_score,
    the mean of the other B_{k,n}; largest_cross, max_n |B_{k,n}|; attention on the own feature; loss.
    """
    task = task_of(group.trials[0])
    K = task.K
    chosen = {"all": list(range(K)), "first": [0], "others": list(range(1, K))}[feature]
    eye = torch.eye(K, dtype=torch.bool)
    cross = found.scores.masked_fill(eye, 0.0)
    others = feature == "others"
    to_first = cross[..., 0] if others else torch.zeros_like(cross[..., 0])
    means = {
        "own_score": found.scores.diagonal(dim1=2, dim2=3),
        "dominant_score": to_first,
        "cross_score": (cross.sum(dim=3) - to_first) / (K - 2 if others else K - 1),
        "largest_cross": cross.abs().amax(dim=3),
        "attention": found.attention.diagonal(dim1=2, dim2=3),
        "dominant_attention": found.attention[..., 0] if others else torch.zeros_like(found.loss),
        "loss": found.loss,
    }
    rows = group.trajectory_rows(
        arm=arm, prefix=CONTEXTS, quantities={name: values[..., chosen].mean(dim=2) for name, values in means.items()}
    )
    about = {"feature": feature, "K": K, "eta": group.trials[0].training.learning_rate, "p_1": task.dominant or 1 / K}
    return rows.drop("domain").with_columns(**{name: pl.lit(value) for name, value in about.items()})


def runs_of(rows: pl.DataFrame, feature: FeatureClass) -> Iterator[Columns]:
    """The trajectory of each seed, in the order of the seeds, one array per column."""
    chosen = rows.filter(pl.col("feature") == feature).sort("seed", "step")
    for _, run in chosen.group_by("seed", maintain_order=True):
        yield {name: run[name].cast(pl.Float64).to_numpy() for name, kind in run.schema.items() if kind.is_numeric()}


def over_runs(
    rows: pl.DataFrame, feature: FeatureClass, estimate: Callable[[Columns], float], *, most: float = math.inf
) -> Interval:
    """An estimate of each seed's trajectory, with an interval over seeds; it is at least 0 if it has a ``most``."""
    least = 0.0 if math.isfinite(most) else -math.inf
    return mean_interval([estimate(run) for run in runs_of(rows, feature)], least=least, most=most)


def at_end(column: str) -> Callable[[Columns], float]:
    """A column's last value."""
    return lambda run: float(run[column][-1])


def value_at(run: Columns, column: str, step: float) -> float:
    """A column's value at a step, interpolated linearly; NaN if the step is none."""
    return float(np.interp(step, run["step"], run[column])) if math.isfinite(step) else math.nan


def growth_end(run: Columns) -> float:
    """The step at which the own attention is ½."""
    return balanced_phases(run["step"], run["attention"], run["loss"], EPSILON).growth


def converged(run: Columns, epsilon: float = EPSILON) -> float:
    """The step at which the loss is ε."""
    return balanced_phases(run["step"], run["attention"], run["loss"], epsilon).convergence


def four_phases(run: Columns) -> UnderRepresentedPhases:
    """The ends of the four phases, in steps."""
    return under_represented_phases(
        run["step"],
        own_score=run["own_score"],
        dominant_score=run["dominant_score"],
        own_attention=run["attention"],
        dominant_attention=run["dominant_attention"],
        loss=run["loss"],
        epsilon=EPSILON,
    )


def with_start(rows: pl.DataFrame) -> pl.DataFrame:
    """The trained rows before the first step, as rows of a control."""
    return rows.filter((pl.col("arm") == "trained") & (pl.col("step") == 0)).with_columns(arm=pl.lit(AT_START.arm))


def draw_column(ax: Axes, rows: pl.DataFrame, column: str, *, label: str | None, index: int) -> None:
    """A column over the steps, mean and interval over seeds."""
    points = summarise(rows.filter(pl.col(column).is_not_nan()), "step", column)
    if not points.is_empty():
        curve(ax, points["step"], points["value"], points["low"], points["high"], label=label, index=index)


def draw_phases(axes: Sequence[Axes], ends: Sequence[float]) -> None:
    """Where phases end, as upright lines, and their numbers at the top; marks that are never passed are left out."""
    start = 0.0
    for number, end in zip(("I", "II", "III", "IV"), ends, strict=False):
        if not math.isfinite(end):
            return
        for ax in axes:
            reference_line(ax, end, vertical=True)
            place = ax.get_xaxis_transform()
            ax.text((start + end) / 2, 1.01, number, transform=place, ha="center", va="bottom", fontsize=9)
        start = end
