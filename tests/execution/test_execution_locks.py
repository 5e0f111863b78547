"""Reservations: one process at a time, and on file systems without locks a word about it instead of an end."""

from __future__ import annotations

import errno
import fcntl
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from sweeps.sweep_processes import yaml_of
from sweeps.sweep_runs import assert_same_rows, run_here

from iclscope.cli.main import main
from iclscope.core.errors import StorageFailed
from iclscope.execution.stores.reservations import Reservations, has_locks
from iclscope.sweeps.file.sweep_file import load_sweep

WITHOUT = [errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP]


def refuse_locks(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def flock(_handle: Any, _operation: int) -> None:
        raise OSError(number, "no locks here")

    monkeypatch.setattr(fcntl, "flock", flock)


def test_a_group_is_taken_by_one_at_a_time(tmp_path: Path) -> None:
    one, other = Reservations(tmp_path), Reservations(tmp_path)
    assert has_locks(tmp_path)
    assert one.take("a")
    assert not other.take("a")
    assert other.take("b")
    one.release("a")
    assert other.take("a")
    one.release_all()
    other.release_all()
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("number", WITHOUT)
def test_without_locks_every_group_is_free_and_that_is_said_once(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_locks(monkeypatch, number)
    told: list[str] = []
    one, other = Reservations(tmp_path), Reservations(tmp_path)
    one.on_notice = told.append
    assert all(one.take(name) for name in ("a", "b"))
    with pytest.warns(UserWarning, match="file system without locks"):
        assert other.take("a")
    assert len(told) == 1
    assert "two processes" in told[0]
    assert "\n" not in told[0]
    one.release_all()
    other.release_all()


def test_a_file_system_that_says_so_later_is_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def acquire(*_arguments: Any, **_settings: Any) -> None:
        raise NotImplementedError("FileSystem does not appear to support flock")

    monkeypatch.setattr(FileLock, "acquire", acquire)
    with pytest.warns(UserWarning, match="without locks"):
        assert Reservations(tmp_path).take("a")


def test_other_failures_are_told_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def acquire(*_arguments: Any, **_settings: Any) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(FileLock, "acquire", acquire)
    with pytest.raises(StorageFailed, match="Input/output error"):
        Reservations(tmp_path).take("a")


@pytest.mark.parametrize("number", WITHOUT[:2])
def test_a_sweep_goes_on_without_locks(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "small.yaml"
    file.write_text(yaml_of(lengths=2, shares=2, seeds=1), encoding="utf-8")
    expected = run_here(load_sweep(file), tmp_path / "expected")
    refuse_locks(monkeypatch, number)
    assert main(["sweep", str(file), "--out", str(tmp_path / "out")]) == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"note: {tmp_path / 'out' / 'store' / 'reserved'} is on a file system without locks")
    with pytest.warns(UserWarning, match="without locks"):
        assert_same_rows(run_here(load_sweep(file), tmp_path / "again"), expected)
