"""The folder of a measurement: it goes on from what is finished, and never over what is not its own."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from iclscope.core.errors import BadRequest, StorageFailed
from iclscope.core.files import parquet_bytes
from iclscope.language_models.run_folder import MEASUREMENT, PARTS, RunFolder

SETTINGS: dict[str, Any] = {"command": "evaluate", "shots": (0, 4), "draws": 2, "format": {"query": "Text: {text}"}}
ROWS = pl.DataFrame({"draw": [0, 1], "correct": [True, False], "demonstrations": [[1, 2], []]})


class Counted:
    """Makes rows, and counts how often."""

    def __init__(self, rows: pl.DataFrame = ROWS) -> None:
        self.rows, self.times = rows, 0

    def __call__(self) -> pl.DataFrame:
        self.times += 1
        return self.rows


def begun(path: Path, settings: dict[str, Any] = SETTINGS, *, force: bool = False) -> RunFolder:
    folder = RunFolder(path, settings, force=force)
    folder.begin()
    return folder


def part_file(path: Path) -> Path:
    return next((path / PARTS).glob("*.parquet"))


def test_looking_writes_nothing(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "out", SETTINGS)
    assert folder.finished("a") is None
    assert not (tmp_path / "out").exists()
    folder.begin({"seconds": 3})
    note = json.loads((tmp_path / "out" / MEASUREMENT.note).read_text())
    assert note["settings"] == {**SETTINGS, "shots": [0, 4]}
    assert note["seconds"] == 3


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    assert begun(tmp_path).part("a", Counted()).equals(ROWS)


def test_finished_parts_are_not_made_again(tmp_path: Path) -> None:
    make = Counted()
    assert begun(tmp_path / "out").part("a", make).equals(ROWS)
    again = begun(tmp_path / "out")
    assert again.part("a", make).equals(ROWS)
    assert again.finished("a") is not None
    assert again.finished("b") is None
    assert make.times == 1
    again.part("b", make)
    assert make.times == 2


def test_what_was_interrupted_is_made_again(tmp_path: Path) -> None:
    folder = begun(tmp_path)
    folder.part("a", Counted())

    def interrupted() -> pl.DataFrame:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        folder.part("b", interrupted)
    later = begun(tmp_path)
    assert later.finished("a") is not None
    assert later.finished("b") is None


@pytest.mark.parametrize("damage", [lambda content: content[: len(content) // 2], lambda _: b"", lambda _: b"PAR1" * 9])
def test_a_damaged_part_is_made_again(damage: Callable[[bytes], bytes], tmp_path: Path) -> None:
    make = Counted()
    begun(tmp_path).part("a", make)
    part_file(tmp_path).write_bytes(damage(part_file(tmp_path).read_bytes()))
    folder = begun(tmp_path)
    assert folder.finished("a") is None
    assert folder.part("a", make).equals(ROWS)
    assert make.times == 2
    assert begun(tmp_path).finished("a") is not None


def foreign() -> dict[str, bytes]:
    """Parquet files that are none of this part: of others, and of a part that has another name or other settings."""
    others = {
        "other columns": pl.DataFrame({"x": [1.0]}),
        "other types": ROWS.with_columns(pl.col("draw").cast(pl.String)),
        "other trials": ROWS.with_columns(draw=pl.lit(7)),
        "no rows": ROWS.clear(),
        "equal": ROWS,
    }
    return {name: parquet_bytes(rows) for name, rows in others.items()}


@pytest.mark.parametrize("kind", list(foreign()))
def test_a_foreign_parquet_is_not_the_part(kind: str, tmp_path: Path) -> None:
    make = Counted()
    begun(tmp_path).part("a", make)
    part_file(tmp_path).write_bytes(foreign()[kind])
    assert begun(tmp_path).finished("a") is None
    assert begun(tmp_path).part("a", make).equals(ROWS)
    assert make.times == 2


def test_the_part_of_another_name_or_of_other_settings_is_not_the_part(tmp_path: Path) -> None:
    begun(tmp_path / "one").part("a", Counted())
    folder = begun(tmp_path / "two", {**SETTINGS, "shots": [0, 8]})
    folder.part("b", Counted())
    content = part_file(tmp_path / "one").read_bytes()
    (tmp_path / "two" / PARTS / "a.parquet").write_bytes(content)
    (tmp_path / "one" / PARTS / "b.parquet").write_bytes(content)
    assert begun(tmp_path / "two", {**SETTINGS, "shots": [0, 8]}).finished("a") is None
    assert begun(tmp_path / "one").finished("b") is None
    assert begun(tmp_path / "one", {**SETTINGS, "draws": 5}).finished("a") is not None, "more draws, the same parts"


def test_names_of_parts_never_meet(tmp_path: Path) -> None:
    folder = begun(tmp_path)
    names = ["a b", "a_b", "a/b", "../a", "größe", "a.b+c-d"]
    for number, name in enumerate(names):
        folder.part(name, Counted(ROWS.with_columns(number=pl.lit(number))))
    for number, name in enumerate(names):
        found = folder.finished(name)
        assert found is not None
        assert found["number"].to_list() == [number, number]
    assert len(list((tmp_path / PARTS).iterdir())) == len(names)


def test_other_settings_are_refused_and_named(tmp_path: Path) -> None:
    begun(tmp_path).part("a", Counted())
    with pytest.raises(BadRequest) as told:
        RunFolder(tmp_path, {**SETTINGS, "shots": [0, 8]})
    assert "it has another shots (there: [0, 4]; asked for: [0, 8])" in str(told.value)
    assert "--force" in str(told.value)
    assert "\n" not in str(told.value)
    with pytest.raises(BadRequest, match=r"another draws \(there: 2.*; asked for: 1\)"):
        RunFolder(tmp_path, {**SETTINGS, "draws": 1})
    with pytest.raises(BadRequest, match=r'another command \(there: "evaluate"; asked for: "prune"\)'):
        RunFolder(tmp_path, {"command": "prune", "rates": [0.1]})
    with pytest.raises(BadRequest, match="another version of its settings"):
        RunFolder(tmp_path, {"command": "evaluate"})
    with pytest.raises(BadRequest) as told:
        RunFolder(tmp_path, {**SETTINGS, "command": "x" * 500})
    assert len(str(told.value)) < 500 + len(str(tmp_path))
    assert begun(tmp_path).finished("a") is not None


def test_more_draws_go_on_from_what_is_there(tmp_path: Path) -> None:
    make = Counted()
    begun(tmp_path).part("a", make)
    more = begun(tmp_path, {**SETTINGS, "draws": 3})
    assert more.part("a", make).equals(ROWS)
    assert make.times == 1
    assert json.loads((tmp_path / MEASUREMENT.note).read_text())["settings"]["draws"] == 3
    note = json.loads((tmp_path / MEASUREMENT.note).read_text())
    note["settings"]["draws"] = "two"
    (tmp_path / MEASUREMENT.note).write_text(json.dumps(note))
    with pytest.raises(BadRequest, match='another draws \\(there: "two"; asked for: 3\\)'):
        RunFolder(tmp_path, {**SETTINGS, "draws": 3})


def test_force_makes_it_anew(tmp_path: Path) -> None:
    begun(tmp_path).part("a", Counted())
    (tmp_path / "mine.txt").write_text("mine")
    other = {**SETTINGS, "shots": [0, 8]}
    folder = RunFolder(tmp_path, other, force=True)
    assert folder.finished("a") is None
    assert part_file(tmp_path).exists()  # nothing goes before it begins
    folder.begin()
    assert list((tmp_path / PARTS).iterdir()) == []
    assert json.loads((tmp_path / MEASUREMENT.note).read_text())["settings"]["shots"] == [0, 8]
    assert (tmp_path / "mine.txt").read_text() == "mine"
    with pytest.raises(BadRequest, match="another shots"):
        RunFolder(tmp_path, SETTINGS)


def test_force_also_makes_the_same_settings_anew(tmp_path: Path) -> None:
    make = Counted()
    for force in (False, True, False):
        begun(tmp_path, force=force).part("a", make)
    assert make.times == 2


def test_a_part_that_was_there_is_not_believed_when_made_anew(tmp_path: Path) -> None:
    begun(tmp_path).part("a", Counted())
    make = Counted(ROWS.head(1))
    assert begun(tmp_path, {**SETTINGS, "seed": 1}, force=True).part("a", make).equals(ROWS.head(1))
    assert make.times == 1


@pytest.mark.parametrize("note", [None, "no json", "[]", '{"made by": "somebody else"}', '{"settings": {}}'])
@pytest.mark.parametrize("force", [False, True])
def test_a_foreign_folder_is_left_as_it_is(note: str | None, force: bool, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    if note is not None:
        (tmp_path / MEASUREMENT.note).write_text(note)
    with pytest.raises(BadRequest, match=r"--out: expected a new or empty folder, or one with results"):
        RunFolder(tmp_path, SETTINGS, force=force)
    assert (tmp_path / "mine.txt").read_text() == "mine"
    assert {path.name for path in tmp_path.iterdir()} == {"mine.txt"} | (
        {MEASUREMENT.note} if note is not None else set()
    )


def test_another_layout_is_refused_unless_forced(tmp_path: Path) -> None:
    begun(tmp_path).part("a", Counted())
    note = json.loads((tmp_path / MEASUREMENT.note).read_text())
    (tmp_path / MEASUREMENT.note).write_text(json.dumps({**note, "format": 99}))
    with pytest.raises(BadRequest, match="recompute with --force"):
        RunFolder(tmp_path, SETTINGS)
    assert begun(tmp_path, force=True).finished("a") is None


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(BadRequest, match="--out"):
        RunFolder(tmp_path / "out", SETTINGS)
    assert (tmp_path / "out").read_text() == "mine"


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(BadRequest, match="--out"):
        RunFolder(tmp_path / "out", SETTINGS)
    tmp_path.chmod(0o700)


def test_a_place_that_goes_away_is_told_in_one_line(tmp_path: Path) -> None:
    folder = begun(tmp_path / "out")
    (tmp_path / "out" / PARTS).rmdir()
    (tmp_path / "out" / PARTS).write_text("in the way")
    with pytest.raises(StorageFailed) as told:
        folder.part("a", Counted())
    assert "\n" not in str(told.value)


def test_files_are_whole(tmp_path: Path) -> None:
    folder = begun(tmp_path)
    folder.write_rows(ROWS)
    folder.write("notes/über.txt", "größer")
    assert pl.read_parquet(tmp_path / "rows.parquet").equals(ROWS)
    assert (tmp_path / "notes" / "über.txt").read_text(encoding="utf-8") == "größer"
    assert {path.name for path in tmp_path.iterdir()} == {MEASUREMENT.note, PARTS, "rows.parquet", "notes"}


def test_a_second_command_is_refused_while_the_first_is_at_work(tmp_path: Path) -> None:
    first, second = RunFolder(tmp_path / "out", SETTINGS), RunFolder(tmp_path / "out", SETTINGS)
    with first.reserved():
        with pytest.raises(BadRequest, match="another iclscope command is at work in it"), second.reserved():
            pass
        first.begin()
        make = Counted()
        first.part("a", make)
    with second.reserved():
        second.begin()
        assert second.part("a", make).equals(ROWS)
    assert make.times == 1, "what the first finished was not forgotten by the second, which had seen an empty folder"


def test_what_was_begun_meanwhile_with_other_settings_is_refused(tmp_path: Path) -> None:
    later = RunFolder(tmp_path / "out", {**SETTINGS, "shots": (0, 8)})
    begun(tmp_path / "out").part("a", Counted())
    with pytest.raises(BadRequest, match="it has another shots"), later.reserved():
        pass
    assert begun(tmp_path / "out").finished("a") is not None
