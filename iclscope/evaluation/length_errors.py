"""Squared errors at every context length, even where each length needs a test of its own."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import torch

from iclscope.baselines.regression import REGRESSION_BASELINES, baseline_errors
from iclscope.core.arguments import expect, list_of, one_of, seeds_from, whole_number
from iclscope.core.errors import require
from iclscope.core.threads import one_thread_per_operation
from iclscope.evaluation.evaluate_model import evaluated, function_prompts
from iclscope.evaluation.squared_errors import SquaredErrors
from iclscope.models import Model, expect_model
from iclscope.models.expected import is_model
from iclscope.tasks import Task
from iclscope.tasks.task import SQUARED_ERROR


def errors_by_length(
    model: Model,
    task: Task,
    *,
    prompts: int = 1280,
    seeds: Sequence[int] | None = None,
    lengths: Collection[int] | None = None,
) -> SquaredErrors:
    """Squared errors of every run after 0, 1, …, l examples.

    A task that predicts at every x is evaluated once. One that predicts at the query alone is evaluated at each length.

    Args:
        model: the runs.
        task: what to test on.
        prompts: test prompts per run, and per length where each is a test of its own.
        seeds: the seeds that prompts belong to; None: those of the model.
        lengths: the context lengths wanted; None: all.

    Returns:
        (prediction − f(x))² / E f(x_query)², so that a prediction of 0 scores 1 at every length.

    Raises:
        BadRequest: if the model cannot read the task's prompts, or there is no such length.
    """
    order = "errors_by_length(model, task)"
    expect_model(model, order)
    _expect_squared(task, f"the order is {order}" if is_model(task) else "")
    prompts = whole_number("prompts", prompts, least=1)
    task.check_test_of(None)
    model.check_task(task)
    found = []
    for test, wanted in _tests(task, lengths):
        with one_thread_per_operation(), torch.no_grad():
            errors = evaluated(model, [test] * model.run_count, prompts=prompts, seeds=seeds)
        assert isinstance(errors, SquaredErrors)
        chosen = [errors.lengths.index(length) for length in wanted]
        found.append(SquaredErrors(wanted, errors.errors[:, :, chosen] * (test.scale / test.scale_at_query)))
    return _joined(found)


def baseline_errors_by_length(
    names: Sequence[str],
    task: Task,
    seeds: Sequence[int],
    *,
    prompts: int = 1280,
    lengths: Collection[int] | None = None,
    processes: int = 1,
) -> dict[str, SquaredErrors]:
    """Squared errors of baselines on the prompts of `errors_by_length`.

    Args:
        names: keys of `REGRESSION_BASELINES`.
        task: what to test on.
        seeds: the seeds that prompts belong to, one per run.
        prompts: test prompts per run; fewer are the first of more.
        lengths: the context lengths wanted; None: all.
        processes: how many to fit in at a time, where a library fits one prompt at a time.

    Raises:
        BadRequest: if a name is unknown, or there is no such length.
    """
    names = [_baseline_name(name) for name in list_of("names", names, "names of baselines")]
    _expect_squared(task)
    seeds = seeds_from(seeds)
    found: dict[str, list[SquaredErrors]] = {name: [] for name in names}
    for test, wanted in _tests(task, lengths):
        # The same numbers as the model's, unrounded: inputs in a subspace would leave it by their rounding.
        batches = [
            baseline_errors(names, batch.inputs, batch.answers, wanted, values=batch.values, processes=processes)
            for batch in function_prompts(test, seeds, prompts, dtype=torch.float64)
        ]
        for name in names:
            errors = torch.cat([batch[name] for batch in batches], dim=1) / test.scale_at_query
            found[name].append(SquaredErrors(wanted, errors))
    return {name: _joined(errors) for name, errors in found.items()}


def _tests(task: Task, lengths: Collection[int] | None) -> Iterator[tuple[Task, tuple[int, ...]]]:
    """The tasks to evaluate on, each with the lengths that it answers for."""
    task.check_sizes()
    there = task.test_lengths
    given = there if lengths is None else list_of("lengths", lengths, "context lengths")
    wanted = tuple(sorted({whole_number("lengths", length) for length in given}))
    require(len(wanted) > 0, "lengths", wanted, "at least one")
    for length in wanted:
        require(length in there, "lengths", length, f"{there[0]} to {there[-1]}")
    if task.query_only:
        yield from ((task.at_length(length), (length,)) for length in wanted)
    else:
        yield task, wanted


def _expect_squared(task: object, hint: str = "") -> None:
    """Refuse what is no task judged by squared errors alone."""
    judged = isinstance(task, Task) and task.metrics == (SQUARED_ERROR,)
    expect(judged, "task", task, "a task that is judged by squared errors, as FunctionClass", hint)


def _baseline_name(name: object) -> str:
    """The name of a baseline, for whoever gives the baseline itself too."""
    name = getattr(name, "name", name)
    one_of("names", name, tuple(REGRESSION_BASELINES))
    return str(name)


def _joined(found: Sequence[SquaredErrors]) -> SquaredErrors:
    lengths = tuple(length for part in found for length in part.lengths)
    return SquaredErrors(lengths, torch.cat([part.errors for part in found], dim=2))
