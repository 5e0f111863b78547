"""The feature part of MLP neurons turns to the mean relevant pattern (Proposition 4.2)."""

from __future__ import annotations

import math

import polars as pl
from matplotlib.figure import Figure

from iclscope.claims.claim import Claim, Region
from iclscope.claims.published import Distance, published_curves
from iclscope.claims.summaries import over_seeds
from iclscope.papers.li2024.conditions import theorem_conditions
from iclscope.papers.li2024.neurons.neuron_rows import alignment_distances, alignment_rows, draw_alignment
from iclscope.papers.li2024.one_layer.trajectories import AT_START, at_end
from iclscope.papers.li2024.settings import PAPER, OneLayerGroup, base_trials
from iclscope.study.experiment import Experiment, Preset

PUBLISHED = published_curves("li2024", "neuron-feature")


def _measure(group: OneLayerGroup, _preset: Preset) -> pl.DataFrame:
    return alignment_rows(group, "feature")


def _distances(rows: pl.DataFrame, level: float) -> dict[str, Distance]:
    return alignment_distances(rows, PUBLISHED, level)


def _draw(figure: Figure, rows: pl.DataFrame) -> None:
    draw_alignment(
        figure,
        rows,
        angle_label="angle to μ̄ (radians)",
        norm_label="norm of the feature part",
        theirs=PUBLISHED,
    )


def _finding(rows: pl.DataFrame) -> str:
    last = at_end(rows.filter(pl.col("arm") == "trained"))
    angle, norm = over_seeds(last, "angle").value, over_seeds(last, "norm").value
    return (
        f"The feature part ends at {angle / math.pi:.3f} π from μ̄ (published 0.124 π) with norm {norm:.2f} "
        "(published 0.37 … 0.44)."
    )


EXPERIMENT = Experiment(
    name="neuron-feature",
    title="MLP neurons: the feature part turns to the mean pattern",
    caption=(
        "Angle between μ̄, the mean of the relevant patterns, and the feature part (first d_X entries) of the rows of "
        "W_O W_V (left), and the norm of that part (right), over training; mean over the neurons whose ‖W_O(i,·)‖ "
        "grew. Dashed and hollow: published, its epochs drawn as steps."
    ),
    position=140,
    trials=base_trials,
    measure=_measure,
    conditions=theorem_conditions,
    claims=(
        Claim(
            id="prop4.2-feature",
            form="exact",
            statement="The feature part of the rows of W_O W_V aligns with μ̄, the mean of the relevant patterns.",
            source=f"{PAPER}, Proposition 4.2",
            quantity="mean angle of the feature part to μ̄ after training, in radians",
            expected=Region(low=0.0, high=math.pi / 8),
            reason="the published angle, π/8",
            estimate=lambda rows: over_seeds(at_end(rows), "angle"),
            control=AT_START,
        ),
    ),
    draw=_draw,
    finding=_finding,
    size=(7.2, 3.4),
    distances=_distances,
)
