"""Hashes of files: read once, and again whenever the file may be another."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from iclscope.core.catalogue import FOLDER
from iclscope.language_models.models import file_hashes
from iclscope.language_models.models.file_hashes import file_hash, remembered_in, stamp_of

LATER = 10_000_000_000


def later(path: Path) -> Callable[[], int]:
    """A clock that says that the file was changed ten seconds ago."""
    stamp = stamp_of(path)
    return lambda: max(stamp.mtime_ns, stamp.ctime_ns) + LATER


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FOLDER, str(tmp_path / "cache"))


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was read, in order."""
    found: list[str] = []
    digest = hashlib.file_digest

    def noted(file: Any, name: str) -> Any:
        found.append(file.name)
        return digest(file, name)

    monkeypatch.setattr(hashlib, "file_digest", noted)
    return found


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "weights").write_bytes(bytes(range(256)) * 100)
    return tmp_path / "weights"


def right(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_an_old_file_is_read_once(file: Path, read: list[str]) -> None:
    now = later(file)
    assert file_hash(file, now=now) == right(file)
    assert file_hash(file, now=now) == right(file)
    assert len(read) == 1


def test_a_file_changed_just_now_is_not_remembered(file: Path, read: list[str]) -> None:
    """What is written within the same tick of the clock leaves the same stamp."""
    stamp = stamp_of(file)
    latest = max(stamp.mtime_ns, stamp.ctime_ns)
    for now in (latest, latest + 1_000_000_000, latest + 2_000_000_000, latest - LATER):
        assert file_hash(file, now=partial(int, now)) == right(file)
    assert len(read) == 4
    assert not remembered_in().exists()


def test_a_change_that_leaves_size_and_time_is_seen(file: Path) -> None:
    """Nobody can set the time of change that the file system itself keeps; a file put in its place has a new number."""
    before = file.stat()
    file_hash(file, now=later(file))
    with file.open("r+b") as opened:
        opened.seek(1000)
        opened.write(b"\0")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert file.stat()[6:9] == before[6:9]
    assert file_hash(file) == right(file)
    file_hash(file, now=later(file))
    other = file.with_name("other")
    other.write_bytes(file.read_bytes()[::-1])
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(file)
    assert file_hash(file, now=later(file)) == right(file)


def test_a_link_that_leads_elsewhere_is_seen(file: Path, tmp_path: Path) -> None:
    """As in the cache of the Hugging Face hub, where a snapshot is links to blobs."""
    other = tmp_path / "other"
    other.write_bytes(b"other")
    link = tmp_path / "link"
    link.symlink_to(file)
    assert file_hash(link, now=later(file)) == right(file)
    link.unlink()
    link.symlink_to(other)
    assert file_hash(link, now=later(other)) == right(other)


@pytest.mark.parametrize(
    "damage",
    [
        lambda _: "",
        lambda text: text[: len(text) // 2],
        lambda _: "[]",
        lambda _: "\ud800".encode("utf-8", "surrogatepass"),
        lambda _: "[" * 100_000,
        lambda text: text.replace('"format": 1', '"format": 2'),
        lambda _: json.dumps({"format": 1, "files": [1]}),
        lambda text: json.dumps({"format": 1, "files": dict.fromkeys(json.loads(text)["files"], "text")}),
        lambda text: text.replace('"sha256": "', '"sha256": "x'),
        lambda text: text.replace('"sha256"', '"sha1"'),
        lambda text: text.replace('"stamp": [', '"stamp": [true,'),
    ],
    ids=["empty", "cut", "a list", "no UTF-8", "deep", "layout", "no files", "no entry", "no hash", "key", "stamp"],
)
def test_a_damaged_memory_is_forgotten(damage: Callable[[str], str | bytes], file: Path, read: list[str]) -> None:
    now = later(file)
    file_hash(file, now=now)
    left = damage(remembered_in().read_text(encoding="utf-8"))
    remembered_in().write_bytes(left if isinstance(left, bytes) else left.encode())
    assert file_hash(file, now=now) == right(file)
    assert len(read) == 2
    assert file_hash(file, now=now) == right(file)
    assert len(read) == 2  # and is whole again


def test_one_bad_entry_leaves_the_others(file: Path, tmp_path: Path, read: list[str]) -> None:
    other = tmp_path / "other"
    other.write_bytes(b"other")
    file_hash(file, now=later(file))
    file_hash(other, now=later(other))
    noted = json.loads(remembered_in().read_text(encoding="utf-8"))
    noted["files"][os.path.realpath(file)] = None
    remembered_in().write_text(json.dumps(noted), encoding="utf-8")
    assert file_hash(other, now=later(other)) == right(other)
    assert len(read) == 2


def test_nowhere_to_remember(file: Path, tmp_path: Path, read: list[str]) -> None:
    (tmp_path / "cache").write_text("a file in the way", encoding="utf-8")
    for _ in range(2):
        assert file_hash(file, now=later(file)) == right(file)
    assert len(read) == 2


def test_the_oldest_go_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_hashes, "_MOST", 3)
    files = [tmp_path / f"file{number}" for number in range(5)]
    for number, path in enumerate(files):
        path.write_bytes(bytes([number]))
        file_hash(path, now=later(path))
    noted = json.loads(remembered_in().read_text(encoding="utf-8"))
    assert list(noted["files"]) == [os.path.realpath(path) for path in files[2:]]


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        file_hash(tmp_path / "none")
