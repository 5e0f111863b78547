"""Files that are whole or not there, and folders that can be written to."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from iclscope.errors import require


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """A name to write under; what is there at the end takes the file's place, so that it is never half of a new one."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file so that it is either the old one or the whole new one."""
    with written_whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def check_writable(folder: Path, option: str) -> None:
    """Refuse a folder that cannot be made or written to, before anything is computed.

    Args:
        folder: it need not exist.
        option: what the folder was given as.

    Raises:
        BadRequest: naming the option and the folder on the way that is in the way.
    """
    existing = next(p for p in (folder, *folder.absolute().parents) if os.path.lexists(p))
    usable = existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)
    require(usable, option, str(folder), f"a folder that can be written to; {str(existing)!r} cannot")
