"""Steps to a loss against the step size η, and against the loss ε."""

from __future__ import annotations

import polars as pl
from matplotlib.figure import Figure

from iclscope.claims.answers import answered
from iclscope.claims.claim import Claim, Control, Region
from iclscope.claims.intervals import Interval
from iclscope.claims.summaries import signed, slope_of, summarise
from iclscope.papers.huang2024.rows import Columns, converged, feature_rows, growth_end, runs_of, trajectory_of
from iclscope.papers.huang2024.settings import ETA, RECOLLECTION, FeatureGroup, feature_trial
from iclscope.papers.huang2024.theory import balanced_steps, times_of_flow
from iclscope.plotting.style import curve, legend, reference_curve
from iclscope.study.experiment import Experiment, Preset
from iclscope.tasks import OrthonormalFeatures
from iclscope.training.trial import Trial

TASK = OrthonormalFeatures(K=10, d_X=10, length=160, expectation="counts")
ETAS = (0.25, 0.5, 1.0, 2.0)
TARGET = 0.1
LEVELS = (0.1, 0.05, 0.025, 0.0125)
ETA_ARM, LEVEL_ARM = "unvaried eta", "unvaried epsilon"


def _trials(preset: Preset) -> list[Trial]:
    # The runs at η = 0.5 go on to the smallest loss, the others stop soon after the one that all are timed to.
    return [
        feature_trial(seed, TASK, steps=2000, every=5, eta=eta, target=0.9 * (LEVELS[-1] if eta == ETA else TARGET))
        for seed in preset.seeds
        for eta in ETAS
    ]


def _measure(group: FeatureGroup, _preset: Preset) -> pl.DataFrame:
    rows = feature_rows(group, trajectory_of(group), arm="trained", feature="all")
    rates = [trial.training.learning_rate for trial in group.trials]
    # Trials of one seed differ in η only; each is a run of its own.
    runs = [next(runs_of(rows[index :: len(group.trials)], "all")) for index in range(len(group.trials))]
    tables = [_rows(group, "eta", [converged(run, TARGET) for run in runs], rates, TARGET)]
    for level in LEVELS:
        steps = [_second_phase(run, level) for run in runs]
        tables.append(_rows(group, "epsilon", steps, rates, level).filter(pl.col("eta") == ETA))
    return pl.concat(tables)


def _second_phase(run: Columns, level: float) -> float:
    """Steps from own attention ½ to a loss."""
    return converged(run, level) - growth_end(run)


def _rows(group: FeatureGroup, varied: str, steps: list[float], rates: list[float], level: float) -> pl.DataFrame:
    return group.rows(arm="trained", varied=varied, eta=rates, epsilon=level, steps=steps).with_columns(
        steps=pl.when(pl.col("diverged_at").is_null()).then(pl.col("steps").cast(pl.Float64)).otherwise(float("nan"))
    )


def _controls(rows: pl.DataFrame) -> pl.DataFrame:
    """η, or ε, varied in name only: every value gets the steps of one of them, of one seed after the other."""
    parts = []
    for varied, values, arm, fixed in (("eta", ETAS, ETA_ARM, ETA), ("epsilon", LEVELS, LEVEL_ARM, TARGET)):
        one = rows.filter((pl.col("varied") == varied) & (pl.col(varied) == fixed)).sort("seed")
        for shift, value in enumerate(values):
            moved = [one["steps"][(i + shift) % len(one)] for i in range(len(one))]
            steps = pl.Series("steps", moved, dtype=pl.Float64)
            parts.append(one.with_columns(steps, pl.lit(arm).alias("arm"), pl.lit(value).alias(varied)))
    return pl.concat(parts)


def _slope(rows: pl.DataFrame, varied: str) -> Interval:
    return slope_of(rows.filter(pl.col("varied") == varied), varied, "steps")


def _draw(figure: Figure, rows: pl.DataFrame) -> None:
    axes = figure.subplots(1, 2)
    trained = rows.filter(pl.col("arm") == "trained")
    p = [1 / TASK.K] * TASK.K
    flow = {level: times_of_flow(p, 0, level) for level in LEVELS}
    predicted = {
        "eta": (
            [flow[TARGET].converged / eta for eta in ETAS],
            [balanced_steps(K=TASK.K, eta=eta, epsilon=TARGET).total for eta in ETAS],
        ),
        "epsilon": (
            [(flow[level].converged - flow[level].half) / ETA for level in LEVELS],
            [balanced_steps(K=TASK.K, eta=ETA, epsilon=level).convergence for level in LEVELS],
        ),
    }
    labels = {"eta": f"to loss {TARGET:g}", "epsilon": "phase II, to loss ε"}
    for index, (ax, varied, values) in enumerate(zip(axes, labels, (ETAS, LEVELS), strict=True)):
        points = summarise(trained.filter(pl.col("varied") == varied), varied, "steps")
        slope = signed(_slope(trained, varied).value)
        label = f"{labels[varied]}, slope {slope}"
        curve(ax, points[varied], points["value"], points["low"], points["high"], label=label, index=index)
        own, recalled = predicted[varied]
        reference_curve(ax, values, own, label="flow, long prompts", index=index)
        reference_curve(ax, values, recalled, label="recalled bound, constants 1")
        ax.set(xscale="log", yscale="log", ylabel="training steps")
        ax.set_xticks(values, labels=[f"{value:g}" for value in values])
        ax.minorticks_off()
        legend(ax)
    axes[0].set_xlabel("step size η")
    axes[1].set_xlabel("loss ε")


def _finding(rows: pl.DataFrame) -> str:
    trained = rows.filter(pl.col("arm") == "trained")
    eta, epsilon = (signed(_slope(trained, varied).value) for varied in ("eta", "epsilon"))
    return (
        f"Steps to loss {TARGET:g} have slope {eta} against η (theory −1); those of phase II have slope {epsilon} against the "
        f"loss ε (recalled bound: −1 and a logarithm)."
    )


def _claim(varied: str, statement: str, quantity: str, expected: Region, reason: str, arm: str) -> Claim:
    return Claim(
        id=f"convergence-{varied}",
        form="ours",
        statement=statement,
        source=RECOLLECTION,
        quantity=quantity,
        expected=expected,
        reason=reason,
        estimate=lambda rows: _slope(rows, varied),
        control=Control("varied in name only: steps of the same setting, of other seeds", arm),
        answer=answered(holds="yes", fails="no"),
    )


EXPERIMENT = Experiment(
    name="convergence-eta-epsilon",
    title="Steps against η and against ε",
    caption=(
        "Training steps of K = 10 balanced features, N = 160, on log-log axes: left until E(ŷ − y)² is 0.1 against the step "
        "size, right from half of the attention on the own feature (the end of phase I) until loss ε, at η = 0.5. Dotted: "
        "gradient flow for infinitely long prompts (ours, in colour), and K² log K/η + K log(K ε^(−1/2))/(ε η), right only "
        "the second term (constants 1). Shaded: 95 % intervals over seeds."
    ),
    position=50,
    trials=_trials,
    measure=_measure,
    controls=_controls,
    claims=(
        _claim(
            "eta",
            "Is the convergence time inverse to the step size η?",
            f"log-log slope of the steps until loss {TARGET:g} against η",
            Region(-1.1, -0.9),
            "both terms of the time have exponent −1; ± 0.1; exact for gradient flow, so a check that steps are small enough",
            ETA_ARM,
        ),
        _claim(
            "epsilon",
            "Does the second phase take a time of order log(K ε^(−1/2))/ε?",
            "log-log slope of the steps from own attention ½ to loss ε against ε",
            Region(-1.3, -0.75),
            "the recalled second term has slope −1.13 over these ε, without its logarithm −1; about ± 0.2 around both",
            LEVEL_ARM,
        ),
    ),
    draw=_draw,
    finding=_finding,
    size=(9.0, 3.5),
)
