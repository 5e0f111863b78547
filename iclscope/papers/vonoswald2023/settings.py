"""What is trained for von Oswald 2023 at each preset.

``paper`` is the published training. ``quick`` and ``lab`` are shorter, with a larger rate that falls to zero and larger
initial weights: ours, chosen for what two cores can do in minutes (docs/experiment_log.md).
"""

from __future__ import annotations

from iclscope.claims.claim import UNTRAINED as UNTRAINED
from iclscope.claims.claim import UNTRAINED_TEXT as UNTRAINED_TEXT
from iclscope.models import LinearAttention, LinearAttentionConfig
from iclscope.papers.vonoswald2023 import theory as theory
from iclscope.study.experiment import Preset
from iclscope.tasks import LinearRegression
from iclscope.training.trained import TrainedGroup
from iclscope.training.trial import Evaluation, Training, Trial

PAPER = "von Oswald et al. 2023"
LinearGroup = TrainedGroup[LinearAttention]
"""Trained linear transformers."""

RANGES = {"U(−1/2, 1/2): the code": 0.5, "U(−1, 1): the text": 1.0}
"""The two input ranges: the public code's and the paper's text's, which do not agree."""

CODE, TEXT = RANGES
PUBLISHED_STEPS = 5000
TEST = "test"
"""The name under which weights are recorded during training."""

LINE_SEARCH_TASKS = 10_000
"""Tasks for the line search of η, as published."""

RECORDS = 20
"""Records on the way, about."""


def regression(half_width: float) -> LinearRegression:
    """The paper's task: N = d = 10."""
    return LinearRegression(d_X=10, length=10, half_width=half_width)


def training(preset: Preset, layers: int = 1, *, recurrent: bool = False) -> Training:
    """How a model of so many layers is trained."""
    if preset.is_paper:
        steps = PUBLISHED_STEPS if layers == 1 or recurrent else 10 * PUBLISHED_STEPS
        rate = 1e-3 if layers == 1 else 5e-4
        return Training(optimizer="adam", loss="squared", learning_rate=rate, steps=steps, batch_size=2048)
    steps = 500 if layers == 1 else 1500
    if preset.name == "lab":
        steps *= 4
    return Training(
        optimizer="adam",
        loss="squared",
        learning_rate=0.03 if layers == 1 else 0.02,
        rate_decay=True,
        steps=steps,
        batch_size=256 if preset.name == "quick" else 1024,
    )


def linear_trial(half_width: float, preset: Preset, seed: int, layers: int = 1, *, recurrent: bool = False) -> Trial:
    """One training of K layers of linear self-attention, its weights recorded on the way."""
    task, found = regression(half_width), training(preset, layers, recurrent=recurrent)
    # A deep model is caught at the loss of fewer layers from larger weights, and from smaller ones in a short training.
    ours = 0.05 if layers == 1 else 0.005
    initial_scale = 0.002 / layers if preset.is_paper else ours
    return Trial(
        task=task,
        model=LinearAttentionConfig(
            d_X=task.d_X, layers=layers, recurrent=recurrent, output_sign=-1, initial_scale=initial_scale
        ),
        training=found,
        # Losses are measured afterwards, on many more prompts than the probe's one.
        evaluation=Evaluation(on={TEST: task}, probes=("weights",), every=max(1, found.steps // RECORDS), prompts=1),
        seed=seed,
    )


def one_layer_trials(preset: Preset, ranges: tuple[str, ...] = (CODE, TEXT)) -> list[Trial]:
    """One layer, for each input range and seed."""
    return [linear_trial(RANGES[name], preset, seed) for name in ranges for seed in preset.seeds]


def range_of(group: LinearGroup) -> str:
    """The name of the input range that a group was trained on."""
    task = group.trials[0].task
    assert isinstance(task, LinearRegression)
    return next(name for name, half_width in RANGES.items() if half_width == task.half_width)


def task_of(group: LinearGroup) -> LinearRegression:
    """The task that a group was trained on."""
    task = group.trials[0].task
    assert isinstance(task, LinearRegression)
    return task


def optimum(task: LinearRegression) -> theory.Rates:
    """The best single step on a task: its rate and its exact loss."""
    moments = theory.uniform_moments(task.half_width).scaled(task.x_scale)
    return theory.optimal_step(d=task.d_X, length=task.length, moments=moments, weight_scale=task.weight_scale)


def first_training(preset: Preset) -> Trial:
    """One layer of linear attention on uniform inputs, which sweeps start from."""
    return linear_trial(RANGES[CODE], preset, 0)
