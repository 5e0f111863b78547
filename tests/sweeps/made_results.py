"""Results of sweeps that were never run: tables whose answers are known."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

TYPES = {"stopped_at": pl.Int64, "diverged_at": pl.Int64}


def made_rows(
    settings: Mapping[str, Sequence[Any]],
    measured: Callable[..., Mapping[str, Any]],
    *,
    seeds: int = 3,
    test: str = "own-task",
    lengths: Sequence[int] = (20,),
) -> pl.DataFrame:
    """A grid of settings; ``measured(seed=…, length=…, **settings)`` gives the metrics, and what else differs."""
    rows = []
    for values in itertools.product(*settings.values()):
        point = dict(zip(settings, values, strict=True))
        for seed, length in itertools.product(range(seeds), lengths):
            named = {name.replace(".", "_"): value for name, value in point.items()}
            found = dict(measured(seed=seed, length=length, **named))
            ends = {"stopped_at": found.pop("stopped_at", None), "diverged_at": found.pop("diverged_at", None)}
            metrics = {f"{name}{end}": value for name, value in found.items() for end in ("", "_se")}
            trained = {name: value for name, value in point.items() if not name.startswith("test.")}
            keys = {"seed": seed, "trial": f"{trained}-{seed}", "test": test, "prompts": 1000, "length": length}
            rows.append({**point, **keys, **metrics, **ends})
    return pl.DataFrame(rows, schema_overrides=TYPES, infer_schema_length=None)


def write_results(folder: Path, rows: pl.DataFrame, *, design: str = "grid", name: str = "made") -> Path:
    """A folder as a sweep leaves it, but for its store."""
    folder.mkdir(parents=True, exist_ok=True)
    note = {"made by": "iclscope sweep", "name": name, "sweep": {"question": "Why?", "design": {"kind": design}}}
    (folder / "sweep.json").write_text(json.dumps(note), encoding="utf-8")
    rows.write_parquet(folder / "rows.parquet")
    return folder
