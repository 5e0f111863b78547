"""Unseen tasks against the share of training tasks (Theorem 3.3)."""

from __future__ import annotations

import polars as pl
from matplotlib.figure import Figure

from iclscope.claims.claim import Claim, Control, Region
from iclscope.claims.summaries import mean_at_every, rate_at_every, rate_over_seeds, summarise
from iclscope.evaluation.evaluate_model import evaluate
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
from iclscope.papers.li2024.theory import smallest_task_share
from iclscope.plotting.style import curve, legend, reference_line
from iclscope.study.experiment import Experiment, Preset
from iclscope.tasks.patterns import all_tasks
from iclscope.training.trial import Trial

M1 = TRAINING_TASK.M1
# Sets that break Condition 3.2 and so lie outside the theorem: one task, one task and its reverse, a cycle of three.
BREAKING = (((0, 1),), ((0, 1), (1, 0)), ((0, 1), (1, 2), (2, 0)))
SMALLEST = smallest_task_share(M1=M1)


def _trials(preset: Preset) -> list[Trial]:
    meeting = [trial(seed, task={"training_tasks": k / (M1 - 1)}) for seed in preset.seeds for k in range(1, M1 - 1)]
    breaking = [
        trial(seed, task={"training_tasks": tasks, "check_condition": False})
        for seed in preset.seeds
        for tasks in BREAKING
    ]
    return meeting + breaking


def _measure(group: OneLayerGroup, preset: Preset) -> pl.DataFrame:
    tests = [unseen(one.patterns) for one in group.trials]
    shares = [len(one.patterns.training_task_set()) / len(all_tasks(M1)) for one in group.trials]
    meets = [one.patterns.check_condition for one in group.trials]
    rows = []
    for arm, model in (("trained", group.model), (UNTRAINED, group.model.untrained())):
        risks = evaluate(model, tests, prompts=preset.prompts)
        rows.append(group.rows(arm=arm, share=shares, meets_condition=meets, prompts=preset.prompts, **risks._asdict()))
    return pl.concat(rows)


def _smallest(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows of the smallest share that meets Condition 3.2."""
    return rows.filter(pl.col("meets_condition") & ((pl.col("share") - SMALLEST).abs() < 1e-9))


def _meeting(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows of all shares that meet Condition 3.2: the theorem speaks of every one."""
    return rows.filter(pl.col("meets_condition"))


def _draw(figure: Figure, rows: pl.DataFrame) -> None:
    axes = figure.subplots(1, 2)
    trained = rows.filter(pl.col("arm") == "trained")
    for ax, column, label in (
        (axes[0], "hinge_risk", "hinge risk on unseen tasks"),
        (axes[1], "classification_error", "classification error on unseen tasks"),
    ):
        for index, (meets, name) in enumerate(((True, "meets Condition 3.2"), (False, "breaks it"))):
            points = summarise(
                trained.filter(pl.col("meets_condition") == meets), "share", column, rate=column != "hinge_risk"
            )
            curve(ax, points["share"], points["value"], points["low"], points["high"], label=name, index=index)
        reference_line(ax, SMALLEST, vertical=True, label="smallest share, 1/(M1−1)")
        ax.set(xlabel="share of tasks trained on", ylabel=label, ylim=(-0.02, None))
    legend(axes[0])


def _finding(rows: pl.DataFrame) -> str:
    trained = rows.filter(pl.col("arm") == "trained")
    error = rate_over_seeds(_smallest(trained))
    worst = rate_over_seeds(trained.filter(~pl.col("meets_condition")))
    return (
        f"Trained on {SMALLEST:.0%} of the tasks, the models err on {error.value:.2%} of prompts of unseen tasks; "
        f"trained on sets that break Condition 3.2, on {worst.value:.0%} on average."
    )


EXPERIMENT = Experiment(
    name="generalization",
    title="Unseen tasks against the share of training tasks",
    caption=(
        "Hinge risk (left) and classification error (right) on tasks that were not trained on, against the share of "
        "tasks that were. Shares k/(M1−1) meet Condition 3.2; the three smaller sets break it: one task, one task "
        "and its reverse, a cycle over three of the six patterns."
    ),
    position=10,
    trials=_trials,
    measure=_measure,
    conditions=theorem_conditions,
    claims=(
        Claim(
            id="thm3.3-generalization",
            form="sufficient",
            statement="Trained on any balanced share of tasks, the hinge risk on unseen in-domain tasks is O(ε).",
            source=f"{PAPER}, Theorem 3.3",
            quantity="hinge risk on unseen tasks after training on each share k/(M1−1) of all tasks",
            expected=Region(high=0.1),
            reason="ε = 0.1, a tenth of what an untrained model has",
            estimate=lambda rows: mean_at_every(_meeting(rows), "share", "hinge_risk"),
            control=Control(UNTRAINED_TEXT, UNTRAINED),
        ),
        Claim(
            id="thm3.3-generalization-error",
            form="published",
            statement="Trained on a small fraction of tasks, the model classifies unseen in-domain tasks.",
            source=f"{PAPER}, Theorem 3.3 and Section 4",
            quantity="classification error on unseen tasks after training on each share k/(M1−1) of all tasks",
            expected=Region(high=0.01),
            reason="the dashed line at 0.01 in the paper's figures",
            estimate=lambda rows: rate_at_every(_meeting(rows), "share"),
            control=Control(UNTRAINED_TEXT, UNTRAINED),
        ),
    ),
    draw=_draw,
    finding=_finding,
    size=(7.2, 3.4),
)
