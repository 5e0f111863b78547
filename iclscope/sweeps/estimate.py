"""How long a sweep will take: a few steps and a test of one of its groups, timed on this machine and scaled.

As many groups are timed at once as will train at once: side by side they are slower than alone, and how much depends on
the machine and on who else uses it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import torch

from iclscope.core.errors import BadRequest, Verbatim, refused
from iclscope.core.memory import free_memory, is_out_of_memory
from iclscope.core.threads import one_thread_per_operation
from iclscope.core.yaml_text import as_written
from iclscope.execution.groups import group_cost, step_cost
from iclscope.execution.jobs import train_trials
from iclscope.execution.local import workers_on
from iclscope.execution.measure import measured_on
from iclscope.sweeps.overview import Overview, Shape
from iclscope.tasks import Task
from iclscope.training.trained import untrained_models
from iclscope.training.trial import Trial

_TIMED = 0.2
"""Seconds of training after which a group has been timed."""

_MOST_COST = 700
"""Cost of a step (`step_cost`) that takes half a second on a slow core; of one that costs more a part is timed."""

_MOST_TESTED = 2e7
"""Size (`_size`) of a test that takes half a second on a slow core; of a larger one a part is timed."""

_STORING = 1e-3
"""Seconds to write a trial, read it again and make its rows."""


class Estimate(NamedTuple):
    """How long a sweep will take.

    Attributes:
        seconds: wall-clock time with all cores, of trainings and tests; at most that, where trainings may stop early or
            begin with smaller prompts.
        step_seconds: of one training step of one run, averaged over all.
        kinds: how many kinds of groups there are, one of which was timed.
        workers: how many groups train at a time; no more than there are.
    """

    seconds: float
    step_seconds: float
    kinds: int
    workers: int


def estimate(planned: Overview, *, device: torch.device | str = "cpu", workers: int | None = None) -> Estimate:
    """Estimate the time of a sweep from one group of the kind with most work; the others are scaled by their cost.

    Args:
        planned: the sweep.
        device: where it will be trained.
        workers: how many groups train at a time; None: one per core on a CPU, one on a GPU.

    Raises:
        BadRequest: if a model does not fit into memory.
    """
    device = torch.device(device)
    at_a_time = min(workers or workers_on(device), planned.groups)
    most = max(planned.shapes, key=lambda shape: (shape.count * group_cost([shape.first.trial]), _asked(shape)))
    with one_thread_per_operation():
        per_cost, per_answer = _timed(most, min(most.at_a_time, most.count), device, at_a_time)
    total = longest = trained = steps = 0.0
    for shape in planned.shapes:
        training = group_cost([shape.first.trial]) * per_cost
        per_run = training + _asked(shape) * per_answer + _STORING
        total += per_run * shape.count
        longest = max(longest, per_run * min(shape.count, shape.at_a_time))
        trained += training * shape.count
        steps += shape.first.trial.training.steps * shape.count
    seconds = max(total / at_a_time, longest)
    return Estimate(seconds, trained / steps if steps else 0.0, len(planned.shapes), at_a_time)


def _timed(shape: Shape, runs: int, device: torch.device, at_once: int) -> tuple[float, float]:
    """Seconds of a step by the unit of `step_cost`, and of a test by that of `_size`; with fewer runs, if they fit."""
    try:
        return _seconds_per_cost(shape, runs, device, at_once), _seconds_per_answer(shape, device)
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        if runs == 1:
            raise _too_large(shape, device) from error
    free_memory(device)
    return _timed(shape, runs // 2, device, at_once)  # as engines do


def _seconds_per_cost(shape: Shape, runs: int, device: torch.device, at_once: int) -> float:
    """Of a training step at the full size of its prompts, with all cores busy."""
    first = shape.first.trial
    batch = first.training.batch_size
    bare: dict[str, Any] = {"schedule": None, "target_risk": None}
    bare["batch_size"] = max(1, min(batch, batch * _MOST_COST // step_cost(first)))
    group = shape.sample_group(max(1, min(runs, _MOST_COST // step_cost(first))))

    def train(steps: int) -> float:
        cut = [_with(trial, training=bare | {"steps": steps}, evaluation={"on": {}}) for trial in group]
        with ThreadPoolExecutor(at_once) as pool:
            return _seconds(lambda: list(pool.map(lambda _: train_trials(cut, device=device), range(at_once))), device)

    train(1)  # compiles what there is to compile, and fills caches
    start, steps = train(0), 2
    while (seconds := train(steps) - start) < _TIMED and steps < 1024:
        steps *= 4
    return max(seconds, 0.0) / steps / len(group) / step_cost(_with(first, training=bare))


def _seconds_per_answer(shape: Shape, device: torch.device) -> float:
    """Of the largest of the shape's tests, at one run."""
    test = max(shape.first.tests, key=lambda test: _size(shape.first.trial, test.task, test.prompts))
    model = untrained_models([shape.first.trial], device)
    prompts = max(2, min(test.prompts, int(_MOST_TESTED / _size(shape.first.trial, test.task, 1))))
    measured_on(model, [test.task], 2)  # compiles what there is to compile
    seconds = _seconds(lambda: measured_on(model, [test.task], prompts), device)
    return seconds / _size(shape.first.trial, test.task, prompts)


def _asked(shape: Shape) -> float:
    """What the tests of one run cost, and the records on the way, in the unit of `_size`."""
    trial, evaluation = shape.first.trial, shape.first.trial.evaluation
    record = sum(_size(trial, task, evaluation.prompts) for task in evaluation.on.values())
    return sum(_size(trial, test.task, test.prompts) for test in shape.first.tests) + record * len(trial.record_steps())


def _size(trial: Trial, task: Task, prompts: int) -> float:
    """What it costs to ask a model so many prompts of a task, up to a factor."""
    return prompts * max(1, trial.model.operations(task.length_range[1]))


def _with(trial: Trial, **changes: dict[str, Any]) -> Trial:
    """The same trial with changes to some of its parts; not checked again."""
    return trial.model_copy(
        update={part: getattr(trial, part).model_copy(update=changed) for part, changed in changes.items()}
    )


def _seconds(work: Callable[[], object], device: torch.device) -> float:
    started = time.perf_counter()
    work()
    if device.type != "cpu":
        torch.accelerator.synchronize(device)
    return time.perf_counter() - started


def _too_large(shape: Shape, device: torch.device) -> BadRequest:
    """The refusal of trials that do not fit into memory, by the settings that are varied to get them, if any are."""
    trial = shape.first.trial
    sizes = ", ".join(f"{name} {value}" for name, value in trial.model.summary().items())
    named = ", ".join(f"{name} = {as_written(value)}" for name, value in shape.first.varied.items())
    batch = f"{trial.training.batch_size:,} prompts of {trial.task.length_range[1]:,} examples"
    got = f"{sizes}{f' (at {named})' if named else ''}"
    return refused("model", Verbatim(got), f"one that fits into the memory of {device} with steps on {batch}")
