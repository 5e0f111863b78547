"""The store of rows: what is put in comes out, whoever puts it in; another layout is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from refusals import says

from iclscope.core.errors import BadRequest
from iclscope.execution.stores.row_store import FORMAT, SCHEMA, RowStore
from iclscope.execution.stores.store_files import StoreFiles


def rows_of(*pairs: tuple[str, str], **values: Any) -> pl.DataFrame:
    """Rows of trials and tests, all else as given or null."""
    data = [{"trial": trial, "asked": asked, "length": 5, "prompts": 8, **values} for trial, asked in pairs]
    return pl.DataFrame(data, schema=SCHEMA)


def opened(path: Path) -> RowStore:
    store = RowStore(StoreFiles(path))
    store.open()
    return store


names = st.text("0123456789abcdef", min_size=24, max_size=24)
groups = st.lists(st.lists(st.tuples(names, names), min_size=1, max_size=4, unique=True), max_size=5)


@settings(max_examples=30, deadline=None)
@given(groups)
def test_what_is_added_is_there_for_everyone(tmp_path_factory: pytest.TempPathFactory, groups: list[Any]) -> None:
    path = tmp_path_factory.mktemp("store")
    one, other = opened(path), opened(path)
    for group in groups:
        one.add(rows_of(*group, hinge_risk=0.25))
    other.refresh()
    for store in (one, other, opened(path)):
        pairs = {pair for group in groups for pair in group}
        assert all(store.holds(*pair) for pair in pairs)
        assert not store.holds("f" * 24, "0" * 23 + "g")
        rows = store.rows()
        assert set(zip(rows["trial"], rows["asked"], strict=True)) == pairs
        assert rows.height == len(pairs), "what two groups hold is told once"
        assert "settings" not in rows.columns


def test_a_group_has_one_name_in_any_order(tmp_path: Path) -> None:
    store = opened(tmp_path)
    a, b = ("a" * 24, "0" * 24), ("b" * 24, "0" * 24)
    store.add(rows_of(a, b))
    (file,) = (tmp_path / "rows").iterdir()
    store.add(rows_of(b, a))
    assert list((tmp_path / "rows").iterdir()) == [file]


def test_rows_are_plain_parquet_that_explain_themselves(tmp_path: Path) -> None:
    rows = rows_of(("a" * 24, "0" * 24), settings='{"seed": 1}', seconds=0.5, iclscope="0.4.0", device="cpu")
    opened(tmp_path).add(rows)
    (file,) = (tmp_path / "rows").iterdir()
    assert_frame_equal(pl.read_parquet(file), rows)
    assert json.loads((tmp_path / "store.json").read_text(encoding="utf-8"))["format"] == FORMAT


def test_only_the_wanted_trials_are_read(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.add(rows_of(("a" * 24, "0" * 24), ("b" * 24, "0" * 24)))
    assert store.rows(["b" * 24])["trial"].to_list() == ["b" * 24]
    assert store.rows([]).height == 0


@pytest.mark.parametrize(
    ("note", "words"),
    [
        ({"made by": "iclscope store", "format": FORMAT + 1, "iclscope": "9.0"}, ("9.0", "a newer iclscope")),
        ({"made by": "iclscope store", "format": 0, "iclscope": "0.1"}, ("use iclscope 0.1", "another store")),
        ({"made by": "iclscope store"}, ("layout None",)),
        ({"made by": "somebody"}, ("not of iclscope",)),
        ([], ("not of iclscope",)),
    ],
    ids=["newer", "older", "without", "other", "list"],
)
def test_another_layout_is_refused_with_what_to_do(note: Any, words: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "store.json").write_text(json.dumps(note), encoding="utf-8")
    with pytest.raises(BadRequest) as refusal:
        RowStore(StoreFiles(tmp_path)).check()
    for word in (str(tmp_path), *words):
        assert says(str(refusal.value), word)
    assert (tmp_path / "store.json").read_text(encoding="utf-8") == json.dumps(note)


def test_rows_without_a_note_are_refused(tmp_path: Path) -> None:
    opened(tmp_path).add(rows_of(("a" * 24, "0" * 24)))
    (tmp_path / "store.json").unlink()
    with pytest.raises(BadRequest, match="layout is unknown"):
        RowStore(StoreFiles(tmp_path)).check()
    (tmp_path / "store.json").write_bytes(b"\xff\x00{")
    with pytest.raises(BadRequest, match="not of iclscope"):
        RowStore(StoreFiles(tmp_path)).check()


@pytest.mark.parametrize("address", ["nonsense://there", "s3x://bucket"])
def test_an_unknown_address_is_refused(address: str) -> None:
    with pytest.raises(BadRequest, match=r"store: expected .*, got "):
        StoreFiles(address)


@pytest.mark.parametrize("name", ["plain", "with space", "a::b", "ünïcode", "x*y", "s3:", "[1]", "#1", "%20"])
def test_a_folder_of_any_name_is_a_store(name: str, tmp_path: Path) -> None:
    store = opened(tmp_path / name)
    store.add(rows_of(("a" * 24, "0" * 24)))
    assert opened(tmp_path / name).holds("a" * 24, "0" * 24)
    assert {path.name for path in (tmp_path / name).iterdir()} == {"rows", "store.json"}


def foreign_rows() -> dict[str, pl.DataFrame]:
    """Tables that are none of the trial and test whose file's name they take."""
    own = rows_of(("a" * 24, "0" * 24), hinge_risk=0.25)
    return {
        "other columns": pl.DataFrame({"x": [1, 2]}),
        "a column less": own.drop("hinge_risk"),
        "other types": own.with_columns(pl.col("hinge_risk").cast(pl.String)),
        "numbers for names": own.with_columns(trial=pl.lit(1), asked=pl.lit(2)),
        "no names": own.with_columns(trial=pl.lit(None, dtype=pl.String)),
        "other trials": rows_of(("b" * 24, "0" * 24), hinge_risk=0.25),
        "no rows": own.clear(),
    }


@pytest.mark.parametrize("kind", list(foreign_rows()))
def test_a_foreign_parquet_under_a_name_of_ours_is_damaged(kind: str, tmp_path: Path) -> None:
    pair = ("a" * 24, "0" * 24)
    opened(tmp_path).add(rows_of(pair, hinge_risk=0.25))
    (file,) = (tmp_path / "rows").iterdir()
    foreign_rows()[kind].write_parquet(file)
    store = opened(tmp_path)
    assert store.damaged == [f"rows/{file.name}"]
    assert not store.holds(*pair)
    assert store.rows().is_empty()
    store.add(rows_of(pair, hinge_risk=0.5))
    assert opened(tmp_path).rows()["hinge_risk"].to_list() == [0.5]


@pytest.mark.parametrize("note", ["[1]", "null", '{"made by": ["iclscope store"]}', "[" * 100_000])
def test_a_note_of_another_shape_is_refused(note: str, tmp_path: Path) -> None:
    opened(tmp_path)
    (tmp_path / "store.json").write_text(note, encoding="utf-8")
    with pytest.raises(BadRequest, match=r"its store\.json is not of iclscope"):
        opened(tmp_path)


def test_files_that_a_killed_process_left_are_passed_over(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.add(rows_of(("a" * 24, "0" * 24)))
    (file,) = (tmp_path / "rows").iterdir()
    for left in (f".{file.name}.4711", f".{file.name}.{'0' * 32}.unfinished"):
        (tmp_path / "rows" / left).write_bytes(b"half of it")
    later = opened(tmp_path)
    assert (later.damaged, later.foreign) == ([], [])
    assert later.rows().height == 1
