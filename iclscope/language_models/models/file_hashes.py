"""SHA-256 of large files, remembered per user: a file that is the same as before is not read again."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from iclscope.core.catalogue import cache_folder
from iclscope.core.files import write_text

FORMAT = 1

_COARSEST_CLOCK = 2_000_000_000
"""Nanoseconds between two ticks of the coarsest clock of a file system (FAT)."""
_MOST = 1024
"""How many files are remembered; the oldest entries go first."""


class Stamp(NamedTuple):
    """What a file system says of a file; a file that was written to has another one.

    Attributes:
        size: in bytes.
        mtime_ns: when its content was changed, in nanoseconds; anybody can set it.
        ctime_ns: when its content or its attributes were changed; nobody can set it.
        inode: its number; a file that took another's place has a number of its own.
        device: of the file system.
    """

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    device: int


def stamp_of(path: Path) -> Stamp:
    """The stamp of a file, or of the one that a link leads to.

    Raises:
        OSError: if there is none.
    """
    return _stamp(path.stat())


def file_hash(path: Path, *, now: Callable[[], int] = time.time_ns) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal digits.

    It is read once, and again when its `Stamp` is another. A hash is not remembered if the file was changed so shortly
    before it was read that a further change might have left the same stamp, or if it changed meanwhile.

    Args:
        path: the file.
        now: nanoseconds since 1970.

    Raises:
        OSError: if it cannot be read.
    """
    place = os.path.realpath(path)
    before = stamp_of(path)
    known = _read().get(place)
    if known is not None and known["stamp"] == list(before):
        return str(known["sha256"])
    began = now()
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
        unchanged = _stamp(os.fstat(file.fileno())) == before == stamp_of(path)
    if unchanged and began - max(before.mtime_ns, before.ctime_ns) > _COARSEST_CLOCK:
        # A disk without room, a home folder that cannot be written to: the file is then read again next time.
        with contextlib.suppress(OSError):
            _remember(place, {"stamp": list(before), "sha256": found})
    return found


def remembered_in() -> Path:
    """The file that hashes are kept in: of the user, under ``ICLSCOPE_CACHE``, ``XDG_CACHE_HOME`` or ``~/.cache``."""
    return cache_folder() / "file-hashes.json"


def _stamp(found: os.stat_result) -> Stamp:
    return Stamp(found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_dev)


def _read() -> dict[str, dict[str, Any]]:
    """What is remembered and whole; nothing where the file is damaged, missing, or of another layout."""
    try:
        noted = json.loads(remembered_in().read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError, RuntimeError):  # RuntimeError: there is no home folder
        return {}
    files = noted.get("files") if isinstance(noted, dict) and noted.get("format") == FORMAT else None
    return {place: entry for place, entry in files.items() if _is_whole(entry)} if isinstance(files, dict) else {}


def _is_whole(entry: object) -> bool:
    if not isinstance(entry, dict) or entry.keys() != {"stamp", "sha256"}:
        return False
    stamp, found = entry["stamp"], entry["sha256"]
    of_numbers = isinstance(stamp, list) and len(stamp) == len(Stamp._fields) and all(type(n) is int for n in stamp)
    return of_numbers and isinstance(found, str) and re.fullmatch("[0-9a-f]{64}", found) is not None


def _remember(place: str, entry: dict[str, Any]) -> None:
    known = _read()
    known.pop(place, None)
    known[place] = entry
    latest = dict(list(known.items())[-_MOST:])
    file = remembered_in()
    file.parent.mkdir(parents=True, exist_ok=True)
    write_text(file, json.dumps({"format": FORMAT, "files": latest}, indent=1) + "\n")
