"""Attention on same-pattern examples in each layer of GPT-2, over training (Section 4 of Li 2024)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
import polars as pl
from matplotlib.figure import Figure

from iclscope.claims.answers import Answer, answered
from iclscope.claims.claim import Claim, Region
from iclscope.claims.published import Distance, published_curves, value_distance
from iclscope.claims.summaries import over_seeds, signed, summarise
from iclscope.papers.li2024.conditions import theorem_conditions
from iclscope.papers.li2024.gpt2.gpt2_settings import GPT2_TRAINING, GPT2Group, gpt2_trials, layer_rows
from iclscope.papers.li2024.one_layer.trajectories import AT_START, at_end, with_control
from iclscope.papers.li2024.settings import IN_DOMAIN, OUT_OF_DOMAIN, PAPER
from iclscope.plotting.style import curve, legend, published, reference_line
from iclscope.study.experiment import Experiment, Preset

LAYERS = (1, 2, 3)
PUBLISHED = {layer: published_curves("li2024", "multilayer-attention")[f"layer {layer}"] for layer in LAYERS}
"""Against the share of the training, 1,600 epochs there."""
ENDS = tuple(curve.y[-1] for curve in PUBLISHED.values())
JUMP, BEFORE, BEHIND = 0.4, 0.35, 0.45
"""Epoch 640 of 1,600; all layers are still level at epoch 560, and all have risen by half at epoch 720."""


def _measure(group: GPT2Group, _preset: Preset) -> pl.DataFrame:
    both = [layer_rows(group, domain, "same_pattern", "best_head") for domain in (IN_DOMAIN, OUT_OF_DOMAIN)]
    return with_control(pl.concat(both))


def _most(rows: pl.DataFrame, column: str) -> pl.DataFrame:
    """Each seed's value in the layer where it is largest at the end, in domain."""
    return at_end(rows, IN_DOMAIN).group_by("seed").agg(pl.col(column).max())


def _least(rows: pl.DataFrame, column: str) -> pl.DataFrame:
    """Each seed's value in the layer where it is smallest at the end, in domain."""
    return at_end(rows, IN_DOMAIN).group_by("seed").agg(pl.col(column).min())


def _with_share(rows: pl.DataFrame) -> pl.DataFrame:
    """The share of the training as a column."""
    return rows.with_columns(share=pl.col("step") / pl.col("step").max())


def _distances(rows: pl.DataFrame, level: float) -> Mapping[str, Distance]:
    shares = _with_share(rows)
    found = {}
    for domain in (IN_DOMAIN, OUT_OF_DOMAIN):
        for layer, theirs in PUBLISHED.items():
            own = shares.filter((pl.col("domain") == domain) & (pl.col("layer") == layer))
            found[f"layer {layer}, {domain}"] = value_distance(own, theirs, "share", "same_pattern", level=level)
    return found


def _halfway(rows: pl.DataFrame) -> pl.DataFrame:
    """Per seed, at which share of the training its most attentive layer has half of its rise behind it."""
    own = _with_share(rows.filter(pl.col("domain") == IN_DOMAIN)).sort("seed", "layer", "step")
    found = []
    for (seed,), part in own.group_by("seed", maintain_order=True):
        layers = {layer: one["same_pattern"].to_numpy() for (layer,), one in part.group_by("layer")}
        best = max(layers.values(), key=lambda values: float(np.nan_to_num(values[-1])))
        shares = part.filter(pl.col("layer") == LAYERS[0])["share"].to_numpy()
        behind = np.flatnonzero(best >= (best[0] + best[-1]) / 2)
        halfway = float(shares[behind[0]]) if len(behind) and best[-1] > best[0] else 0.0
        found.append({"seed": seed, "halfway": halfway if np.isfinite(best).all() else math.nan})
    return pl.DataFrame(found)


def _draw(figure: Figure, rows: pl.DataFrame) -> None:
    axes = figure.subplots(1, 3, sharey=True)
    trained = _with_share(rows.filter(pl.col("arm") == "trained"))
    for ax, domain, column, title in (
        (axes[0], IN_DOMAIN, "same_pattern", "in domain (IDR)"),
        (axes[1], OUT_OF_DOMAIN, "same_pattern", "out of domain (ODR)"),
        (axes[2], IN_DOMAIN, "best_head", "in domain, each layer's best head"),
    ):
        for index, layer in enumerate(LAYERS):
            own = trained.filter((pl.col("layer") == layer) & (pl.col("domain") == domain))
            points = summarise(own, "share", column)
            label = f"layer {layer}"
            curve(ax, points["share"], points["value"], points["low"], points["high"], label=label, index=index)
            if column == "same_pattern":
                theirs, name = PUBLISHED[layer], "published" if index == 0 else None
                published(ax, theirs.x, theirs.y, label=name, index=index)
        reference_line(ax, JUMP, vertical=True, label="published jump")
        ax.set(xlabel="share of the training", title=title, ylim=(0, 1.02))
    axes[0].set_ylabel("attention on the query's pattern")
    legend(axes[2])


def _finding(rows: pl.DataFrame) -> str:
    trained = rows.filter(pl.col("arm") == "trained")
    ends = [
        over_seeds(at_end(trained, IN_DOMAIN).filter(pl.col("layer") == layer), "same_pattern").value
        for layer in LAYERS
    ]
    return (
        f"After {GPT2_TRAINING.steps} steps layers 1, 2 and 3 put {', '.join(signed(end) for end in ends)} of their "
        f"context attention on the query's pattern (published {', '.join(f'{end:.2f}' for end in ENDS)}). Half of the "
        f"rise is behind the most attentive layer after {over_seeds(_halfway(trained), 'halfway').value:.0%} of the "
        f"training (published {JUMP:.0%})."
    )


def _claim(
    name: str,
    which: str,
    column: str,
    chosen: Callable[[pl.DataFrame, str], pl.DataFrame],
    statement: str,
    answer: Answer | None = None,
) -> Claim:
    return Claim(
        id=f"multilayer-attention-{name}",
        form="published" if answer is None else "ours",
        statement=statement,
        source=f"{PAPER}, Section 4, figure for GPT-2",
        quantity=f"share of the query's context attention that lies on examples with its pattern, {which}, in domain",
        expected=Region(low=min(ENDS)),
        reason=f"the smallest published layer, {min(ENDS)}",
        estimate=lambda rows: over_seeds(chosen(rows, column), column),
        control=AT_START,
        answer=answer,
    )


EXPERIMENT = Experiment(
    name="multilayer-attention",
    title="GPT-2: attention on the query's pattern, layer by layer",
    caption=(
        "Attention from the query's token to the context examples with the query's relevant pattern, as a share of its "
        "attention to all context examples, in each layer of GPT-2 over training; mean over prompts and, our definition of "
        "a layer's attention, over its two heads; right: the head with the larger mean. Dashed and hollow: published, over "
        "1,600 epochs. Its legend says ODR and the text beside it IDR, so it is drawn beside both."
    ),
    position=160,
    trials=gpt2_trials,
    measure=_measure,
    conditions=theorem_conditions,
    claims=(
        _claim(
            "some-layer",
            "mean over heads in each model's layer with the most",
            "same_pattern",
            _most,
            "GPT-2 comes to attend to examples that share the query's pattern.",
        ),
        _claim(
            "every-layer",
            "mean over heads in each model's layer with the least",
            "same_pattern",
            _least,
            "Every layer of GPT-2 comes to attend to examples that share the query's pattern.",
        ),
        _claim(
            "best-head",
            "each model's most concentrated head",
            "best_head",
            _most,
            "Is it single heads: does some head of GPT-2 come to attend to examples that share the query's pattern?",
            answered(holds="some head does", fails="no head does"),
        ),
        Claim(
            id="multilayer-attention-jump",
            form="ours",
            statement="Does the rise come where the published one comes, near 40 % of the training?",
            source=f"{PAPER}, Section 4, figure for GPT-2",
            quantity="share of the training after which each model's most attentive layer has half of its rise behind it",
            expected=Region(BEFORE, BEHIND),
            reason="published: level up to epoch 560 of 1,600, risen by half before epoch 720",
            estimate=lambda rows: over_seeds(_halfway(rows), "halfway"),
            control=AT_START,
            answer=answered(holds="there", fails="elsewhere"),
        ),
    ),
    draw=_draw,
    finding=_finding,
    size=(9.6, 3.6),
    distances=_distances,
)
