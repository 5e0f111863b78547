"""Engines by name, and a sweep in one call."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
import torch

from iclscope.core.environment import chosen_device
from iclscope.core.errors import require, require_one_of
from iclscope.core.files import user_path
from iclscope.core.interrupted import give_back
from iclscope.core.progress import progress_bar
from iclscope.execution.jobs import Engine
from iclscope.execution.local import LocalEngine
from iclscope.execution.stores.finished import Finished
from iclscope.execution.stores.store_files import StoreFiles
from iclscope.sweeps.file.sweep_file import Sweep, load_sweep
from iclscope.sweeps.run_sweep import run_sweep, sweep_status
from iclscope.sweeps.sweep_folder import SweepFolder
from iclscope.sweeps.table import sweep_table
from iclscope.sweeps.windows import windows_of
from iclscope.training.precision import BFLOAT16, check_precision_here

ENGINES = ("local", "ray")


def check_engine(name: str, address: str | None, device: str) -> torch.device:
    """Refuse what no engine is; nothing is connected to yet.

    Args:
        name: "local" or "ray".
        address: of the Ray cluster.
        device: "auto", "cpu" or "cuda".

    Returns:
        The device of this machine that would be used; with Ray, which chooses when the cluster is joined, its CPU.

    Raises:
        BadRequest: naming the option.
    """
    require_one_of("--engine", name, ENGINES)
    require(name == "ray" or address is None, "--address", address, "with --engine ray only")
    return chosen_device(device if name == "local" else "cpu")


def check_precisions(described: Sweep, engine: str, device: torch.device) -> None:
    """Refuse a sweep with trainings in a precision that this machine lacks; of Ray's machines nothing is known yet.

    Args:
        described: the sweep.
        engine: "local" or "ray".
        device: of this machine.

    Raises:
        BadRequest: naming the precision, or a trial's setting that is not allowed.
    """
    if engine == "local" and BFLOAT16 in described.as_json:
        for window in windows_of(described):
            for planned in window:
                check_precision_here(planned.trial.training.precision, device)


@contextmanager
def engine_named(name: str, address: str | None, device: str, folder: SweepFolder) -> Iterator[Engine]:
    """What performs the jobs of a sweep, for as long as it is needed; the arguments are those of `check_engine`.

    Args:
        name: which engine.
        address: of the Ray cluster.
        device: what trains.
        folder: of the sweep, which keeps unfinished trainings of this machine.

    Raises:
        BadRequest: as `check_engine`, or if there is no cluster at the address.
    """
    here = check_engine(name, address, device)
    if name == "local":
        yield LocalEngine(here, folder=folder.training)
        return
    from iclscope.execution.ray_engine import RayEngine

    with RayEngine(address, device) as engine:
        yield engine


def folder_of(described: Sweep, out: str | Path | None) -> SweepFolder:
    """The folder of a sweep's results, checked; None: ``results/sweeps/NAME``."""
    default = Path("results") / "sweeps" / described.name
    return SweepFolder(default if out is None else user_path(out, "--out"), described.name)


def store_of(folder: SweepFolder, address: str | Path | None, *, keep_weights: bool) -> Finished:
    """The store of a sweep, checked; None: the one in its folder."""
    return Finished.at(StoreFiles(folder.default_store if address is None else address), keep_weights=keep_weights)


def sweep(
    file: str | Path | Mapping[str, Any] | Sweep,
    *,
    out: str | Path | None = None,
    store: str | Path | None = None,
    engine: str = "local",
    address: str | None = None,
    device: str = "auto",
    keep_weights: bool = False,
    progress: bool | None = None,
) -> pl.DataFrame:
    """Train and test every trial of a sweep that is not in its store yet; the same as ``iclscope sweep``.

    Args:
        file: a YAML file (docs/sweeps.md), the same as a mapping, or a `Sweep`. A mapping without a name is called
            "sweep".
        out: the folder of the results; None: ``results/sweeps/NAME``.
        store: where finished trials are kept, a folder or an address that fsspec knows; None: ``store`` in that folder.
        engine: "local" or "ray".
        address: HOST:PORT of the Ray cluster.
        device: "auto", "cpu" or "cuda".
        keep_weights: whether to store trained weights too.
        progress: whether to show a bar; None: in a terminal and in a notebook.

    Returns:
        The table: a row per trial, test and context length (`table.sweep_table`). After Ctrl-C at a prompt or in a
        notebook, the rows of the trials that are finished.

    Raises:
        BadRequest: before anything is trained or written, if a setting is not allowed.
        Interrupted: on Ctrl-C in a script, with the finished rows; they are stored, and the same call goes on.
        StorageFailed: if results can no longer be written; likewise.
    """
    where = check_engine(engine, address, device)
    described = _described(file)
    check_precisions(described, engine, where)
    folder = folder_of(described, out)
    kept = store_of(folder, store, keep_weights=keep_weights)
    status = sweep_status(described, kept)
    with (
        engine_named(engine, address, device, folder) as performs,
        progress_bar(described.name, status.work, show=progress) as advance,
    ):
        try:
            return run_sweep(described, folder, kept, performs, on_step=advance)
        except KeyboardInterrupt:
            rows = sweep_table(described, kept.rows)
            return give_back(rows, f"{rows['trial'].n_unique()} of {status.trials} trials are finished")


def _described(given: str | Path | Mapping[str, Any] | Sweep) -> Sweep:
    if isinstance(given, Sweep):
        return given
    return Sweep(**given) if isinstance(given, Mapping) else load_sweep(given)
