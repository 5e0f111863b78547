"""A measurement that is asked for more draws keeps those it has, and ends with the rows of having had all at once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from iclscope.language_models.evaluation.measurement import Evaluation
from iclscope.language_models.heads.measurement import Attention
from iclscope.language_models.measurement import measure
from iclscope.language_models.prompts.prepared import Prepared, prepare
from iclscope.language_models.pruning.measurement import Pruning
from iclscope.language_models.run_folder import PARTS, RunFolder
from iclscope.language_models.selection.measurement import Selection
from iclscope.language_models.settings import (
    AttentionSettings,
    EvaluateSettings,
    ModelSource,
    PruneSettings,
    SelectorOptions,
    SelectSettings,
    TextMeasurement,
)

pytestmark = pytest.mark.usefixtures("figures_are_not_drawn")

Measure = Callable[[Prepared, RunFolder], object]
EVALUATE = EvaluateSettings(shots=(0, 5), selectors=("balanced",))
SELECT = SelectSettings(
    shots=(5,), selectors=("balanced", "similarity", "pattern"), options=SelectorOptions(patterns=3, candidates=60)
)
PRUNE = PruneSettings(rates=(0.2,), shots=5, prompts=4, texts=4, timings=0)
ATTENTION = AttentionSettings(shots=10)
MEASUREMENTS: dict[str, Measure] = {
    "evaluate": lambda asked, folder: measure(Evaluation(asked, EVALUATE, folder)),
    "select": lambda asked, folder: measure(Selection(asked, SELECT, folder)),
    "prune": lambda asked, folder: measure(Pruning(asked, PRUNE, folder)),
    "attention": lambda asked, folder: measure(Attention(asked, ATTENTION, folder)),
}


@pytest.fixture(scope="module")
def asked(tiny_llama_folder: Path) -> Prepared:
    return prepare(TextMeasurement(model=ModelSource(name=str(tiny_llama_folder)), queries=40, draws=1))


def with_draws(asked: Prepared, draws: int, path: Path, measure: Measure) -> pl.DataFrame:
    """The rows after a measurement with so many draws."""
    prepared = asked._replace(settings=asked.settings.model_copy(update={"draws": draws}))
    measure(prepared, RunFolder(path, prepared.noted()))
    return pl.read_parquet(path / "rows.parquet")


@pytest.mark.parametrize("measure", MEASUREMENTS.values(), ids=MEASUREMENTS)
def test_more_draws_give_the_rows_of_as_many_at_once(asked: Prepared, tmp_path: Path, measure: Measure) -> None:
    with_draws(asked, 1, tmp_path / "grown", measure)
    before = {part: part.stat().st_mtime_ns for part in (tmp_path / "grown" / PARTS).iterdir()}
    grown = with_draws(asked, 2, tmp_path / "grown", measure)
    assert_frame_equal(grown, with_draws(asked, 2, tmp_path / "at-once", measure))
    assert {part: part.stat().st_mtime_ns for part in before} == before
    assert len(list((tmp_path / "grown" / PARTS).iterdir())) > len(before)
