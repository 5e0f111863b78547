"""Files of texts as people have them: read as they are meant, or refused with their row."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from language_models.text_files import CONTENTS, POOL, ROWS, TSV, json_lines, refusal, written
from refusals import says

from iclscope.language_models.texts.labelled_text import TextTask, load_task
from iclscope.language_models.texts.lines import lines_of


@pytest.mark.parametrize("ending", CONTENTS)
@pytest.mark.parametrize(
    "changed",
    [
        lambda text: text + "\n",
        lambda text: text + "\n\n  \n",
        lambda text: text.replace("\n", "\n\n"),
        lambda text: "\n" + text,
        lambda text: "\ufeff" + text,
        lambda text: text.rstrip(),
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("\n", "\r"),
    ],
    ids=["blank end", "blank lines at the end", "blank between", "blank first", "mark", "no end", "Windows", "old Mac"],
)
def test_blank_lines_marks_and_line_ends(tmp_path: Path, ending: str, changed: Any) -> None:
    assert load_task(written(tmp_path / f"a.{ending}", changed(CONTENTS[ending]))).pool == POOL


def test_rows_without_any_cell_are_blank(tmp_path: Path) -> None:
    """Spreadsheets write them below the data; rows that end early lack their last cells."""
    assert load_task(written(tmp_path / "a.csv", "text,label,note\na b,x,1\n,,\nc d,y\n,,\n")).pool == POOL


@pytest.mark.parametrize("ending", ["CSV", "Tsv", "JSONL", "Parquet", "ARROW"])
def test_endings_in_any_case(tmp_path: Path, ending: str) -> None:
    table = pl.DataFrame(ROWS, schema=["text", "label"], orient="row")
    path, splits = tmp_path / f"a.{ending}", tmp_path / "splits"
    splits.mkdir()
    for place in (path, splits / f"TRAIN.{ending}", splits / f"Test.{ending}"):
        if ending.lower() in CONTENTS:
            written(place, CONTENTS[ending.lower()])
        elif ending == "Parquet":
            table.write_parquet(place)
        else:
            table.write_ipc_stream(place)
    assert load_task(path) == TextTask("a", POOL, None)
    assert load_task(splits) == TextTask("splits", POOL, POOL)


def test_a_split_in_its_usual_spelling_comes_before_others(tmp_path: Path) -> None:
    written(tmp_path / "TRAIN.tsv", TSV.replace("a b", "not this"))
    written(tmp_path / "train.tsv", TSV)
    assert load_task(tmp_path).pool == POOL


@pytest.mark.parametrize("name", ["data[1]", "q?", "*", "a{b}"])
def test_folders_are_names_never_patterns(tmp_path: Path, name: str) -> None:
    for folder, text in ((name, "a b"), ("data1", "wrong"), ("qq", "wrong"), ("ab", "wrong")):
        (tmp_path / folder / "data").mkdir(parents=True)
        for split in ("train-00000-of-00001", "test-00000-of-00001-0f3a"):
            written(tmp_path / folder / "data" / f"{split}.tsv", TSV.replace("a b", text))
    assert load_task(tmp_path / name) == TextTask(name, POOL, POOL)


def test_other_files_whose_names_begin_with_a_split_are_none(tmp_path: Path) -> None:
    for name in ("train", "training", "train-old", "my-train-0-of-1", "test"):
        written(tmp_path / f"{name}.tsv", TSV if name in ("train", "test") else TSV.replace("a b", "wrong"))
    assert load_task(tmp_path) == TextTask(tmp_path.name, POOL, POOL)


@pytest.mark.parametrize("first", [1, 100, 101, 500])
def test_a_label_may_be_of_another_kind_from_any_row_on(tmp_path: Path, first: int) -> None:
    rows = [{"text": f"t{i}", "label": i % 2 if i < first else "neutral"} for i in range(first + 3)]
    labels = load_task(json_lines(tmp_path / "a.jsonl", *rows)).pool.labels
    assert labels[0] == "0"
    assert set(labels[first:]) == {"neutral"}


def test_a_key_may_first_appear_in_any_row(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [{"text": f"t{i}", "other": i} for i in range(150)]
    told = refusal(json_lines(tmp_path / "a.jsonl", *rows, {"text": "t", "label": "x"}))
    assert says(told, "a label in every row; row 1 has none")
    for number, row in enumerate(rows):
        row["label"] = "xy"[number % 2]
    late = json_lines(tmp_path / "b.jsonl", *rows, {"text": "t", "label": "y", "more": [1]})
    assert len(load_task(late).pool.texts) == 151


def test_texts_that_look_like_numbers(tmp_path: Path) -> None:
    """Between texts a number is a text; alone they are no texts."""
    rows = [{"text": text, "label": label} for text, label in (("Up", "a"), (1984, "b"), (2.5, "a"))]
    assert load_task(json_lines(tmp_path / "a.jsonl", *rows)).pool.texts == ("Up", "1984", "2.5")
    told = refusal(json_lines(tmp_path / "b.jsonl", *rows[1:]))
    assert says(told, "--text: expected a column of texts; it holds numbers, as 1984")


def test_characters_that_end_lines_elsewhere_are_part_of_texts(tmp_path: Path) -> None:
    for ending, content in CONTENTS.items():
        text = "one\u2028two\u0085three" + ("" if ending == "jsonl" else "\x0bfour\x1cfive")
        path = written(tmp_path / f"a.{ending}", content.replace("a b", text))
        assert load_task(path).pool.texts == (text, "c d")
    assert lines_of("a\rb\nc") == ["a\rb", "c"]


def test_texts_may_be_as_long_as_they_like(tmp_path: Path) -> None:
    long = "word " * 40_000 + "end"
    for ending, content in CONTENTS.items():
        assert load_task(written(tmp_path / f"a.{ending}", content.replace("a b", long))).pool.texts[0] == long


FLOATS = [0.0, 1.0, 0.0]


def float_file(folder: Path, ending: str) -> Path:
    table, path = pl.DataFrame({"text": ["a", "b", "c"], "label": FLOATS}), folder / f"a.{ending}"
    if ending == "parquet":
        table.write_parquet(path)
    elif ending == "jsonl":
        table.write_ndjson(path)
    elif ending == "arrow":
        table.write_ipc_stream(path)
    else:
        table.write_csv(path, separator="\t" if ending == "tsv" else ",")
    assert b"1.0" in path.read_bytes() or ending in ("parquet", "arrow")
    return path


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "parquet", "arrow"])
def test_whole_numbers_are_labels_however_they_were_saved(tmp_path: Path, ending: str) -> None:
    path = float_file(tmp_path, ending)
    assert load_task(path).pool.labels == ("0", "1", "0")
    for words in ({"0": "neg", "1": "pos"}, {"0.0": "neg", "1.": "pos"}):
        assert load_task(path, words=words).pool.labels == ("neg", "pos", "neg")
    features = {"text": {"dtype": "string"}, "label": {"names": ["no", "yes"], "_type": "ClassLabel"}}
    if ending == "parquet":
        note = json.dumps({"info": {"features": features}})
        pl.read_parquet(path.read_bytes()).write_parquet(path, metadata={"huggingface": note})
    else:
        (tmp_path / "dataset_info.json").write_text(json.dumps({"features": features}))
    if ending in ("jsonl", "parquet", "arrow"):
        assert load_task(path).pool.labels == ("no", "yes", "no")


def test_numbers_of_several_types_are_one_label(tmp_path: Path) -> None:
    rows = [{"text": f"t{i}", "label": label} for i, label in enumerate((1, 1.0, "1", 0.5, -0.0, 0, True))]
    assert load_task(json_lines(tmp_path / "a.jsonl", *rows)).pool.labels == ("1", "1", "1", "0.5", "0", "0", "True")


def test_labels_that_only_look_like_numbers_stay(tmp_path: Path) -> None:
    """A plus and a zero in front mean something, and so does a fraction beside words."""
    assert load_task(written(tmp_path / "a.tsv", "text\tlabel\na\t+1\nb\t-1\nc\t01\n")).pool.labels == (
        "+1",
        "-1",
        "01",
    )
    assert load_task(written(tmp_path / "b.tsv", "text\tlabel\na\t1.0\nb\tbeta\n")).pool.labels == ("1.0", "beta")
    mixed = written(tmp_path / "c.tsv", "text\tlabel\na\t1.0\nb\tn/a\n")
    assert load_task(mixed, words={"1": "one"}).pool.labels == ("one", "n/a")
    assert load_task(
        json_lines(tmp_path / "d.jsonl", {"text": "a", "label": "1.0"}, {"text": "b", "label": "2"})
    ).pool.labels == ("1.0", "2")


def test_a_word_for_a_label_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """Also if another label happens to be that word, or the label has a word already."""
    path = written(tmp_path / "a.csv", "text,label\na,0\nb,neg\n")
    assert "--label-word: expected LABEL=WORD for a label" in refusal(path, words={"5": "neg"})
    assert says(refusal(path, words={"0": "one", "0.0": "two"}), "--label-word = '0.0=two'")
    assert load_task(path, words={"0": "neg", "neg": "0"}).pool.labels == ("neg", "0")


@pytest.mark.parametrize("kind", [pl.Categorical, pl.Enum(["a b", "c d", "x", "y"])], ids=["categorical", "enum"])
@pytest.mark.parametrize("ending", ["parquet", "arrow"])
def test_texts_kept_as_categories(tmp_path: Path, ending: str, kind: Any) -> None:
    table, path = pl.DataFrame(ROWS, schema={"text": kind, "label": kind}, orient="row"), tmp_path / f"a.{ending}"
    table.write_parquet(path) if ending == "parquet" else table.write_ipc_stream(path)
    assert load_task(path).pool == POOL


@pytest.mark.parametrize("kind", [pa.dictionary(pa.int32(), pa.string()), pa.large_string(), pa.string_view()], ids=str)
def test_texts_in_other_types_of_arrow(tmp_path: Path, kind: pa.DataType) -> None:
    columns = zip(*ROWS, strict=True)
    table = pa.table(dict(zip(("text", "label"), (pa.array(cells).cast(kind) for cells in columns), strict=True)))
    if kind != pa.string_view():
        pq.write_table(table, tmp_path / "a.parquet")
        assert load_task(tmp_path / "a.parquet").pool == POOL
    with pa.ipc.new_stream(tmp_path / "a.arrow", table.schema) as stream:
        stream.write_table(table)
    assert load_task(tmp_path / "a.arrow").pool == POOL


STRANGE = [
    ([["x"], ["y"]], "a list: ['x']"),
    ([{"name": "x"}, {"name": "y"}], "a structure: {'name': 'x'}"),
    ([[], ["y"]], "a list: []"),
]


@pytest.mark.parametrize(("cells", "told"), STRANGE, ids=["list", "structure", "empty list"])
@pytest.mark.parametrize("ending", ["jsonl", "parquet", "arrow"])
@pytest.mark.parametrize("column", ["text", "label"])
def test_lists_and_structures_are_neither_labels_nor_texts(
    tmp_path: Path, ending: str, column: str, cells: list[Any], told: str
) -> None:
    table, path = pl.DataFrame({"text": ["a", "b"], "label": ["x", "y"]} | {column: cells}), tmp_path / f"a.{ending}"
    if ending == "jsonl":
        json_lines(path, *table.to_dicts())
    else:
        table.write_parquet(path) if ending == "parquet" else table.write_ipc_stream(path)
    found = refusal(path)
    assert found.startswith(f"--{column}: expected a column of ")
    assert found.endswith(f"row 1 holds {told}")


def test_what_else_is_no_text_or_label(tmp_path: Path) -> None:
    for number, value in enumerate((["x"], {"a": 1})):
        path = json_lines(tmp_path / f"{number}.jsonl", {"text": "a", "label": "x"}, {"text": "b", "label": value})
        assert "row 2 holds" in refusal(path)
    path = json_lines(tmp_path / "b.jsonl", {"text": "a", "label": "x"}, {"text": True, "label": "y"})
    assert says(refusal(path), "--text: expected a column of texts; row 2 holds bool: True")
    pl.DataFrame({"text": [b"a", b"b"], "label": ["x", "y"]}).write_parquet(tmp_path / "b.parquet")
    assert "row 1 holds bytes: b'a'" in refusal(tmp_path / "b.parquet")
    for missing in (None, float("nan")):
        path = json_lines(tmp_path / "n.jsonl", {"text": "a", "label": 1.0}, {"text": "b", "label": missing})
        assert says(refusal(path), "a label in every row; row 2 has none")
    path = json_lines(tmp_path / "t.jsonl", {"text": "a", "label": 1}, {"text": None, "label": 2})
    assert says(refusal(path), "a text in every row; row 2 has none")
    path = written(tmp_path / "s.jsonl", '{"text": "a", "label": "x"}\n{"text": "\\ud800", "label": "y"}\n')
    assert "the text of row 2 holds half of a character" in refusal(path)


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.jsonl", '{"text": "a", "label": "x"}\n\n{"text": "b"\n', "row 2, line 3, is not JSON"),
        ("a.jsonl", '[{"text": "a", "label": "x"}]\n', "row 1, line 1, is not a JSON object: [{"),
        ("a.jsonl", "\n\n", "it is empty"),
        ("a.csv", 'text,label\n"a,x\nb,y\n', "unexpected end of data"),
        ("a.csv", 'text,label\na,x\n"b" c,y\n', "row 2, line 3"),
        ("a.csv", "text,label\na,x\nb,y,z\n", "row 2 has 3 cells where the head has 2"),
        ("a.tsv", "text\tlabel\na\tx\nb\ty\tz\n", "row 2 has 3 cells where the head has 2"),
        ("a.csv", "text,label,text\na,x,b\n", "--text: expected a column that a.csv has once"),
    ],
)
def test_rows_at_fault_are_named(tmp_path: Path, name: str, content: str, told: str) -> None:
    assert says(refusal(written(tmp_path / name, content)), told)
