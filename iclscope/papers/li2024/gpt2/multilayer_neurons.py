"""The label part of MLP neurons in each layer of GPT-2, over training (Section 4 of Li 2024)."""

from __future__ import annotations

import math

import polars as pl
from matplotlib.figure import Figure

from iclscope.claims.claim import Claim, Region
from iclscope.claims.published import published_curves
from iclscope.claims.summaries import over_seeds, signed, summarise
from iclscope.papers.li2024.conditions import theorem_conditions
from iclscope.papers.li2024.gpt2.gpt2_settings import GPT2Group, gpt2_trials, layer_rows
from iclscope.papers.li2024.one_layer.trajectories import AT_START, at_end, with_control
from iclscope.papers.li2024.settings import IN_DOMAIN, PAPER
from iclscope.plotting.style import curve, legend, published, reference_line
from iclscope.study.experiment import Experiment, Preset

SEPARATED = math.pi / 2
"""From this angle between the two groups on, each lies nearer to its own side than to the other."""

LAYERS = (1, 2, 3)
RISING, LOWERING = "a > 0", "a < 0"


def _published_angle(layer: int, group: str) -> float:
    """Mean of the published angles to q (radians), weighted by the norms, as ours are."""
    theirs = published_curves("li2024", "multilayer-neurons")[f"layer {layer}, {group}"]  # against the norm
    return sum(norm * angle for norm, angle in zip(theirs.x, theirs.y, strict=True)) / sum(theirs.x)


PUBLISHED = {layer: _published_angle(layer, LOWERING) - _published_angle(layer, RISING) for layer in LAYERS}
"""The published separations: 0.25 π in layer 1, where one neuron with a > 0 lies on the other side, 0.07 π, 0.01 π."""

SHOWS = (PUBLISHED[1] + PUBLISHED[2]) / 2
"""Half way between the published layer that separates and the next: from here on a separation counts as one."""


def _measure(group: GPT2Group, _preset: Preset) -> pl.DataFrame:
    rows = layer_rows(group, IN_DOMAIN, "angle_plus", "angle_minus", "label_norm").drop("domain")
    return with_control(rows.with_columns(separation=pl.col("angle_minus") - pl.col("angle_plus")))


def _widest(rows: pl.DataFrame) -> pl.DataFrame:
    """Each seed's largest separation of all layers at the end."""
    return at_end(rows).group_by("seed").agg(pl.col("separation").max())


def _first(rows: pl.DataFrame) -> pl.DataFrame:
    """Per seed, the separation at the end in layer 1 less the widest of the others."""
    first = pl.col("separation").filter(pl.col("layer") == 1).max()
    others = pl.col("separation").filter(pl.col("layer") > 1).max()
    return at_end(rows).group_by("seed").agg(lead=first - others)


def _separated_layers(rows: pl.DataFrame) -> pl.DataFrame:
    """Per seed, in how many layers the groups are separated at the end; missing where a layer was not measured."""
    separated = pl.when(pl.col("separation").is_not_nan()).then(pl.col("separation") > SHOWS)
    count = separated.sum().cast(pl.Float64)
    whole = separated.is_not_null().all()
    return at_end(rows).group_by("seed").agg(layers=pl.when(whole).then(count))


def _draw(figure: Figure, rows: pl.DataFrame) -> None:
    angles, norms = figure.subplots(1, 2)
    trained = rows.filter(pl.col("arm") == "trained")
    last = float(trained["step"].max() or 0)  # type: ignore[arg-type]  # polars' type for any column's largest
    for index, layer in enumerate(LAYERS):
        own = trained.filter(pl.col("layer") == layer)
        theirs = [_published_angle(layer, group) for group in (RISING, LOWERING)]
        name = "published" if index == 0 else None
        published(angles, [last] * 2, theirs, label=name, index=index, joined=False)
        for column, label in (("angle_plus", f"layer {layer}"), ("angle_minus", None)):
            points = summarise(own, "step", column)
            curve(angles, points["step"], points["value"], points["low"], points["high"], label=label, index=index)
        points = summarise(own, "step", "label_norm")
        name = f"layer {layer}"
        curve(norms, points["step"], points["value"], points["low"], points["high"], label=name, index=index)
    reference_line(angles, math.pi / 2)
    angles.set(xlabel="training step", ylabel="angle to q (radians)", ylim=(-0.1, math.pi + 0.1))
    angles.set_yticks([0, math.pi / 4, math.pi / 2, 3 * math.pi / 4, math.pi], labels=["0", "π/4", "π/2", "3π/4", "π"])
    norms.set(xlabel="training step", ylabel="norm of the label row", ylim=(0, None))
    legend(angles)


def _finding(rows: pl.DataFrame) -> str:
    trained = rows.filter(pl.col("arm") == "trained")
    ends = [
        over_seeds(at_end(trained).filter(pl.col("layer") == layer), "separation").value / math.pi for layer in LAYERS
    ]
    theirs = ", ".join(signed(PUBLISHED[layer] / math.pi) for layer in LAYERS)
    return (
        "Neurons that raise the output and neurons that lower it end "
        f"{', '.join(signed(end) for end in ends)} π apart in layers 1, 2 and 3 (published {theirs} π)."
    )


EXPERIMENT = Experiment(
    name="multilayer-neurons",
    title="GPT-2: MLP neurons read the label, layer by layer",
    caption=(
        "Angle between q and the label rows of the MLP neurons of each layer (left), below π/2 for neurons that raise the "
        "output and above for those that lower it, and the norm of these rows (right), over training. A label row is the "
        "direct path from a label embedding through the layer's attention to the neuron, the sign of a neuron is that of its "
        "direct path to the output; means weighted by the size of both (our definitions: the paper gives none for GPT-2). "
        "Hollow: published at the end, weighted by norm."
    ),
    position=170,
    trials=gpt2_trials,
    measure=_measure,
    conditions=theorem_conditions,
    claims=(
        Claim(
            id="multilayer-neurons-part",
            form="published",
            statement="In some layer of GPT-2 the neurons' label parts align with +q or −q by what they do to the output.",
            source=f"{PAPER}, Section 4, figure for GPT-2; Proposition 4.2 for one layer",
            quantity="angle between the two groups after training in each model's layer where it is largest, in radians",
            expected=Region(low=SEPARATED),
            reason="each group nearer to its own side than to the other",
            estimate=lambda rows: over_seeds(_widest(rows), "separation"),
            control=AT_START,
        ),
        Claim(
            id="multilayer-neurons-one-layer",
            form="published",
            statement="The separation shows in one layer only.",
            source=f"{PAPER}, Section 4, figure for GPT-2",
            quantity=f"number of layers in which the groups are more than {SHOWS / math.pi:.2f} π apart after training",
            expected=Region(1.0, 1.0),
            reason="the paper's figure; half way between its layers 1 (0.25 π) and 2 (0.07 π)",
            estimate=lambda rows: over_seeds(_separated_layers(rows), "layers"),
            control=AT_START,
        ),
        Claim(
            id="multilayer-neurons-first",
            form="published",
            statement="It is layer 1 that separates.",
            source=f"{PAPER}, Section 4, figure for GPT-2",
            quantity="angle between the groups after training in layer 1 less that of the other layer where it is largest, in radians",
            expected=Region(low=(PUBLISHED[1] - PUBLISHED[2]) / 2),
            reason="half of the published lead of layer 1, 0.18 π",
            estimate=lambda rows: over_seeds(_first(rows), "lead"),
            control=AT_START,
        ),
    ),
    draw=_draw,
    finding=_finding,
    size=(7.2, 3.4),
)
