"""The points of a sweep as a table of their own: a mean and the ends of its interval for everything measured."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import polars as pl

from iclscope.sweeps.results import STOPPED_AT, SweepResults
from iclscope.sweeps.summary import points, section_of_test


def summary_table(
    results: SweepResults,
    tests: Sequence[str] | None = None,
    by: Sequence[str] | None = None,
    metrics: Sequence[str] = (),
) -> pl.DataFrame:
    """One row per test and point.

    Args:
        results: of the sweep.
        tests: which tests; None: all.
        by: the settings that tell points apart, all others being averaged over; None: all.
        metrics: which metrics; empty: all.

    Returns:
        Columns test, the settings (empty where a test does not vary them), and for each metric NAME, NAME_low and
        NAME_high (the 95 % interval; empty where there is none) and NAME_seeds (how many it rests on); then seeds and
        diverged (runs).
    """
    measured = [*results.metrics, *([STOPPED_AT] if results.has_stopped_runs else [])]
    rows: list[dict[str, Any]] = []
    settings: list[str] = []
    for test in results.tests if tests is None else tests:
        section = section_of_test(results, test)
        own = [name for name in section.settings if by is None or name in by]
        settings += [name for name in own if name not in settings]
        kept = [name for name in measured if not metrics or name in metrics]
        section = section._replace(metrics=tuple(name for name in kept if name in (*section.metrics, STOPPED_AT)))
        for point in points(section, own)[0]:
            row: dict[str, Any] = {"test": test, **point.values}
            for name, found in point.estimates.items():
                row |= {
                    name: _number(found.value),
                    f"{name}_low": _number(found.low),
                    f"{name}_high": _number(found.high),
                }
                row[f"{name}_seeds"] = found.seeds
            rows.append(row | {"seeds": point.seeds, "diverged": point.diverged})
    ends = ("", "_low", "_high")
    numbers = {f"{name}{end}": pl.Float64 for name in measured for end in ends}
    in_order = [name for name in results.rows.columns if name in settings]
    columns = ["test", *in_order, *(f"{n}{end}" for n in measured for end in (*ends, "_seeds")), "seeds", "diverged"]
    table = pl.DataFrame(rows, schema_overrides=numbers, infer_schema_length=None)
    return table.select(name for name in columns if name in table.columns)


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
