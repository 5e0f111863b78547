"""Golden rows: what a table held when it was last looked at, so that a rebuilt house gives the same numbers.

A table is not kept but told: its columns, and of each the number of finite values, their mean, and a mean in which a
value counts by its place, so that two that changed places are seen. ``ICLSCOPE_WRITE_GOLDEN=1`` writes what is measured
instead of comparing; what changed is then seen in the difference.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from pathlib import Path
from typing import Any

import polars as pl

NOT_TOLD = {"seconds", "device", "git", "iclscope"}
"""Columns that say what rows were made with."""

WRITE = os.environ.get("ICLSCOPE_WRITE_GOLDEN") == "1"


def told(rows: pl.DataFrame) -> dict[str, Any]:
    """A table in a few numbers."""
    columns = {column.name: _column(column) for column in rows.get_columns() if column.name not in NOT_TOLD}
    return {"rows": len(rows), "columns": columns}


def _column(values: pl.Series) -> dict[str, Any]:
    if isinstance(values.dtype, pl.List | pl.Array):  # processors round differently, and a text would show every bit
        values = values.explode(empty_as_null=True)
    if values.dtype.is_numeric() or values.dtype == pl.Boolean:
        numbers = [float(value) for value in values.cast(pl.Float64).fill_null(math.nan)]
        finite = [(place, value) for place, value in enumerate(numbers) if math.isfinite(value)]
        mean = math.fsum(value for _, value in finite) / max(1, len(finite))
        placed = math.fsum(value * math.sin(1 + place) for place, value in finite) / max(1, len(finite))
        return {"finite": len(finite), "mean": mean, "placed": placed}
    text = json.dumps([str(value) for value in values])
    return {"text": hashlib.sha256(text.encode()).hexdigest()[:12]}


def differences(found: dict[str, Any], kept: dict[str, Any], tolerance: float) -> list[str]:
    """In what a table differs from the one that was kept; numbers beyond a relative tolerance do."""
    if found["rows"] != kept["rows"] or found["columns"].keys() != kept["columns"].keys():
        return [
            f"rows {kept['rows']} → {found['rows']}, columns {sorted(kept['columns'])} → {sorted(found['columns'])}"
        ]
    return [
        f"{name}.{what}: {value} → {found['columns'][name].get(what)}"
        for name, column in kept["columns"].items()
        for what, value in column.items()
        if not _agree(value, found["columns"][name].get(what), tolerance)
    ]


def _agree(kept: Any, found: Any, tolerance: float) -> bool:
    if isinstance(kept, float) and isinstance(found, (int, float)):
        return math.isclose(kept, found, rel_tol=tolerance, abs_tol=tolerance)
    return bool(kept == found)


def check_golden(rows: pl.DataFrame, file: Path, name: str, *, tolerance: float = 1e-6) -> None:
    """Compare a table with what a file keeps under a name."""
    kept = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    found = json.loads(json.dumps(told(rows)))
    if WRITE:
        kept[name] = found
        file.write_text(json.dumps(dict(sorted(kept.items())), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        return
    assert name in kept, f"{file.name} knows no {name}; ICLSCOPE_WRITE_GOLDEN=1 writes it"
    changed = differences(found, kept[name], tolerance)
    assert not changed, "\n".join(changed)
