"""Risk against the lengths of training and testing prompts, matched and mismatched (Theorem 4.2)."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
from matplotlib.figure import Figure

from iclscope.claims.claim import Claim, Control, Region
from iclscope.claims.families import ForAll, decisive
from iclscope.claims.intervals import Interval, mean_interval
from iclscope.claims.summaries import mean_at_every, summarise
from iclscope.papers.zhang2024 import theory as zhang2024
from iclscope.papers.zhang2024.rows import answers_of, mean_error, measured_points
from iclscope.papers.zhang2024.settings import (
    PAPER,
    UNTRAINED,
    UNTRAINED_TEXT,
    LinearGroup,
    flow_trial,
    plan_of,
    regression_of,
    with_limit,
)
from iclscope.plotting.style import legend, reference_curve
from iclscope.study.experiment import Experiment, Preset
from iclscope.tasks import LinearRegression
from iclscope.training.trial import Trial

LIMIT = "limit"
WRONG_LENGTH = "formula at M = N"
MATCHED, NOISY, FIXED = "as in training", "noise σ = 1 on all answers", "one task w, four times as large"
SETTINGS = (MATCHED, NOISY, FIXED)
SHARES = (0.5, 1, 2, 4)
"""Test lengths M over the middle one of the train lengths."""
MOST_DEVIATIONS = 4.0
CLOSE = Region(-0.05, 0.05)


def _trials(preset: Preset) -> list[Trial]:
    return [flow_trial(preset, seed, length) for seed in preset.seeds for length in plan_of(preset).lengths]


def _test_task(task: LinearRegression, setting: str) -> LinearRegression:
    """The test distribution of a setting; the inputs are those of training."""
    if setting == NOISY:
        return task.replace(noise=1.0)
    if setting == FIXED:
        # E ‖w‖² = d in training, and 4d here, along one direction that is no axis of Λ.
        direction = np.arange(1.0, task.d_X + 1) * (-1.0) ** np.arange(task.d_X)
        return task.replace(weight=tuple((2 * math.sqrt(task.d_X) * direction / np.linalg.norm(direction)).tolist()))
    return task


def _moments(task: LinearRegression) -> zhang2024.Moments:
    """Moments of a test task for Theorem 4.2."""
    second = None if task.weight is None else np.outer(task.weight, task.weight)
    return zhang2024.linear_moments(task.covariance, weights=second, noise=task.noise)


def _measure(group: LinearGroup, preset: Preset) -> pl.DataFrame:
    trained_on, plan = regression_of(group), plan_of(preset)
    N, Lambda = trained_on.length, trained_on.covariance
    models = [group.model, with_limit(group.model, zhang2024.limit(Lambda, N)), group.model.untrained()]
    tables = []
    for setting in SETTINGS:
        task = _test_task(trained_on, setting)
        for M in (round(share * plan.lengths[1]) for share in SHARES):
            answers = answers_of(models, task.replace(length=M), 2 * preset.prompts)
            terms, wrong = (
                zhang2024.risk_terms(Lambda, train_length=N, test_length=length, moments=_moments(task))
                for length in (M, N)
            )
            errors = [mean_error(output, answers.value) for output in answers.output]
            of_limit = errors[1].mean + task.noise**2
            for arm, error, formula in (
                ("trained", errors[0], terms.total),
                (LIMIT, errors[1], terms.total),
                (UNTRAINED, errors[2], terms.total),
                (WRONG_LENGTH, errors[1], wrong.total),
            ):
                risk = error.mean + task.noise**2  # the query's own noise, which labels do not have
                tables.append(
                    group.rows(
                        arm=arm, setting=setting, N=N, M=M, risk=risk,
                        deviations=(risk - formula).abs() / error.standard_error, beside_limit=risk / of_limit - 1,
                        formula=formula, at_infinity=terms.best_linear + terms.bias,
                    )
                )  # fmt: skip
    return pl.concat(tables)


def _most_deviations(rows: pl.DataFrame) -> Interval:
    """Per seed, the largest distance of a measured risk from the formula, in standard errors over prompts."""
    most = rows.group_by("seed").agg(pl.col("deviations").max(), lost=pl.col("deviations").is_nan().any()).sort("seed")
    return mean_interval([math.nan if lost else value for value, lost in most.select("deviations", "lost").iter_rows()])


def _beside_limit(rows: pl.DataFrame) -> ForAll:
    """The relative distance from the limit's risk at every setting and pair of lengths."""
    return mean_at_every(rows, ("setting", "N", "M"), "beside_limit")


def _draw(figure: Figure, rows: pl.DataFrame) -> None:
    axes = figure.subplots(1, len(SETTINGS))
    trained = rows.filter(pl.col("arm") == "trained")
    for ax, setting in zip(axes, SETTINGS, strict=True):
        for index, N in enumerate(sorted(trained["N"].unique())):
            chosen = trained.filter((pl.col("setting") == setting) & (pl.col("N") == N))
            points = summarise(chosen, "M", "risk")
            curve_of = chosen.unique("M").sort("M")
            first = curve_of.row(0, named=True)
            fine = np.geomspace(curve_of["M"][0], curve_of["M"][-1], 60)
            variance = (first["formula"] - first["at_infinity"]) * first["M"]
            reference_curve(
                ax,
                fine,
                first["at_infinity"] + variance / fine,
                label="Theorem 4.2" if index == 0 else None,
                index=index,
            )
            measured_points(ax, points, "M", label=f"N = {N}", index=index)
        ticks = sorted(trained["M"].unique())
        ax.set(title=setting, xlabel="test length M", xscale="log")
        ax.set_xticks(ticks, labels=[str(tick) for tick in ticks])
        ax.minorticks_off()
        ax.set_ylim(bottom=0)
    axes[0].set_ylabel("risk E(ŷ − y)²")
    legend(axes[0])


def _finding(rows: pl.DataFrame) -> str:
    limit, trained = (rows.filter(pl.col("arm") == arm) for arm in (LIMIT, "trained"))
    return (
        f"Over {len(SETTINGS)} settings and all N and M the measured risk of the limit is at most "
        f"{_most_deviations(limit).value:.1f} standard errors from the formula (mean over seeds), and that of trained models at "
        f"most {100 * abs(decisive(_beside_limit(trained), CLOSE).value):.1f} % from the limit's."
    )


EXPERIMENT = Experiment(
    name="risk-lengths",
    title="Risk against the lengths of training and testing prompts",
    caption=(
        "Risk of trained linear attention against the length M of testing prompts for several lengths N of training prompts, "
        "beside Theorem 4.2 (dotted): on prompts as in training, with noise on all answers, and on one fixed task. Longer "
        "testing prompts remove the term in 1/M, and only longer training prompts that in 1/N². Markers: means over seeds with "
        "95 % intervals."
    ),
    position=30,
    trials=_trials,
    measure=_measure,
    claims=(
        Claim(
            id="risk-formula",
            form="exact",
            statement="The limit's risk is the best linear one plus (1/M) tr(ΣΓ⁻²Λ) plus the term in 1/N², on any tasks.",
            source=f"{PAPER}, Theorem 4.2",
            quantity="largest distance of the limit's measured risk from the formula over all settings, N and M, in standard errors",
            expected=Region(high=MOST_DEVIATIONS),
            reason="the largest of 36 standard normal numbers is above 4 once in 400 times; the limit's own matrices, each seed's worst",
            estimate=_most_deviations,
            control=Control("the formula at test length N instead of M", WRONG_LENGTH),
            arm=LIMIT,
        ),
        Claim(
            id="risk-trained",
            form="exact",
            statement="Trained models have the limit's risk at every N and M.",
            source=f"{PAPER}, Theorems 4.1 and 4.2",
            quantity="risk of trained models over that of the limit on the same prompts, less 1, at each setting, N and M",
            expected=CLOSE,
            reason="0 is exact for flow; a twentieth for finite steps and batches (ours)",
            estimate=_beside_limit,
            control=Control(UNTRAINED_TEXT, UNTRAINED),
        ),
    ),
    draw=_draw,
    finding=_finding,
    size=(9.0, 3.4),
)
