"""Files quoted in one way or another, and in other encodings."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from language_models.text_files import CONTENTS, CSV, POOL, ROWS, refusal, written

from iclscope.language_models.texts.delimited import is_quoted
from iclscope.language_models.texts.labelled_text import LabelledTexts, load_task

QUOTED = {
    "as pandas writes it": 'text\tlabel\n"he said ""hi"""\ta\nplain\tb\n',
    "a tab in a cell": 'text\tlabel\n"tab\there"\ta\nplain\tb\n',
    "a new line in a cell": 'text\tlabel\n"new\nline"\ta\nplain\tb\n',
    "Windows, a new line in a cell": 'text\tlabel\r\n"new\nline"\ta\r\nplain\tb\r\n',
    "all cells": '"text"\t"label"\n"good"\t"a"\n"plain"\t"b"\n',
    "texts but no numbers": '"text"\t"label"\n"good"\t0\n"plain"\t1\n',
}
UNQUOTED = {
    "a mark at the beginning": 'text\tlabel\n"best\ta\nplain\tb\n',
    "a mark at the end": 'text\tlabel\nbest"\ta\nplain\tb\n',
    "a whole text in marks": 'text\tlabel\n"best"\ta\nplain\tb\n',
    "marks that meet two lines on": 'text\tlabel\n"best\ta\nworst"\tb\n',
    "a quotation in a text": 'text\tlabel\nhe said "hi"\ta\nplain\tb\n',
    "a quotation begins the text": 'text\tlabel\n"hi" he said\ta\nplain\tb\n',
    "two marks begin the text": 'text\tlabel\n""hi"" he said\ta\nplain\tb\n',
    "two marks alone": 'text\tlabel\n""\ta\nplain\tb\n',
    "a short row beside marks": 'text\tlabel\tnote\n"best"\ta\nplain\tb\tc\n',
}


@pytest.mark.parametrize("content", QUOTED.values(), ids=QUOTED)
def test_a_file_that_is_quoted_throughout(content: str, tmp_path: Path) -> None:
    assert is_quoted(content)
    first = {"he said": 'he said "hi"', "tab": "tab\there", "new": "new\nline", "good": "good"}
    wanted = next(text for start, text in first.items() if start in content)
    assert load_task(written(tmp_path / "a.tsv", content)).pool.texts == (wanted, "plain")


@pytest.mark.parametrize("content", UNQUOTED.values(), ids=UNQUOTED)
def test_quotation_marks_stay_where_the_file_is_not_quoted(content: str, tmp_path: Path) -> None:
    assert not is_quoted(content)
    rows = [line.split("\t") for line in content.splitlines()[1:]]
    assert load_task(written(tmp_path / "a.tsv", content)).pool.texts == tuple(row[0] for row in rows)


@pytest.mark.parametrize("text", ['"', '""', 'a "b" c', '"a', "a\tb", "a\nb", '"a\n"b"', "a, b", "plain"])
def test_tables_that_pandas_and_polars_write_come_back(tmp_path: Path, text: str) -> None:
    rows = pl.DataFrame({"text": [text, "other\ttext", "plain"], "label": ["x", "y", "x"]})
    rows.write_csv(tmp_path / "polars.tsv", separator="\t")
    rows.to_pandas().to_csv(tmp_path / "pandas.tsv", sep="\t", index=False)
    rows.to_pandas().to_csv(tmp_path / "pandas.csv")
    for path in sorted(tmp_path.iterdir()):
        assert load_task(path).pool.texts == (text, "other\ttext", "plain"), path.name


GERMAN = LabelledTexts(("schöne Grüße – „gut“", "1 €"), ("süß", "y"))
ENCODINGS = ["cp1252", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8", "utf-8-sig"]


@pytest.mark.parametrize("ending", CONTENTS)
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_other_encodings_are_read_where_they_are_named(tmp_path: Path, ending: str, encoding: str) -> None:
    cells = dict(zip(("a b", "c d"), GERMAN.texts, strict=True)) | {"x": GERMAN.labels[0]}
    content = CONTENTS[ending]
    for old, new in cells.items():
        content = content.replace(f'"{old}"', json.dumps(new, ensure_ascii=False)) if ending == "jsonl" else content
    if ending != "jsonl":
        mark = "," if ending == "csv" else "\t"
        lines = [mark.join(row) for row in (("text", "label"), *zip(*GERMAN, strict=True))]
        content = "\n".join(lines) + "\n"
    path = written(tmp_path / f"a.{ending}", content.encode(encoding))
    assert load_task(path, encoding=encoding).pool == GERMAN
    if not encoding.startswith("utf-8"):
        told = refusal(path)
        assert told.startswith("DATA: expected a file in UTF-8")
        assert "--encoding" in told
        assert "line 1" in told or "line 2" in told


def test_the_row_that_is_of_another_encoding_is_named(tmp_path: Path) -> None:
    good = b"text,label\na,x\n\nb,y\n"
    assert "row 3, line 5, is not UTF-8: byte 0xe9" in refusal(written(tmp_path / "a.csv", good + b"caf\xe9,x\n"))
    assert "the head, line 1, is not UTF-8" in refusal(written(tmp_path / "b.csv", b"t\xe9xt,label\na,x\n"))
    line = b'{"text": "a", "label": "x"}\n'
    assert "row 2, line 2, is not UTF-8" in refusal(written(tmp_path / "c.jsonl", line + line.replace(b"a", b"\xe9")))
    told = refusal(written(tmp_path / "d.csv", good + b"\x81,x\n"), encoding="cp1252")
    assert told.startswith("--encoding: expected that of ")
    assert "row 3, line 5, is not cp1252: byte 0x81" in told


def test_an_encoding_that_does_nothing_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", CSV)
    for name in ("klingon", "base64", "rot13", ""):
        told = refusal(path, encoding=name)
        assert told.startswith("--encoding: expected an encoding that Python knows")
    pl.DataFrame(ROWS, schema=["text", "label"], orient="row").write_parquet(tmp_path / "a.parquet")
    for data in (tmp_path / "a.parquet", "words"):
        assert "--encoding: expected nothing where" in refusal(data, encoding="cp1252")
    assert load_task(tmp_path / "a.parquet", test=path, encoding="cp1252").queries == POOL
