"""How a trained model does on fresh prompts of any task."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, overload

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from iclscope.core.arguments import seeds_from, whole_number
from iclscope.core.errors import require
from iclscope.core.threads import one_thread_per_operation
from iclscope.evaluation.answers import check_neurons, part_size, parts, pattern_answers
from iclscope.evaluation.risks import Risks, risks_of
from iclscope.evaluation.squared_errors import SquaredErrors
from iclscope.models import Model, expect_model
from iclscope.models.softmax_relu import SoftmaxReLUTransformer
from iclscope.tasks import (
    FunctionClass,
    FunctionPrompts,
    LinearRegression,
    OrthonormalFeatures,
    PatternClassification,
    Sampler,
    SineRegression,
    Task,
    stack_tasks,
    tasks_of_runs,
)

OtherTask = FunctionClass | LinearRegression | OrthonormalFeatures | SineRegression
"""Tasks whose answers are judged by squared errors."""


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
    if neurons is None:
        return risks_of(model.predict(prompts).output, prompts.labels)
    assert isinstance(model, SoftmaxReLUTransformer)
    return risks_of(model.predict(prompts, neurons=neurons).output, prompts.labels)


@overload
def evaluate(
    model: Model,
    task: PatternClassification | Sequence[PatternClassification],
    *,
    prompts: int = ...,
    seeds: Sequence[int] | None = ...,
    neurons: Bool[Tensor, "run width"] | None = ...,
) -> Risks: ...


@overload
def evaluate(
    model: Model, task: OtherTask, *, prompts: int = ..., seeds: Sequence[int] | None = ...
) -> SquaredErrors: ...


@one_thread_per_operation()
@torch.no_grad()
def evaluate(
    model: Model,
    task: Task | Sequence[PatternClassification],
    *,
    prompts: int = 4096,
    seeds: Sequence[int] | None = None,
    neurons: Bool[Tensor, "run width"] | None = None,
) -> Risks | SquaredErrors:
    """How wrong every run is on fresh prompts, which no training has seen.

    Args:
        model: the runs.
        task: what to test on, the same for all runs; of patterns also one per run.
        prompts: test prompts per run.
        seeds: the seeds that patterns and prompts belong to; None: those of the model.
        neurons: which MLP neurons of the one-layer model to keep; None keeps all.

    Returns:
        Hinge risk and classification error on patterns; squared errors against context length on any other task.

    Raises:
        BadRequest: if the task's dimensions are not the model's, its prompts are too long for it or have no example,
            or its patterns are not those trained on.
    """
    tasks = _tested_tasks(model, task, prompts)
    check_test_task(tasks[0], model.trained_on[0] if model.trained_on else None)
    return evaluated(model, tasks, prompts=prompts, seeds=seeds, neurons=neurons)


@one_thread_per_operation()
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
    found = evaluated(model, _tested_tasks(model, tasks, prompts), prompts=prompts, seeds=None)
    assert isinstance(found, Risks)
    return found


def evaluated(
    model: Model,
    tasks: Sequence[Any],
    *,
    prompts: int,
    seeds: Sequence[int] | None,
    neurons: Bool[Tensor, "run width"] | None = None,
) -> Risks | SquaredErrors:
    """What `evaluate` returns, for tasks that were checked; without gradients on, and of any length."""
    part = part_size(tasks[0].length_range[1])
    sampler = _sampler(model, tasks, seeds)
    if not isinstance(tasks[0], PatternClassification):
        require(neurons is None, "neurons", "a mask", "None, but for the one-layer model")
        return _squared_errors(model, tasks[0], sampler, prompts, part)
    hinge = torch.zeros(model.run_count, dtype=torch.float64, device=model.device)
    error = torch.zeros_like(hinge)
    for outputs, labels in pattern_answers(model, sampler, prompts, part, neurons=neurons):
        risks = risks_of(outputs, labels)
        hinge += risks.hinge_risk * outputs.shape[1]
        error += risks.classification_error * outputs.shape[1]
    return Risks(hinge / prompts, error / prompts)


def function_prompts(
    task: FunctionClass,
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
    yield from parts(sampler, prompts, part_size(task.length))


@one_thread_per_operation()
@torch.no_grad()
def pattern_outputs(
    model: Model,
    task: PatternClassification | Sequence[PatternClassification],
    *,
    prompts: int = 4096,
    seeds: Sequence[int] | None = None,
) -> tuple[Float[Tensor, "run prompt"], Float[Tensor, "run prompt"]]:
    """Outputs and labels on the prompts that `evaluate` tests on, for what a mean does not tell.

    Args:
        model: the runs.
        task: what to test on, the same for all runs or one per run.
        prompts: test prompts per run.
        seeds: the seeds that patterns and prompts belong to; None: those of the model.

    Raises:
        BadRequest: as `evaluate` does.
    """
    tasks = _tested_tasks(model, task, prompts)
    check_test_task(tasks[0], model.trained_on[0] if model.trained_on else None)
    answers = pattern_answers(model, _sampler(model, tasks, seeds), prompts, part_size(tasks[0].length_range[1]))
    outputs, labels = zip(*answers, strict=True)
    return torch.cat(outputs, dim=1), torch.cat(labels, dim=1)


def _tested_tasks(model: Model, task: Any, prompts: int) -> list[Any]:
    """Each run's task, refused if the model cannot read its prompts."""
    order = "evaluate(model, task)"
    expect_model(model, order)
    tasks = tasks_of_runs(task, model.run_count, order)
    whole_number("prompts", prompts, least=1)
    model.check_task(tasks[0])
    return tasks


def _sampler(model: Model, tasks: Sequence[Any], seeds: Sequence[int] | None) -> Sampler:
    """Test prompts for every run, of its own seed or of another one."""
    chosen = model.seeds if seeds is None else seeds_from(seeds)
    require(len(chosen) == model.run_count, "number of seeds", len(chosen), f"one per run, {model.run_count}")
    return stack_tasks(tasks, chosen, dtype=model.dtype, device=model.device)


def _squared_errors(model: Model, task: OtherTask, sampler: Any, prompts: int, part: int) -> SquaredErrors:
    """Squared errors at every context length, or at the query alone."""
    errors = []
    for batch in parts(sampler, prompts, part):
        squared = (model.predict(batch).output - batch.labels).square() / task.scale
        errors.append(squared if squared.ndim == 3 else squared[..., None])
    lengths = (task.length,) if task.query_only else range(task.length + 1)
    return SquaredErrors(tuple(lengths), torch.cat(errors, dim=1))


def check_test_task(task: Task, trained_on: Task | None) -> None:
    """Refuse to test on another number of patterns than was trained on, on averages over prompts, or without examples.

    Args:
        task: what to test on.
        trained_on: what the model was trained on; None: not known.

    Raises:
        BadRequest: naming what is wrong.
    """
    allowed = "at least 1: without an example there is nothing to learn from in context"
    shortest, longest = task.length_range
    require(shortest >= 1, "length", shortest if shortest == longest else (shortest, longest), allowed)
    if isinstance(trained_on, PatternClassification) and isinstance(task, PatternClassification):
        asked, known = (task.M1, task.M2), (trained_on.M1, trained_on.M2)
        allowed = f"{known}, those trained on: another number of patterns means other patterns"
        require(asked == known, "(M1, M2)", asked, allowed)
    if isinstance(task, OrthonormalFeatures):
        require(task.expectation == "sampled", "expectation", task.expectation, "sampled: tests are on single prompts")
