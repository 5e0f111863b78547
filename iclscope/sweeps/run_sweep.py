"""A sweep from its trials to its table: train and test what no store holds yet, then write the rows."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import NamedTuple

import polars as pl

from iclscope.core.errors import BadRequest, StorageFailed
from iclscope.execution.failures import FailedJob, IncompleteSweep
from iclscope.execution.groups import step_cost
from iclscope.execution.jobs import Engine, Job, OnRunSteps, Outcome, forget_unfinished, unfinished_path
from iclscope.execution.stores.reservations import Reservations
from iclscope.execution.stores.row_store import RESERVED, TRAINED, RowStore
from iclscope.execution.stores.store import TrialStore
from iclscope.execution.stores.store_files import StoreFiles
from iclscope.execution.units import PlannedTrial
from iclscope.sweeps.file.sweep_file import Sweep
from iclscope.sweeps.sweep_folder import SweepFolder
from iclscope.sweeps.table import sweep_table
from iclscope.sweeps.windows import sweep_groups, windows_of

_LOOK_AGAIN = 5.0
"""Seconds after which rows of other processes are looked for."""

_QUICKLY_TOLD = 5000
"""Trials of which a table is made within a second or two, as after Ctrl-C."""


class Standing(NamedTuple):
    """How far a sweep is.

    Attributes:
        trials: how many different trials it has.
        missing: how many of them are not finished.
        work: what is left to train, in runs times steps times `step_cost`.
    """

    trials: int
    missing: int
    work: int


class SweepStore:
    """What a sweep has stored: rows, and weights where they are wanted.

    Attributes:
        rows: its rows, and those of other sweeps in the same store.
        weights: trained models.
        keep_weights: whether a trial without weights counts as missing.
    """

    def __init__(self, files: StoreFiles, *, keep_weights: bool = False) -> None:
        """Refuse a store that cannot be read; nothing is written yet.

        Raises:
            BadRequest: saying why, and what to do.
        """
        self.rows = RowStore(files)
        try:
            self.rows.check()
            self.rows.refresh()
        except StorageFailed as error:
            raise BadRequest(f"store = {files.address!r} is not allowed: {error}") from error
        self.weights = TrialStore(files, TRAINED)
        self.keep_weights = keep_weights
        folder = None if files.local is None else files.local / RESERVED
        self._reservations = Reservations(folder)
        self._left: dict[str, int] = {}
        self._counting = threading.Lock()

    def standing(self, sweep: Sweep) -> Standing:
        """Check every trial of a sweep, and count what is missing.

        Raises:
            BadRequest: if a trial is not allowed.
        """
        trials = missing = work = 0
        for window in windows_of(sweep):
            trials += len(window)
            for one in self._missing(window)[0]:
                missing += 1
                work += one.trial.training.steps * step_cost(one.trial)
        return Standing(trials, missing, work)

    def _missing(self, planned: list[PlannedTrial]) -> tuple[list[PlannedTrial], list[int]]:
        """The trials that are not finished, and the tests that any of them lacks."""
        lacking, tests = self.rows.missing(planned)
        if not self.keep_weights:
            return lacking, tests
        names = {one.trial.hash for one in lacking}
        names |= {trial.hash for trial in self.weights.missing([one.trial for one in planned])}
        return [one for one in planned if one.trial.hash in names], tests

    def jobs(self, sweep: Sweep, engine: Engine, folder: SweepFolder) -> Iterator[Job | None]:
        """What is left to do, a group at a time; None while other processes do what is left.

        A group is reserved when it is given out, so that processes on one store share the work.
        """
        others: list[tuple[PlannedTrial, ...]] = []
        for group in sweep_groups(sweep, engine.device):
            job, is_free = self._job(group, folder)
            if job is not None:
                yield job
            elif not is_free:
                others.append(group)
        while others:
            self.rows.refresh(after=1.0)
            for group in list(others):
                job, is_free = self._job(group, folder)
                if is_free:
                    others.remove(group)
                if job is not None:
                    yield job
            if others:
                yield None

    def _job(self, group: tuple[PlannedTrial, ...], folder: SweepFolder) -> tuple[Job | None, bool]:
        """What is left to do of a group, and whether the group is free, or finished."""
        self.rows.refresh(after=_LOOK_AGAIN)
        lacking, tests = self._missing(list(group))
        if not lacking:
            return None, True
        name = Job(group).name
        if not self._reservations.take(name):
            return None, False
        # Another process may have finished it between the look and the reservation.
        self.rows.look_for((one.trial.hash, one.tests[number].hash) for one in lacking for number in tests)
        lacking, tests = self._missing(list(group))
        if not lacking:
            self._reservations.give_back(name)
            return None, True
        # A training that was saved goes on in the company that it began in.
        if unfinished_path(folder.training, name).exists():
            lacking = list(group)
        trials = [one.trial for one in lacking]
        known = self._any_weights and not self.weights.missing(trials)
        trained = self.weights.read(trials) if known else None
        with self._counting:
            self._left[name] = len(lacking)
        return Job(tuple(lacking), tuple(tests), self.keep_weights and trained is None, trained, name), True

    @cached_property
    def _any_weights(self) -> bool:
        """Whether weights were stored when first asked; where none are, they need not be looked for again and again."""
        return bool(self.weights.files.names(TRAINED))

    def commit(self, job: Job, outcome: Outcome, folder: SweepFolder) -> None:
        """Store what a job gave; rows come last, since a trial with rows is finished."""
        self.weights.write(outcome.weights)
        if outcome.rows is not None:
            self.rows.add(outcome.rows)
        forget_unfinished(folder.training, job.name)
        folder.forget_failure(job.name)
        self._end(job)

    def give_up(self, job: Job) -> None:
        """Let others try a job that failed here."""
        self._end(job)

    def _end(self, job: Job) -> None:
        """Count down what is left of a group, which may be performed in parts; at the end it is free again."""
        with self._counting:
            self._left[job.group] = self._left.get(job.group, 0) - len(job.planned)
            is_over = self._left[job.group] <= 0
        if is_over:
            self._reservations.give_back(job.group)

    def tell(self, told: Callable[[str], None] | None) -> None:
        """Let what the user should know be told so, and not by a warning."""
        self._reservations.told = told

    def close(self) -> None:
        """Give back what was reserved and not done."""
        self._reservations.give_all_back()


def run_sweep(
    sweep: Sweep,
    folder: SweepFolder,
    store: SweepStore,
    engine: Engine,
    *,
    on_step: OnRunSteps | None = None,
    on_finished: Callable[[Job], None] | None = None,
    told: Callable[[str], None] | None = None,
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
        told: told what the user should know, as that of `Engine.run`.

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
    store.tell(told)

    def commit(job: Job, outcome: Outcome) -> None:
        store.commit(job, outcome, folder)
        if on_finished is not None:
            on_finished(job)

    failures: list[FailedJob] = []

    def give_up(job: Job, error: Exception) -> None:
        failure = FailedJob.of(job, error)
        failures.append(failure)
        folder.note_trace(job.name, failure.trace)
        store.give_up(job)

    try:
        jobs = store.jobs(sweep, engine, folder)
        engine.run(jobs, commit, on_step=on_step, on_failed=give_up, told=told)
    except (KeyboardInterrupt, StorageFailed):
        if sweep.count <= _QUICKLY_TOLD:
            with contextlib.suppress(StorageFailed):
                folder.write_rows(sweep_table(sweep, store.rows))
        raise
    finally:
        store.close()
    rows = sweep_table(sweep, store.rows)
    folder.write_rows(rows)
    if failures:
        folder.start(sweep, address, store.rows.id, [failure.to_json() for failure in failures])
        raise IncompleteSweep(failures, rows, sweep.count)
    return rows
