"""Risk against the number of neurons and the batch size (Theorem 3.3)."""

from __future__ import annotations

import math

import polars as pl
from matplotlib.figure import Figure

from iclscope.claims.answers import answered
from iclscope.claims.claim import Claim, Control, Region
from iclscope.claims.summaries import over_seeds, summarise
from iclscope.evaluation.evaluate_model import evaluate
from iclscope.papers.li2024 import theory as li2024
from iclscope.papers.li2024.conditions import theorem_conditions
from iclscope.papers.li2024.settings import (
    PAPER,
    TRAINING_TASK,
    UNTRAINED,
    UNTRAINED_TEXT,
    OneLayerGroup,
    trial,
    unseen,
)
from iclscope.plotting.style import curve, legend, reference_line
from iclscope.study.experiment import Experiment, Preset
from iclscope.training.trial import Trial

EPSILON = 0.1
PRESCRIBED_WIDTH = math.ceil(li2024.width(M1=TRAINING_TASK.M1))
PRESCRIBED_BATCH = math.ceil(li2024.batch_size(epsilon=EPSILON, M1=TRAINING_TASK.M1))
DEFAULT_WIDTH, DEFAULT_BATCH = 40, 256
WIDTHS = (1, 2, 3, 4, 6, 10, 20, DEFAULT_WIDTH, PRESCRIBED_WIDTH)
BATCHES = (1, 2, 4, 8, 16, 32, 64, PRESCRIBED_BATCH, DEFAULT_BATCH)


def _trials(preset: Preset) -> list[Trial]:
    widths = [trial(seed, model={"width": width}) for seed in preset.seeds for width in WIDTHS]
    return widths + [trial(seed, training={"batch_size": batch}) for seed in preset.seeds for batch in BATCHES]


def _measure(group: OneLayerGroup, preset: Preset) -> pl.DataFrame:
    rows = []
    for arm, model in (("trained", group.model), (UNTRAINED, group.model.untrained())):
        risks = evaluate(model, [unseen(one.patterns) for one in group.trials], prompts=preset.prompts)
        rows.append(
            group.rows(
                arm=arm,
                width=[one.one_layer.width for one in group.trials],
                batch_size=[one.training.batch_size for one in group.trials],
                prompts=preset.prompts,
                **risks._asdict(),
            )
        )
    return pl.concat(rows)


def _of_width(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.filter(pl.col("batch_size") == DEFAULT_BATCH)


def _of_batch(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.filter(pl.col("width") == DEFAULT_WIDTH)


def _draw(figure: Figure, rows: pl.DataFrame) -> None:
    axes = figure.subplots(1, 2, sharey=True)
    trained = rows.filter(pl.col("arm") == "trained")
    for ax, chosen, column, prescribed, label in (
        (axes[0], _of_width(trained), "width", PRESCRIBED_WIDTH, "number of neurons m"),
        (axes[1], _of_batch(trained), "batch_size", PRESCRIBED_BATCH, "batch size B"),
    ):
        for index, (risk, name) in enumerate((("hinge_risk", "hinge risk"), ("classification_error", "error"))):
            points = summarise(chosen, column, risk, rate=index == 1)
            curve(ax, points[column], points["value"], points["low"], points["high"], label=name, index=index)
        reference_line(ax, prescribed, vertical=True, label="Theorem 3.3, constant 1")
        ax.set(xlabel=label, xscale="log")
        ticks = sorted(set(chosen[column].to_list()) & {1, 2, 4, 8, 16, 32, 64, 128, 256})
        ax.set_xticks(ticks, labels=[str(tick) for tick in ticks])
        ax.minorticks_off()
    axes[0].set(ylabel="risk or error on unseen tasks", ylim=(-0.03, 1.25))
    legend(axes[0])


def _finding(rows: pl.DataFrame) -> str:
    trained = rows.filter(pl.col("arm") == "trained")

    def smallest(chosen: pl.DataFrame, column: str) -> int | None:
        """The smallest size from which on every mean risk is at most ε."""
        points = summarise(chosen, column, "hinge_risk").sort(column, descending=True)
        met = 0
        for value in points["value"]:
            if not value <= EPSILON:
                break
            met += 1
        return points[column][met - 1] if met else None

    width, batch = smallest(_of_width(trained), "width"), smallest(_of_batch(trained), "batch_size")
    return (
        f"A hinge risk of {EPSILON} is met from m = {width} and from B = {batch} on; the theorem with constants 1 asks for "
        f"{PRESCRIBED_WIDTH} and {PRESCRIBED_BATCH}."
    )


EXPERIMENT = Experiment(
    name="width-batch",
    title="How many neurons and how large a batch",
    caption=(
        "Hinge risk and classification error on unseen in-domain tasks after 400 steps against the number of MLP neurons "
        "(left, B = 256) and against the batch size (right, m = 40). The lines mark what Theorem 3.3 asks for at ε = 0.1, "
        "constants 1."
    ),
    position=40,
    trials=_trials,
    measure=_measure,
    conditions=theorem_conditions,
    claims=(
        Claim(
            id="thm3.3-width-constant-1",
            form="ours",
            statement="Is a constant of 1 enough: do m = M1² log M1 neurons suffice?",
            source=f"{PAPER}, Theorem 3.3 (constant 1)",
            quantity=f"hinge risk on unseen tasks at m = {PRESCRIBED_WIDTH}",
            expected=Region(high=EPSILON),
            reason="ε = 0.1",
            estimate=lambda rows: over_seeds(_of_width(rows).filter(pl.col("width") == PRESCRIBED_WIDTH), "hinge_risk"),
            control=Control(UNTRAINED_TEXT, UNTRAINED),
            answer=answered(holds="enough", fails="not enough"),
        ),
        Claim(
            id="thm3.3-batch-constant-1",
            form="ours",
            statement="Is a constant of 1 enough: does a batch of B = max{ε⁻², M1} log M1 prompts suffice?",
            source=f"{PAPER}, Theorem 3.3 (constant 1)",
            quantity=f"hinge risk on unseen tasks at B = {PRESCRIBED_BATCH}",
            expected=Region(high=EPSILON),
            reason="ε = 0.1",
            estimate=lambda rows: over_seeds(
                _of_batch(rows).filter(pl.col("batch_size") == PRESCRIBED_BATCH), "hinge_risk"
            ),
            control=Control(UNTRAINED_TEXT, UNTRAINED),
            answer=answered(holds="enough", fails="not enough"),
        ),
    ),
    draw=_draw,
    finding=_finding,
    size=(7.2, 3.4),
)
