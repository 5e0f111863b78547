"""Training from Python: a task, a model, a few settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

import torch
from jaxtyping import Float
from torch import Tensor

from iclscope.errors import require, require_finite
from iclscope.models import Model
from iclscope.tasks import PatternClassification, Task, stack_tasks
from iclscope.threads import one_thread_per_operation
from iclscope.training.gradients import Sampler
from iclscope.training.loop import Probe, train_runs
from iclscope.training.losses import LOSSES, LossName
from iclscope.training.optimizers import OptimizerName
from iclscope.training.schedules import Schedule, ScheduledSampler, check_schedule

AnyModel = TypeVar("AnyModel", bound=Model)


@dataclass(frozen=True)
class TrainingResult(Generic[AnyModel]):
    """Trained models, and what was recorded on the way.

    Attributes:
        model: the trained runs; the model given to `train` is not changed.
        recorded_at: the steps at which ``probe`` was taken.
        trajectory: what it measured, [run, record, …] per name; NaN after a run had ended.
        stopped_at: the step at which a run reached its target, −1 if it did not.
        diverged_at: the step at which a run's loss stopped being finite, −1 if it stayed finite.
    """

    model: AnyModel
    recorded_at: Sequence[int]
    trajectory: Mapping[str, Tensor]
    stopped_at: Tensor
    diverged_at: Tensor


def train(
    task: Task | Sequence[Task],
    model: AnyModel,
    *,
    optimizer: OptimizerName | None = None,
    loss: LossName | None = None,
    learning_rate: float | Sequence[float] | None = None,
    rate_decay: bool = False,
    steps: int = 400,
    batch_size: int = 256,
    schedule: Schedule | None = None,
    probe: Probe | None = None,
) -> TrainingResult[AnyModel]:
    """Train every run of a model with fresh prompts at every step.

    Args:
        task: what to train on, the same for all runs, or one per run where tasks of one shape may differ (patterns).
        model: the runs at their initial values; not changed. Its seeds are those of patterns and prompts too.
        optimizer: "sgd" or "adam"; None: SGD on patterns (Li 2024), Adam on functions (Garg 2022).
        loss: "hinge" or "squared"; None: hinge on patterns, squared on functions.
        learning_rate: η, the same for all runs, or with SGD one per run; None: 1 with SGD, 0.001 with Adam.
        rate_decay: whether the learning rate falls linearly to zero over the steps.
        steps: number of steps T.
        batch_size: fresh prompts per step B.
        schedule: sizes of the prompts from step to step, for instance `Curriculum`; None: always the task's.
        probe: what to record on the way.

    Raises:
        BadRequest: if a setting is not allowed, or the task's prompts do not fit the model.
    """
    runs = model.run_count
    tasks: list[Any] = [task] * runs if isinstance(task, Task) else list(task)
    require(len(tasks) == runs, "number of tasks", len(tasks), f"one, or one per seed, {runs}")
    first = tasks[0]
    on_patterns = isinstance(first, PatternClassification)
    rule: OptimizerName = optimizer or ("sgd" if on_patterns else "adam")
    rate = learning_rate if learning_rate is not None else {"sgd": 1.0, "adam": 1e-3}[rule]
    rates = [rate] * runs if isinstance(rate, (int, float)) else list(rate)
    require(len(rates) == runs, "learning_rate", learning_rate, f"one number, or one per run ({runs})")
    require_finite([("learning_rate", rate) for rate in rates])
    require(min(rates) > 0, "learning_rate", min(rates), "positive")
    require(steps >= 0, "steps", steps, "0 or more")
    require(batch_size >= 1, "batch_size", batch_size, "at least 1")
    model.check_task(first)
    sampler: Sampler = stack_tasks(tasks, model.seeds, dtype=model.dtype, device=model.device)
    if schedule is not None:
        check_schedule(schedule, first)
        longest = first.length_range[1]
        sampler = ScheduledSampler(sampler, schedule, dimensions=first.d_X, length=longest)
    rate_of_run: Float[Tensor, " run"] = torch.tensor(rates, dtype=model.dtype, device=model.device)
    with one_thread_per_operation():
        state = train_runs(
            model,
            sampler,
            learning_rate=rate_of_run,
            steps=steps,
            batch_size=batch_size,
            optimizer=rule,
            rate_decay=rate_decay,
            loss=LOSSES[loss or ("hinge" if on_patterns else "squared")],
            probe=probe,
        )
    trained = cast("AnyModel", model.runs(range(runs)))
    trained.load_state_dict(state.weights)
    trained.trained_on = tuple(tasks)
    return TrainingResult(trained, state.recorded_at, state.trajectory(), state.stopped_at, state.diverged_at)
