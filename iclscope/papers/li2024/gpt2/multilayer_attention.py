"""Attention on same-pattern examples in each layer of GPT-2, over training (Section 4 of Li 2024)."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl
from matplotlib.figure import Figure

from iclscope.claims.answers import Answer, answered
from iclscope.claims.claim import Claim, Region
from iclscope.claims.summaries import over_seeds, signed, summarise
from iclscope.papers.li2024.conditions import theorem_conditions
from iclscope.papers.li2024.gpt2.gpt2_settings import GPT2_TRAINING, GPT2Group, gpt2_trials, layer_rows
from iclscope.papers.li2024.one_layer.trajectories import AT_START, at_end, with_control
from iclscope.papers.li2024.settings import IN_DOMAIN, OUT_OF_DOMAIN, PAPER
from iclscope.plotting.style import curve, legend, published, reference_line
from iclscope.study.experiment import Experiment, Preset

# Read off the paper's figure: attention on same-pattern contexts at epoch 1600, layers 1 to 3; a jump near epoch 640.
PUBLISHED = (0.85, 0.78, 0.88)
PUBLISHED_END, PUBLISHED_JUMP = 1600, 640


def _measure(group: GPT2Group, _preset: Preset) -> pl.DataFrame:
    both = [layer_rows(group, domain, "same_pattern", "best_head") for domain in (IN_DOMAIN, OUT_OF_DOMAIN)]
    return with_control(pl.concat(both))


def _most(rows: pl.DataFrame, column: str) -> pl.DataFrame:
    """Each seed's value in the layer where it is largest at the end, in domain."""
    return at_end(rows, IN_DOMAIN).group_by("seed").agg(pl.col(column).max())


def _least(rows: pl.DataFrame, column: str) -> pl.DataFrame:
    """Each seed's value in the layer where it is smallest at the end, in domain."""
    return at_end(rows, IN_DOMAIN).group_by("seed").agg(pl.col(column).min())


def _draw(figure: Figure, rows: pl.DataFrame) -> None:
    axes = figure.subplots(1, 2, sharey=True)
    trained = rows.filter((pl.col("arm") == "trained") & (pl.col("domain") == IN_DOMAIN))
    for ax, column, title in (
        (axes[0], "same_pattern", "mean over heads"),
        (axes[1], "best_head", "the layer's most concentrated head"),
    ):
        for index, layer in enumerate(sorted(set(trained["layer"]))):
            points = summarise(trained.filter(pl.col("layer") == layer), "step", column)
            label = f"layer {layer}"
            curve(ax, points["step"], points["value"], points["low"], points["high"], label=label, index=index)
            if column == "same_pattern":
                name = "published" if index == 0 else None
                published(ax, [PUBLISHED_END], [PUBLISHED[index]], label=name, index=index, joined=False)
        reference_line(ax, PUBLISHED_JUMP, vertical=True, label="published jump")
        ax.set(xlabel="training step", title=title, ylim=(0, 1.02))
    axes[0].set_ylabel("attention on the query's pattern")
    legend(axes[0])


def _finding(rows: pl.DataFrame) -> str:
    trained = rows.filter(pl.col("arm") == "trained")
    ends = [
        over_seeds(at_end(trained, IN_DOMAIN).filter(pl.col("layer") == layer), "same_pattern").value
        for layer in (1, 2, 3)
    ]
    return (
        f"After {GPT2_TRAINING.steps} steps layers 1, 2 and 3 put {', '.join(signed(end) for end in ends)} of their "
        f"context attention on the query's pattern (published {', '.join(f'{end:g}' for end in PUBLISHED)})."
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
        expected=Region(low=min(PUBLISHED)),
        reason=f"the smallest published layer, {min(PUBLISHED)}",
        estimate=lambda rows: over_seeds(chosen(rows, column), column),
        control=AT_START,
        answer=answer,
    )


EXPERIMENT = Experiment(
    name="multilayer-attention",
    title="GPT-2: attention on the query's pattern, layer by layer",
    caption=(
        "Attention from the query's token to the context examples with the query's relevant pattern, as a share of its "
        "attention to all context examples, in each layer of GPT-2 over training; in domain, mean over the prompts. Left: "
        "mean over the layer's two heads, our definition of a layer's attention; right: the head with the larger mean. "
        "Hollow: published at epoch 1600; the paper's epochs are drawn at our steps."
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
    ),
    draw=_draw,
    finding=_finding,
    size=(7.2, 3.6),
)
