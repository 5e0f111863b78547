"""One dominant feature: it is learnt first, the rare ones in four phases."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
from matplotlib.figure import Figure

from iclscope.claims.answers import answered
from iclscope.claims.claim import Claim, Control, Region
from iclscope.claims.intervals import Interval, mean_interval
from iclscope.claims.summaries import signed
from iclscope.mechanism.phases import first_at_least
from iclscope.papers.huang2024.rows import (
    Columns,
    at_end,
    converged,
    draw_column,
    draw_phases,
    feature_rows,
    four_phases,
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
from iclscope.plotting.style import legend, reference_curve
from iclscope.study.experiment import Experiment, Preset

BALANCED = Control("balanced features, the first one called dominant", "balanced")
EARLY = 0.5
"""The A_k at which is asked how far B_{k,1} has fallen: early, when A_k has grown by a tenth or so of its way."""


def _measure(group: FeatureGroup, _preset: Preset) -> pl.DataFrame:
    found = trajectory_of(group)
    arm = BALANCED.arm if task_of(group.trials[0]).dominant is None else "trained"
    return pl.concat([feature_rows(group, found, arm=arm, feature=feature) for feature in ("first", "others")])


def _fall(run: Columns) -> float:
    """−B_{k,1}/A_k where A_k is `EARLY`."""
    early = first_at_least(run["step"], run["own_score"], EARLY)
    return -value_at(run, "dominant_score", early) / EARLY


def _shortest(run: Columns) -> float:
    """The shortest of the four phases, as a share of all four together."""
    phases = four_phases(run)
    return min(phases.durations()) / phases.convergence if all(map(math.isfinite, phases)) else math.nan


def _first_over_others(rows: pl.DataFrame) -> Interval:
    """Steps to the loss ε of the dominant feature over those of the others."""
    first, others = ([converged(run) for run in runs_of(rows, name)] for name in ("first", "others"))
    return mean_interval([a / b for a, b in zip(first, others, strict=True)])


def _draw(figure: Figure, rows: pl.DataFrame) -> None:
    trained = rows.filter(pl.col("arm") == "trained")
    first, rare = (trained.filter(pl.col("feature") == name) for name in ("first", "others"))
    scores, attention, loss = figure.subplots(1, 3)
    draw_column(scores, rare, "own_score", label="rare query: own, $A_k$", index=0)
    draw_column(scores, rare, "dominant_score", label="dominant, $B_{k,1}$", index=1)
    draw_column(scores, rare, "cross_score", label="others, $B_{k,n}$", index=2)
    draw_column(scores, first, "own_score", label="dominant query: own, $A_1$", index=3)
    draw_column(attention, rare, "attention", label=None, index=0)
    draw_column(attention, rare, "dominant_attention", label=None, index=1)
    draw_column(attention, first, "attention", label=None, index=3)
    draw_column(loss, rare, "loss", label=None, index=0)
    draw_column(loss, first, "loss", label=None, index=3)
    _draw_flow(figure, trained)
    ends = [mean_interval(values).value for values in zip(*map(four_phases, runs_of(trained, "others")), strict=True)]
    draw_phases((scores, attention, loss), ends)
    scores.set(xlabel="training step", ylabel="scores")
    attention.set(xlabel="training step", ylabel="attention", ylim=(0, 1.03))
    loss.set(xlabel="training step", ylabel="E(ŷ − y)²", yscale="log")
    legend(scores, outside=True)


def _draw_flow(figure: Figure, trained: pl.DataFrame) -> None:
    """Gradient flow for long prompts, dotted, in the colour of what it belongs to."""
    scores, attention, loss = figure.axes
    K, eta, p_1 = int(trained["K"][0]), float(trained["eta"][0]), float(trained["p_1"][0])
    p = [p_1] + [(1 - p_1) / (K - 1)] * (K - 1)
    steps = np.linspace(0, max(trained["step"].to_list()), 141)
    times = (eta * steps).tolist()
    dominant, rare = gradient_flow(p, 0, times), gradient_flow(p, 1, times)
    for index, curve in enumerate((rare.scores[1], rare.scores[0], rare.scores[2], dominant.scores[0])):
        reference_curve(scores, steps, curve, index=index)
    reference_curve(scores, [], [], label="flow, long prompts")
    for index, curve in ((0, rare.attention[1]), (1, rare.attention[0]), (3, dominant.attention[0])):
        reference_curve(attention, steps, curve, index=index)
    for index, curve in ((0, rare.loss), (3, dominant.loss)):
        reference_curve(loss, steps, curve, index=index)


def _finding(rows: pl.DataFrame) -> str:
    trained = rows.filter(pl.col("arm") == "trained")
    ends = [mean_interval(values).value for values in zip(*map(four_phases, runs_of(trained, "others")), strict=True)]
    first = over_runs(trained, "first", converged).value
    fall = over_runs(trained, "others", lambda run: value_at(run, "dominant_score", four_phases(run).decrease)).value
    own, dominant = (over_runs(trained, name, at_end("own_score")).value for name in ("others", "first"))
    phases = ", ".join(f"{end:.0f}" for end in ends)
    return (
        f"The dominant feature has loss {EPSILON:g} at step {first:.0f}; of the rare ones the four phases end at steps {phases}, "
        f"B_(k,1) being {signed(fall)} when A_k takes over; at the end A_k = {own:.2f} (rare) and A_1 = {dominant:.2f}."
    )


EXPERIMENT = Experiment(
    name="imbalanced",
    title="One dominant feature: four phases of the rare ones",
    caption=(
        "Scores, attention and loss over training where the first of K features has probability 0.5 and the others share "
        "the rest; rare: means over these. Phases of the rare features (upright lines; the rules are ours): I, B_{k,1} "
        "falls faster than A_k grows; II, until the own feature has more attention than the dominant one; III, until it "
        "has half; IV, until loss 0.05. Dotted: gradient flow for infinitely long prompts (ours). Shaded: 95 % intervals "
        "over seeds, each with features and prompts of its own. One step takes 16 contexts, each with every query."
    ),
    position=20,
    trials=trajectory_trials,
    measure=_measure,
    controls=with_start,
    claims=(
        Claim(
            id="imbalanced-error",
            form="exact",
            statement="With a dominant feature, too, the error on under-represented ones gets near zero.",
            source=ABSTRACT,
            quantity="E(ŷ − y)² of rare queries after training (1 = predicting 0)",
            expected=Region(high=0.1),
            reason="near zero: a tenth of what predicting 0 errs; more training would lower it further",
            estimate=lambda rows: over_runs(rows, "others", at_end("loss")),
            control=AT_START,
        ),
        Claim(
            id="imbalanced-dominant-first",
            form="exact",
            statement="The dominant feature converges first.",
            source=ABSTRACT,
            quantity=f"steps to loss {EPSILON:g} of the dominant query over those of rare ones",
            expected=Region(high=0.5),
            reason="at most half, to be called first; the recalled times, constants 1, have a ratio of 0.01 at K = 20",
            estimate=_first_over_others,
            control=BALANCED,
        ),
        Claim(
            id="imbalanced-fall-first",
            form="ours",
            statement="For a rare query, does the cross score B_{k,1} to the dominant feature fall before A_k grows?",
            source=RECOLLECTION,
            quantity=f"−B_(k,1)/A_k of rare queries where A_k is {EARLY:g}",
            expected=Region(low=1.0),
            reason="falls first: it has moved further than A_k when A_k has made about a tenth of its way",
            estimate=lambda rows: over_runs(rows, "others", _fall),
            control=BALANCED,
            answer=answered(holds="yes", fails="no"),
        ),
        Claim(
            id="imbalanced-four-phases",
            form="exact",
            statement="Under-represented features are learnt in four phases.",
            source=f"{ABSTRACT}; what bounds the phases is our rule",
            quantity="shortest of the four phases as a share of all together; negative if their order is another",
            expected=Region(low=0.02),
            reason="each phase is there, in this order, for at least a fiftieth of the time",
            estimate=lambda rows: over_runs(rows, "others", _shortest),
            control=BALANCED,
        ),
    ),
    draw=_draw,
    finding=_finding,
    size=(11.5, 3.4),
)
