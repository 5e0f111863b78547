"""Balanced features: scores, attention and loss over training, in two phases."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
from matplotlib.figure import Figure

from iclscope.claims.answers import answered
from iclscope.claims.claim import Claim, Control, Region
from iclscope.claims.intervals import mean_interval
from iclscope.claims.summaries import signed
from iclscope.papers.huang2024.rows import (
    Columns,
    at_end,
    converged,
    draw_column,
    draw_phases,
    feature_rows,
    growth_end,
    over_runs,
    runs_of,
    trajectory_of,
    value_at,
    with_start,
)
from iclscope.papers.huang2024.settings import (
    ABSTRACT,
    AT_START,
    EPSILON,
    RECOLLECTION,
    FeatureGroup,
    task_of,
    trajectory_trials,
)
from iclscope.papers.huang2024.theory import gradient_flow
from iclscope.plotting.style import legend, reference_curve, reference_line
from iclscope.study.experiment import Experiment, Preset

RARE = Control("rare features beside a dominant one, whose cross score to it falls first", "rare")
DOMINANT = Control("a dominant feature, which has half of the attention before A_1 grows", "dominant")


def _measure(group: FeatureGroup, _preset: Preset) -> pl.DataFrame:
    found = trajectory_of(group)
    if task_of(group.trials[0]).dominant is None:
        return feature_rows(group, found, arm="trained", feature="all")
    # Under the name that the claims look for, so that the same function judges them.
    controls = [
        feature_rows(group, found, arm=RARE.arm, feature="others"),
        feature_rows(group, found, arm=DOMINANT.arm, feature="first"),
    ]
    return pl.concat(controls).with_columns(feature=pl.lit("all"))


def _cross_share(run: Columns) -> float:
    """max_n |B_{k,n}|/A_k at the end of growth."""
    end = growth_end(run)
    own = value_at(run, "own_score", end)
    return value_at(run, "largest_cross", end) / own if own != 0 else math.nan


def _score_share(run: Columns) -> float:
    """A_k/log K at the end of growth."""
    return value_at(run, "own_score", growth_end(run)) / math.log(run["K"][0])


def _draw(figure: Figure, rows: pl.DataFrame) -> None:
    trained = rows.filter(pl.col("arm") == "trained")
    scores, attention, loss = figure.subplots(1, 3)
    draw_column(scores, trained, "own_score", label="own feature, $A_k$", index=0)
    draw_column(scores, trained, "cross_score", label="others, $B_{k,n}$", index=1)
    draw_column(attention, trained, "attention", label=None, index=0)
    draw_column(loss, trained, "loss", label=None, index=0)
    K, eta = int(trained["K"][0]), float(trained["eta"][0])
    steps = np.linspace(0, max(trained["step"].to_list()), 141)
    flow = gradient_flow([1 / K] * K, 0, (eta * steps).tolist())
    reference_curve(scores, steps, flow.scores[0], index=0)
    reference_curve(scores, steps, flow.scores[1], index=1)
    reference_curve(scores, [], [], label="flow, long prompts")
    reference_curve(attention, steps, flow.attention[0], index=0)
    reference_curve(loss, steps, flow.loss, index=0)
    scores.annotate("log K", (steps[-1], math.log(K)), ha="right", va="bottom", fontsize=9)
    reference_line(scores, math.log(K))
    ends = [mean_interval([mark(run) for run in runs_of(trained, "all")]).value for mark in (growth_end, converged)]
    draw_phases((scores, attention, loss), ends)
    scores.set(xlabel="training step", ylabel="scores")
    attention.set(xlabel="training step", ylabel="attention on the own feature", ylim=(0, 1.03))
    loss.set(xlabel="training step", ylabel="E(ŷ − y)²", yscale="log")
    legend(scores, outside=True)


def _finding(rows: pl.DataFrame) -> str:
    trained = rows.filter(pl.col("arm") == "trained")
    growth, end = (over_runs(trained, "all", mark).value for mark in (growth_end, converged))
    own = over_runs(trained, "all", lambda run: value_at(run, "own_score", growth_end(run))).value
    last, cross = (over_runs(trained, "all", at_end(name)).value for name in ("own_score", "cross_score"))
    return (
        f"A_k grows to {own:.2f} (log K = {math.log(trained['K'][0]):.2f}) by step {growth:.0f}, where the own feature has half of "
        f"the attention; the loss is {EPSILON:g} at step {end:.0f}; at the end A_k = {last:.2f} and B = {signed(cross)}."
    )


EXPERIMENT = Experiment(
    name="balanced",
    title="Balanced features: two phases",
    caption=(
        "Own and cross scores, attention on the query's own feature, and loss over training on K equally likely features, "
        "means over features. Phase I ends where the own feature has half of the attention, phase II at loss 0.05 (upright "
        "lines; the rule is ours). Dotted: gradient flow for infinitely long prompts (ours). Shaded: 95 % intervals over "
        "seeds, each with features and prompts of its own. One step takes 16 contexts, each with every query."
    ),
    position=10,
    trials=trajectory_trials,
    measure=_measure,
    controls=with_start,
    claims=(
        Claim(
            id="balanced-error",
            form="exact",
            statement="With balanced features the trained layer reaches a near-zero prediction error.",
            source=ABSTRACT,
            quantity="E(ŷ − y)² after training (1 = predicting 0)",
            expected=Region(high=0.1),
            reason="near zero: a tenth of what predicting 0 errs; more training would lower it further",
            estimate=lambda rows: over_runs(rows, "all", at_end("loss")),
            control=AT_START,
        ),
        Claim(
            id="balanced-attention",
            form="ours",
            statement="Does attention concentrate on the query's own feature, to 1 − √ε at loss ε?",
            source=RECOLLECTION,
            quantity="attention on the query's own feature after training",
            expected=Region(low=0.77),
            reason=f"1 − √ε at ε = {EPSILON:g}, constant 1: training is long enough for that loss",
            estimate=lambda rows: over_runs(rows, "all", at_end("attention"), most=1.0),
            control=AT_START,
            answer=answered(holds="yes", fails="no"),
        ),
        Claim(
            id="balanced-cross-scores",
            form="ours",
            statement="While A_k grows in phase I, do the cross scores B_{k,n} stay near 0?",
            source=RECOLLECTION,
            quantity="largest |B_{k,n}| over A_k at the end of phase I, mean over k",
            expected=Region(high=0.25),
            reason="near 0 beside A_k: a quarter; their mean is −A_k/(K − 1) at all times, by symmetry of the softmax",
            estimate=lambda rows: over_runs(rows, "all", _cross_share),
            control=RARE,
            answer=answered(holds="yes", fails="no"),
        ),
        Claim(
            id="balanced-own-score",
            form="ours",
            statement="Does phase I last until A_k ≈ log K?",
            source=RECOLLECTION,
            quantity="A_k/log K where the own feature has half of the attention",
            expected=Region(0.75, 1.25),
            reason="1 ± a quarter; exact for long prompts: log(K − 1)(K − 1)/(K log K), 0.93 at K = 20",
            estimate=lambda rows: over_runs(rows, "all", _score_share),
            control=DOMINANT,
            answer=answered(holds="yes", fails="no"),
        ),
    ),
    draw=_draw,
    finding=_finding,
    size=(11.0, 3.2),
)
