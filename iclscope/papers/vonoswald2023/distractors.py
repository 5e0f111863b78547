"""Context examples whose answers are noise: the layer errs as gradient descent does (von Oswald 2023).

As in the public code: so many of the examples, chosen at random, have y ~ N(0, 1) in place of ⟨w, x⟩. Layers are trained
without such distractors and tested with 0, 2, 4, … < N of them.
"""

from __future__ import annotations

import polars as pl
import torch
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from iclscope.claims.claim import Claim, Control, Region
from iclscope.claims.families import ForAll, decisive
from iclscope.claims.summaries import mean_at_every, summarise
from iclscope.papers.vonoswald2023 import theory as theory
from iclscope.papers.vonoswald2023.rows import descended, evaluation_prompts, half_squares
from iclscope.papers.vonoswald2023.settings import (
    CODE,
    PAPER,
    RANGES,
    LinearGroup,
    one_layer_trials,
    optimum,
    regression,
    task_of,
)
from iclscope.plotting.style import curve, legend, reference_curve, reference_line
from iclscope.study.experiment import Experiment, Preset
from iclscope.tasks import LinearRegression

TASK = regression(RANGES[CODE])
COUNTS = tuple(range(0, TASK.length, 2))
"""Numbers of distractors: 0, 2, 4, … < N."""

ZERO = "predicting 0"
EQUAL = Region(0.98, 1.02)


def expected_loss(task: LinearRegression, count: int) -> float:
    """The exact loss of one step with the η that is best without distractors, on prompts with so many of them."""
    moments = theory.uniform_moments(task.half_width)
    eta = optimum(task).eta
    return theory.one_step_loss(eta, d=task.d_X, length=task.length, moments=moments, noise_answers=count)


@torch.no_grad()
def _measure(group: LinearGroup, preset: Preset) -> pl.DataFrame:
    task, tables = task_of(group), []
    for count in COUNTS:
        prompts = evaluation_prompts(group, preset.prompts, task.replace(noise_answers=count))
        outputs = {"trained": group.model.predict(prompts).output, ZERO: torch.zeros_like(prompts.labels)}
        # The exact mean of gradient descent takes most of the noise of the test prompts away.
        expected = expected_loss(task, count)
        of_descent = half_squares(descended(prompts, eta=optimum(task).eta), prompts)
        for arm, output in outputs.items():
            loss = half_squares(output, prompts) - of_descent + expected
            tables.append(group.rows(arm=arm, noise_answers=count, loss=loss, ratio=loss / expected))
    return pl.concat(tables)


def _at_every_count(rows: pl.DataFrame) -> ForAll:
    """The ratio of losses at every number of distractors."""
    return mean_at_every(rows, "noise_answers", "ratio")


def _draw(figure: Figure, rows: pl.DataFrame) -> None:
    ax = figure.subplots()
    points = summarise(rows.filter((pl.col("arm") == "trained") & pl.col("loss").is_not_nan()), "noise_answers", "loss")
    if not points.is_empty():
        values = (points[name] for name in ("noise_answers", "value", "low", "high"))
        curve(ax, *values, label="trained layer", index=0)
    counts = range(TASK.length + 1)
    reference_curve(ax, counts, [expected_loss(TASK, count) for count in counts], label="one step of GD (exact)")
    reference_line(ax, TASK.scale / 2, label=ZERO, index=1)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set(xlabel=f"distractors among {TASK.length} examples", ylabel="½ squared error", ylim=(0, None))
    legend(ax)


def _finding(rows: pl.DataFrame) -> str:
    worst = decisive(_at_every_count(rows.filter(pl.col("arm") == "trained")), EQUAL).value
    ends = [expected_loss(TASK, count) for count in (COUNTS[0], COUNTS[-1])]
    return (
        f"With 0 to {COUNTS[-1]} of {TASK.length} answers noise, the trained layer's loss is, where it differs most, "
        f"{worst:.3f} times that of one step of gradient descent, which goes from {ends[0]:.3f} to {ends[1]:.3f}."
    )


EXPERIMENT = Experiment(
    name="distractors",
    title="Distractors: as wrong as gradient descent",
    caption=(
        "Half the mean squared error of one layer, trained on x ~ U(−1/2, 1/2) without distractors, on prompts in which some "
        "examples, chosen at random, have an answer from N(0, 1) in place of ⟨w, x⟩. Dotted: the exact loss of one step of "
        "gradient descent, with the η that is best without distractors, and that of predicting 0. Shaded: 95 % intervals "
        "over seeds."
    ),
    position=70,
    trials=lambda preset: one_layer_trials(preset, (CODE,)),
    measure=_measure,
    claims=(
        Claim(
            id="distractors-loss",
            form="published",
            statement="With distractors the trained layer errs as one step of gradient descent does.",
            source=f"{PAPER}, set-up of the public code, linear tasks with distractors",
            quantity="loss of the trained layer over gradient descent's with the η of training, at each number of distractors",
            expected=EQUAL,
            reason="the paper's curves lie on each other; the 2 % allowed without distractors",
            estimate=_at_every_count,
            control=Control("predicting 0 in the layer's place", ZERO),
        ),
    ),
    draw=_draw,
    finding=_finding,
    size=(6.4, 3.8),
)
