"""How a trained model does on fresh prompts of any task."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, overload

import torch
from jaxtyping import Bool
from torch import Tensor

from iclscope.core.arguments import seeds_from, whole_number
from iclscope.core.errors import require
from iclscope.core.progress import progress_bar
from iclscope.core.threads import one_thread_per_operation
from iclscope.evaluation.answers import check_neurons, part_size, parts
from iclscope.evaluation.results import EvaluationResult, RiskResult, SquaredErrorResult
from iclscope.evaluation.risks import Risks, risks_of
from iclscope.evaluation.scores import Scores, check_test, scored
from iclscope.evaluation.squared_errors import SquaredErrors
from iclscope.models import Model, expect_model
from iclscope.models.words import model_text, task_text
from iclscope.tasks import (
    FunctionClass,
    FunctionPrompts,
    LinearRegression,
    OrthonormalFeatures,
    PatternClassification,
    SineRegression,
    Task,
    tasks_of_runs,
)
from iclscope.tasks.task import SQUARED_ERROR
from iclscope.training.training_result import TrainingResult

SquaredErrorTask = FunctionClass | LinearRegression | OrthonormalFeatures | SineRegression
"""Ours whose answers are judged by squared errors."""

AnyModel = Model | TrainingResult[Any]
"""What `evaluate` tests."""


@torch.no_grad()
def risks_on(model: Model, prompts: Any, *, neurons: Bool[Tensor, "run width"] | None = None) -> Risks:
    """Both risks on given prompts.

    Args:
        model: the runs.
        prompts: a batch per run.
        neurons: which MLP neurons of the one-layer model to keep; None keeps all.
    """
    expect_model(model, "risks_on(model, prompts)")
    check_neurons(model, neurons)
    kept = {} if neurons is None else {"neurons": neurons}
    return risks_of(model.predict(prompts, **kept).output, prompts.labels)


@overload
def evaluate(
    model: AnyModel,
    task: PatternClassification | Sequence[PatternClassification],
    *,
    prompts: int = ...,
    seeds: Sequence[int] | None = ...,
    neurons: Bool[Tensor, "run width"] | None = ...,
    progress: bool | None = ...,
) -> RiskResult: ...


@overload
def evaluate(
    model: AnyModel,
    task: SquaredErrorTask,
    *,
    prompts: int = ...,
    seeds: Sequence[int] | None = ...,
    progress: bool | None = ...,
) -> SquaredErrorResult: ...


@overload
def evaluate(
    model: AnyModel,
    task: Task | Sequence[Task],
    *,
    prompts: int = ...,
    seeds: Sequence[int] | None = ...,
    neurons: Bool[Tensor, "run width"] | None = ...,
    progress: bool | None = ...,
) -> EvaluationResult: ...


@torch.no_grad()
def evaluate(
    model: AnyModel,
    task: Task | Sequence[Task],
    *,
    prompts: int = 4096,
    seeds: Sequence[int] | None = None,
    neurons: Bool[Tensor, "run width"] | None = None,
    progress: bool | None = None,
) -> EvaluationResult:
    """How wrong every run is on fresh prompts, which no training has seen; each metric with its 95 % interval.

    Args:
        model: the runs, or what `train` gave.
        task: what to test on, the same for all runs; of patterns also one per run.
        prompts: test prompts per run.
        seeds: the seeds that patterns and prompts belong to; None: those of the model.
        neurons: which MLP neurons of the one-layer model to keep; None keeps all.
        progress: whether to show a bar; None: in a terminal and in a notebook.

    Returns:
        The task's metrics: hinge risk and classification error on patterns; squared errors against context length on
        other tasks of ours, and on any that is judged by these alone. Printed, it says values and intervals; it has
        ``interval(metric, length)``, ``to_frame()`` and ``plot()``.

    Raises:
        BadRequest: if the task's dimensions are not the model's, its prompts are too long for it or have no example,
            or its patterns are not those trained on.

    >>> import iclscope as icl
    >>> task = icl.tasks.LinearRegression(d_X=2, length=8)
    >>> found = icl.evaluate(icl.models.LinearAttention(d_X=2, seeds=2), task, prompts=16)
    >>> found.to_frame().columns
    ['metric', 'length', 'value', 'low', 'high', 'over', 'seeds', 'missing', 'prompts']
    """
    tested: Model = model.model if isinstance(model, TrainingResult) else model
    tasks = _tested_tasks(tested, task, prompts)
    check_test(tested, tasks[0])
    with one_thread_per_operation(), progress_bar("testing", prompts, show=progress) as advance:
        check_neurons(tested, neurons)
        scores = scored(
            tested, tasks, prompts=prompts, seeds=_seeds(tested, seeds), neurons=neurons, on_prompts=advance
        )
    metrics = tuple(tasks[0].metrics)
    names = tuple(metric.name for metric in metrics)
    kind = {Risks._fields: RiskResult, (SQUARED_ERROR.name,): SquaredErrorResult}.get(names, EvaluationResult)
    return kind(model_text(tested), task_text(tasks), metrics, scores.lengths, scores.values)


@torch.no_grad()
def evaluate_any_length(model: Model, tasks: Sequence[PatternClassification], *, prompts: int) -> Risks:
    """The risks of `evaluate` for tasks of a figure, also where a curve begins without a context (length 0).

    Args:
        model: the runs.
        tasks: what to test on, one per run.
        prompts: test prompts per run.

    Raises:
        BadRequest: if the tasks' dimensions are not the model's, or their prompts are too long for it.
    """
    tested = _tested_tasks(model, tasks, prompts)
    model.check_task(tested[0])
    with one_thread_per_operation():
        found = evaluated(model, tested, prompts=prompts, seeds=None)
    assert isinstance(found, Risks)
    return found


def evaluated(
    model: Model,
    tasks: Sequence[Any],
    *,
    prompts: int,
    seeds: Sequence[int] | None,
    neurons: Bool[Tensor, "run width"] | None = None,
) -> Risks | SquaredErrors | Scores:
    """What `evaluate` returns, for tasks that were checked; without gradients on, and of any length."""
    check_neurons(model, neurons)
    scores = scored(model, tasks, prompts=prompts, seeds=_seeds(model, seeds), neurons=neurons)
    names = tuple(metric.name for metric in tasks[0].metrics)
    if names == Risks._fields:
        return Risks(*(scores.mean(name)[:, 0] for name in names))
    if names == (SQUARED_ERROR.name,):
        return SquaredErrors(scores.lengths, scores.values[SQUARED_ERROR.name])
    return scores


def function_prompts(
    task: Task,
    seeds: Sequence[int],
    prompts: int,
    *,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
) -> Iterator[FunctionPrompts]:
    """The prompts that `evaluate` tests on, in its parts; for baselines that answer the same ones.

    Args:
        task: what to test on.
        seeds: one per run.
        prompts: how many per run; fewer are the first of more.
        dtype: their precision.
        device: where they are made.
    """
    sampler = task.sampler(seeds, dtype=dtype, device=device)
    yield from parts(sampler, prompts, part_size(task.length_range[1]))


def _tested_tasks(model: Model, task: Any, prompts: int) -> list[Any]:
    """Each run's task."""
    order = "evaluate(model, task)"
    expect_model(model, order)
    tasks = tasks_of_runs(task, model.run_count, order)
    whole_number("prompts", prompts, least=1)
    return tasks


def _seeds(model: Model, seeds: Sequence[int] | None) -> Sequence[int]:
    """The seeds of test prompts: each run's own, or other ones."""
    chosen = model.seeds if seeds is None else seeds_from(seeds)
    require(len(chosen) == model.run_count, "number of seeds", len(chosen), f"one per run, {model.run_count}")
    return chosen
