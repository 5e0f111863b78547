"""Paths are names, never patterns, and ~ is the home folder wherever a path comes in."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import polars as pl
import pytest

from iclscope.core import files
from iclscope.core.errors import BadRequest
from iclscope.core.files import (
    is_temporary,
    parquet_bytes,
    read_arrow_stream,
    read_parquet,
    read_parquet_metadata,
    user_path,
    write_bytes,
    write_text,
)
from iclscope.execution.stores.store_files import StoreFiles
from iclscope.language_models.api import measure_pruning
from iclscope.language_models.pruning.save import Save
from iclscope.language_models.run_folder import RunFolder
from iclscope.language_models.texts.labelled_text import load_task
from iclscope.study.experiment import experiments_of
from iclscope.study.folder import ResultFolder
from iclscope.sweeps.file.sweep_file import load_sweep
from iclscope.sweeps.sweep_folder import SweepFolder

# A name, and the name of another file that it would match as a pattern.
PATTERNS = [("a[1]", "a1"), ("q?", "q1"), ("r*", "rest"), ("{a,b}", "a"), ("**", "deep"), ("[!x]", "y"), ("a[1", "a")]
SOURCE = Path(files.__file__).parent


@pytest.mark.parametrize(("name", "other"), PATTERNS)
def test_tables_are_read_by_name(tmp_path: Path, name: str, other: str) -> None:
    for ending, value in ((name, 1), (other, 2)):
        table = pl.DataFrame({"value": [value]})
        with (tmp_path / f"{ending}.parquet").open("wb") as file:
            table.write_parquet(file, metadata={"value": str(value)})
        with (tmp_path / f"{ending}.arrow").open("wb") as file:
            table.write_ipc_stream(file)
    assert read_parquet(tmp_path / f"{name}.parquet")["value"].to_list() == [1]
    assert read_parquet_metadata(tmp_path / f"{name}.parquet")["value"] == "1"
    assert read_arrow_stream(tmp_path / f"{name}.arrow")["value"].to_list() == [1]


@pytest.mark.parametrize(("name", "other"), PATTERNS)
def test_a_missing_file_is_not_another_that_its_name_would_match(tmp_path: Path, name: str, other: str) -> None:
    write_bytes(tmp_path / f"{other}.parquet", parquet_bytes(pl.DataFrame({"value": [2]})))
    with pytest.raises(FileNotFoundError):
        read_parquet(tmp_path / f"{name}.parquet")


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "parquet"])
@pytest.mark.parametrize(("name", "other"), PATTERNS)
def test_texts_are_read_by_name(tmp_path: Path, name: str, other: str, ending: str) -> None:
    for stem, mark in ((name, "right"), (other, "wrong")):
        table = pl.DataFrame({"text": [f"{mark} {i}" for i in range(4)], "label": ["a", "b"] * 2})
        with (tmp_path / f"{stem}.{ending}").open("wb") as file:
            if ending == "jsonl":
                table.write_ndjson(file)
            elif ending == "parquet":
                table.write_parquet(file)
            else:
                table.write_csv(file, separator="\t" if ending == "tsv" else ",")
    task = load_task(tmp_path / f"{name}.{ending}", test=tmp_path / f"{name}.{ending}")
    assert task.pool.texts == tuple(f"right {i}" for i in range(4))
    assert task.queries is not None
    assert task.queries.texts == task.pool.texts


@pytest.mark.parametrize(("name", "other"), PATTERNS)
def test_a_folder_of_texts_is_read_by_name(tmp_path: Path, name: str, other: str) -> None:
    for folder, mark in ((name, "right"), (other, "wrong")):
        for split in ("train", "test"):
            write_text(_made(tmp_path / folder) / f"{split}.tsv", f"text\tlabel\n{mark}\ta\n{mark} too\tb\n")
    assert load_task(tmp_path / name).pool.texts == ("right", "right too")


@pytest.mark.parametrize(("name", "other"), PATTERNS)
def test_results_of_language_models_are_their_folders_own(tmp_path: Path, name: str, other: str) -> None:
    for value, folder in enumerate((other, name)):
        run = RunFolder(tmp_path / folder, {"model": value})
        run.begin()
        made = run.part("part", lambda value=value: pl.DataFrame({"value": [value]}))  # type: ignore[misc]
        assert made["value"].to_list() == [value]
    found = RunFolder(tmp_path / name, {"model": 1}).finished("part")
    assert found is not None
    assert found["value"].to_list() == [1]


@pytest.mark.parametrize(("name", "other"), PATTERNS)
def test_trials_of_a_sweep_are_their_folders_own(tmp_path: Path, name: str, other: str) -> None:
    _folder_at(_made(tmp_path / other)).write_rows(pl.DataFrame({"trial": ["theirs"]}))
    assert _folder_at(_made(tmp_path / name)).trials() == set()
    _folder_at(tmp_path / name).write_rows(pl.DataFrame({"trial": ["ours"]}))
    assert _folder_at(tmp_path / name).trials() == {"ours"}


@pytest.mark.parametrize(("name", "other"), PATTERNS)
def test_figures_rows_are_their_folders_own(tmp_path: Path, name: str, other: str) -> None:
    figure = experiments_of("li2024")[0]
    for value, folder in ((2, other), (1, name)):
        write_bytes(
            _made(tmp_path / folder) / f"{figure.name}.parquet", parquet_bytes(pl.DataFrame({"value": [value]}))
        )
    found = _result_folder_at(tmp_path / name).table(figure.name, {})
    assert found is not None
    assert found["value"].to_list() == [1]


def test_no_table_is_read_but_by_the_functions_of_files() -> None:
    """Polars takes a path for a pattern, so nothing else in the package gives it one."""
    readers = ("read_parquet(", "scan_parquet(", "read_ipc(", "read_ipc_stream(", "scan_csv(", "scan_ndjson(")
    calls = [f"pl.{reader}" for reader in (*readers, "read_parquet_metadata(", "read_parquet_schema(")]
    found = [
        str(path.relative_to(SOURCE))
        for path in SOURCE.rglob("*.py")
        if any(call in path.read_text(encoding="utf-8") for call in calls)
    ]
    assert found == ["files.py"]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder, with another folder as the one that one works in."""
    monkeypatch.setenv("HOME", str(_made(tmp_path / "home")))
    monkeypatch.chdir(_made(tmp_path / "work"))
    return tmp_path / "home"


def test_a_tilde_is_the_home_folder(home: Path) -> None:
    assert user_path("~") == home
    assert user_path("~/x/[1]") == home / "x" / "[1]"
    assert user_path(Path("~/x")) == home / "x"
    assert user_path(user_path("~/x")) == home / "x"


@pytest.mark.parametrize("path", ["x/~", "x~", "$HOME/x", "%HOME%", "a b", "ü", "*"])
def test_all_else_stands_for_itself(home: Path, path: str) -> None:
    assert user_path(path) == Path(path)


@pytest.mark.parametrize("path", ["./~", "./~/x"])
def test_a_folder_called_tilde_can_be_named(home: Path, path: str) -> None:
    found = user_path(path)
    assert str(found) == os.path.normpath(f"{Path.cwd()}/{path}")
    assert user_path(found) == found


def test_nobodys_home_folder_is_refused() -> None:
    with pytest.raises(BadRequest, match=r"--out: expected .*, got '~nobody-of-this-name/x'"):
        user_path("~nobody-of-this-name/x", "--out")


def test_a_null_character_is_refused() -> None:
    with pytest.raises(BadRequest, match=r"--out: expected .*, got "):
        user_path("a\0b", "--out")


def test_a_path_that_is_not_utf_8_is_refused_by_a_line_that_can_be_printed() -> None:
    with pytest.raises(BadRequest, match=r"--out: expected .*UTF-8.*, got 'caf\\\\xe9'") as told:
        user_path(os.fsdecode(b"caf\xe9"), "--out")
    str(told.value).encode("utf-8")


@pytest.mark.parametrize("path", [3, None, {"paper": "li2024"}, b"x", ["x"]])
def test_what_is_no_path_is_refused(path: object) -> None:
    with pytest.raises(BadRequest, match="FILE: expected a str or Path, got"):
        user_path.__wrapped__(path, "FILE")  # type: ignore[attr-defined]


def test_stores_texts_and_sweeps_lie_in_the_home_folder(home: Path) -> None:
    write_text(home / "t.tsv", "text\tlabel\none\ta\ntwo\tb\n")
    assert load_task("~/t.tsv").pool.texts == ("one", "two")
    StoreFiles("~/store").write("x", b"1")
    assert (home / "store" / "x").read_bytes() == b"1"
    assert not Path("~").exists()


def test_reproduce_and_checkpoints_lie_in_the_home_folder(home: Path) -> None:
    from iclscope.models import SoftmaxReLUTransformer, load_model
    from iclscope.study.reproduce import planned

    assert planned("li2024", out="~/r").folder.path == home / "r"
    with pytest.raises(BadRequest, match=str(home)):
        load_model("~/no-model")
    with pytest.raises(BadRequest, match=str(home)):
        SoftmaxReLUTransformer.from_pretrained("~/no-model")
    assert not Path("~").exists()


def test_a_sweep_extends_a_file_in_the_home_folder(home: Path) -> None:
    write_text(home / "base.yaml", "paper: vonoswald2023\nseeds: 2\n")
    write_text(_made(Path("~")) / "base.yaml", "paper: vonoswald2023\nseeds: 3\n")
    write_text(Path("mine.yaml"), "extends: ~/base.yaml\nname: mine\n")
    assert load_sweep("mine.yaml").seeds == 2


def test_a_pruned_model_goes_into_the_home_folder(home: Path) -> None:
    write_text(_made(home / "taken") / "x", "not empty")
    with pytest.raises(BadRequest, match=f"--save: expected .*, got '{home}/taken'"):
        measure_pruning("no-model", save=Save(Path("~/taken"), 0.2, None))


def test_two_writers_never_share_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes in two containers may have the same number."""
    monkeypatch.setattr(os, "getpid", lambda: 7)
    names = set()
    for _ in range(2):
        with files.atomic_write(tmp_path / "x") as temporary:
            temporary.write_text("1")
            names.add(temporary.name)
    assert len(names) == 2
    assert all(is_temporary(name) for name in names)
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_what_fails_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    write_text(tmp_path / "x", "old")

    def write_half() -> None:
        with files.atomic_write(tmp_path / "x") as temporary:
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_half()
    assert (tmp_path / "x").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


@pytest.mark.parametrize("name", ["n" * 255, "ü" * 127])
def test_the_longest_names_can_be_written(tmp_path: Path, name: str) -> None:
    write_text(tmp_path / name, "1")
    assert (tmp_path / name).read_text() == "1"


def test_content_reaches_the_disk_before_the_name_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    sync, replace = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (done.append("sync"), sync(handle))[1])
    monkeypatch.setattr(Path, "replace", lambda one, other: (done.append("replace"), replace(one, other))[1])
    write_bytes(tmp_path / "x", b"1")
    assert done == ["sync", "replace", "sync"]


def test_a_disk_that_fails_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    write_text(tmp_path / "x", "old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_text(tmp_path / "x", "new")
    assert (tmp_path / "x").read_text() == "old"


def test_a_file_system_that_cannot_wait_for_the_disk_is_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unable(handle: int) -> None:
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(os, "fsync", unable)
    write_text(tmp_path / "x", "new")
    assert (tmp_path / "x").read_text() == "new"


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _folder_at(path: Path) -> SweepFolder:
    """A sweep's folder without the checks that a note in it would need."""
    found = SweepFolder.__new__(SweepFolder)
    found.path = path
    return found


def _result_folder_at(path: Path) -> ResultFolder:
    found = ResultFolder.__new__(ResultFolder)
    found.path = path
    return found
