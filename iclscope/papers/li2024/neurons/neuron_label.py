"""The label part of MLP neurons turns to +q or −q by the sign of a_i (Proposition 4.2)."""

from __future__ import annotations

import math

import polars as pl
from matplotlib.figure import Figure

from iclscope.claims.claim import Claim, Region
from iclscope.claims.summaries import over_seeds
from iclscope.papers.li2024.conditions import theorem_conditions
from iclscope.papers.li2024.neurons.neuron_rows import NEGATIVE, POSITIVE, alignment_rows, draw_alignment
from iclscope.papers.li2024.one_layer.trajectories import AT_START, at_end
from iclscope.papers.li2024.settings import PAPER, OneLayerGroup, base_trials
from iclscope.study.experiment import Experiment, Preset


def _measure(group: OneLayerGroup, _preset: Preset) -> pl.DataFrame:
    return alignment_rows(group, "label")


def _draw(figure: Figure, rows: pl.DataFrame) -> None:
    # Read off the paper's figure at epoch 400.
    angles = {POSITIVE: math.pi / 8, NEGATIVE: 7 * math.pi / 8}
    draw_alignment(
        figure,
        rows,
        angle_label="angle to q (radians)",
        norm_label="norm of the label part",
        angles=angles,
        norms=((400,), (1.3,)),
    )


def _at_end(rows: pl.DataFrame, group: str) -> pl.DataFrame:
    return at_end(rows).filter(pl.col("group") == group)


def _finding(rows: pl.DataFrame) -> str:
    trained = rows.filter(pl.col("arm") == "trained")
    plus, minus = (over_seeds(_at_end(trained, group), "angle").value / math.pi for group in (POSITIVE, NEGATIVE))
    norm = over_seeds(at_end(trained), "norm").value
    return (
        f"The label part ends at {plus:.3f} π from q where a_i > 0 and at {minus:.3f} π where a_i < 0 (published ≈ "
        f"0.125 π and 0.875 π), with norm {norm:.2f} (published ≈ 1.3)."
    )


def _claim(group: str, expected: Region, towards: str) -> Claim:
    return Claim(
        id=f"prop4.2-label-{'plus' if group == POSITIVE else 'minus'}",
        form="exact",
        statement=f"Where {group} the label part of the rows of W_O W_V aligns with {towards}.",
        source=f"{PAPER}, Proposition 4.2",
        quantity=f"mean angle of the label part to q after training where {group}, in radians",
        expected=expected,
        reason="the published angle, π/8 from " + towards,
        estimate=lambda rows: over_seeds(_at_end(rows, group), "angle"),
        control=AT_START,
    )


EXPERIMENT = Experiment(
    name="neuron-label",
    title="MLP neurons: the label part turns to +q or −q",
    caption=(
        "Angle between q and the label part (last d_Y entries) of the rows of W_O W_V (left), and the norm of that part "
        "(right), over training, by the sign of a_i; mean over the neurons whose ‖W_O(i,·)‖ grew. Hollow: published "
        "values at epochs 0 and 400, drawn at these steps."
    ),
    position=150,
    trials=base_trials,
    measure=_measure,
    conditions=theorem_conditions,
    claims=(
        _claim(POSITIVE, Region(low=0.0, high=math.pi / 8), "+q"),
        _claim(NEGATIVE, Region(low=7 * math.pi / 8, high=math.pi), "−q"),
    ),
    draw=_draw,
    finding=_finding,
    size=(7.2, 3.4),
)
