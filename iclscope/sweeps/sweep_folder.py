"""The folder of a sweep's results: which sweep it is of, and what is in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from iclscope import __version__
from iclscope.core.files import read_parquet
from iclscope.execution.run_folder import FolderKind, RunFolder
from iclscope.sweeps.file.sweep_file import Sweep

ROWS = "rows.parquet"
SWEEP = FolderKind("iclscope sweep", "sweep.json", "results of this sweep")
FORMAT = 1
"""The layout of the folder. Raised when files of the old one could be misread."""


class SweepFolder(RunFolder):
    """The folder of a sweep's results.

    It holds ``rows.parquet``, ``sweep.json`` (which sweep it is, and where its store is), ``training/`` (unfinished
    trainings, and logs of long ones), and ``store/``, where no other store was given. Several commands may work in it
    at a time: they share what is left to do.
    """

    def __init__(self, path: Path, name: str) -> None:
        """Check that the folder may be written to; nothing is written yet.

        Args:
            path: made when first written to.
            name: of the sweep.

        Raises:
            BadRequest: if the folder holds other files or another sweep, or cannot be written to.
        """
        super().__init__(path, SWEEP)
        if self.noted is None:
            return
        maker, other = self.noted.get("iclscope"), self.noted.get("name")
        layout = f"a folder of layout {FORMAT}; this one is of iclscope {maker}, choose another folder"
        self._require(self.noted.get("format") == FORMAT, layout)
        allowed = f"a new or empty folder, or one with {SWEEP.holds}, {name}; it holds those of {other}"
        self._require(other == name, allowed)

    @property
    def default_store(self) -> Path:
        """Where the store is, if no other is given."""
        return self.path / "store"

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
            "format": FORMAT,
            "name": sweep.name,
            "iclscope": __version__,
            "store": store,
            "store id": store_id,
            "failed": list(failed),
            "sweep": sweep.model_dump(mode="json"),
        }
        self.begin(note)

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
        self.write_table("rows", rows)
        return self.path / ROWS
