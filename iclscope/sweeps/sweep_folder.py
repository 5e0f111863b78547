"""The folder of a sweep's results: who may write there, and what is in it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import polars as pl

from iclscope import __version__
from iclscope.core.errors import BadRequest, require
from iclscope.core.files import (
    check_writable,
    parquet_bytes,
    read_parquet,
    remove_leftovers,
    storage_failures,
    write_bytes,
    write_text,
)
from iclscope.sweeps.file.sweep_file import Sweep

ROWS, NOTE = "rows.parquet", "sweep.json"
MARK = "iclscope sweep"
FORMAT = 1
"""The layout of the folder. Raised when files of the old one could be misread."""


class SweepFolder:
    """The folder of a sweep's results.

    It holds ``rows.parquet``, ``sweep.json`` (which sweep it is, and where its store is), ``training/`` (unfinished
    trainings, and logs of long ones), and ``store/``, where no other store was given.

    Attributes:
        path: the folder.
    """

    def __init__(self, path: Path, name: str) -> None:
        """Check that the folder may be written to; nothing is written yet.

        Args:
            path: made when first written to.
            name: of the sweep.

        Raises:
            BadRequest: if the folder holds other files or another sweep, or cannot be written to.
        """
        self.path = path
        self._check_contents(name)
        check_writable(path, "out")

    def _check_contents(self, name: str) -> None:
        refusal = "a new or empty folder, or one with results of this sweep"
        try:
            if not self.path.exists():
                return
            require(self.path.is_dir(), "out", str(self.path), "a folder; this is a file")
            names = sorted(entry.name for entry in self.path.iterdir())
            if not names:
                return
            require(NOTE in names, "out", str(self.path), f"{refusal}; it holds {names[0]!r} and is left as it is")
            noted = json.loads((self.path / NOTE).read_text(encoding="utf-8"))
        except OSError as error:
            raise BadRequest(f"out = {str(self.path)!r} is not allowed: {error.strerror}") from error
        except ValueError as error:
            if isinstance(error, BadRequest):
                raise
            noted = None
        ours = isinstance(noted, dict) and noted.get("made by") == MARK
        require(ours, "out", str(self.path), f"{refusal}; its {NOTE} is not of iclscope")
        assert isinstance(noted, dict)
        require(
            noted.get("format") == FORMAT,
            "out",
            str(self.path),
            f"a folder of layout {FORMAT}; this one is of iclscope {noted.get('iclscope')}, choose another folder",
        )
        other = noted.get("name")
        require(other == name, "out", str(self.path), f"{refusal}, {name}; it holds those of {other}")

    @property
    def default_store(self) -> Path:
        """Where the store is, if no other is given."""
        return self.path / "store"

    @property
    def training(self) -> Path:
        """Where unfinished trainings are saved, and logs of long ones."""
        return self.path / "training"

    def start(
        self, sweep: Sweep, store: str, store_id: str | None = None, failed: Sequence[Mapping[str, Any]] = ()
    ) -> None:
        """Make the folder and note which sweep it is of, and what of it failed.

        Args:
            sweep: the sweep.
            store: the address of its store, as it may be shown.
            store_id: what tells that store from others (`RowStore.id`).
            failed: what failed, with settings and reasons (`FailedJob.to_json`).

        Raises:
            BadRequest: if it cannot be written to.
        """
        note = {
            "made by": MARK,
            "format": FORMAT,
            "name": sweep.name,
            "iclscope": __version__,
            "store": store,
            "store id": store_id,
            "failed": list(failed),
            "sweep": sweep.model_dump(mode="json"),
        }
        try:
            self.training.mkdir(parents=True, exist_ok=True)
            remove_leftovers((self.path, self.training))
            write_text(self.path / NOTE, json.dumps(note, indent=1, ensure_ascii=False) + "\n")
        except OSError as error:
            raise BadRequest(f"out = {str(self.path)!r} is not allowed: it cannot be written to ({error})") from error

    def note_trace(self, name: str, trace: str) -> None:
        """Keep where a job failed, as Python tells it, for whoever must mend a task of their own."""
        with suppress(OSError):
            write_text(self._trace(name), trace)

    def forget_failure(self, name: str) -> None:
        """Remove what was kept of a job that has since been done."""
        with suppress(OSError):
            self._trace(name).unlink(missing_ok=True)

    def _trace(self, name: str) -> Path:
        return self.training / f"failed-{name}.txt"

    def trials(self) -> set[str]:
        """The trials in the table that is there; none where there is no table, or none that can be read."""
        try:
            trials = read_parquet(self.path / ROWS, ["trial"])["trial"]
            return set(trials.unique()) if trials.dtype == pl.String else set()
        except (OSError, pl.exceptions.PolarsError):
            return set()

    def write_rows(self, rows: pl.DataFrame) -> Path:
        """Write the table, whole or not at all; returns where it is.

        Raises:
            StorageFailed: if it cannot be written.
        """
        path = self.path / ROWS
        with storage_failures(f"writing to {self.path}"):
            write_bytes(path, parquet_bytes(rows))
        return path
