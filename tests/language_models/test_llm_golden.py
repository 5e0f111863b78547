"""Each measurement on a tiny model gives the rows that were kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from golden import check_golden

from iclscope import language_models
from iclscope.language_models import PruneSettings, SelectorOptions

pytestmark = pytest.mark.usefixtures("figures_are_not_drawn")

GOLDEN = Path(__file__).with_name("golden_rows.json")
ASKED: dict[str, Any] = {"queries": 4, "draws": 2, "seed": 0}
MEASUREMENTS: dict[str, Callable[..., Any]] = {
    "evaluate": lambda model, out: language_models.evaluate(model, shots=(0, 1, 2), out=out, **ASKED),
    "select": lambda model, out: language_models.compare_selectors(
        model, shots=(1, 2), options=SelectorOptions(patterns=3, candidates=40), out=out, **ASKED
    ),
    "prune": lambda model, out: language_models.measure_pruning(
        model, settings=PruneSettings(rates=(0.25,), shots=5, texts=2, prompts=2, timings=0), out=out, **ASKED
    ),
    "attention": lambda model, out: language_models.attention(model, shots=5, out=out, **ASKED | {"queries": 60}),
}


@pytest.mark.parametrize("command", MEASUREMENTS)
def test_rows_are_those_that_were_kept(command: str, tiny_folder: Path, tmp_path: Path) -> None:
    done = MEASUREMENTS[command](str(tiny_folder), tmp_path / "out")
    made = getattr(done, "rows", None)
    # Attention has a table of heads, ordered by numbers that are nearly equal on a tiny model.
    made = done.heads.sort("layer", "head") if made is None else made
    tables = {"rows": made} if isinstance(made, pl.DataFrame) else made._asdict()
    for name, rows in tables.items():
        check_golden(rows, GOLDEN, f"{command} {tiny_folder.name} {name}", tolerance=1e-3)
