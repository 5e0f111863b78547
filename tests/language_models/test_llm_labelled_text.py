"""Labelled texts from every kind of file, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from refusals import says

from iclscope.core.errors import BadRequest
from iclscope.language_models.texts.labelled_text import OWN_TASK, LabelledTexts, describe, load_task

TEXTS = ("a good film", 'she said "no"', "so-so, but fine", "bad")
LABELS = ("positive", "negative", "positive", "negative")
ROWS = pl.DataFrame({"text": TEXTS, "label": LABELS})
FEW = ROWS.head(2)
NAMES = ["negative", "positive"]
NUMBERED = ROWS.with_columns(label=pl.Series([1, 0, 1, 0]))


def write_jsonl(rows: pl.DataFrame, path: Path) -> None:
    rows.write_ndjson(path)


def write_tsv(rows: pl.DataFrame, path: Path) -> None:
    rows.write_csv(path, separator="\t", quote_style="never")


WRITERS: dict[str, Callable[[pl.DataFrame, Path], Any]] = {
    "jsonl": write_jsonl,
    "csv": lambda rows, path: rows.write_csv(path),
    "tsv": write_tsv,
    "parquet": lambda rows, path: rows.write_parquet(path),
    "arrow": lambda rows, path: write_stream(rows, path),
}


def write_stream(rows: pl.DataFrame, path: Path) -> None:
    """As `datasets` writes: a stream, not a file, of Arrow, in types that are older than polars'."""
    rows.write_ipc_stream(path, compat_level=pl.CompatLevel.oldest())


def save_to_disk(rows: pl.DataFrame, folder: Path, *, shards: int = 1, names: list[str] | None = None) -> Path:
    """The folder that `Dataset.save_to_disk` of `datasets` 5.2 leaves."""
    folder.mkdir(parents=True)
    files = [f"data-{number:05}-of-{shards:05}.arrow" for number in range(shards)]
    each = -(-rows.height // shards)
    for number, name in enumerate(files):
        write_stream(rows.slice(number * each, each), folder / name)
    state = {
        "_data_files": [{"filename": name} for name in files],
        "_fingerprint": "e1f8e92c01df7824",
        "_format_columns": None,
        "_format_kwargs": {},
        "_format_type": None,
        "_output_all_columns": False,
        "_split": None,
    }
    label = {"names": names, "_type": "ClassLabel"} if names else {"dtype": "string", "_type": "Value"}
    features = {"text": {"dtype": "string", "_type": "Value"}, "label": label}
    info = {"citation": "", "description": "", "features": features, "homepage": "", "license": ""}
    (folder / "state.json").write_text(json.dumps(state, indent=2))
    (folder / "dataset_info.json").write_text(json.dumps(info, indent=2))
    return folder


def save_splits(folder: Path, **splits: pl.DataFrame) -> Path:
    """The folder that `DatasetDict.save_to_disk` leaves."""
    for name, rows in splits.items():
        save_to_disk(rows, folder / name, names=NAMES)
    (folder / "dataset_dict.json").write_text(json.dumps({"splits": list(splits)}))
    return folder


@pytest.mark.parametrize("ending", WRITERS)
def test_a_file_of_any_kind(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"films.{ending}"
    WRITERS[ending](ROWS.with_columns(more=pl.lit(1)), path)
    task = load_task(path)
    assert task.name == "films"
    assert task.pool == LabelledTexts(TEXTS, LABELS)
    assert task.queries is None


@pytest.mark.parametrize("ending", WRITERS)
def test_numbered_labels_and_other_columns(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"films.{ending}"
    WRITERS[ending](NUMBERED.rename({"text": "sentence", "label": "kind"}), path)
    task = load_task(str(path), text="sentence", label="kind", words={"1": "good", "0": "bad"})
    assert task.pool == LabelledTexts(TEXTS, ("good", "bad", "good", "bad"))


def test_a_quotation_mark_is_a_character_in_tsv_and_a_quote_in_csv(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text('text\tlabel\n"best\tgood\nworst"\tbad\n')
    (tmp_path / "a.csv").write_text('text,label\n"best, by far",good\nworst,bad\n')
    assert load_task(tmp_path / "a.tsv").pool.texts == ('"best', 'worst"')
    assert load_task(tmp_path / "a.csv").pool.texts == ("best, by far", "worst")


def test_spaces_around_texts_and_labels_go(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("text\tlabel\n best \tgood \nworst\tbad\n")
    assert load_task(tmp_path / "a.tsv").pool == LabelledTexts(("best", "worst"), ("good", "bad"))


@pytest.mark.parametrize("ending", WRITERS)
@pytest.mark.parametrize("test", ["test", "dev", "validation"])
def test_a_folder_with_splits(ending: str, test: str, tmp_path: Path) -> None:
    WRITERS[ending](ROWS, tmp_path / f"train.{ending}")
    WRITERS[ending](FEW, tmp_path / f"{test}.{ending}")
    task = load_task(tmp_path)
    assert task.pool.labels == LABELS
    assert task.queries == LabelledTexts(TEXTS[:2], LABELS[:2])


def test_test_comes_before_dev(tmp_path: Path) -> None:
    for name, rows in (("train", ROWS), ("dev", ROWS.tail(1)), ("test", FEW)):
        write_tsv(rows, tmp_path / f"{name}.tsv")
    queries = load_task(tmp_path).queries
    assert queries is not None
    assert queries.texts == TEXTS[:2]


def test_one_file_beside_the_queries_is_the_pool(tmp_path: Path) -> None:
    write_tsv(ROWS, tmp_path / "films.tsv")
    write_tsv(FEW, tmp_path / "test.tsv")
    task = load_task(tmp_path)
    assert (len(task.pool.texts), len(task.queries.texts if task.queries else ())) == (4, 2)


def test_files_as_on_the_hub(tmp_path: Path) -> None:
    """Parquet in data/, in shards; names of labels stand in the metadata that `datasets` writes."""
    info = {"info": {"features": {"label": {"names": NAMES, "_type": "ClassLabel"}, "text": {"dtype": "string"}}}}
    (tmp_path / "data").mkdir()
    for number in range(2):
        shard = tmp_path / "data" / f"train-{number:05}-of-00002.parquet"
        NUMBERED.slice(2 * number, 2).write_parquet(shard, metadata={"huggingface": json.dumps(info)})
    NUMBERED.head(2).write_parquet(tmp_path / "data" / "test-00000-of-00001.parquet")
    with pytest.raises(BadRequest, match=r"queries whose labels the pool has.*; it lacks 0, 1"):
        load_task(tmp_path)
    NUMBERED.head(2).write_parquet(
        tmp_path / "data" / "test-00000-of-00001.parquet", metadata={"huggingface": json.dumps(info)}
    )
    task = load_task(tmp_path)
    assert task.pool == LabelledTexts(TEXTS, LABELS)
    assert task.queries == LabelledTexts(TEXTS[:2], LABELS[:2])


@pytest.mark.parametrize("shards", [1, 3])
def test_a_folder_of_datasets(shards: int, tmp_path: Path) -> None:
    folder = save_to_disk(NUMBERED, tmp_path / "films", shards=shards, names=NAMES)
    task = load_task(folder)
    assert task == ("films", LabelledTexts(TEXTS, LABELS), None)
    assert load_task(folder, words={"positive": "good"}).pool.labels[:2] == ("good", "negative")


def test_texts_as_labels_in_a_folder_of_datasets(tmp_path: Path) -> None:
    assert load_task(save_to_disk(ROWS, tmp_path / "films")).pool == LabelledTexts(TEXTS, LABELS)


def test_a_folder_of_datasets_with_splits(tmp_path: Path) -> None:
    folder = save_splits(tmp_path / "films", train=NUMBERED, test=NUMBERED.head(2), unsupervised=NUMBERED)
    task = load_task(folder)
    assert task.pool == LabelledTexts(TEXTS, LABELS)
    assert task.queries == LabelledTexts(TEXTS[:2], LABELS[:2])
    only = save_splits(tmp_path / "only", train=NUMBERED)
    assert load_task(only).queries is None


def test_queries_of_another_place(tmp_path: Path) -> None:
    """A file, or a folder, whose queries are taken if it has a pool as well."""
    write_tsv(ROWS, tmp_path / "films.tsv")
    write_tsv(FEW, tmp_path / "few.tsv")
    split = save_splits(tmp_path / "split", train=NUMBERED, test=NUMBERED.head(2))
    only = save_splits(tmp_path / "only", test=NUMBERED.head(2))
    for place in (tmp_path / "few.tsv", split, only, split / "test"):
        assert load_task(tmp_path / "films.tsv", test=place).queries == LabelledTexts(TEXTS[:2], LABELS[:2])


def test_the_own_task_comes_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    own = load_task(OWN_TASK)
    assert len(own.pool.classes) >= 2
    assert len(set(own.pool.texts)) == len(own.pool.texts)
    save_to_disk(ROWS, tmp_path / OWN_TASK)  # the user's folder comes first
    assert load_task(OWN_TASK).pool.texts == TEXTS


def test_a_description_counts_labels() -> None:
    assert describe(LabelledTexts(TEXTS[:3], LABELS[:3])) == "3 texts: 1 negative, 2 positive"


def refused(message: str, data: Path | str, **more: Any) -> None:
    with pytest.raises(BadRequest) as told:
        load_task(data, **more)
    assert says(str(told.value), message)
    assert "\n" not in str(told.value)


@pytest.fixture
def films(tmp_path: Path) -> Path:
    write_tsv(ROWS, tmp_path / "films.tsv")
    return tmp_path / "films.tsv"


def test_missing_places_and_columns_are_refused(films: Path) -> None:
    refused("DATA: expected what exists: 'words', a file that ends in .jsonl, .csv", "nowhere")
    refused("--test: expected", films, test="nowhere")
    refused("--text: expected a column of films.tsv: text, label", films, text="sentence")
    refused("--label: expected a column of films.tsv: text, label", films, label="kind")
    refused(
        "--label-word: expected LABEL=WORD for a label that the data has; it has negative",
        films,
        words={"p": "good"},
    )


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", "text\tlabel\n", "DATA: expected 'words', a file that ends in"),
        ("a.tsv", "text\tlabel\nx\tgood\n\tbad\n", "a text in every row; row 2 has none"),
        ("a.tsv", "text\tlabel\nx\tgood\n   \tbad\n", "a text in every row; row 2 has none"),
        ("a.tsv", "text\tlabel\nx\t\ny\tbad\n", "a label in every row; row 1 has none"),
        ("a.tsv", "text\tlabel\nx\tgood\ny\tgood\n", "a pool of at least two classes; it has good"),
        ("a.tsv", "text\tlabel\n", "a pool of at least two classes; it has none"),
        ("a.csv", "text,label\nx,good,more\n", "it cannot be read"),
        ("a.csv", "", "it cannot be read"),
        ("a.jsonl", "", "DATA = "),
        ("a.jsonl", '{"text": "x", "label"\n', "it cannot be read"),
        ("a.jsonl", '{"text": 1, "label": 2}\n', "--text: expected a column of texts"),
        ("a.jsonl", '{"text": "x", "label": "a"}\n{"text": "y"}\n', "a label in every row; row 2 has none"),
        ("a.parquet", "no parquet", "it cannot be read"),
        ("a.arrow", "no arrow", "it cannot be read"),
    ],
)
def test_files_that_are_at_fault_are_refused(name: str, content: str, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    refused(message, tmp_path / name)


def test_texts_that_are_no_unicode_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"text,label\ncaf\xe9,a\nx,b\n")
    refused("expected a file in UTF-8", tmp_path / "a.csv")


def test_folders_at_fault_are_refused(tmp_path: Path, films: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    refused("or a folder with such files named train and test", empty)
    refused("--test = ", films, test=empty)
    other = save_splits(tmp_path / "other", data=NUMBERED)
    refused("or a folder with such files named train and test", other)
    refused("or a folder with such files named train and test", save_splits(tmp_path / "only", test=NUMBERED))
    two = tmp_path / "two"
    two.mkdir()
    for name in ("a.tsv", "b.tsv"):
        write_tsv(ROWS, two / name)
    refused("named train and test; it holds a.tsv, b.tsv", two)
    gone = save_to_disk(ROWS, tmp_path / "gone", shards=2)
    (gone / "data-00001-of-00002.arrow").unlink()
    refused("it cannot be read", gone)


def test_queries_of_unknown_labels_are_refused(tmp_path: Path, films: Path) -> None:
    strange = ROWS.with_columns(label=pl.Series(["positive", "mixed", "none", "mixed"]))
    write_tsv(strange, tmp_path / "strange.tsv")
    message = "queries whose labels the pool has"
    refused(
        f"--test: expected {message}",
        films,
        test=tmp_path / "strange.tsv",
    )
    folder = save_splits(tmp_path / "split", train=NUMBERED, test=NUMBERED.with_columns(label=pl.Series([-1] * 4)))
    refused(
        "expected queries whose labels the pool has",
        folder,
    )


def test_two_labels_with_the_same_word_are_refused_by_the_option_that_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("text\tlabel\nx\tgood\ny\tbad\n", encoding="utf-8")
    with pytest.raises(BadRequest, match="--label-word: expected different words for different labels"):
        load_task(tmp_path / "a.tsv", words={"good": "same", "bad": "same"})
