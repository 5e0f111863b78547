"""Sweeps and jobs that tests give to a Ray cluster."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import polars as pl
from sweeps.sweep_processes import yaml_of

import iclscope
from iclscope.execution.jobs import Job, Outcome
from iclscope.execution.ray_engine import RayEngine, Work, run_job_remotely
from iclscope.execution.stores.finished import Finished
from iclscope.execution.stores.store_files import StoreFiles
from iclscope.sweeps.file.sweep_file import Sweep, load_sweep
from iclscope.sweeps.run_sweep import run_sweep
from iclscope.sweeps.sweep_folder import SweepFolder

SOURCES = (Path(iclscope.__file__).parents[1], Path(__file__).parents[1])
"""Where this package and these tests lie."""


def sweep_of(folder: Path, groups: int) -> Sweep:
    """A sweep of so many groups, at least two, of four trials."""
    file = folder / "sweep.yaml"
    file.write_text(yaml_of(lengths=groups, shares=2, seeds=2), encoding="utf-8")
    return load_sweep(file)


def jobs_of(folder: Path, count: int) -> list[Job]:
    """So many jobs, of one trial each."""
    return [Job((one,)) for one in islice(sweep_of(folder, max(2, count)).trials(), count)]


def run_there(sweep: Sweep, path: Path, engine: RayEngine, work: Work = run_job_remotely) -> pl.DataFrame:
    """Run a sweep on a cluster, with its results in a folder."""
    folder = SweepFolder(path, sweep.name)
    engine.work = work
    return run_sweep(sweep, folder, Finished.at(StoreFiles(folder.default_store)), engine)


def perform_all(engine: RayEngine, jobs: list[Job], work: Work) -> list[tuple[Job, Outcome]]:
    """Perform jobs on a cluster; returns what was committed."""
    committed: list[tuple[Job, Outcome]] = []
    engine.work = work
    engine.run(iter(jobs), lambda job, outcome: committed.append((job, outcome)))
    return committed
