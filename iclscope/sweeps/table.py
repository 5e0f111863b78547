"""The table of a sweep: what was varied beside what was measured."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import polars as pl
from polars.datatypes import DataTypeClass

from iclscope.execution.stores.row_store import METRICS, SCHEMA, RowStore, other_metrics
from iclscope.execution.units import PlannedTrial
from iclscope.sweeps.file.axes import Axis, Range
from iclscope.sweeps.file.sweep_file import Sweep
from iclscope.sweeps.windows import windows_of

ColumnTypes = Mapping[str, DataTypeClass]
"""What the columns of the varied settings hold."""

_KEYS = {"seed": pl.Int64, "trial": pl.String, "test": pl.String, "asked": pl.String}


def sweep_table(sweep: Sweep, store: RowStore) -> pl.DataFrame:
    """The rows of a sweep that a store holds, in the order of the trials, their tests, and the context length.

    Args:
        sweep: the sweep.
        store: where its rows are; those of other sweeps are left out.

    Returns:
        The varied settings by their dotted names, those of tests (``test.alpha``) last; then seed, trial (its hash),
        test, prompts, length, what was measured (`measure.measured`), stopped_at, diverged_at; and what the row was
        made with: iclscope (version), git (commit), device, seconds (of training and tests, per trial).
    """
    columns = varied_columns(sweep)
    keys = pl.concat(_keys(window, columns) for window in windows_of(sweep)).with_row_index("place")
    rows = keys.join(store.rows(keys["trial"]), on=["trial", "asked"], how="inner").sort("place", "length")
    others = [name for name in other_metrics(rows) if name not in columns]
    metrics = [*METRICS, *(name for name in others if not name.endswith("_se"))]
    unused = [f"{metric}{end}" for metric in metrics if rows[metric].is_null().all() for end in ("", "_se")]
    left_out = {"trial", "asked", "length", "prompts", "settings", *unused}
    measured = [name for name in (*others, *SCHEMA) if name not in left_out]
    return rows.select(*columns, "seed", "trial", "test", "prompts", "length", *measured)


def _keys(window: Iterable[PlannedTrial], columns: ColumnTypes) -> pl.DataFrame:
    """Which rows some trials have, and what was varied to get them."""
    pairs = [(one, test) for one in window for test in one.tests]
    varied = [{**one.varied, **test.varied} for one, test in pairs]
    data: dict[str, list[Any]] = {
        name: [_cell(values.get(name), kind) for values in varied] for name, kind in columns.items()
    }
    data |= {
        "seed": [one.trial.seed for one, _ in pairs],
        "trial": [one.trial.hash for one, _ in pairs],
        "test": [test.name for _, test in pairs],
        "asked": [test.hash for _, test in pairs],
    }
    return pl.DataFrame(data, schema={**columns, **_KEYS})


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
