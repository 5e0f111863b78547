"""Steps until a fixed hinge risk against η, α, β and M1 (Theorem 3.3)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import polars as pl
from matplotlib.figure import Figure

from iclscope.claims.answers import tightness
from iclscope.claims.claim import Claim, Control, Region
from iclscope.claims.intervals import Interval
from iclscope.claims.slopes import first_below
from iclscope.claims.summaries import signed, slope_of, summarise
from iclscope.papers.li2024.conditions import theorem_conditions
from iclscope.papers.li2024.settings import IN_DOMAIN, PAPER, TRAINING_TASK, OneLayerGroup, trial, unseen
from iclscope.papers.li2024.theory import training_steps
from iclscope.plotting.style import curve, legend, reference_curve
from iclscope.study.experiment import Experiment, Preset
from iclscope.training.trial import Evaluation, Trial

TARGET = 0.2
MOST_STEPS = 6000
UNVARIED = "unvaried"
TOLERANCE = 0.15


class Factor(NamedTuple):
    """One setting that is varied while the others stay.

    Attributes:
        label: of the axis.
        default: its value in all other experiments.
        values: what it is set to; the default is among them.
        predicted: Theorem 3.3's steps at a value, constant 1.
        abscissa: what the theorem says the steps are a power of.
        exponent: that power.
    """

    label: str
    default: float
    values: tuple[float, ...]
    predicted: Callable[[float], float]
    abscissa: Callable[[float], float]
    exponent: float


def _steps(**changes: Any) -> float:
    """Theorem 3.3's steps at the defaults, with one changed."""
    return training_steps(**{"eta": 1.0, "alpha": TRAINING_TASK.alpha, "beta": TRAINING_TASK.beta, "M1": 6, **changes})


FACTORS = {
    "eta": Factor("step size η", 1.0, (0.125, 0.18, 0.25, 0.35, 0.5, 0.7, 1.0), lambda v: _steps(eta=v), float, -1.0),
    "alpha": Factor("share α", 0.8, (0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0), lambda v: _steps(alpha=v), float, -2 / 3),
    "beta": Factor(
        "pattern norm β", 2.0, (1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0), lambda v: _steps(beta=v), float, -2 / 3
    ),
    "M1": Factor(
        "relevant patterns M1",
        6,
        (4, 5, 6, 7, 9, 11, 13),
        lambda v: _steps(M1=int(v)),
        lambda v: v * math.sqrt(math.log(v)),
        1.0,
    ),
}


def _trial(seed: int, factor: str, value: float) -> Trial:
    task: dict[str, Any] = {}
    training: dict[str, Any] = {"steps": MOST_STEPS, "target_risk": TARGET}
    if factor == "eta":
        training["learning_rate"] = value
    elif factor == "M1":
        task = {"M1": int(value), "d_X": int(value) + TRAINING_TASK.M2}
    else:
        task = {factor: value}
    evaluation = Evaluation(on={IN_DOMAIN: unseen(TRAINING_TASK.replace(**task))}, every=5, prompts=512)
    return trial(seed, task=task, training=training, evaluation=evaluation)


def _trials(preset: Preset) -> list[Trial]:
    return [_trial(seed, name, v) for seed in preset.seeds for name, factor in FACTORS.items() for v in factor.values]


def _measure(group: OneLayerGroup, _preset: Preset) -> pl.DataFrame:
    risk = group.trajectory[f"{IN_DOMAIN}/hinge_risk"]
    steps = [first_below(group.recorded_at, run.tolist(), TARGET) for run in risk]
    return group.rows(
        arm="trained",
        steps=steps,
        eta=[one.training.learning_rate for one in group.trials],
        alpha=[one.patterns.alpha for one in group.trials],
        beta=[one.patterns.beta for one in group.trials],
        M1=[float(one.patterns.M1) for one in group.trials],
        prompts=group.trials[0].evaluation.prompts,
    )


def _varying(rows: pl.DataFrame, name: str) -> pl.DataFrame:
    """The rows in which only this factor differs from its default, with the theorem's abscissa."""
    others = [pl.col(other) == factor.default for other, factor in FACTORS.items() if other != name]
    factor = FACTORS[name]
    abscissae = pl.DataFrame(
        {name: [float(v) for v in factor.values], "abscissa": [factor.abscissa(v) for v in factor.values]}
    )
    return rows.filter(pl.all_horizontal(others)).join(abscissae, on=name)


def _controls(rows: pl.DataFrame) -> pl.DataFrame:
    """Each factor set in name only: its values get the steps of the default runs, of one seed after the other."""
    default = rows.filter(pl.all_horizontal(pl.col(name) == factor.default for name, factor in FACTORS.items()))
    default = default.sort("seed")
    parts = []
    for name, factor in FACTORS.items():
        for shift, value in enumerate(factor.values):
            moved = [default["steps"][(i + shift) % len(default)] for i in range(len(default))]
            parts.append(
                default.with_columns(
                    pl.lit(f"{UNVARIED} {name}").alias("arm"),
                    pl.lit(float(value)).alias(name),
                    pl.Series("steps", moved, dtype=pl.Float64),
                )
            )
    return pl.concat(parts)


def _slope(rows: pl.DataFrame, name: str) -> Interval:
    return slope_of(_varying(rows, name), "abscissa", "steps", at_least=MOST_STEPS)


def _draw(figure: Figure, rows: pl.DataFrame) -> None:
    axes = figure.subplots(1, len(FACTORS), sharey=True)
    trained = rows.filter(pl.col("arm") == "trained")
    for index, (ax, (name, factor)) in enumerate(zip(axes, FACTORS.items(), strict=True)):
        chosen = _varying(trained, name)
        points = summarise(chosen, name, "steps")
        slope = _slope(trained, name)
        label = f"measured, {signed(slope.value)}"
        curve(ax, points[name], points["value"], points["low"], points["high"], label=label, index=index)
        # The theorem's constant is unknown: its curve is drawn through the middle of ours.
        theory = [factor.predicted(v) for v in points[name]]
        scale = math.exp(sum(math.log(m / t) for m, t in zip(points["value"], theory, strict=True)) / len(theory))
        predicted = [scale * t for t in theory]
        reference_curve(ax, points[name], predicted, label=f"theory, {signed(factor.exponent)}", index=index)
        ax.set(xlabel=factor.label, xscale="log", yscale="log")
        ax.set_xticks(factor.values, labels=[f"{v:g}" for v in factor.values])
        ax.minorticks_off()
        legend(ax, title="slope")
    axes[0].set_ylabel("steps until hinge risk 0.2")
    axes[0].set_yticks([50, 100, 200, 500, 1000], labels=["50", "100", "200", "500", "1000"])


def _finding(rows: pl.DataFrame) -> str:
    trained = rows.filter(pl.col("arm") == "trained")
    parts = []
    for name, factor in FACTORS.items():
        slope = _slope(trained, name)
        against = "M1·√log M1" if name == "M1" else factor.label.split()[-1]
        parts.append(f"{signed(slope.value)} against {against} (theory {signed(factor.exponent)})")
    return "Slopes on log-log axes: " + ", ".join(parts) + "."


def _claim(name: str, against: str, growth: str) -> Claim:
    exponent = FACTORS[name].exponent
    return Claim(
        id=f"thm3.3-iterations-{name}",
        form="ours",
        statement=f"Is the law tight: do the steps to a fixed risk grow as {growth}, all else equal?",
        source=f"{PAPER}, Theorem 3.3: T = Θ(η⁻¹ M1 α^(−2/3) β^(−2/3) √log M1)",
        quantity=f"log-log slope of the steps until hinge risk {TARGET} against {against}",
        expected=Region(exponent - TOLERANCE, exponent + TOLERANCE),
        reason=f"the theorem's exponent ± {TOLERANCE}",
        estimate=lambda rows: _slope(rows, name),
        control=Control("the factor varied in name only: steps of default runs of other seeds", f"{UNVARIED} {name}"),
        answer=tightness(exponent, against, limit="small" if name in ("eta", "alpha") else "large"),
    )


EXPERIMENT = Experiment(
    name="iterations",
    title="Steps to a fixed risk against η, α, β and M1",
    caption=(
        "Training steps until the hinge risk on unseen in-domain tasks (α' = 0.8, l = 20) is 0.2, against one setting at a "
        "time, on log-log axes. Dotted: the growth that Theorem 3.3 states, moved to the middle of the measured points "
        "because its constant is not known. The slope against M1 is fitted against M1·√log M1."
    ),
    position=20,
    trials=_trials,
    measure=_measure,
    conditions=theorem_conditions,
    controls=_controls,
    claims=(
        _claim("eta", "η", "η⁻¹"),
        _claim("alpha", "α", "α^(−2/3)"),
        _claim("beta", "β", "β^(−2/3)"),
        _claim("M1", "M1·√log M1", "M1·√log M1"),
    ),
    draw=_draw,
    finding=_finding,
    size=(10.0, 3.2),
)
