"""Training on a covariance of its own for every prompt: predictions shrink to a third (Theorem 4.5)."""

from __future__ import annotations

import numpy as np
import polars as pl
import scipy
import torch
from matplotlib.figure import Figure

from iclscope.claims.claim import Claim, Control, Region
from iclscope.claims.families import ForAll
from iclscope.claims.intervals import Interval, mean_interval
from iclscope.claims.summaries import mean_at_every, summarise
from iclscope.papers.zhang2024 import theory as zhang2024
from iclscope.papers.zhang2024.rows import answers_of, measured_points, products_of, slope_on_values
from iclscope.papers.zhang2024.settings import (
    PAPER,
    LinearGroup,
    one_covariance_trial,
    plan_of,
    random_covariance_trial,
    regression_of,
)
from iclscope.plotting.style import legend, reference_curve, reference_line
from iclscope.study.experiment import Experiment, Preset
from iclscope.training.trial import Trial

ONE = "one covariance"


def _trials(preset: Preset) -> list[Trial]:
    lengths = plan_of(preset).lengths
    return [
        trial(preset, seed, length)
        for seed in preset.seeds
        for trial in (random_covariance_trial, one_covariance_trial)
        for length in lengths
    ]


def _measure(group: LinearGroup, preset: Preset) -> pl.DataFrame:
    task = regression_of(group)
    d, N, random = task.d_X, task.length, task.covariance == "exponential"
    expected = torch.from_numpy(zhang2024.exponential_product(d, N))
    product = products_of(group, group.model).cpu()
    # The slope's mean is the same at every test length; long prompts make it less noisy.
    unit = task.replace(covariance="identity", length=max(plan_of(preset).lengths))
    answers = answers_of([group.model], unit, 2 * preset.prompts)
    return group.rows(
        arm="trained" if random else ONE,
        N=N,
        theory=float(expected[0, 0]) if random else float(zhang2024.predictor(np.eye(d), N)[0, 0]),
        distance=torch.linalg.matrix_norm(product - expected) / torch.linalg.matrix_norm(expected),
        slope=slope_on_values(answers.output[0], answers.value),
    )


def _farthest(rows: pl.DataFrame) -> ForAll:
    """How far u·U is from the limit at each train length."""
    return mean_at_every(rows, "N", "distance")


def _at_infinity(rows: pl.DataFrame) -> Interval:
    """Per seed, where the slope tends as N → ∞: one over a straight line through 1/slope against 1/N."""
    ends = []
    for _, group in rows.sort("N").group_by("seed", maintain_order=True):
        line = scipy.stats.linregress(1 / group["N"].to_numpy(), 1 / group["slope"].to_numpy())
        ends.append(1 / float(line.intercept))
    return mean_interval(ends)


def _draw(figure: Figure, rows: pl.DataFrame) -> None:
    axes = figure.subplots(1, 2)
    for index, (arm, name) in enumerate((("trained", "a covariance per prompt"), (ONE, "Λ = I"))):
        of_arm = rows.filter(pl.col("arm") == arm).sort("N")
        points, theory = summarise(of_arm, "N", "slope"), of_arm.unique("N").sort("N")
        # 1/slope is linear in 1/N, so two lengths say all.
        ends, N = 1 / theory["theory"].to_numpy(), theory["N"].to_numpy()
        rise = (ends[0] - ends[-1]) / (1 / N[0] - 1 / N[-1])
        fine = np.geomspace(N[0], 20 * N[-1], 80)
        at = 1 / (ends[-1] + rise * (1 / fine - 1 / N[-1]))
        reference_curve(axes[0], fine, at, label="theory" if index == 0 else None, index=index)
        measured_points(axes[0], points, "N", label=f"trained on {name}", index=index)
        if index == 0:
            distances = summarise(of_arm, "N", "distance")
            distances = distances.with_columns(pl.col("value", "low", "high") * 100)
            measured_points(axes[1], distances, "N", label=None, index=index)
    reference_line(axes[0], 1 / 3, label="1/3")
    ticks = sorted(rows["N"].unique())
    axes[0].set(xlabel="train length N", ylabel="slope of ŷ on ⟨w, x⟩ at Λ = I", xscale="log", ylim=(0, 1.05))
    axes[1].set(xlabel="train length N", ylabel="u·U from its limit, %", xscale="log")
    axes[1].set_ylim(bottom=0)
    for ax, shown in zip(axes, ([*ticks, 10 * ticks[-1]], ticks), strict=True):
        ax.set_xticks(shown, labels=[str(tick) for tick in shown])
        ax.minorticks_off()
    legend(axes[0])


def _finding(rows: pl.DataFrame) -> str:
    trained, one = (rows.filter(pl.col("arm") == arm) for arm in ("trained", ONE))
    return (
        f"Trained on a covariance per prompt, predictions on Λ = I tend to {_at_infinity(trained).value:.3f} of ⟨w, x⟩ as N "
        f"grows (1/3 in theory); trained on Λ = I, to {_at_infinity(one).value:.3f}."
    )


EXPERIMENT = Experiment(
    name="random-covariances",
    title="A random covariance for every prompt",
    caption=(
        "Linear attention trained on prompts that each have a diagonal covariance of their own with Exp(1) entries. Left: slope "
        "of predictions on ⟨w, x⟩ at Λ = I against the length of training prompts, beside models trained on Λ = I; dotted: "
        "1/(3 + (d + 5)/N) and 1/(1 + (d + 1)/N). However long prompts are, predictions shrink to a third. Right: distance of "
        "u·U from (E ΓΛ²)⁻¹ E Λ². Bars: 95 % intervals over seeds."
    ),
    position=50,
    trials=_trials,
    measure=_measure,
    claims=(
        Claim(
            id="random-limit",
            form="exact",
            statement="With random covariances W_KQ tends to a multiple of (E ΓΛ²)⁻¹ E Λ², u·U to that matrix.",
            source=f"{PAPER}, Theorem 4.5",
            quantity="distance of u·U from (E ΓΛ²)⁻¹ E Λ² over the latter's norm, at each train length N",
            expected=Region(high=0.1),
            reason="0 is exact for flow; a tenth for finite steps and batches, whose gradients have heavy tails here (ours)",
            estimate=_farthest,
            control=Control("models trained on the one covariance Λ = I", ONE),
        ),
        Claim(
            id="random-third",
            form="exact",
            statement="With diagonal Exp(1) covariances predictions shrink to a third as M, N → ∞.",
            source=f"{PAPER}, beside Theorem 4.5",
            quantity="slope of ŷ on ⟨w, x⟩ at Λ = I where N → ∞, from a line through 1/slope against 1/N",
            expected=Region(0.95 / 3, 1.05 / 3),
            reason="1/3 is exact for flow; a twentieth for finite steps and batches (ours)",
            estimate=_at_infinity,
            control=Control("models trained on the one covariance Λ = I, which tend to 1", ONE),
        ),
    ),
    draw=_draw,
    finding=_finding,
    size=(8.0, 3.6),
)
