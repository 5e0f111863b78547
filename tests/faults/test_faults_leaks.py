"""No demonstration is the query itself, no text is asked twice, and what was left out is counted."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from language_models.tiny_models import make_tiny

import iclscope as icl
from iclscope.cli.main import main

POOL = [("horse", "animal"), ("wolf", "animal"), ("bread", "food"), ("soup", "food")]
QUERY = "The good film"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny(tmp_path_factory.mktemp("leaks") / "tiny", "llama", num_hidden_layers=1)


def table(rows: Any) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=["text", "label"], orient="row")


def evaluated(model: Path, pool: Any, test: Any, out: Path, **settings: Any) -> Any:
    asked = {"shots": 4, "draws": 1, "queries": 50, "selectors": "random", **settings}
    data = pool if isinstance(pool, str) else table(pool)
    return icl.language_models.evaluate(model, data, test=None if test is None else table(test), out=out, **asked)


def as_given(done: Any) -> pl.DataFrame:
    """Without the control, which deals labels at random."""
    rows: pl.DataFrame = done.rows
    return rows.filter(pl.col("arm") == "as given")


SAME = {
    "as it is": "The good film",
    "in capitals": "THE GOOD FILM",
    "with a full stop": "the good film.",
    "with three": "The good film...",
    "with a space before it": "The good film .",
    "with spaces around": "  The good film \t",
    "with wide gaps": "The  good \u00a0 film",
    "on two lines": "The good\nfilm",
    "in wide letters": "Ｔｈｅ ｇｏｏｄ ｆｉｌｍ",
    "with a ligature": "The good \ufb01lm",
}
OTHER = {
    "with a question mark": "The good film?",
    "with another word": "The good films",
    "with a word more": "The very good film",
    "without a space": "Thegood film",
    "with a full stop within": "The good. film",
}


def test_a_pool_has_no_text_of_a_query_however_it_is_written(model: Path, tmp_path: Path) -> None:
    """With all of the pool shown, four demonstrations are all that is left."""
    pool = [*POOL[:2], *((text, "food") for text in SAME.values()), *POOL[2:]]
    done = evaluated(model, pool, [(QUERY, "food")], tmp_path / "out", shots=(0, 4))
    clean = evaluated(model, POOL, [(QUERY, "food")], tmp_path / "clean", shots=(0, 4))
    assert as_given(done)["score_sum"].to_list() == as_given(clean)["score_sum"].to_list()
    assert any(re.search(rf"\b{len(SAME)}\b", note) and "pool" in note for note in done.notes)
    assert not any("pool" in note for note in clean.notes)


@pytest.mark.parametrize("how", SAME)
def test_each_way_to_write_a_query_counts(model: Path, how: str, tmp_path: Path) -> None:
    with pytest.raises(icl.BadRequest, match="at most 4"):
        evaluated(model, [(SAME[how], "food"), *POOL], [(QUERY, "food")], tmp_path / "more", shots=5)


def test_texts_that_only_look_alike_stay(model: Path, tmp_path: Path) -> None:
    pool = [*POOL, *((text, "food") for text in OTHER.values())]
    done = evaluated(model, pool, [(QUERY, "food")], tmp_path / "out", shots=len(pool))
    assert sorted(as_given(done)["demonstrations"][0]) == list(range(len(pool)))


@pytest.mark.parametrize(
    ("pooled", "asked"),
    [
        ("Die STRASSE", "die Straße"),
        ("cafe\u0301 noir", "Caf\u00e9 noir"),
        ("好きです。", "好きです"),
        ("ΣΊΣΥΦΟΣ", "σίσυφος"),
        ("ﾃｽﾄ", "テスト"),
    ],
)
def test_case_and_form_are_those_of_all_scripts(model: Path, pooled: str, asked: str, tmp_path: Path) -> None:
    with pytest.raises(icl.BadRequest, match="at most 4"):
        evaluated(model, [(pooled, "food"), *POOL], [(asked, "food")], tmp_path / "out", shots=5)


def test_a_query_that_is_given_thrice_counts_once(model: Path, tmp_path: Path) -> None:
    test = [("cheese", "food"), ("fox", "animal"), ("Cheese.", "food"), (" CHEESE", "food"), ("ant", "animal")]
    done = evaluated(model, POOL, test, tmp_path / "out", shots=(0, 2))
    plain = evaluated(model, POOL, [test[0], test[1], test[4]], tmp_path / "plain", shots=(0, 2))
    assert done.rows.equals(plain.rows)
    assert done.rows.filter(pl.col("shots") == 0).height == 3
    assert any(re.search(r"\b(2|two)\b", note, re.IGNORECASE) for note in done.notes)


def test_a_text_of_several_labels_is_not_asked(model: Path, tmp_path: Path) -> None:
    test = [("cheese", "food"), ("fox", "animal"), ("Cheese.", "animal"), ("ant", "animal")]
    done = evaluated(model, POOL, test, tmp_path / "out", shots=0)
    assert done.rows["label"].to_list() == ["animal", "animal"]
    plain = evaluated(model, POOL, [("fox", "animal"), ("ant", "animal")], tmp_path / "plain", shots=0)
    assert done.rows["score_sum"].to_list() == plain.rows["score_sum"].to_list()
    assert any("label" in note and re.search(r"\b(1|one|2|two)\b", note, re.IGNORECASE) for note in done.notes)


def test_a_row_that_a_pool_has_thrice_is_one_demonstration(model: Path, tmp_path: Path) -> None:
    pool = [POOL[0], *POOL, POOL[0]]
    with pytest.raises(icl.BadRequest, match="at most 4"):
        evaluated(model, pool, [(QUERY, "food")], tmp_path / "out", shots=5)
    thrice = evaluated(model, pool, [(QUERY, "food")], tmp_path / "thrice", seed=3)
    once = evaluated(model, POOL, [(QUERY, "food")], tmp_path / "once", seed=3)
    assert thrice.rows["score_sum"].to_list() == once.rows["score_sum"].to_list()


def test_one_file_of_repeated_rows_is_split_without_a_leak(model: Path, tmp_path: Path) -> None:
    """Each text stands in the file three times, so that a plain split has it on both sides."""
    texts = [(f"thing {i}", ("food", "animal")[i % 2]) for i in range(12)]
    rows = [(written, label) for text, label in texts for written in (text, text.upper() + ".", f" {text} ")]
    rows = rows[::2] + rows[1::2]
    done = evaluated(model, rows, None, tmp_path / "out", shots=1)
    queries = as_given(done).height
    assert 1 <= queries < 12
    with pytest.raises(icl.BadRequest) as refused:
        evaluated(model, rows, None, tmp_path / "more", shots=12)
    assert f"at most {12 - queries}" in str(refused.value)


@pytest.mark.parametrize("selector", ["similarity", "bm25", "pattern"])
def test_what_is_nearest_to_a_query_is_not_the_query(model: Path, selector: str, tmp_path: Path) -> None:
    """Copies of every query, with the right label, would be the best demonstrations that there are."""
    queries = [(f"thing {word} number", label) for word, label in (("horse", "animal"), ("bread", "food"))]
    copies = [(text.upper() + end, label) for text, label in queries for end in ("", ".", " . ", "...")]
    others = [(f"thing {word} numbers", label) for word, label in [*POOL, ("fox", "animal"), ("pear", "food")]]
    options = icl.language_models.SelectorOptions(patterns=2, candidates=12)
    found = []
    for name, pool in (("leaky", [*copies, *others]), ("clean", others)):
        rows = icl.language_models.compare_selectors(
            model,
            table(pool),
            test=table(queries),
            selectors=selector,
            options=options,
            shots=1,
            draws=2,
            out=tmp_path / name,
        ).rows
        found.append(rows["score_sum"].to_list())
    assert found[0] == found[1]


def test_the_command_line_tells_how_many_were_left_out(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    table([("THE GOOD FILM.", "food"), ("the good film", "food"), *POOL]).write_csv(folder / "train.csv")
    table([(QUERY, "food"), ("a", "animal"), ("a.", "animal"), ("A", "animal")]).write_csv(folder / "test.csv")
    out = tmp_path / "out"
    asked = ["llm", "evaluate", str(model), str(folder), "--shots", "0,4", "--draws", "1", "--out", str(out)]
    assert main(asked) == 0
    told = capsys.readouterr().out
    assert pl.read_parquet((out / "rows.parquet").read_bytes()).filter(pl.col("shots") == 0).height == 2
    page = (out / "report.html").read_text(encoding="utf-8")
    for text in (" ".join(told.split()), page):
        notes = [note for note in re.findall(r"[^.]*left out: \d+", text) if "pool" in note or "quer" in note]
        assert sorted(int(note.rsplit(" ", 1)[1]) for note in notes) == [2, 2]
    left_out = json.loads((out / "run.json").read_text())["settings"]["data"]["left out"]
    assert sorted(left_out.values()) == [0, 0, 2, 2] or sorted(left_out.values()) == [2, 2]
