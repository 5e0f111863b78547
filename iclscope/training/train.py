"""Training from Python: a task, a model, a few settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from iclscope.errors import require, require_finite
from iclscope.models.softmax_relu import SoftmaxReLUTransformer
from iclscope.tasks.patterns import PatternClassification, PatternSampler
from iclscope.threads import one_thread_per_operation
from iclscope.training.loop import Probe, train_runs


class TrainingResult(NamedTuple):
    """Trained models, and what was recorded on the way.

    Attributes:
        model: the trained runs; the model given to `train` is not changed.
        recorded_at: the steps at which ``probe`` was taken.
        trajectory: what it measured, [run, record, …] per name; NaN after a run had ended.
        stopped_at: the step at which a run reached its target, −1 if it did not.
        diverged_at: the step at which a run's loss stopped being finite, −1 if it stayed finite.
    """

    model: SoftmaxReLUTransformer
    recorded_at: Sequence[int]
    trajectory: Mapping[str, Tensor]
    stopped_at: Tensor
    diverged_at: Tensor


def train(
    task: PatternClassification | Sequence[PatternClassification],
    model: SoftmaxReLUTransformer,
    *,
    learning_rate: float | Sequence[float] = 1.0,
    steps: int = 400,
    batch_size: int = 256,
    probe: Probe | None = None,
) -> TrainingResult:
    """Train every run of a model by SGD on the hinge loss, with fresh prompts at every step.

    Args:
        task: what to train on, the same for all runs or one per run.
        model: the runs at their initial values; not changed. Its seeds are those of patterns and prompts too.
        learning_rate: η, the same for all runs or one per run.
        steps: number of steps T.
        batch_size: fresh prompts per step B.
        probe: what to record on the way.

    Raises:
        BadRequest: if a setting is not allowed, or the task's dimensions are not the model's.
    """
    runs = model.run_count
    tasks = [task] * runs if isinstance(task, PatternClassification) else list(task)
    rates = [learning_rate] * runs if isinstance(learning_rate, (int, float)) else list(learning_rate)
    require(len(rates) == runs, "learning_rate", learning_rate, f"one number, or one per run ({runs})")
    require_finite([("learning_rate", rate) for rate in rates])
    require(min(rates) > 0, "learning_rate", min(rates), "positive")
    require(steps >= 0, "steps", steps, "0 or more")
    require(batch_size >= 1, "batch_size", batch_size, "at least 1")
    model.check_dimensions(tasks[0].d_X, tasks[0].d_Y)
    rate_of_run: Float[Tensor, " run"] = torch.tensor(rates, dtype=model.W_O.dtype, device=model.W_O.device)
    with one_thread_per_operation():
        state = train_runs(
            model,
            PatternSampler(tasks, model.seeds, dtype=model.W_O.dtype, device=model.W_O.device),
            learning_rate=rate_of_run,
            steps=steps,
            batch_size=batch_size,
            probe=probe,
        )
    trained = model.runs(range(runs))
    trained.load_state_dict(state.weights)
    trained.patterns = (tasks[0].M1, tasks[0].M2)
    return TrainingResult(trained, state.recorded_at, state.trajectory(), state.stopped_at, state.diverged_at)
