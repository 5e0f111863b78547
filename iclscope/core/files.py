"""Files that are whole or not there, what killed processes left of others, tables read by name, folders to write to."""

from __future__ import annotations

import errno
import io
import os
import re
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import polars as pl

from iclscope.core.addresses import has_scheme
from iclscope.core.arguments import expect_instance
from iclscope.core.errors import StorageFailed, refused, require

_UNFINISHED = ".unfinished"
OLD = 24 * 3600.0
"""Seconds after which nobody is still writing a file: the largest takes minutes."""

# Of earlier versions (".rows.parquet.4711"), and the file on which it is tried whether a folder has locks.
_OTHERS = re.compile(r"\..+\.\d+(?:\.tmp)?|\.[0-9a-f]{32}\.lock")
_LONGEST_NAME = 255
"""Bytes of a file's name on the usual file systems."""
_CANNOT_SYNC = frozenset({errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EBADF, errno.EACCES, errno.EPERM})
"""What file systems answer that have no way to wait for the disk; a disk that is full answers otherwise."""


def user_path(path: str | Path, option: str = "path") -> Path:
    """A path as its user means it: a leading ``~`` or ``~name`` is a home folder, all else stands for itself.

    Every path that a user gives is passed through here once, where it comes in. What it returns never begins with
    ``~``, so passing it through again changes nothing.

    Args:
        path: as it was given; characters such as ``*``, ``?``, ``[`` and ``$`` mean nothing.
        option: what it was given as.

    Raises:
        BadRequest: if it is no path, is not UTF-8 or holds a null character, or nobody of that name has a home folder.
    """
    expect_instance(option, path, (str, Path))
    require("\0" not in str(path), option, str(path), "a path without null characters")
    in_words = str(path).encode("utf-8", "surrogateescape")
    shown = in_words.decode("utf-8", "backslashreplace")
    require(shown == str(path), option, shown, "a path in UTF-8: another could be opened, but noted nowhere")
    found = Path(path)
    if str(found).startswith("~") and not str(path).startswith("~"):
        return found.absolute()  # "./~", of which Path drops the "./"
    try:
        return found.expanduser()
    except RuntimeError as error:
        allowed = "a path whose ~ stands for a home folder that exists; ./~ is a folder of that name"
        raise refused(option, str(path), allowed) from error


def read_parquet(path: Path, columns: Sequence[str] | None = None) -> pl.DataFrame:
    """The table in one Parquet file.

    Polars takes a path for a pattern ("a[1].parquet" is a1.parquet to it), so it is given bytes.

    Args:
        path: of just this file.
        columns: which columns; None: all.

    Raises:
        OSError: if it is not there or cannot be read.
        polars.exceptions.PolarsError: if it is damaged, is no Parquet, or lacks a column.
    """
    return parquet_table(path.read_bytes(), columns)


def parquet_table(content: bytes, columns: Sequence[str] | None = None) -> pl.DataFrame:
    """The table that the bytes of a Parquet file hold; arguments and errors as of `read_parquet`."""
    try:
        return pl.read_parquet(io.BytesIO(content), columns=None if columns is None else list(columns))
    except pl.exceptions.PanicException as error:  # what some damaged files lead to; it is no ordinary exception
        raise pl.exceptions.ComputeError(f"not a Parquet file that can be read: {error}") from error


def read_parquet_metadata(path: Path) -> dict[str, str]:
    """What the writer of a Parquet file noted in it; errors as of `read_parquet`."""
    return dict(pl.read_parquet_metadata(io.BytesIO(path.read_bytes())))


def read_arrow_stream(path: Path) -> pl.DataFrame:
    """The table in one file of Arrow's streaming format; errors as of `read_parquet`."""
    return pl.read_ipc_stream(io.BytesIO(path.read_bytes()))


def parquet_bytes(rows: pl.DataFrame, noted: Mapping[str, str] | None = None) -> bytes:
    """A table as the content of a Parquet file.

    Args:
        rows: the table.
        noted: what `read_parquet_metadata` will find.
    """
    content = io.BytesIO()
    rows.write_parquet(content, metadata=None if noted is None else dict(noted))
    return content.getvalue()


def is_temporary(name: str) -> bool:
    """Whether a file's name is that of a file that was being written when its process was killed."""
    return name.startswith(".") and name.endswith(_UNFINISHED)


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """A name to write under; what is there at the end takes the file's place, so that it is never half of a new one.

    The name is random, since processes in containers that share a folder may have the same number. The content reaches
    the disk before the file gets its name: after a power failure it is the old one or the whole new one.
    """
    random = f".{uuid.uuid4().hex}{_UNFINISHED}"
    temporary = path.with_name(f".{_cut(path.name, _LONGEST_NAME - len(random) - 1)}{random}")
    try:
        yield temporary
        _reach_disk(temporary)
        temporary.replace(path)
        if os.name == "posix":
            _reach_disk(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _cut(name: str, most: int) -> str:
    """The beginning of a name, at most so many bytes of it."""
    return os.fsencode(name)[:most].decode("utf-8", "ignore")


def _reach_disk(path: Path) -> None:
    """Wait until a file, or the entries of a folder, are on the disk, where the file system can tell."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _CANNOT_SYNC:
            raise
    finally:
        os.close(handle)


def write_text(path: Path, text: str) -> None:
    """Write a text file so that it is either the old one or the whole new one."""
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file so that it is either the old one or the whole new one."""
    with atomic_write(path) as temporary:
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
    allowed = "a folder of this machine; this is an address of something elsewhere"
    require(not has_scheme(str(folder)), option, str(folder), allowed)
    existing = next(p for p in (folder, *folder.absolute().parents) if os.path.lexists(p))
    usable = existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)
    require(usable, option, str(folder), f"a folder that can be written to; {str(existing)!r} cannot")


def remove_leftovers(folders: Iterable[Path]) -> None:
    """Remove what killed processes left in folders of ours a day ago or earlier; nothing is said where that fails.

    Args:
        folders: they need not exist; what lies in folders within them stays.
    """
    now = time.time()
    for folder in folders:
        with suppress(OSError):
            for entry in folder.iterdir():
                with suppress(OSError):
                    named_so = is_temporary(entry.name) or _OTHERS.fullmatch(entry.name) is not None
                    if named_so and entry.is_file() and now - entry.lstat().st_mtime > OLD:
                        entry.unlink()
