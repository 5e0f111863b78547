"""The folder that a command writes its results to: whose it is, who is at work in it, what in it is finished."""

from __future__ import annotations

import contextlib
import json
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from iclscope.core.addresses import without_secrets
from iclscope.core.errors import BadRequest, Notice, StorageFailed, require, unusable
from iclscope.core.files import (
    check_writable,
    parquet_bytes,
    read_parquet,
    read_parquet_metadata,
    remove_leftovers,
    storage_failures,
    write_bytes,
    write_text,
)
from iclscope.execution.stores.reservations import Reservations

LOCK = ".lock"


class FolderKind(NamedTuple):
    """What tells one kind of results folder from another.

    Attributes:
        made_by: what its note says of itself.
        note: the name of the note.
        holds: what is in it, for a refusal.
        option: what the folder is given as.
    """

    made_by: str
    note: str
    holds: str
    option: str = "out"


class RunFolder:
    """A folder of results: of a paper's figures, a sweep, or a measurement on a language model.

    A note (JSON) says whose it is and what was asked for. Tables are Parquet files that say what they are, so that a
    file of somebody else under their name is not taken for them. Whatever is there is whole.

    Attributes:
        path: the folder.
        kind: what it is for.
        noted: what the note says; None: the folder is new or empty.
        training: where what is not finished is kept: trainings, their logs, traces of failures.
    """

    def __init__(self, path: Path, kind: FolderKind, training: str = "training") -> None:
        """Check that the folder may be written to; nothing is written yet.

        Args:
            path: made when first written to.
            kind: what it is for.
            training: the name of the folder for what is not finished yet.

        Raises:
            BadRequest: if it holds anything but results of this kind, or cannot be written to.
        """
        self.path, self.kind, self.training = path, kind, path / training
        self.noted = self._noted()
        check_writable(path, kind.option)

    def _noted(self) -> dict[str, Any] | None:
        allowed = f"a new or empty folder, or one with {self.kind.holds}"
        try:
            if not self.path.exists():
                return None
            self._require(self.path.is_dir(), "a folder; this is a file")
            names = sorted(entry.name for entry in self.path.iterdir() if entry.name != LOCK)
        except PermissionError:  # it cannot be written to either
            return None
        if not names:
            return None
        self._require(self.kind.note in names, f"{allowed}; it holds {names[0]!r} and is left as it is")
        noted = read_note(self.path, self.kind)
        self._require(noted is not None, f"{allowed}; its {self.kind.note} is not of {self.kind.made_by}")
        return noted

    def _require(self, condition: bool, allowed: str) -> None:
        require(condition, self.kind.option, str(self.path), allowed)

    def refused(self, reason: str) -> BadRequest:
        """A refusal of this folder: why, and what to do."""
        return unusable(self.kind.option, str(self.path), reason)

    @contextlib.contextmanager
    def reserved(self) -> Iterator[None]:
        """Let no other command write here meanwhile: it would forget what this one finishes.

        Raises:
            BadRequest: if another one is at work here, or the folder cannot be written to.
        """
        reservations = Reservations(self.path)
        reservations.on_notice = lambda _: warnings.warn(
            f"{self.path} is on a file system without locks: no second command may write there meanwhile",
            Notice,
            stacklevel=3,
        )
        try:
            is_free = reservations.take("")  # its lock is named `LOCK`
        except StorageFailed as error:
            raise self.refused(f"it cannot be written to ({error})") from error
        if not is_free:
            raise self.refused(
                "another iclscope command is at work in it; choose another folder, or this one once that has ended"
            )
        try:
            self.noted = self._noted()  # as others have left it
            yield
        finally:
            reservations.release_all()

    def begin(self, note: Mapping[str, Any]) -> None:
        """Make the folder and note what it is for.

        Args:
            note: ready for JSON.

        Raises:
            BadRequest: if it cannot be written to.
        """
        try:
            self.training.mkdir(parents=True, exist_ok=True)
            remove_leftovers((self.path, self.training))
            self._write_note(note)
        except OSError as error:
            raise self.refused(f"it cannot be written to ({error})") from error

    def note(self, note: Mapping[str, Any]) -> None:
        """Note what has changed.

        Raises:
            StorageFailed: if it cannot be written.
        """
        with self.writing():
            self._write_note(note)

    def _write_note(self, note: Mapping[str, Any]) -> None:
        self.noted = {"made by": self.kind.made_by, **note}
        write_text(self.path / self.kind.note, json.dumps(self.noted, indent=1, ensure_ascii=False) + "\n")

    def table(self, name: str, label: Mapping[str, str]) -> pl.DataFrame | None:
        """A finished table; None if it is not there, is damaged, or is not what it should be.

        Args:
            name: of the file, without ``.parquet``.
            label: what the file must say of itself.
        """
        path = self.path / f"{name}.parquet"
        try:
            return read_parquet(path) if label.items() <= read_parquet_metadata(path).items() else None
        except (OSError, pl.exceptions.PolarsError, pl.exceptions.PanicException, ValueError):
            return None

    def write_table(self, name: str, rows: pl.DataFrame, label: Mapping[str, str] | None = None) -> None:
        """Write a table that `table` finds by its label."""
        self.write(f"{name}.parquet", parquet_bytes(rows, label))

    def write(self, name: str, content: bytes | str) -> Path:
        """Write a file of the folder, whole or not at all; returns where it is.

        Raises:
            StorageFailed: if it cannot be written.
        """
        path = self.path / name
        with self.writing():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(path, content.encode() if isinstance(content, str) else content)
        return path

    def writing(self) -> contextlib.AbstractContextManager[None]:
        """A full disk ends the work in one line."""
        return storage_failures(f"writing to {self.path}")

    def write_traceback(self, name: str, trace: str) -> None:
        """Keep where something failed, as Python tells it, for whoever must mend a task or figure of their own."""
        with contextlib.suppress(OSError):
            self.training.mkdir(parents=True, exist_ok=True)
            write_text(self._trace(name), without_secrets(trace))

    def remove_traceback(self, name: str) -> None:
        """Remove what was kept of something that has since been done."""
        with contextlib.suppress(OSError):
            self._trace(name).unlink(missing_ok=True)

    def _trace(self, name: str) -> Path:
        return self.training / f"failed-{name}.txt"


def read_note(path: Path, kind: FolderKind) -> dict[str, Any] | None:
    """What the note in a folder says; None if there is none that can be read and is of this kind."""
    try:
        noted = json.loads((path / kind.note).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return noted if isinstance(noted, dict) and noted.get("made by") == kind.made_by else None
