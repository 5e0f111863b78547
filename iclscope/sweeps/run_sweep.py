"""A sweep from its trials to its table: train and test what no store holds yet, then write the rows."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import NamedTuple

import polars as pl

from iclscope.core.errors import StorageFailed
from iclscope.execution.failures import FailedJob, IncompleteSweep
from iclscope.execution.groups import step_cost
from iclscope.execution.jobs import Engine, Job, OnRunSteps
from iclscope.execution.run_trials import run_planned
from iclscope.execution.stores.finished import Finished
from iclscope.sweeps.file.sweep_file import Sweep
from iclscope.sweeps.sweep_folder import SweepFolder
from iclscope.sweeps.table import sweep_table
from iclscope.sweeps.windows import sweep_groups, windows_of

_QUICKLY_TOLD = 5000
"""Trials of which a table is made within a second or two, as after Ctrl-C."""


class SweepStatus(NamedTuple):
    """How far a sweep is.

    Attributes:
        trials: how many different trials it has.
        missing: how many of them are not finished.
        work: what is left to train, in runs times steps times `step_cost`.
    """

    trials: int
    missing: int
    work: int


def sweep_status(sweep: Sweep, store: Finished) -> SweepStatus:
    """Check every trial of a sweep, and count what a store lacks of it.

    Raises:
        BadRequest: if a trial is not allowed.
    """
    trials = missing = work = 0
    for window in windows_of(sweep):
        trials += len(window)
        for one in store.missing(window)[0]:
            missing += 1
            work += one.trial.training.steps * step_cost(one.trial)
    return SweepStatus(trials, missing, work)


def run_sweep(
    sweep: Sweep,
    folder: SweepFolder,
    store: Finished,
    engine: Engine,
    *,
    on_step: OnRunSteps | None = None,
    on_finished: Callable[[Job], None] | None = None,
    on_notice: Callable[[str], None] | None = None,
) -> pl.DataFrame:
    """Train and test the trials that the store does not hold yet, and write the rows.

    An interrupted call leaves finished groups stored and those under way saved; called again, it goes on there. It
    writes the table of what is finished, if that does not take long. A group that fails does not end the others.

    Args:
        sweep: the sweep.
        folder: where results go.
        store: where finished trials are.
        engine: what trains.
        on_step: as that of `Engine.run`.
        on_finished: called with what was left to do of a group, once it is stored; from several threads.
        on_notice: called with messages for the user, as in `Engine.run`.

    Returns:
        The rows (`table.sweep_table`).

    Raises:
        BadRequest: if a folder cannot be written to, or a trial is not allowed.
        IncompleteSweep: at the end, if groups failed; all else is stored and in the table.
        KeyboardInterrupt: on Ctrl-C, once every group under way is saved or dropped.
        StorageFailed: if results can no longer be written.
    """
    address = store.rows.files.address
    folder.start(sweep, address)  # first, as a folder with a store and without a note would be taken for another's
    store.rows.open()
    folder.start(sweep, address, store.rows.id)
    failures: list[FailedJob] = []

    def clear_failure(job: Job) -> None:
        folder.remove_traceback(job.name)
        if on_finished is not None:
            on_finished(job)

    def record_failure(failure: FailedJob) -> None:
        failures.append(failure)
        folder.write_traceback(failure.job.name, failure.trace)

    try:
        run_planned(
            sweep_groups(sweep, engine.device),
            store,
            engine,
            folder.training,
            on_step=on_step,
            on_finished=clear_failure,
            on_failed=record_failure,
            on_notice=on_notice,
        )
    except (KeyboardInterrupt, StorageFailed):
        if sweep.count <= _QUICKLY_TOLD:
            with contextlib.suppress(StorageFailed):
                folder.write_rows(sweep_table(sweep, store.rows))
        raise
    rows = sweep_table(sweep, store.rows)
    folder.write_rows(rows)
    if failures:
        folder.start(sweep, address, store.rows.id, [failure.to_json() for failure in failures])
        raise IncompleteSweep(failures, rows, sweep.count)
    return rows
