"""``iclscope sweep``: the trials that a file describes, trained and tested."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import polars as pl
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.status import Status

from iclscope.cli.dry_run import counted, describe, status_text, time_text
from iclscope.core.environment import DEVICES
from iclscope.core.errors import ClusterFailed, StorageFailed
from iclscope.core.refusals import inside
from iclscope.execution.failures import FailedJob, IncompleteSweep
from iclscope.execution.jobs import Engine, Job
from iclscope.execution.stores.finished import Finished
from iclscope.sweeps.engines import ENGINES, check_engine, check_precisions, engine_named, folder_of, store_of
from iclscope.sweeps.estimate import estimate
from iclscope.sweeps.file.sweep_file import Sweep, load_sweep
from iclscope.sweeps.overview import overview
from iclscope.sweeps.run_sweep import SweepStatus, run_sweep, sweep_status
from iclscope.sweeps.sweep_folder import ROWS, SweepFolder

FAILED = 1
"""Exit status where a part of the work failed."""

_MOST_WARNINGS = 3

_MANY = 20_000
"""Trials that take more than some seconds to check."""


def sweep_command(
    file: Annotated[Path, typer.Argument(metavar="FILE.yaml", help="What to train and test (docs/sweeps.md).")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check every trial; print how many there are and how long they take.")
    ] = False,
    engine: Annotated[str, typer.Option(metavar="|".join(ENGINES), help="Engine that trains.")] = "local",
    address: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="HOST:PORT of the Ray cluster, with --engine ray; default: auto."),
    ] = None,
    device: Annotated[str, typer.Option(metavar="|".join(DEVICES), help="Device to train on.")] = "auto",
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Results folder; default: results/sweeps/NAME.")
    ] = None,
    store: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Folder or address (s3://…) of finished trials; default: DIR/store."),
    ] = None,
    keep_weights: Annotated[
        bool, typer.Option("--keep-weights", help="Store the trained weights too (safetensors).")
    ] = False,
) -> None:
    """Train and test every trial that a sweep file describes.

    What the store already holds is kept: an interrupted command, run again, trains only what is missing.
    """
    where = check_engine(engine, address, device)
    console = Console(highlight=False, markup=False, soft_wrap=True)
    with _print_warnings():
        sweep = load_sweep(file)
        folder = folder_of(sweep, out)
        check_precisions(sweep, engine, where)
        if dry_run:
            with _checking(sweep):
                found = overview(sweep, where)
            with _waiting("Timing a few steps"), inside(str(file), {}):
                expected = estimate(found, device=where)
            describe(console, sweep, found)
            console.print(time_text(expected))
            if store is not None or folder.default_store.exists():
                kept = store_of(folder, store, keep_weights=keep_weights)
                if text := status_text(sweep_status(sweep, kept)):
                    console.print(text)
            console.print(f"Nothing was trained. Without --dry-run, results go to {folder.path}.")
            return
        kept = store_of(folder, store, keep_weights=keep_weights)
        with _checking(sweep):
            status = sweep_status(sweep, kept)
    _print_damage(kept)
    before = folder.trials()
    done = FinishedTrials(status)
    failures: Sequence[FailedJob] = ()
    try:
        with engine_named(engine, address, device, folder) as performs:
            rows = _run(console, sweep, folder, kept, performs, done)
    except KeyboardInterrupt:
        console.print(f"Interrupted. {done.text}; the same command goes on from there.")
        raise
    except IncompleteSweep as incomplete:
        rows, failures = incomplete.rows, incomplete.failures
    except (ClusterFailed, StorageFailed) as error:
        raise type(error)(f"{error}. {done.text}") from error
    diverged = rows.filter(rows["diverged_at"].is_not_null())["trial"].n_unique()
    lost = f", {diverged:,} of which diverged" if diverged else ""
    failed = sum(len(failure.job.planned) for failure in failures)
    trials = f"{counted(status.trials, 'trial')} ({done.origins(failed)}){lost}"
    console.print(f"{sweep.name}: {trials}, {counted(rows.height, 'row')}")
    if gone := before.difference(rows["trial"]):
        left = f"{counted(len(gone), 'trial')} of the table before, which this sweep does not have"
        console.print(f"Left out: {left}; what a store holds of them stays there.")
    console.print(f"Rows: {folder.path / ROWS}")
    if failures:
        _print_failures(failures, folder)
        raise typer.Exit(FAILED)


class FinishedTrials:
    """How many trials are finished, counted as they are."""

    def __init__(self, status: SweepStatus) -> None:
        self._all, self._finished = status.trials, status.trials - status.missing
        self._trained = self._tested = 0
        self._lock = threading.Lock()
        self.status = status

    def add(self, job: Job) -> None:
        """Count trials of a group; called from several threads."""
        count = len(job.planned)
        with self._lock:
            self._finished += count
            if job.trained is None:
                self._trained += count
            else:
                self._tested += count

    @property
    def text(self) -> str:
        """For whoever stopped the sweep."""
        return f"{self._finished:,} of {self._all:,} trials are finished"

    def origins(self, failed: int = 0) -> str:
        """Where the trials of a sweep that has ended come from; those that other processes trained are found, too."""
        tested = f"{self._tested:,} only tested, " if self._tested else ""
        lost = f", {failed:,} failed" if failed else ""
        found = self._all - self._trained - self._tested - failed
        return f"{self._trained:,} trained now, {tested}{found:,} found in the store{lost}"


def _run(
    console: Console, sweep: Sweep, folder: SweepFolder, store: Finished, engine: Engine, done: FinishedTrials
) -> pl.DataFrame:
    """Train and test, with a bar on a terminal and silence elsewhere."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # told when the trials were checked
        if not console.is_terminal or done.status.work == 0:
            return run_sweep(sweep, folder, store, engine, on_finished=done.add, on_notice=_print_note)
        with progress_on(console) as progress:
            bar = progress.add_task("training", total=done.status.work)

            def advance(made: int) -> None:
                progress.update(bar, advance=made, description=done.text)

            return run_sweep(sweep, folder, store, engine, on_step=advance, on_finished=done.add, on_notice=_print_note)


def progress_on(console: Console) -> Progress:
    """What is done, for how long that took, and how long the rest may take."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TimeElapsedColumn(),
        TextColumn("so far,"),
        TimeRemainingColumn(),
        TextColumn("left"),
    )
    return Progress(*columns, console=console, transient=True)


def _print_failures(failures: Sequence[FailedJob], folder: SweepFolder) -> None:
    """Name every group that failed, with its settings and the reason."""
    for failure in failures:
        typer.echo(f"failed: {failure.text}", err=True)
    traces = folder.training / "failed-*.txt"
    typer.echo(
        f"iclscope: {counted(len(failures), 'group')} of trials failed; where is in {traces}. All others are finished; "
        "the same command trains only these again.",
        err=True,
    )


def _print_note(text: str) -> None:
    typer.echo(f"note: {text}", err=True)


def _print_damage(store: Finished) -> None:
    """Name files of rows that cannot be read, or that are not ours."""
    where = store.rows.files.address
    for name in store.rows.damaged:
        typer.echo(f"warning: {where}/{name} is damaged, and its trials are trained again", err=True)
    for name in store.rows.foreign:
        typer.echo(f"warning: {where}/{name} is not of iclscope, and is left as it is", err=True)


def _checking(sweep: Sweep) -> Status:
    """Say how many trials are checked: where they are many that takes minutes, on a terminal or not."""
    if sweep.count >= _MANY:
        typer.echo(f"{sweep.name}: checking {sweep.count:,} trials, which takes a while", err=True)
    return _waiting(f"Checking {counted(sweep.count, 'trial')}")


def _waiting(text: str) -> Status:
    """What is being done, on a terminal only."""
    return Console(stderr=True).status(text)


@contextmanager
def _print_warnings() -> Iterator[None]:
    """Print warnings as lines of their own, each once, instead of Python's way."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    texts = list(dict.fromkeys(str(warning.message) for warning in caught))
    for text in texts[:_MOST_WARNINGS]:
        typer.echo(f"warning: {' '.join(text.split())}", err=True)
    if len(texts) > _MOST_WARNINGS:
        typer.echo(f"warning: and {len(texts) - _MOST_WARNINGS:,} more like these", err=True)
