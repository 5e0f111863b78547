"""What is trained for von Oswald 2023 at each preset.

``paper`` is the published training of the public code, but that activations are not cut off at 10 (it does so from four
layers on). ``quick`` and ``lab`` are shorter, with a larger rate that falls to zero, larger initial weights and gradients
clipped more: ours, chosen for what two cores can do in minutes (docs/experiment_log.md).
"""

from __future__ import annotations

from typing import Any

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
    common: dict[str, Any] = {"optimizer": "adam", "loss": "squared"}
    if preset.is_paper:
        return Training(
            **common,
            learning_rate=1e-3 if layers <= 3 else 5e-4,
            steps=PUBLISHED_STEPS if layers == 1 or recurrent else 10 * PUBLISHED_STEPS,
            batch_size=2048,
            clip_norm=0.001 if layers <= 2 else 10.0,
        )
    # A prompt with large inputs can have a gradient so large that Adam makes no steps for long: with 10, where activations
    # are not cut off as in the public code, runs of five layers are lost.
    deep = (0.015, 1000, 128, 0.02) if recurrent else (0.02, 1000, 128, 0.005)
    rate, steps, batch, clip = {1: (0.03, 500, 256, 0.001), 2: (0.02, 1500, 256, 0.001)}.get(layers, deep)
    if preset.name == "lab":
        steps, batch = 4 * steps, 4 * batch
    return Training(**common, learning_rate=rate, rate_decay=True, steps=steps, batch_size=batch, clip_norm=clip)


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
