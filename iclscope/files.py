"""Files that are whole or not there, and folders that can be written to."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from iclscope.errors import StorageFailed, require


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


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file so that it is either the old one or the whole new one."""
    with written_whole(path) as temporary:
        temporary.write_bytes(content)


@contextmanager
def storage_failures(doing: str) -> Iterator[None]:
    """Let whatever the operating system refuses within the block be told in one line: a full disk, a folder that went.

    Args:
        doing: what is being done, as "writing to FOLDER".

    Raises:
        StorageFailed: saying so, and why.
    """
    try:
        yield
    except StorageFailed:
        raise
    except OSError as error:
        raise StorageFailed(f"{doing} failed: {error.strerror or error}") from error


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
