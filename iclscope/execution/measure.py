"""Trained trials of a sweep → rows of a store: how each does on the tests of the sweep."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import polars as pl
import torch
from torch import Tensor

from iclscope.evaluation.errors_by_length import errors_by_length
from iclscope.evaluation.evaluate import evaluate, pattern_outputs
from iclscope.evaluation.risks import risks_of
from iclscope.evaluation.squared_errors import SquaredErrors
from iclscope.execution.stores.row_store import SCHEMA
from iclscope.execution.units import PlannedTrial
from iclscope.models import Model
from iclscope.tasks import FunctionClass, PatternClassification, Task
from iclscope.training.losses import hinge_loss
from iclscope.training.state import RUNNING
from iclscope.training.trained import TrainedGroup

_MEASURED = pl.Schema(list(SCHEMA.items())[: list(SCHEMA).index("diverged_at") + 1])
"""The columns of a store, but for what the rows were made with."""


def measured(
    group: TrainedGroup[Any],
    planned: Sequence[PlannedTrial],
    tests: Sequence[int],
    *,
    stop_asked: Callable[[], bool] | None = None,
) -> pl.DataFrame:
    """One row per run, test and context length, with the columns of a store but for what the rows were made with.

    A task that is answered at every x has a row per context length; any other one row, of its longest context. What was
    measured is NaN for a run that diverged, and null where it is not measured on such tasks.

    Args:
        group: trained trials of one shape.
        planned: the same trials in the same order, with their tests.
        tests: the numbers of the tests that are wanted.
        stop_asked: looked at between tests.

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
            if stop_asked is not None and stop_asked():
                raise KeyboardInterrupt
            tasks = [one.tests[number].task for one in planned]
            lengths, found = measured_on(group.model, tasks, planned[0].tests[number].prompts)
            tables += [
                _rows(group, planned, number, length, {name: values[:, place] for name, values in found.items()})
                for place, length in enumerate(lengths)
            ]
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
    if isinstance(tasks[0], PatternClassification):
        patterns = [task for task in tasks if isinstance(task, PatternClassification)]
        outputs, labels = pattern_outputs(model, patterns, prompts=prompts)
        risks, losses = risks_of(outputs, labels), hinge_loss(outputs, labels).double()
        error = risks.classification_error
        return [tasks[0].length_range[1]], {
            "hinge_risk": risks.hinge_risk[:, None],
            "hinge_risk_se": losses.std(dim=1)[:, None] / math.sqrt(prompts),
            "classification_error": error[:, None],
            "classification_error_se": (error * (1 - error) / prompts).sqrt()[:, None],
        }
    found = _squared_errors(model, tasks[0], prompts)
    spread = found.errors.double().std(dim=1) / math.sqrt(prompts)
    return found.lengths, {"squared_error": found.mean, "squared_error_se": spread}


def _squared_errors(model: Model, task: Any, prompts: int) -> SquaredErrors:
    """Squared errors at every context length where the model answers at every x, else at the task's own."""
    if isinstance(task, FunctionClass):
        return errors_by_length(model, task, prompts=prompts, lengths=(task.length,) if task.query_only else None)
    found: SquaredErrors = evaluate(model, task, prompts=prompts)
    return found


def _rows(
    group: TrainedGroup[Any], planned: Sequence[PlannedTrial], number: int, length: int, found: dict[str, Tensor]
) -> pl.DataFrame:
    """The rows of one test and context length."""
    lost = torch.tensor(group.diverged_at) != RUNNING
    runs = len(planned)
    data: dict[str, Any] = {
        "trial": [trial.hash for trial in group.trials],
        "asked": [one.tests[number].hash for one in planned],
        "length": [length] * runs,
        "prompts": [planned[0].tests[number].prompts] * runs,
        **{name: values.double().cpu().masked_fill(lost, math.nan).tolist() for name, values in found.items()},
        "stopped_at": [None if step == RUNNING else step for step in group.stopped_at],
        "diverged_at": [None if step == RUNNING else step for step in group.diverged_at],
    }
    return pl.DataFrame({name: data.get(name, [None] * runs) for name in _MEASURED}, schema=_MEASURED)
