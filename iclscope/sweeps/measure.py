"""Trained trials of a sweep → rows: how each does on the tests of the sweep."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl
import torch
from polars.datatypes import DataTypeClass
from torch import Tensor

from iclscope.evaluation.errors_by_length import errors_by_length
from iclscope.evaluation.evaluate import evaluate, pattern_outputs
from iclscope.evaluation.risks import risks_of
from iclscope.evaluation.squared_errors import SquaredErrors
from iclscope.experiments.trained import TrainedGroup
from iclscope.models import Model
from iclscope.sweeps.axes import Axis, Range
from iclscope.sweeps.planned import PlannedTrial
from iclscope.sweeps.sweep_file import Sweep
from iclscope.tasks import FunctionClass, PatternClassification, Task
from iclscope.threads import one_thread_per_operation
from iclscope.training.losses import hinge_loss
from iclscope.training.state import RUNNING

ColumnTypes = Mapping[str, DataTypeClass]
"""What the columns of the varied settings hold."""

_ALL_RUNS = (
    ("seed", pl.Int64),
    ("trial", pl.String),
    ("test", pl.String),
    ("prompts", pl.Int64),
    ("length", pl.Int64),
    ("stopped_at", pl.Int64),
    ("diverged_at", pl.Int64),
)


def varied_columns(sweep: Sweep) -> dict[str, DataTypeClass]:
    """The columns of varied settings, those of the tests (``test.alpha``) last, and what they hold.

    Whole numbers, real numbers, true or false, and texts are what they are. A setting whose values are of several
    kinds, or lists, or settings themselves, is written as JSON.
    """
    columns = _column_types(sweep.axes)
    for test in sweep.tests.values():
        for name, kind in _column_types(test.axes, "test.").items():
            columns[name] = kind if columns.get(name, kind) is kind else pl.String
    return columns


def measured_rows(group: TrainedGroup[Any], planned: Sequence[PlannedTrial], columns: ColumnTypes) -> pl.DataFrame:
    """One row per run, test and context length.

    A task that is answered at every x has a row per context length; any other one row, of its longest context. What was
    measured is NaN for a run that diverged.

    Args:
        group: trained trials of one shape.
        planned: the same trials in the same order, with their tests.
        columns: `varied_columns` of the sweep.

    Returns:
        The varied settings by their dotted names, then seed, trial (its hash), test, prompts (per run), length (of the
        context), hinge_risk and classification_error on patterns or squared_error (1 = predicting 0) on other tasks,
        each with its standard error over prompts (``…_se``), stopped_at (the step at which the target risk was met,
        else null) and diverged_at (the step at which the loss stopped being finite, else null).
    """
    tables = []
    with one_thread_per_operation(), torch.no_grad():
        for number, test in enumerate(planned[0].tests):
            tasks = [one.tests[number].task for one in planned]
            lengths, measured = measured_on(group.model, tasks, test.prompts)
            tables += [
                _rows(
                    group,
                    planned,
                    number,
                    length,
                    {name: values[:, place] for name, values in measured.items()},
                    columns,
                )
                for place, length in enumerate(lengths)
            ]
    return pl.concat(tables, how="diagonal")


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
    group: TrainedGroup[Any],
    planned: Sequence[PlannedTrial],
    number: int,
    length: int,
    measured: Mapping[str, Tensor],
    columns: ColumnTypes,
) -> pl.DataFrame:
    """The rows of one test and context length."""
    data: dict[str, list[Any]] = {}
    for name, kind in columns.items():
        values = [{**one.varied, **one.tests[number].varied}.get(name) for one in planned]
        data[name] = [_cell(value, kind) for value in values]
    test = planned[0].tests[number]
    runs = len(planned)
    data |= {
        "seed": [trial.seed for trial in group.trials],
        "trial": [trial.hash for trial in group.trials],
        "test": [test.name] * runs,
        "prompts": [test.prompts] * runs,
        "length": [length] * runs,
    }
    lost = torch.tensor(group.diverged_at) != RUNNING
    data |= {name: values.double().cpu().masked_fill(lost, math.nan).tolist() for name, values in measured.items()}
    data |= {
        "stopped_at": [None if step == RUNNING else step for step in group.stopped_at],
        "diverged_at": [None if step == RUNNING else step for step in group.diverged_at],
    }
    return pl.DataFrame(data, schema_overrides={**columns, **dict(_ALL_RUNS)})


def _cell(value: Any, kind: DataTypeClass) -> Any:
    """A value as its column holds it."""
    if value is None or kind is not pl.String:
        return value
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def _column_types(axes: Sequence[Axis], prefix: str = "") -> dict[str, DataTypeClass]:
    return {
        f"{prefix}{name}": _range_type(values) if isinstance(values, Range) else _list_type(values.values)
        for axis in axes
        for name, values in axis.values_of.items()
    }


def _range_type(values: Range) -> DataTypeClass:
    return pl.Int64 if values.integer else pl.Float64


def _list_type(values: Sequence[Any]) -> DataTypeClass:
    kinds = {type(value) for value in values if value is not None}
    if kinds == {bool}:
        return pl.Boolean
    if kinds == {int}:
        return pl.Int64
    return pl.Float64 if kinds and kinds <= {int, float} else pl.String
