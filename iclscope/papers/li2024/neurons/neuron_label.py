"""The label part of MLP neurons turns to +q or −q by the sign of a_i (Proposition 4.2)."""

from __future__ import annotations

import math

import polars as pl
from matplotlib.figure import Figure

from iclscope.claims.answers import answered
from iclscope.claims.claim import Claim, Region
from iclscope.claims.published import Distance, published_curves
from iclscope.claims.summaries import over_seeds
from iclscope.papers.li2024.conditions import theorem_conditions
from iclscope.papers.li2024.neurons.neuron_rows import (
    NEGATIVE,
    POSITIVE,
    alignment_distances,
    alignment_rows,
    draw_alignment,
)
from iclscope.papers.li2024.one_layer.trajectories import AT_START, at_end
from iclscope.papers.li2024.settings import PAPER, OneLayerGroup, base_trials
from iclscope.study.experiment import Experiment, Preset

PUBLISHED = published_curves("li2024", "neuron-label")


def _measure(group: OneLayerGroup, _preset: Preset) -> pl.DataFrame:
    return alignment_rows(group, "label")


def _distances(rows: pl.DataFrame, level: float) -> dict[str, Distance]:
    return alignment_distances(rows, PUBLISHED, level)


def _draw(figure: Figure, rows: pl.DataFrame) -> None:
    draw_alignment(
        figure,
        rows,
        angle_label="angle to q (radians)",
        norm_label="norm of the label part",
        theirs=PUBLISHED,
    )


def _at_end(rows: pl.DataFrame, group: str) -> pl.DataFrame:
    return at_end(rows).filter(pl.col("group") == group)


def _finding(rows: pl.DataFrame) -> str:
    trained = rows.filter(pl.col("arm") == "trained")
    plus, minus = (over_seeds(_at_end(trained, group), "angle").value / math.pi for group in (POSITIVE, NEGATIVE))
    norm = over_seeds(at_end(trained), "norm").value
    return (
        f"The label part ends at {plus:.3f} π from q where a_i > 0 and at {minus:.3f} π where a_i < 0 (published "
        f"0.164 π and 0.832 π), with norm {norm:.2f} (published 0.9 … 1.3)."
    )


def _claim(group: str, expected: Region, towards: str) -> Claim:
    return Claim(
        id=f"prop4.2-label-{'plus' if group == POSITIVE else 'minus'}",
        form="exact",
        statement=f"Where {group} the label part of the rows of W_O W_V aligns with {towards}.",
        source=f"{PAPER}, Proposition 4.2",
        quantity=f"mean angle of the label part to q after training where {group}, in radians",
        expected=expected,
        reason="the published angle, π/6 from " + towards,
        estimate=lambda rows: over_seeds(_at_end(rows, group), "angle"),
        control=AT_START,
    )


EXPERIMENT = Experiment(
    name="neuron-label",
    title="MLP neurons: the label part turns to +q or −q",
    caption=(
        "Angle between q and the label part (last d_Y entries) of the rows of W_O W_V (left), and the norm of that part "
        "(right), over training, by the sign of a_i; mean over the neurons whose ‖W_O(i,·)‖ grew. Dashed and hollow: "
        "published, its epochs drawn as steps."
    ),
    position=150,
    trials=base_trials,
    measure=_measure,
    conditions=theorem_conditions,
    claims=(
        _claim(POSITIVE, Region(low=0.0, high=math.pi / 6), "+q"),
        _claim(NEGATIVE, Region(low=5 * math.pi / 6, high=math.pi), "−q"),
        Claim(
            id="neuron-label-stops",
            form="ours",
            statement="Do the label angles stop at π/6, as in the published figure, instead of going on towards 0?",
            source=f"{PAPER}, Section 4, figure of neurons",
            quantity="mean angle of the label part to q after training where a_i > 0, in radians",
            expected=Region(0.154 * math.pi, 0.174 * math.pi),
            reason="published 0.164 π from epoch 200 to 400, exact to 0.01 π",
            estimate=lambda rows: over_seeds(_at_end(rows, POSITIVE), "angle"),
            control=AT_START,
            answer=answered(holds="at π/6", fails="elsewhere"),
        ),
    ),
    draw=_draw,
    finding=_finding,
    size=(7.2, 3.4),
    distances=_distances,
)
