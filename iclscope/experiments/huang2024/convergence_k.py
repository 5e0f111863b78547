"""Steps to a fixed loss against the number of features K."""

from __future__ import annotations

import polars as pl
import torch
from matplotlib.figure import Figure

from iclscope.experiments.claims import Claim, Control, Region
from iclscope.experiments.experiment import Experiment, Preset
from iclscope.experiments.huang2024.rows import (
    FeatureClass,
    converged,
    feature_rows,
    growth_end,
    runs_of,
    trajectory_of,
)
from iclscope.experiments.huang2024.settings import (
    ABSTRACT,
    ETA,
    P_1,
    RECOLLECTION,
    FeatureGroup,
    feature_trial,
    task_of,
)
from iclscope.experiments.summaries import signed, slope_of, summarise
from iclscope.experiments.trial import Trial
from iclscope.report.style import curve, legend, reference_curve
from iclscope.tasks import OrthonormalFeatures
from iclscope.theory.huang2024 import balanced_steps, times_of_flow

TARGET = 0.1
VALUES = {
    "quick": (5, 8, 12, 20, 30, 40),
    "lab": (5, 10, 20, 40, 60),
    "paper": (5, 10, 20, 40, 60, 80, 100),
}
PER_FEATURE = 8
"""Context examples per feature, N = 8 K: a feature is missing from three contexts in ten thousand."""
DOMINANT = "dominant feature"
SECOND = Control("the second phase alone, which grows as K log K", "second phase")


def _trials(preset: Preset) -> list[Trial]:
    trials = []
    for K in VALUES[preset.name]:
        task = OrthonormalFeatures(K=K, d_X=K, length=PER_FEATURE * K, expectation="counts")
        # Gradient flow in long prompts needs 1.3 K²/η at K = 5, less at larger K; what meets the target stops there.
        most, every = max(400, 4 * K**2), max(1, K**2 // 40)
        for seed in preset.seeds:
            trials.append(feature_trial(seed, task, steps=most, every=every, target=0.9 * TARGET))
            trials.append(feature_trial(seed, task.replace(dominant=P_1), steps=80, every=1))
    return trials


def _measure(group: FeatureGroup, _preset: Preset) -> pl.DataFrame:
    found, task = trajectory_of(group), task_of(group.trials[0])
    balanced = task.dominant is None
    feature: FeatureClass = "all" if balanced else "first"
    runs = list(runs_of(feature_rows(group, found, arm="trained", feature=feature), feature))
    steps = torch.tensor([converged(run, TARGET) for run in runs])
    growth = torch.tensor([growth_end(run) for run in runs])
    rows = group.rows(arm="trained" if balanced else DOMINANT, K=float(task.K), steps=steps)
    return rows.with_columns(growth=pl.Series(growth.tolist(), dtype=pl.Float64)) if balanced else rows


def _controls(rows: pl.DataFrame) -> pl.DataFrame:
    """The second phase in place of the first."""
    trained = rows.filter(pl.col("arm") == "trained")
    return trained.with_columns(arm=pl.lit(SECOND.arm), growth=pl.col("steps") - pl.col("growth"))


def _draw(figure: Figure, rows: pl.DataFrame) -> None:
    ax = figure.subplots()
    curves = (
        ("trained", "steps", f"balanced, to loss {TARGET:g}"),
        ("trained", "growth", "balanced, phase I"),
        (SECOND.arm, "growth", "balanced, phase II"),
        (DOMINANT, "steps", f"dominant feature, to loss {TARGET:g}"),
    )
    for index, (arm, column, name) in enumerate(curves):
        chosen = rows.filter(pl.col("arm") == arm)
        points = summarise(chosen, "K", column)
        label = f"{name}: {signed(slope_of(chosen, 'K', column).value)}"
        curve(ax, points["K"], points["value"], points["low"], points["high"], label=label, index=index)
    values = sorted(set(rows["K"].to_list()))
    flow = [times_of_flow([1 / K] * int(K), 0, TARGET) for K in values]
    reference_curve(ax, values, [one.converged / ETA for one in flow], label="flow, long prompts", index=0)
    reference_curve(ax, values, [one.half / ETA for one in flow], index=1)
    theory = [balanced_steps(K=int(K), eta=ETA, epsilon=TARGET).total for K in values]
    reference_curve(ax, values, theory, label="recalled bound, constants 1")
    ax.set(xlabel="number of features K", ylabel="training steps", xscale="log", yscale="log")
    ax.set_xticks(values, labels=[f"{K:g}" for K in values])
    ax.minorticks_off()
    legend(ax, outside=True, title="slope")


def _finding(rows: pl.DataFrame) -> str:
    trained = rows.filter(pl.col("arm") == "trained")
    total, growth = (slope_of(trained, "K", name).value for name in ("steps", "growth"))
    second = slope_of(rows.filter(pl.col("arm") == SECOND.arm), "K", "growth").value
    dominant = slope_of(rows.filter(pl.col("arm") == DOMINANT), "K", "steps").value
    return (
        f"Steps to loss {TARGET:g} grow as K^{total:.2f}: phase I as K^{growth:.2f}, phase II as K^{second:.2f}; those of a "
        f"dominant feature as K^{signed(dominant)}."
    )


EXPERIMENT = Experiment(
    name="convergence-k",
    title="Steps to a fixed loss against K",
    caption=(
        "Training steps at η = 0.5 and N = 8K until E(ŷ − y)² of balanced features is 0.1, those until the own feature has "
        "half of the attention (phase I) and the rest (phase II), and the steps until a dominant feature (p_1 = 0.5) has loss "
        "0.1, on log-log axes. Dotted: gradient flow for infinitely long prompts (ours), and K² log K/η + "
        "K log(K ε^(−1/2))/(ε η). Shaded: 95 % intervals over seeds."
    ),
    position=40,
    trials=_trials,
    measure=_measure,
    controls=_controls,
    claims=(
        Claim(
            id="convergence-K",
            statement="The convergence time of balanced features is quadratic in K.",
            source=ABSTRACT,
            quantity=f"log-log slope of the steps until loss {TARGET:g} against K",
            expected=Region(1.75, 2.25),
            reason="2 by the abstract, ± a quarter; the recalled bound has slope 1.8 over these K, where its second phase, linear in K, counts",
            estimate=lambda rows: slope_of(rows, "K", "steps"),
            control=Control("a dominant feature, whose time does not grow with K", DOMINANT),
        ),
        Claim(
            id="convergence-K-growth",
            statement="The growth of A_k takes a time quadratic in K.",
            source=RECOLLECTION,
            quantity="log-log slope of the steps of phase I against K",
            expected=Region(1.8, 2.4),
            reason="2, or 2.4 with the log K of the recalled bound over these K; − 0.2",
            estimate=lambda rows: slope_of(rows, "K", "growth"),
            control=SECOND,
        ),
        Claim(
            id="convergence-K-dominant",
            statement="The convergence time of a dominant feature does not grow with K.",
            source=RECOLLECTION,
            quantity=f"log-log slope of the steps until loss {TARGET:g} of the dominant query against K",
            expected=Region(-0.3, 0.3),
            reason="0 ± 0.3: neither K nor 1/K, by far",
            estimate=lambda rows: slope_of(rows, "K", "steps"),
            arm=DOMINANT,
            control=Control("balanced features, none of which is dominant", "trained"),
        ),
    ),
    draw=_draw,
    finding=_finding,
    size=(8.6, 3.8),
)
