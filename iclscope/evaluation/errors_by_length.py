"""Squared errors at every context length, also where the query is drawn apart and each length is a test of its own."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import torch

from iclscope.baselines.regression import REGRESSION_BASELINES, baseline_errors
from iclscope.core.arguments import expect_instance, list_of, one_of, seeds_from, whole_number
from iclscope.core.errors import require
from iclscope.core.threads import one_thread_per_operation
from iclscope.evaluation.evaluate import check_test_task, evaluated, function_prompts
from iclscope.evaluation.squared_errors import SquaredErrors
from iclscope.models import Model, expect_model
from iclscope.models.expected import is_model
from iclscope.tasks import FunctionClass
from iclscope.tasks.function_classes.inputs import QUERY_APART

_SMALLEST, _LARGEST = 1e-15, 1e15


def context_lengths(task: FunctionClass) -> range:
    """The context lengths up to the task's own; a query that is drawn from its context needs at least one example."""
    return range(1 if task.inputs in QUERY_APART else 0, task.length + 1)


def query_scale(task: FunctionClass) -> float:
    """E f(x)² at the query without noise, which a prediction of 0 has as squared error.

    `FunctionClass.scale`, but where the query is orthogonal to the context. Of its squared norm only the share
    (d − k)/d is left then, and of the fourth powers of its coordinates (d − k)(d − k + 2)/(d(d + 2)).
    """
    if task.inputs != "orthogonal_query":
        return task.scale
    d, left = task.d_X, task.d_X - task.length
    if task.function == "quadratic":
        return task.scale * left * (left + 2) / (d * (d + 2))
    # Trees and classification see signs only, which the length of the query does not change.
    return task.scale if task.function in ("decision_tree", "linear_classification") else task.scale * left / d


def errors_by_length(
    model: Model,
    task: FunctionClass,
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
    expect_instance("task", task, FunctionClass, f"the order is {order}" if is_model(task) else "")
    prompts = whole_number("prompts", prompts, least=1)
    check_test_task(task, None)
    model.check_task(task)
    found = []
    for test, wanted in _tests(task, lengths):
        with one_thread_per_operation(), torch.no_grad():
            errors = evaluated(model, [test] * model.run_count, prompts=prompts, seeds=seeds)
        assert isinstance(errors, SquaredErrors)
        chosen = [errors.lengths.index(length) for length in wanted]
        found.append(SquaredErrors(wanted, errors.errors[:, :, chosen] * (test.scale / query_scale(test))))
    return _joined(found)


def baseline_errors_by_length(
    names: Sequence[str],
    task: FunctionClass,
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
    expect_instance("task", task, FunctionClass)
    seeds = seeds_from(seeds)
    found: dict[str, list[SquaredErrors]] = {name: [] for name in names}
    for test, wanted in _tests(task, lengths):
        # The same numbers as the model's, unrounded: inputs in a subspace would leave it by their rounding.
        batches = [
            baseline_errors(names, batch.inputs, batch.answers, wanted, values=batch.values, processes=processes)
            for batch in function_prompts(test, seeds, prompts, dtype=torch.float64)
        ]
        for name in names:
            errors = torch.cat([batch[name] for batch in batches], dim=1) / query_scale(test)
            found[name].append(SquaredErrors(wanted, errors))
    return {name: _joined(errors) for name, errors in found.items()}


def _tests(task: FunctionClass, lengths: Collection[int] | None) -> Iterator[tuple[FunctionClass, tuple[int, ...]]]:
    """The tasks to evaluate on, each with the lengths that it answers for."""
    check_sizes(task)
    there = context_lengths(task)
    given = there if lengths is None else list_of("lengths", lengths, "context lengths")
    wanted = tuple(sorted({whole_number("lengths", length) for length in given}))
    require(len(wanted) > 0, "lengths", wanted, "at least one")
    for length in wanted:
        require(length in there, "lengths", length, f"{there[0]} to {there[-1]}")
    if task.predictions == "every":
        yield task, wanted
    else:
        yield from ((task.replace(length=length), (length,)) for length in wanted)


def _baseline_name(name: object) -> str:
    """The name of a baseline, for whoever gives the baseline itself too."""
    name = getattr(name, "name", name)
    one_of("names", name, tuple(REGRESSION_BASELINES))
    return str(name)


def check_sizes(task: FunctionClass) -> None:
    """Refuse numbers whose squares single precision cannot hold; the errors would not be finite.

    Raises:
        BadRequest: naming the setting of the task.
    """
    for name, value in (("x_scale", task.x_scale), ("y_scale", task.y_scale), ("noise", task.noise)):
        require(value == 0 or _SMALLEST <= value <= _LARGEST, name, value, f"{_SMALLEST:g} to {_LARGEST:g}")
    allowed = f"{_SMALLEST**2:g} to {_LARGEST**2:g}; x_scale or y_scale is too far from 1"
    require(_SMALLEST**2 <= task.scale <= _LARGEST**2, "mean square of f(x)", task.scale, allowed)


def _joined(found: Sequence[SquaredErrors]) -> SquaredErrors:
    lengths = tuple(length for part in found for length in part.lengths)
    return SquaredErrors(lengths, torch.cat([part.errors for part in found], dim=2))
