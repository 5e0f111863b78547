"""Trained trials of a sweep → rows of a store: how each does on the tests of the sweep."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import polars as pl
import torch
from torch import Tensor

from iclscope.core.threads import one_thread_per_operation
from iclscope.evaluation.length_errors import errors_by_length
from iclscope.evaluation.scores import Scores, check_test, scored
from iclscope.execution.stores.row_store import SCHEMA
from iclscope.execution.units import PlannedTrial
from iclscope.models import Model
from iclscope.tasks import Task
from iclscope.tasks.task import SQUARED_ERROR
from iclscope.training.state import RUNNING
from iclscope.training.trained import TrainedGroup

_MEASURED = pl.Schema(list(SCHEMA.items())[: list(SCHEMA).index("diverged_at") + 1])
"""The columns of a store, but for what the rows were made with."""


def measured(
    group: TrainedGroup[Any],
    planned: Sequence[PlannedTrial],
    tests: Sequence[int],
    *,
    should_stop: Callable[[], bool] | None = None,
) -> pl.DataFrame:
    """One row per run, test and context length, with the columns of a store but for what the rows were made with.

    A task that is answered at every x has a row per context length; any other one row, of its longest context. What was
    measured is NaN for a run that diverged, and null where it is not measured on such tasks.

    Args:
        group: trained trials of one shape.
        planned: the same trials in the same order, with their tests.
        tests: the numbers of the tests that are wanted.
        should_stop: looked at between tests.

    Returns:
        trial and asked (hashes of trial and test), length (of the context), prompts (per run), hinge_risk and
        classification_error on patterns or squared_error (1 = predicting 0) on other tasks, each with its standard
        error over prompts (``…_se``), stopped_at (the step at which the target risk was met, else null) and diverged_at
        (the step at which the loss stopped being finite, else null).

    Raises:
        KeyboardInterrupt: when asked to stop.
    """
    tables = []
    with torch.no_grad():
        for number in tests:
            if should_stop is not None and should_stop():
                raise KeyboardInterrupt
            tasks = [one.tests[number].task for one in planned]
            found = measured_on(group.model, tasks, planned[0].tests[number].prompts)
            tables.append(_rows(group, planned, number, *found))
    return pl.concat(tables)


def measured_on(model: Model, tasks: Sequence[Task], prompts: int) -> tuple[Sequence[int], dict[str, Tensor]]:
    """What is measured of every run on its task.

    Args:
        model: the runs.
        tasks: one per run, of one shape.
        prompts: test prompts per run.

    Returns:
        Context lengths, and a tensor [run, length] for each quantity.
    """
    if tasks[0].metrics == (SQUARED_ERROR,):
        found = errors_by_length(model, tasks[0], prompts=prompts, lengths=tasks[0].answered_lengths)
        scores = Scores(found.lengths, {SQUARED_ERROR.name: found.errors})
    else:
        check_test(model, tasks[0])
        with one_thread_per_operation():
            scores = scored(model, tasks, prompts=prompts)
    measured: dict[str, Tensor] = {}
    for metric in tasks[0].metrics:
        mean = measured[metric.name] = scores.mean(metric.name)
        spread = (mean * (1 - mean)).sqrt() if metric.is_rate else scores.values[metric.name].double().std(dim=1)
        measured[f"{metric.name}_se"] = spread / math.sqrt(prompts)
    return scores.lengths, measured


def _rows(
    group: TrainedGroup[Any],
    planned: Sequence[PlannedTrial],
    number: int,
    lengths: Sequence[int],
    found: Mapping[str, Tensor],
) -> pl.DataFrame:
    """The rows of one test: those of all runs at its first context length, at its second, and so on."""
    lost = torch.tensor(group.diverged_at)[:, None] != RUNNING
    times = len(lengths)
    data: dict[str, Any] = {
        "trial": [trial.hash for trial in group.trials] * times,
        "asked": [one.tests[number].hash for one in planned] * times,
        "length": [length for length in lengths for _ in planned],
        "prompts": [planned[0].tests[number].prompts] * len(planned) * times,
        **{
            name: values.double().cpu().masked_fill(lost, math.nan).T.flatten().tolist()
            for name, values in found.items()
        },
        "stopped_at": [None if step == RUNNING else step for step in group.stopped_at] * times,
        "diverged_at": [None if step == RUNNING else step for step in group.diverged_at] * times,
    }
    others = {name: pl.Float64 for name in data if name not in _MEASURED}  # metrics of tasks of other packages
    columns = {name: data.get(name, [None] * len(data["trial"])) for name in (*_MEASURED, *others)}
    return pl.DataFrame(columns, schema={**_MEASURED, **others})
