"""A sweep from its trials to its table: train what is missing, test everything, write the rows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl
import torch

import iclscope
from iclscope.errors import BadRequest, require
from iclscope.files import check_writable, write_text, written_whole
from iclscope.sweeps.local import OnRunSteps, cores, load_groups, run_trials
from iclscope.sweeps.measure import measured_rows, varied_columns
from iclscope.sweeps.planned import PlannedTrial
from iclscope.sweeps.store import TrialStore
from iclscope.sweeps.sweep_file import Sweep
from iclscope.threads import one_thread_per_operation

ROWS, NOTE, TRAINED = "rows.parquet", "sweep.json", "trained"
MARK = "iclscope sweep"


class SweepFolder:
    """The folder of a sweep's results: ``rows.parquet``, ``sweep.json`` (which sweep it is) and ``trained/``.

    Attributes:
        path: the folder.
        store: its trained models.
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
        self.store = TrialStore(path / TRAINED)
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
        other = noted.get("name")
        require(other == name, "out", str(self.path), f"{refusal}, {name}; it holds those of {other}")

    def start(self, sweep: Sweep) -> None:
        """Make the folder and note which sweep it is of.

        Raises:
            BadRequest: if it cannot be written to.
        """
        note = {
            "made by": MARK,
            "name": sweep.name,
            "iclscope": iclscope.__version__,
            "sweep": sweep.model_dump(mode="json"),
        }
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            write_text(self.path / NOTE, json.dumps(note, indent=1, ensure_ascii=False) + "\n")
        except OSError as error:
            raise BadRequest(f"out = {str(self.path)!r} is not allowed: it cannot be written to ({error})") from error

    def write_rows(self, rows: pl.DataFrame) -> Path:
        """Write the table, whole or not at all; returns where it is."""
        path = self.path / ROWS
        with written_whole(path) as temporary:
            rows.write_parquet(temporary)
        return path


def run_sweep(
    sweep: Sweep,
    planned: Sequence[PlannedTrial],
    folder: SweepFolder,
    *,
    device: torch.device | str = "cpu",
    on_step: OnRunSteps | None = None,
) -> pl.DataFrame:
    """Train the trials that the folder does not hold yet, test all, and write the rows.

    Args:
        sweep: the sweep.
        planned: its trials, each once.
        folder: where results go.
        device: where to train.
        on_step: as that of `run_trials`.

    Returns:
        The rows (`measured_rows`), in the order of the trials.

    Raises:
        KeyboardInterrupt: on Ctrl-C, once every group under way is saved.
    """
    device = torch.device(device)
    folder.start(sweep)
    trials = [one.trial for one in planned]
    run_trials(trials, folder.store, device=device, metadata={"iclscope": iclscope.__version__}, on_step=on_step)
    by_hash = {one.trial.hash: one for one in planned}
    columns = varied_columns(sweep)
    with one_thread_per_operation(), ThreadPoolExecutor(cores() if device.type == "cpu" else 1) as pool:
        tables = pool.map(
            lambda group: measured_rows(group, [by_hash[trial.hash] for trial in group.trials], columns),
            load_groups(trials, folder.store, device),
        )
        rows = in_order(pl.concat(tables, how="diagonal"), list(by_hash))
    folder.write_rows(rows)
    return rows


def in_order(rows: pl.DataFrame, hashes: Sequence[str]) -> pl.DataFrame:
    """Rows in the order of the trials, which does not depend on which of them trained together."""
    position = {name: place for place, name in enumerate(hashes)}
    order = pl.Series("order", [position[name] for name in rows["trial"]], dtype=pl.Int64)
    return rows.with_columns(order).sort("order", maintain_order=True).drop("order")
