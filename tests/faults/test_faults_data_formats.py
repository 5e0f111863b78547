"""Data are read as people have them: the same texts and labels whatever wrote them, or one line that says why not."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import datasets  # type: ignore[import-untyped]
import numpy as np
import pandas as pd  # type: ignore[import-untyped]
import polars as pl
import pytest
from language_models.tiny_models import make_tiny

import iclscope as icl
from iclscope.cli.main import main
from iclscope.language_models import PromptGroup, label_scores, load_language_model
from iclscope.language_models.texts.labelled_text import load_task

Pairs = list[tuple[str, str]]
AB: Pairs = [("a b", "x"), ("c d", "y")]
HARD = ['he said "hi"', "tab\there", "new\nline", '"all of it"', "5'' and 5\" disks", "a,b;c", "NA", "café"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(make_tiny(tmp_path_factory.mktemp("models") / "tiny-gpt2", "gpt2"))


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def pairs(data: object, **options: Any) -> Pairs:
    pool = load_task(data, **options).pool
    return list(zip(pool.texts, pool.labels, strict=True))


def written(name: str, content: str | bytes) -> Path:
    Path(name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return Path(name)


def json_lines(rows: Sequence[dict[str, Any]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def refusal(data: object, **options: Any) -> str:
    with pytest.raises(icl.BadRequest) as refused:
        load_task(data, **options)
    assert "\n" not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("blank.csv", "text,label\na b,x\nc d,y\n\n"),
        ("between.csv", "\ntext,label\n\na b,x\n\n\nc d,y\n"),
        ("windows.csv", "text,label\r\na b,x\r\n\r\nc d,y\r\n"),
        ("no-end.csv", "text,label\na b,x\nc d,y"),
        ("blank.tsv", "text\tlabel\na b\tx\nc d\ty\n\n"),
        ("spaces.tsv", "text\tlabel\na b\tx\n   \nc d\ty\n"),
        ("UP.TSV", "text\tlabel\na b\tx\nc d\ty\n"),
        ("Mixed.CsV", "text,label\na b,x\nc d,y\n"),
        ("bom.csv", "\ufefftext,label\na b,x\nc d,y\n"),
        ("bom.tsv", '\ufeff"text"\t"label"\n"a b"\t"x"\n"c d"\t"y"\n'),
        ("quoted.csv", '"text","label"\n"a b","x"\n"c d","y"\n'),
        ("more.csv", "id,label,note,text\n1,x,,a b\n2,y,z,c d\n"),
        ("bom.jsonl", '\ufeff{"text":"a b","label":"x"}\n{"text":"c d","label":"y"}\n'),
        ("BLANK.JSONL", '{"text":"a b","label":"x"}\n\n  \n{"label":"y","text":"c d","more":[1,{"a":null}]}\n\n'),
        ("windows.jsonl", '{"text":"a b","label":"x"}\r\n{"text":"c d","label":"y"}\r\n'),
    ],
)
def test_two_rows_are_the_same_two_however_they_are_written(name: str, content: str) -> None:
    path = written(name, content)
    assert pairs(path) == AB
    assert pairs(str(path)) == AB


def test_a_label_that_first_appears_late_is_one() -> None:
    rows: list[dict[str, Any]] = [{"text": f"t{place}", "label": "often"} for place in range(150)]
    rows[120] = {"text": "late", "label": "seldom", "extra": 1}
    assert pairs(written("late.jsonl", json_lines(rows)))[120] == ("late", "seldom")
    table = "text,label\n" + "".join(f"t{place},{place % 2}\n" for place in range(3000)) + "last,maybe\n"
    assert pairs(written("late.csv", table))[-2:] == [("t2999", "1"), ("last", "maybe")]


def test_rows_without_a_label_are_counted_from_the_first_one_that_lacks_it() -> None:
    rows: list[dict[str, Any]] = [{"text": f"t{place}"} for place in range(100)]
    told = refusal(written("late.jsonl", json_lines([*rows, {"text": "q", "label": "a"}])))
    assert "row 1 " in told
    assert "label" in told
    known: list[dict[str, Any]] = [{"text": f"t{place}", "label": "ab"[place % 2]} for place in range(120)]
    assert "row 121 " in refusal(written("none.jsonl", json_lines([*known, {"text": "q", "label": None}])))


def test_numbers_and_words_stand_in_one_column() -> None:
    rows: list[dict[str, Any]] = [{"text": f"t{place}", "label": place % 2} for place in range(150)]
    got = pairs(written("num.jsonl", json_lines([*rows, {"text": "q", "label": "maybe"}])))
    assert got[:2] + got[-1:] == [("t0", "0"), ("t1", "1"), ("q", "maybe")]
    mixed = [{"text": f"t{place}", "label": [0.5, 1, 2.0, True][place % 4]} for place in range(4)]
    assert [label for _, label in pairs(written("mix.jsonl", json_lines(mixed)))] == ["0.5", "1", "2", "True"]
    texts: list[dict[str, Any]] = [{"text": 12, "label": "n"}, {"text": "twelve", "label": "w"}]
    assert pairs(written("texts.jsonl", json_lines(texts))) == [("12", "n"), ("twelve", "w")]


def test_long_whole_numbers_and_leading_zeros_keep_their_digits() -> None:
    exact = [{"text": "a", "label": 9007199254740993}, {"text": "b", "label": 9007199254740992}]
    assert len({label for _, label in pairs(written("long.jsonl", json_lines(exact)))}) == 2
    assert pairs(written("zip.csv", "text,label\n007,01\n08,2\n")) == [("007", "01"), ("08", "2")]


@pytest.mark.parametrize("kind", [pl.Float64, pl.Float32, pl.Int8, pl.UInt64, pl.String, pl.Categorical])
def test_a_label_of_a_whole_number_is_one_label_however_it_was_saved(kind: Any) -> None:
    values: list[Any] = ["0.0", "1.0", "0.0"] if kind in (pl.String, pl.Categorical) else [0, 1, 0]
    frame = pl.DataFrame({"text": ["a", "b", "c"], "label": values}, schema_overrides={"label": kind})
    frame.write_parquet("f.parquet")
    queries = written("queries.csv", "text,label\nq,1\nr,0\n")
    task = load_task("f.parquet", test=queries, words={"0": "neg", "1": "pos"})
    assert task.pool.labels == ("neg", "pos", "neg")
    assert task.queries is not None
    assert task.queries.labels == ("pos", "neg")


def test_a_word_for_zero_is_for_every_way_to_write_it() -> None:
    for label in ("0.0", "-0.0"):
        frame = pl.DataFrame({"text": ["a", "b", "c"], "label": ["0", label, "1"]})
        frame.write_csv("d.csv")
        for data in (frame, "d.csv"):
            assert [label for _, label in pairs(data, words={"0": "neg"})] == ["neg", "neg", "1"]


def test_there_is_one_zero() -> None:
    frame = pl.DataFrame({"text": ["a", "b", "c"], "label": [0.0, -0.0, 1.0]})
    frame.write_parquet("d.parquet")
    frame.write_csv("d.csv")
    written("d.jsonl", json_lines(frame.to_dicts()))
    for data in (frame, frame.to_pandas(), "d.parquet", "d.csv", "d.jsonl"):
        assert [label for _, label in pairs(data)] == ["0", "0", "1"]


@pytest.mark.parametrize("frame", ["polars", "pandas", "enum", "file"])
def test_categories_are_their_words(frame: str) -> None:
    kinds: Any = {"text": pl.Categorical, "label": pl.Enum(["y", "x"]) if frame == "enum" else pl.Categorical}
    table = pl.DataFrame(AB, schema=kinds, orient="row")
    data: object = table
    if frame == "pandas":
        data = pd.DataFrame(AB, columns=["text", "label"], index=[7, 7]).astype("category")
    if frame == "file":
        table.write_parquet("cat.parquet")
        data = Path("cat.parquet")
    assert pairs(data) == AB


@pytest.mark.parametrize("how", ["tsv", "csv", "jsonl", "parquet", "frame", "quoted-tsv", "utf-16", "polars-csv"])
def test_what_pandas_and_polars_write_comes_back(how: str) -> None:
    want: Pairs = [(text, "xy"[place % 2]) for place, text in enumerate(HARD)]
    frame = pd.DataFrame(want, columns=["text", "label"])
    if how == "tsv":
        frame.to_csv("d.tsv", sep="\t", index=False)
    elif how == "quoted-tsv":
        frame.to_csv("d.tsv", sep="\t", index=False, quoting=1)
    elif how == "csv":
        frame.to_csv("d.csv")
    elif how == "utf-16":
        frame.to_csv("d.csv", index=False, encoding="utf-16")
    elif how == "polars-csv":
        pl.DataFrame(want, schema=["text", "label"], orient="row").write_csv("d.csv")
    elif how == "jsonl":
        frame.to_json("d.jsonl", orient="records", lines=True)
    elif how == "parquet":
        pl.DataFrame(want, schema=["text", "label"], orient="row").write_parquet("d.parquet")
    data: object = frame if how == "frame" else next(Path().iterdir())
    encoding = "utf-16" if how == "utf-16" else None
    assert pairs(data, encoding=encoding) == want


def test_a_quotation_mark_in_plain_tsv_is_a_character() -> None:
    content = 'text\tlabel\n"Hello" she said\tx\n5" disk\ty\n"open\tx\n'
    assert pairs(written("d.tsv", content)) == [('"Hello" she said', "x"), ('5" disk', "y"), ('"open', "x")]


def test_lines_end_at_line_ends_only() -> None:
    odd = "a\u2028b\x0bc\x85d"
    assert pairs(written("d.tsv", f"text\tlabel\n{odd}\tx\nc d\ty\n")) == [(odd, "x"), ("c d", "y")]
    rows = json.dumps({"text": odd, "label": "x"}, ensure_ascii=False) + '\n{"text":"c d","label":"y"}\n'
    assert pairs(written("d.jsonl", rows)) == [(odd, "x"), ("c d", "y")]


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16", "utf-16-le", "utf-32", "shift_jis"])
@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl"])
def test_another_encoding_is_refused_with_the_option_and_read_with_it(encoding: str, ending: str) -> None:
    word = "日本" if encoding == "shift_jis" else "café"
    between = {"csv": ",", "tsv": "\t"}.get(ending, "")
    lines = [f"text{between}label", f"plain{between}x", f"{word}{between}y"]
    if ending == "jsonl":
        lines = [
            json.dumps({"text": text, "label": label}, ensure_ascii=False)
            for text, label in (("plain", "x"), (word, "y"))
        ]
    path = written(f"d.{ending}", ("\n".join(lines) + "\n").encode(encoding))
    told = refusal(path)
    assert "--encoding" in told
    if encoding in ("cp1252", "shift_jis"):
        assert "row 2" in told
    assert pairs(path, encoding=encoding) == [("plain", "x"), (word, "y")]


def test_an_encoding_is_looked_at() -> None:
    path = written("d.csv", "text,label\na b,x\nc d,y\n")
    assert "klingon" in refusal(path, encoding="klingon")
    assert "--encoding" in refusal(written("e.csv", "text,label\ncafé,x\nb,y\n"), encoding="ascii")


@pytest.mark.parametrize(
    "label", [["x"], {"x": 1}, [], [["y"]]], ids=["list", "structure", "empty list", "list of lists"]
)
def test_what_is_no_word_is_refused_as_label_and_as_text(label: object) -> None:
    rows: list[dict[str, Any]] = [{"text": "a", "label": "x"}, {"text": "b", "label": label}]
    assert "row 2" in refusal(written("d.jsonl", json_lines(rows)))
    swapped = [{"text": row["label"], "label": row["text"]} for row in rows]
    assert "row 2" in refusal(written("t.jsonl", json_lines(swapped)))


def test_lists_in_tables_are_refused() -> None:
    lists = {"text": ["a", "b"], "label": [["x"], ["y"]]}
    for data in (pl.DataFrame(lists), pd.DataFrame(lists), datasets.Dataset.from_dict(lists)):
        assert "label" in refusal(data)
    arrays = pd.DataFrame({"text": ["a", "b"], "label": [np.array([1.0]), np.array([2.0])]})
    assert "label" in refusal(arrays)
    pl.DataFrame({"text": ["a", "b"], "label": [{"n": 1}, {"n": 2}]}).write_parquet("s.parquet")
    assert "label" in refusal("s.parquet")


def test_objects_of_datasets_are_read_with_their_names_of_classes_and_their_splits() -> None:
    kinds = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["neg", "pos"])})
    train = datasets.Dataset.from_dict({"text": ["a", "b", "c"], "label": [0, 1, 0]}, features=kinds)
    assert pairs(train) == [("a", "neg"), ("b", "pos"), ("c", "neg")]
    both = datasets.DatasetDict({"train": train, "test": train.select([1])})
    for data in (both, {"train": train.to_pandas(), "test": pl.DataFrame({"text": ["b"], "label": [1]})}):
        task = load_task(data)
        assert task.queries is not None
        assert (task.pool.texts, task.queries.texts) == (("a", "b", "c"), ("b",))


def test_indices_and_gaps_of_pandas_do_no_harm() -> None:
    frame = pd.DataFrame({"text": ["no", "a b", "no", "c d"], "label": ["z", "x", "z", "y"]}).iloc[[1, 3]]
    assert pairs(frame) == AB
    gap = pd.DataFrame({"text": ["a", "b", "c"], "label": [0.0, 1.0, float("nan")]})
    assert "row 3" in refusal(gap)


def test_a_tab_in_a_format_is_a_tab(model: str) -> None:
    texts = [f"thing {place}" for place in range(12)]
    written("d.csv", "text,label\n" + "".join(f"{text},{'ab'[place % 2]}\n" for place, text in enumerate(texts)))
    asked = ["--shots", "0", "--queries", "5", "--draws", "1", "--out", "run"]
    assert main(["llm", "evaluate", model, "d.csv", "--format", r"In:\t{text}\n\\t Out:", *asked]) == 0
    got = {tuple(np.round(scores, 4)) for scores in pl.read_parquet("run/rows.parquet")["score_sum"].to_list()}
    loaded = load_language_model(model)

    def scores_with(query: str) -> set[tuple[float, ...]]:
        groups = [PromptGroup("", tuple(query.replace("{text}", text) for text in texts))]
        return {tuple(np.round(row, 4)) for row in label_scores(loaded, groups, [" a", " b"])[0]}

    assert len(got) == 5
    assert got <= scores_with("In:\t{text}\n\\t Out:")
    assert not got & scores_with("In:\\t{text}\n\\t Out:")
    assert not got & scores_with("In:\t{text}\n\t Out:")
