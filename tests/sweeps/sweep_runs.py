"""Running a sweep in a test: on this machine, its weights kept so that they can be measured again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
from polars.testing import assert_frame_equal

from iclscope.execution.local import LocalEngine
from iclscope.execution.stores.finished import Finished
from iclscope.execution.stores.row_store import TRAINED
from iclscope.execution.stores.store import TrialStore
from iclscope.execution.stores.store_files import StoreFiles
from iclscope.sweeps.file.sweep_file import Sweep
from iclscope.sweeps.run_sweep import run_sweep
from iclscope.sweeps.sweep_folder import SweepFolder


def run_here(
    sweep: Sweep, path: Path, *, store: str | None = None, keep_weights: bool = True, workers: int = 1, **told: Any
) -> pl.DataFrame:
    """Run a sweep in a folder, as the command does; ``told`` goes to `run_sweep`."""
    folder = SweepFolder(path, sweep.name)
    files = StoreFiles(folder.default_store if store is None else store)
    engine = LocalEngine(workers=workers, folder=folder.training)
    return run_sweep(sweep, folder, Finished.at(files, keep_weights=keep_weights), engine, **told)


def trained_in(path: Path) -> TrialStore:
    """The weights that a sweep in this folder has kept."""
    return TrialStore(path / "store" / TRAINED)


def assert_same_rows(rows: pl.DataFrame, others: pl.DataFrame) -> None:
    """Bit for bit, but for how long a trial took, and for the commit: sources may be edited while tests run."""
    assert_frame_equal(rows.drop("seconds", "git"), others.drop("seconds", "git"), check_exact=True)
