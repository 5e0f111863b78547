"""What the two figures on MLP neurons share: angles and lengths over training, of the neurons that grew."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

import polars as pl
import torch
from matplotlib.figure import Figure
from torch import Tensor

from iclscope.claims.published import Distance, PublishedCurve, value_distance
from iclscope.claims.summaries import summarise
from iclscope.mechanism import large_neurons
from iclscope.papers.li2024.one_layer.trajectories import with_control
from iclscope.papers.li2024.settings import IN_DOMAIN, OneLayerGroup
from iclscope.plotting.style import curve, legend, published, reference_line
from iclscope.pruning import magnitude

POSITIVE, NEGATIVE = "a_i > 0", "a_i < 0"


def alignment_rows(group: OneLayerGroup, part: Literal["feature", "label"]) -> pl.DataFrame:
    """One row per run, recorded step and sign of a_i: mean angle (radians) and norm over the large neurons.

    Large: the upper group of a two-means split of ‖W_O(i,·)‖ after training (Theorem 3.7's Ω(1) group).
    """
    large = large_neurons(magnitude(group.model))
    positive = group.model.a > 0
    angle = torch.arccos(group.trajectory[f"{IN_DOMAIN}/{part}_cosine"].clamp(-1, 1))
    norm = group.trajectory[f"{IN_DOMAIN}/{part}_norm"]
    parts = []
    for name, chosen in ((POSITIVE, large & positive), (NEGATIVE, large & ~positive)):
        quantities = {"angle": _mean(angle, chosen), "norm": _mean(norm, chosen)}
        rows = group.trajectory_rows(arm="trained", prefix=IN_DOMAIN, quantities=quantities)
        parts.append(rows.with_columns(group=pl.lit(name)))
    return with_control(pl.concat(parts).drop("domain"))


def _mean(values: Tensor, chosen: Tensor) -> Tensor:
    """Mean over the chosen neurons: [run, record, width] → [run, record]."""
    weights = chosen[:, None].to(values)
    return (values * weights).sum(dim=2) / weights.sum(dim=2)


def published_part(theirs: Mapping[str, PublishedCurve], column: str, group: str) -> str | None:
    """The name of the published curve of a column, of one sign of a_i or of both; None if there is none."""
    return next((name for name in (f"{column}, {group}", column) if name in theirs), None)


def alignment_distances(rows: pl.DataFrame, theirs: Mapping[str, PublishedCurve], level: float) -> dict[str, Distance]:
    """How far angles and norms lie from the published ones, by the sign of a_i."""
    found = {}
    for column in ("angle", "norm"):
        for group in (POSITIVE, NEGATIVE):
            name = published_part(theirs, column, group)
            if name is not None:
                own = rows.filter(pl.col("group") == group)
                found[f"{column}, {group}"] = value_distance(own, theirs[name], "step", column, level=level)
    return found


def draw_alignment(
    figure: Figure,
    rows: pl.DataFrame,
    *,
    angle_label: str,
    norm_label: str,
    theirs: Mapping[str, PublishedCurve],
) -> None:
    """Angle on the left, norm on the right, by the sign of a_i; published values beside ours.

    Args:
        figure: an empty figure.
        rows: what `alignment_rows` made.
        angle_label: label of the left axis.
        norm_label: label of the right axis.
        theirs: the published curves of the figure, over epochs, which are drawn as steps (`published_part`).
    """
    left, right = figure.subplots(1, 2)
    trained = rows.filter(pl.col("arm") == "trained")
    for index, group in enumerate((POSITIVE, NEGATIVE)):
        for ax, column in ((left, "angle"), (right, "norm")):
            points = summarise(trained.filter(pl.col("group") == group), "step", column)
            curve(ax, points["step"], points["value"], points["low"], points["high"], label=group, index=index)
            name = published_part(theirs, column, group)
            if name is not None and not (index and name == column):
                label = "published" if name == column else f"{group}, published"
                published(ax, theirs[name].x, theirs[name].y, label=label, index=index)
    reference_line(left, math.pi / 2)
    left.set(xlabel="training step", ylabel=angle_label, ylim=(-0.1, math.pi + 0.1))
    left.set_yticks([0, math.pi / 8, math.pi / 2, 7 * math.pi / 8, math.pi], labels=["0", "π/8", "π/2", "7π/8", "π"])
    right.set(xlabel="training step", ylabel=norm_label, ylim=(0, None))
    legend(left)
    legend(right)
