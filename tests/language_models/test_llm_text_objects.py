"""Tables that Python holds, and settings that it gives one alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas as pd
import polars as pl
import pytest
from refusals import says

from iclscope.core.errors import BadRequest
from iclscope.language_models import evaluate
from iclscope.language_models.prompts.prepared import prepare, text_task
from iclscope.language_models.requests import text_measurement
from iclscope.language_models.settings import EvaluateSettings, PruneSettings, SelectSettings, TextMeasurement
from iclscope.language_models.texts.labelled_text import LabelledTexts, load_task

TEXTS, LABELS = ("a b", "c d", "e", "f"), ("x", "y", "x", "y")
POOL = LabelledTexts(TEXTS, LABELS)
COLUMNS: dict[str, Any] = {"text": list(TEXTS), "label": list(LABELS)}
FEATURES = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["x", "y"])})
NUMBERED = datasets.Dataset.from_dict(COLUMNS | {"label": [0, 1, 0, 1]}, features=FEATURES)

MAKERS: dict[str, Callable[[], Any]] = {
    "polars": lambda: pl.DataFrame(COLUMNS),
    "polars, lazy": lambda: pl.LazyFrame(COLUMNS),
    "polars, categories": lambda: pl.DataFrame(COLUMNS, schema={"text": pl.Categorical, "label": pl.Categorical}),
    "pandas": lambda: pd.DataFrame(COLUMNS),
    "pandas, another index": lambda: pd.DataFrame(COLUMNS, index=[5, 5, 0, 9]),
    "pandas, objects": lambda: pd.DataFrame(COLUMNS, dtype=object),
    "pandas, categories": lambda: pd.DataFrame(COLUMNS, dtype="category"),
    "arrow": lambda: pl.DataFrame(COLUMNS).to_arrow(),
    "datasets": lambda: datasets.Dataset.from_dict(COLUMNS),
    "datasets, numbered": lambda: NUMBERED,
    "datasets, as arrays": lambda: NUMBERED.with_format("numpy"),
    "datasets, some rows": lambda: datasets.concatenate_datasets([NUMBERED, NUMBERED]).select(range(4)),
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_a_table_of_any_kind(make: Callable[[], Any]) -> None:
    task = load_task(make())
    assert (task.name, task.pool, task.queries) == ("data", POOL, None)
    assert load_task("words", test=pl.DataFrame({"text": ["cow"], "label": ["animal"]})).queries is not None
    assert load_task(pl.DataFrame(COLUMNS), test=make()).queries == POOL


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
@pytest.mark.parametrize("test", ["test", "validation"])
def test_tables_by_split(make: Callable[[], Any], test: str) -> None:
    splits = {"unsupervised": make(), test: make(), "train": make()}
    assert load_task(splits)[1:] == (POOL, POOL)
    assert load_task({"all": make()})[1:] == (POOL, None)


def test_a_dictionary_of_datasets() -> None:
    splits = datasets.DatasetDict(train=NUMBERED, test=NUMBERED.select([1]))
    task = load_task(splits, words={"y": "why"})
    assert task.queries == LabelledTexts(("c d",), ("why",))
    assert load_task(pl.DataFrame(COLUMNS), test=splits).queries == LabelledTexts(("c d",), ("y",))


def test_labels_of_pandas_that_became_floats() -> None:
    """A column of whole numbers with a gap is one of floats; the gap is refused with its row."""
    frame = pd.DataFrame({"text": list(TEXTS), "label": [0, 1, None, 1]})
    with pytest.raises(BadRequest, match=r"DATA: expected a label in every row.*; row 3 has none"):
        load_task(frame)
    assert load_task(frame.dropna(), words={"0": "no"}).pool.labels == ("no", "1", "1")
    for missing in (pd.NA, np.nan, None):
        with pytest.raises(BadRequest, match=r"a text in every row.*; row 1 has none"):
            load_task(pd.DataFrame({"text": [missing, "b"], "label": ["x", "y"]}, dtype=object))


@pytest.mark.parametrize("cells", [[["x"], ["y"]], [{"a": 1}, {"a": 2}], [np.array([1, 2]), np.array([3])]])
@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame, datasets.Dataset.from_dict])
def test_lists_are_no_labels(cells: list[Any], frame: Callable[[Any], Any]) -> None:
    with pytest.raises(BadRequest, match=r"--label: expected .* row 1 holds"):
        load_task(frame({"text": ["a", "b"], "label": cells}))


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (3, "DATA: expected 'words', a DataFrame"),
        ([{"text": "a", "label": "x"}], "DATA = 'list'"),
        (COLUMNS, "DATA = 'dict with text: list'"),
        (NUMBERED.to_iterable_dataset(), "DATA = 'datasets.IterableDataset'"),
        ({"train": NUMBERED, "test": 5}, "DATA = 'dict with test: int'"),
        ({"a": NUMBERED, "b": NUMBERED}, "it has the splits a, b"),
        ({"test": NUMBERED}, "DATA: expected"),
        ({}, "DATA = 'dict'"),
        (pl.DataFrame({"sentence": ["a"]}), "--text: expected a column of polars.DataFrame"),
        (pd.DataFrame([["a", "b", "x"]], columns=["text", "text", "label"]), "a column that pandas.DataFrame has once"),
    ],
    ids=["int", "list", "columns", "stream", "split", "splits", "queries alone", "nothing", "column", "twice"],
)
def test_other_objects_are_refused_in_one_line(data: object, told: str) -> None:
    with pytest.raises(BadRequest) as refused:
        load_task(data)
    assert says(str(refused.value), told)
    assert "\n" not in str(refused.value)


def test_one_number_or_name_alone() -> None:
    assert EvaluateSettings(shots=4, selectors="bm25") == EvaluateSettings(shots=[4], selectors=["bm25"])
    assert EvaluateSettings(shots=range(3)).shots == (0, 1, 2)
    assert EvaluateSettings(shots=np.int64(4)).shots == EvaluateSettings(shots=np.array([4])).shots == (4,)
    assert SelectSettings(shots=2, selectors="similarity").selectors == ("similarity",)
    assert PruneSettings(rates=0.1, scores="random") == PruneSettings(rates=(0.1,), scores=("random",))


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"shots": "0,8"}, "shots[0]: expected a whole number"),
        ({"shots": 2.5}, "shots[0]: expected a whole number"),
        ({"shots": True}, "shots: expected"),
        ({"shots": None}, "shots: expected"),
        ({"shots": ()}, "shots: expected"),
        ({"selectors": "best"}, "--selector: expected one of random"),
        ({"selectors": 3}, "selectors[0]: expected"),
    ],
)
def test_shots_and_selectors_of_other_types_are_refused_in_one_line(given: dict[str, Any], told: str) -> None:
    with pytest.raises(BadRequest) as refused:
        EvaluateSettings(**given)
    assert says(str(refused.value), told)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"model": pl.DataFrame(COLUMNS), "data": "gpt2"}, "MODEL: expected"),
        ({"model": 3}, "MODEL: expected a hub name"),
        ({"seed": "two"}, "seed: expected"),
        ({"queries": [3]}, "queries: expected"),
        ({"querys": 3}, "querys = 3: no such setting; known: model, data"),
        ({"format": "no place"}, "--format: expected"),
        ({"words": ["a"]}, "words: expected"),
        ({"encoding": 8}, "encoding: expected"),
        ({"data": 3}, "DATA: expected"),
    ],
)
def test_what_else_is_of_another_type(given: dict[str, Any], told: str) -> None:
    arguments = {"model": "none", "data": "words"} | given
    with pytest.raises(BadRequest) as refused:
        prepare(text_measurement(arguments.pop("model"), arguments.pop("data"), arguments))
    assert says(str(refused.value), told)
    assert "\n" not in str(refused.value)


def test_settings_that_python_gives_in_short(tmp_path: Path) -> None:
    measurement = TextMeasurement(model=tmp_path, words={0: "no", 1.0: "yes"}, format="Q: {text}\nA:", seed=2)
    assert measurement.model.name == str(tmp_path)
    assert measurement.format.query == "Q: {text}\nA:"
    assert measurement.seed == 2
    frame = pl.DataFrame({"text": list(TEXTS), "label": [0.0, 1.0, 0.0, 1.0]})
    assert text_task(measurement.model_copy(update={"data": frame})).pool.classes == ("no", "yes")


def test_a_model_and_a_data_frame_from_python(tiny_llama_folder: Path, tmp_path: Path) -> None:
    """All the way: a path for the model, an int for shots, a frame for the data, a set for the queries."""
    rows = 24
    frame = pd.DataFrame({"text": [f"text {i}" for i in range(rows)], "label": [i % 2 for i in range(rows)]})
    queries = datasets.Dataset.from_dict({"text": ["TEXT  3.", "new", "New."], "label": [1, 0, 0]})
    done = evaluate(tiny_llama_folder, frame, test=queries, shots=2, selectors="random", draws=1, out=tmp_path / "out")
    assert done.rows.filter(pl.col("arm") == "as given").height == 2
    assert any(note.startswith("Rows of the pool with the text of a query, left out: 1 ") for note in done.notes)
    assert any(note.startswith("Rows of queries that repeat an earlier one, left out: 1 ") for note in done.notes)
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "Rows of the pool with the text of a query, left out: 1" in page
    assert '"queries_in_pool": 1' in (tmp_path / "out" / "run.json").read_text(encoding="utf-8")
