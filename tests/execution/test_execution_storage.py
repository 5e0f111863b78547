"""Stores that fail: a full disk, a folder that may not be written to, damaged and foreign files, a clock that jumps."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sweeps.sweep_processes import Ended, SweepProcess, finished_in, table_in, yaml_of
from sweeps.sweep_runs import assert_same_rows

pytestmark = pytest.mark.slow

COUNT = 12 * 2 * 3
TEXT = yaml_of(lengths=12, shares=2, seeds=3)


class Disk:
    """A small disk of its own."""

    def __init__(self, path: Path) -> None:
        path.mkdir()
        self.path = path

    def mount(self, options: str) -> None:
        """Make it, or change how large it is and whether it may be written to."""
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(self.path)], check=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """A disk to fill; only root may make one."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root may mount a disk")
    disk = Disk(tmp_path / "disk")
    yield disk
    subprocess.run(["umount", str(disk.path)], check=True)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A small sweep."""
    path = tmp_path / "small.yaml"
    path.write_text(TEXT, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of that sweep to which nothing happened."""
    folder = tmp_path_factory.mktemp("undisturbed")
    (folder / "small.yaml").write_text(TEXT, encoding="utf-8")
    ended, begun = run(folder / "small.yaml", folder / "out")
    assert ended.status == 0
    assert ended.err == ""
    assert len(begun) == COUNT
    return folder / "out"


def run(file: Path, out: Path, *options: str, **how: str) -> tuple[Ended, list[str]]:
    """Run the sweep; returns how it ended, and the trials that it began."""
    ledger = file.parent / "ledger"
    with SweepProcess(ledger, [str(file), "--out", str(out), *options], **how) as process:
        return process.ended(), process.begun


def only_line(text: str) -> str:
    assert "Traceback" not in text
    (line,) = text.splitlines()
    return line


def test_a_full_disk_stops_the_sweep_and_loses_nothing(disk: Disk, file: Path, undisturbed: Path) -> None:
    disk.mount("size=100k")
    out = disk.path / "out"
    ended, _ = run(file, out)
    line = only_line(ended.err)
    assert ended.status == 1
    assert line.startswith(f"iclscope: writing to {out}")
    assert "No space left on device" in line
    assert "the same command goes on from there" in line
    finished = finished_in(out / "store")
    assert 0 < len(finished) < COUNT
    assert f"{len(finished)} of {COUNT} trials are finished" in line

    again, _ = run(file, out)  # still full
    assert again.status in (1, 2)
    assert "Traceback" not in again.err
    assert finished <= finished_in(out / "store")

    disk.mount("remount,size=10m")
    last, begun = run(file, out)
    assert last.status == 0
    assert not finished & set(begun)
    assert_same_rows(table_in(out), table_in(undisturbed))


def test_a_disk_that_may_not_be_written_to_is_refused(disk: Disk, file: Path, undisturbed: Path) -> None:
    disk.mount("size=10m")
    out = disk.path / "out"
    shutil.copytree(undisturbed, out)
    disk.mount("remount,ro")
    for options in ([], ["--store", str(disk.path / "elsewhere")]):
        ended, begun = run(file, out, *options)
        line = only_line(ended.err)
        assert ended.status == 2
        assert "a folder that can be written to" in line
        assert begun == []
    elsewhere = file.parent / "elsewhere"
    ended, begun = run(file, elsewhere, "--store", str(out / "store"))
    assert ended.status == 2
    assert "store: expected a folder that can be written to" in only_line(ended.err)
    assert begun == []
    disk.mount("remount,rw")
    ended, begun = run(file, out)
    assert (ended.status, ended.err, begun) == (0, "", [])
    assert_same_rows(table_in(out), table_in(undisturbed))


def cut_in_half(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def make_empty(path: Path) -> None:
    path.write_bytes(b"")


def take_another(path: Path) -> None:
    other = next(one for one in sorted(path.parent.iterdir()) if one != path)
    path.write_bytes(other.read_bytes())


def write_garbage(path: Path) -> None:
    path.write_bytes(b"PAR1" + os.urandom(500) + b"PAR1")


@pytest.mark.parametrize("damage", [cut_in_half, make_empty, take_another, write_garbage])
def test_a_damaged_file_of_rows_is_named_and_made_again(
    damage: Callable[[Path], None], file: Path, undisturbed: Path
) -> None:
    out = file.parent / "out"
    shutil.copytree(undisturbed, out)
    bad = sorted((out / "store" / "rows").iterdir())[2]
    before = finished_in(out / "store")
    damage(bad)
    lost = before - finished_in(out / "store")
    assert 0 < len(lost) < COUNT
    ended, begun = run(file, out)
    assert ended.status == 0
    assert only_line(ended.err) == f"warning: {bad} is damaged, and its trials are trained again"
    assert set(begun) == lost
    assert_same_rows(table_in(out), table_in(undisturbed))
    ended, begun = run(file, out)
    assert (ended.status, ended.err, begun) == (0, "", [])


def test_foreign_files_are_named_and_left_alone(file: Path, undisturbed: Path) -> None:
    out = file.parent / "out"
    shutil.copytree(undisturbed, out)
    rows = out / "store" / "rows"
    (rows / "thesis.tex").write_text("mine", encoding="utf-8")
    (rows / "other.parquet").write_bytes((out / "rows.parquet").read_bytes())
    (rows / "notes").mkdir()
    content = {path: path.read_bytes() for path in rows.iterdir() if path.is_file()}
    ended, begun = run(file, out)
    assert ended.status == 0
    assert [line.split(" is ")[0] for line in ended.err.splitlines()] == [
        f"warning: {rows / 'other.parquet'}",
        f"warning: {rows / 'thesis.tex'}",
    ]
    assert begun == []
    assert {path: path.read_bytes() for path in rows.iterdir() if path.is_file()} == content
    assert_same_rows(table_in(out), table_in(undisturbed))


JUMPING_CLOCK = """
import random, time
real, real_ns, chance = time.time, time.time_ns, random.Random(1)
time.time = lambda: real() + chance.uniform(-1e9, 1e9)
time.time_ns = lambda: real_ns() + chance.randrange(-10**18, 10**18)
"""


def test_a_clock_that_jumps_changes_nothing(file: Path, undisturbed: Path) -> None:
    """The time of day leaps by decades at each look, and files are of the future or of long ago."""
    out = file.parent / "out"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("seeds: 3", "seeds: 2"), encoding="utf-8")
    ended, begun = run(file, out, first=JUMPING_CLOCK)
    assert (ended.status, ended.err) == (0, "")
    for number, path in enumerate(sorted(out.rglob("*"))):
        os.utime(path, (0, 0) if number % 2 else (4_000_000_000, 4_000_000_000))
    first = set(begun)
    file.write_text(text, encoding="utf-8")
    ended, begun = run(file, out, first=JUMPING_CLOCK)
    assert (ended.status, ended.err) == (0, "")
    assert not first & set(begun)
    assert len(first) + len(begun) == COUNT
    rows, expected = table_in(out), table_in(undisturbed)
    assert rows.height == expected.height
    assert rows["trial"].to_list() == expected["trial"].to_list()
