"""Training with and without the curriculum (Garg 2022, Section 6 and Appendix A.2)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import polars as pl
from matplotlib.figure import Figure

from iclscope.claims.claim import Claim, Control, Region
from iclscope.claims.intervals import Interval, mean_interval
from iclscope.claims.slopes import first_below
from iclscope.claims.summaries import summarise
from iclscope.papers.garg2022.questions import with_questions
from iclscope.papers.garg2022.rows import bound
from iclscope.papers.garg2022.settings import (
    PAPER,
    PUBLISHED_STEPS,
    QUICK_CURRICULUM,
    TEST,
    GPT2Group,
    function_trial,
    function_trials,
    plan_of,
)
from iclscope.plotting.style import curve, legend, reference_line
from iclscope.study.experiment import Experiment, Preset
from iclscope.training.trial import Trial

LEVEL = 0.5
"""The error after the most examples that both trainings are timed to: half of predicting 0."""
WITH, WITHOUT = "with curriculum", "without"
PLAIN = "trained"
ALIKE = "in name only"


def _trials(preset: Preset) -> list[Trial]:
    """The models of the other figures, and the same trained the other way: without a curriculum, or with one."""
    own = function_trials("linear", preset)
    other = QUICK_CURRICULUM if plan_of("linear", preset).training.schedule is None else None
    # What comes after the level is reached is not looked at, so the second training stops there.
    return own + [
        function_trial("linear", preset, seed, schedule=other, target_risk=LEVEL * 0.9) for seed in preset.seeds
    ]


def _measure(group: GPT2Group, _preset: Preset) -> pl.DataFrame:
    training = group.trials[0].training
    name = WITH if training.schedule is not None else WITHOUT
    errors = group.trajectory[f"{TEST}/squared_error"]
    rows = group.trajectory_rows(arm=PLAIN, prefix=TEST, quantities={"error": errors[:, :, -1]}).drop("domain")
    return rows.with_columns(training=pl.lit(name), short=pl.lit(training.steps < PUBLISHED_STEPS))


def _controls(rows: pl.DataFrame) -> pl.DataFrame:
    """The training without, under both names: a curriculum in name only makes nothing faster."""
    # What was done to nobody is no lack of training.
    without = rows.filter(pl.col("training") == WITHOUT).with_columns(short=pl.lit(False))
    return pl.concat([without.with_columns(arm=pl.lit(ALIKE), training=pl.lit(name)) for name in (WITH, WITHOUT)])


def _steps(rows: pl.DataFrame, training: str) -> Sequence[float]:
    """Steps to the level for each seed; a training that never gets there counts with all its steps.

    Leaving it out would hide what it shows. Without the curriculum the true number is larger, which makes the ratio of
    the claim too large; with it the ratio is above 1 anyhow: neither favours the claim. NaN for a run that diverged.
    """
    chosen = rows.filter(pl.col("training") == training).sort("seed", "step")
    return [_steps_to_level(group) for _, group in chosen.group_by("seed", maintain_order=True)]


def _steps_to_level(run: pl.DataFrame) -> float:
    reached = first_below(run["step"].to_list(), run["error"].to_list(), LEVEL)
    diverged = run["diverged_at"].is_not_null().any() or run["error"].is_nan().all()
    return float(run["step"].max()) if math.isnan(reached) and not diverged else reached  # type: ignore[arg-type]


def _speed(rows: pl.DataFrame) -> Interval:
    """Steps with the curriculum over steps without, per seed; an upper bound where the problem is a small one."""
    pairs = zip(_steps(rows, WITH), _steps(rows, WITHOUT), strict=True)
    return bound(mean_interval([a / b for a, b in pairs]), rows, 0.0)


def _with_last_errors(rows: pl.DataFrame) -> pl.DataFrame:
    """Errors of stopped trainings carried on: a mean over those still under way would jump up with each that stops."""
    runs, steps = rows.select("training", "seed").unique(), rows.select("step").unique()
    everywhere = runs.join(steps, how="cross").join(rows, on=["training", "seed", "step"], how="left")
    diverged = pl.col("diverged_at").is_not_null().any().over("training", "seed")
    last = pl.col("error").fill_nan(None).forward_fill().over("training", "seed", order_by="step").fill_null(math.nan)
    return everywhere.with_columns(error=pl.when(diverged).then(math.nan).otherwise(last))


def _draw(figure: Figure, rows: pl.DataFrame) -> None:
    ax = figure.subplots()
    own = rows.filter(pl.col("arm") == PLAIN)
    trained = _with_last_errors(own)
    for index, training in enumerate((WITH, WITHOUT)):
        # Behind the last record all its runs have stopped: a level line there would look like a plateau.
        last = own.filter((pl.col("training") == training) & pl.col("error").is_not_nan())["step"].max()
        kept = trained.filter(
            (pl.col("training") == training) & pl.col("error").is_not_nan() & (pl.col("step") <= pl.lit(last))
        )
        points = summarise(kept, "step", "error")
        if points.is_empty():
            continue
        curve(ax, points["step"], points["value"], points["low"], points["high"], label=training, index=index)
    reference_line(ax, LEVEL, label=f"timed to {LEVEL:g}")
    ax.set(xlabel="training step", ylabel="error after the most examples", ylim=(-0.03, 1.4))
    legend(ax)


def _finding(rows: pl.DataFrame) -> str:
    trained = rows.filter(pl.col("arm") == PLAIN)
    fast, slow = (mean_interval(_steps(trained, name)).value for name in (WITH, WITHOUT))
    return (
        f"The error after the most examples halves that of predicting 0 at step {fast:.0f} with the curriculum and at step "
        f"{slow:.0f} without (means over seeds; a training that does not get there counts with all its steps)."
    )


EXPERIMENT = Experiment(
    name="curriculum",
    title="The curriculum",
    caption=(
        "Error of the models of linear functions after the most in-context examples, at the full dimension, over training: "
        "with the curriculum (few dimensions and examples first) and without. The one that no other figure shows is stopped once "
        "its error is well below the level that both are timed to; its curve ends where its last seed stops, and seeds that "
        "stopped before count with their last errors. Shaded: 95 % intervals over seeds."
    ),
    position=70,
    trials=_trials,
    measure=_measure,
    claims=with_questions(
        Claim(
            id="curriculum-faster",
            form="published",
            statement="The curriculum makes training faster.",
            source=f"{PAPER}, Section 6 and Appendix A.2",
            quantity="steps to half the error of predicting 0 (after the most examples) with the curriculum over without",
            expected=Region(high=0.9),
            reason="faster means fewer; a tenth is the least worth a curriculum; the paper finds more to be gained in more "
            "dimensions, so that fewer give an upper bound only",
            estimate=_speed,
            control=Control("the training without, under both names", ALIKE),
        ),
    ),
    draw=_draw,
    finding=_finding,
    size=(6.4, 3.6),
    controls=_controls,
)
