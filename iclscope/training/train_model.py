"""Training from Python: a model, a task, a few settings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal, TypeVar, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from iclscope.core.arguments import boolean, expect_instance, list_of, one_of, real_number, whole_number
from iclscope.core.errors import require, require_finite
from iclscope.core.gradient_mode import gradients_enabled
from iclscope.core.interrupted import give_back
from iclscope.core.progress import progress_bar
from iclscope.core.renamed import warn_renamed
from iclscope.core.threads import one_thread_per_operation
from iclscope.models import Model, expect_model
from iclscope.models.expected import is_model
from iclscope.tasks import Sampler, Task, stack_tasks, tasks_of_runs
from iclscope.training.interrupts import StoppedTraining
from iclscope.training.loop import Probe, train_runs
from iclscope.training.losses import LOSSES, LossName, check_loss
from iclscope.training.optimizers import OptimizerName
from iclscope.training.precision import BFLOAT16, check_precision, check_precision_here
from iclscope.training.schedules import Schedule, ScheduledSampler, check_schedule
from iclscope.training.training_result import Callback, LossLog, TrainingResult
from iclscope.training.trial import Training

AnyModel = TypeVar("AnyModel", bound=Model)


@gradients_enabled()
def train(
    model: AnyModel,
    task: Task | Sequence[Task],
    *,
    optimizer: OptimizerName | None = None,
    loss: LossName | None = None,
    learning_rate: float | Sequence[float] | None = None,
    rate_decay: bool = False,
    decay_power: float = 1.0,
    adam_rate: float | None = None,
    weight_decay: float = 0.0,
    clip_norm: float | None = None,
    steps: int = 400,
    batch_size: int = 256,
    schedule: Schedule | None = None,
    precision: Literal["bfloat16"] | None = None,
    probe: Probe | None = None,
    callback: Callback | None = None,
    progress: bool | None = None,
) -> TrainingResult[AnyModel]:
    """Train every run of a model with fresh prompts at every step.

    Interrupted by Ctrl-C (in a notebook: by its stop button) after the current step, it gives back what is trained so
    far: returned at a prompt and in a notebook, as `Interrupted.result` in a script.

    Frozen weights (``requires_grad_(False)``) stay as they are, bit by bit. Gradients are recorded whatever is around
    the call: it trains within ``torch.no_grad()`` too.

    Args:
        model: the runs at their initial values; not changed. Its seeds are those of patterns and prompts too.
        task: what to train on, the same for all runs, or one per run where tasks of one shape may differ (patterns).
        optimizer: "sgd", "adam", or "muon" for the matrices of a model that names some, GPT-2 say, and Adam for the
            rest; None: the task's, SGD on patterns (Li 2024), Adam on functions (Garg 2022).
        loss: "hinge" or "squared"; None: the task's, hinge on patterns, squared on functions.
        learning_rate: η, the same for all runs, or with SGD and Muon one per run; None: 1 with SGD, 0.001 with Adam,
            0.02 with Muon.
        rate_decay: whether the learning rate falls to zero over the steps, as (1 − t/T)^decay_power.
        decay_power: how; 1: linearly.
        adam_rate: with Muon, the learning rate of what is no matrix; None: 0.003.
        weight_decay: decoupled: each step takes learning rate · decay of the weights (with Muon, of the matrices) away.
        clip_norm: the largest norm of a run's whole gradient; None: any.
        steps: number of steps T.
        batch_size: fresh prompts per step B.
        schedule: sizes of the prompts from step to step, for instance `Curriculum`; None: always the task's.
        precision: None: that of the model's weights. "bfloat16": operands of products with GPT-2's matrices are rounded
            to it, and summed in float32; of a model in float32 on a CPU with AVX512-BF16.
        probe: what to record on the way.
        callback: called at each step with its number and the loss of each run (NaN if the run has ended); for a
            tracker, see `log_to`.
        progress: whether to show a bar; None: in a terminal and in a notebook.

    Returns:
        The trained model, with the loss at every step.

    Raises:
        BadRequest: if a setting is not allowed, or the task's prompts do not fit the model.
        Interrupted: on Ctrl-C in a script.

    >>> import iclscope as icl
    >>> task = icl.tasks.LinearRegression(d_X=2, length=8)
    >>> model = icl.models.LinearAttention(d_X=2, seeds=2)
    >>> result = icl.train(model, task, steps=5, batch_size=16)
    >>> tuple(result.loss.shape)
    (2, 5)
    """
    model, task = _in_new_order(model, task)
    order = "train(model, task)"
    expect_model(model, order)
    runs = model.run_count
    tasks = tasks_of_runs(task, runs, order)
    first = tasks[0]
    usual = first.default_training
    rule: OptimizerName = usual["optimizer"]
    if optimizer is not None:
        one_of("optimizer", optimizer, get_args(OptimizerName))
        rule = optimizer
    judged_by: LossName = usual["loss"]
    if loss is not None:
        one_of("loss", loss, get_args(LossName))
        judged_by = loss
    rates = _rates_of_runs(
        {"sgd": 1.0, "adam": 1e-3, "muon": 0.02}[rule] if learning_rate is None else learning_rate, runs
    )
    if precision is not None:
        one_of("precision", precision, (BFLOAT16,))
        check_precision(precision, type(model), type(model).__name__)
        check_precision_here(precision, model.device)
    steps = whole_number("steps", steps, least=0)
    batch_size = whole_number("batch_size", batch_size, least=1)
    # Checked as a trial's are: what belongs together, and in which ranges.
    more = Training(
        optimizer=rule,
        rate_decay=boolean("rate_decay", rate_decay),
        decay_power=decay_power,
        adam_rate=3e-3 if rule == "muon" and adam_rate is None else adam_rate,
        weight_decay=weight_decay,
        clip_norm=clip_norm,
    )
    for one in tasks:
        check_loss(judged_by, one)
    model.check_task(first)
    if probe is not None:
        expect_instance("probe", probe, Probe)
        late = sorted(step for step in probe.steps if not 0 <= step <= steps)
        require(not late, "steps of the probe", late, f"0 to {steps}, the steps of the training")
    sampler: Sampler = stack_tasks(tasks, model.seeds, dtype=model.dtype, device=model.device)
    if schedule is not None:
        expect_instance("schedule", schedule, get_args(Schedule))
        check_schedule(schedule, first)
        longest = first.length_range[1]
        sampler = ScheduledSampler(sampler, schedule, dimensions=first.d_X, length=longest)
    rate_of_run: Float[Tensor, " run"] = torch.tensor(rates, dtype=model.dtype, device=model.device)
    losses, is_interrupted = LossLog(runs, callback), False
    with one_thread_per_operation(), progress_bar("training", steps * runs, show=progress) as advance:
        try:
            state = train_runs(
                model,
                sampler,
                learning_rate=rate_of_run,
                steps=steps,
                batch_size=batch_size,
                optimizer=rule,
                rate_decay=more.rate_decay,
                decay_power=more.decay_power,
                adam_rate=more.adam_rate,
                weight_decay=more.weight_decay,
                clip_norm=more.clip_norm,
                loss=LOSSES[judged_by],
                probe=probe,
                on_step=advance,
                on_loss=losses.add,
                bfloat16=precision == BFLOAT16,
            )
        except StoppedTraining as stopped:
            state, is_interrupted = stopped.state, True
    trained = model.runs(range(runs))
    trained.load_state_dict(state.weights)
    trained.trained_on = tuple(tasks)
    result = TrainingResult(
        trained,
        state.recorded_at,
        state.trajectory(),
        state.stopped_at,
        state.diverged_at,
        losses.all()[:, : state.step],
        steps,
    )
    return give_back(result, f"{state.step} of {steps} steps were made") if is_interrupted else result


def _in_new_order(model: Any, task: Any) -> tuple[Any, Any]:
    """Model and task, also of a call in the order of before, ``train(task, model)``."""
    if is_model(task) and not is_model(model):
        warn_renamed("train(task, model)", "train(model, task)", stacklevel=5)
        return task, model
    return model, task


def _rates_of_runs(given: Any, runs: int) -> list[float]:
    """η of each run, from one number or one per run."""
    several = isinstance(given, Iterable) and not isinstance(given, str) and getattr(given, "ndim", 1) > 0
    each = list_of("learning_rate", given, "numbers") if several else [given] * runs
    rates = [real_number("learning_rate", rate) for rate in each]
    require(len(rates) == runs, "learning_rate", rates, f"one number, or one per run ({runs})")
    require_finite([("learning_rate", rate) for rate in rates])
    require(min(rates) > 0, "learning_rate", min(rates), "a positive number")
    return rates
