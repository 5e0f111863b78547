"""What is finished of some trials, and what is left to do: weights, rows of tests, and who is at work on what."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path

from iclscope.core.errors import StorageFailed, unusable
from iclscope.execution.jobs import Job, Outcome, remove_unfinished, unfinished_path
from iclscope.execution.stores.leases import Leases
from iclscope.execution.stores.reservations import Reservations, reservations_at
from iclscope.execution.stores.row_store import RESERVED, TRAINED, RowStore
from iclscope.execution.stores.store import TrialStore
from iclscope.execution.stores.store_files import StoreFiles
from iclscope.execution.units import PlannedTrial

_LOOK_AGAIN = 5.0
"""Seconds after which rows of other processes are looked for."""


class Finished:
    """What is stored of trials.

    Attributes:
        weights: trained models.
        keep_weights: whether a trial without weights counts as missing.
    """

    def __init__(
        self,
        weights: TrialStore,
        rows: RowStore | None = None,
        *,
        keep_weights: bool = True,
        reservations: Reservations | Leases | None = None,
    ) -> None:
        """Name the places.

        Args:
            weights: of trained models.
            rows: of tests; None: nothing is tested.
            keep_weights: whether weights are wanted.
            reservations: of groups, where several processes share a store; None: nobody else is at work on them.
        """
        self.weights, self._rows, self.keep_weights = weights, rows, keep_weights
        self._reservations = reservations
        self._left: dict[str, int] = {}
        self._counting = threading.Lock()

    @classmethod
    def at(cls, files: StoreFiles, *, keep_weights: bool = False) -> Finished:
        """A store with rows at an address; nothing is written yet.

        Raises:
            BadRequest: if it cannot be read, saying why, and what to do.
        """
        rows = RowStore(files)
        try:
            rows.check()
            rows.refresh()
        except StorageFailed as error:
            raise unusable("store", files.address, str(error)) from error
        reservations = reservations_at(files, RESERVED)
        return cls(TrialStore(files, TRAINED), rows, keep_weights=keep_weights, reservations=reservations)

    @property
    def rows(self) -> RowStore:
        """The rows of tests, those of others in the same store among them.

        Raises:
            ValueError: where nothing is tested.
        """
        if self._rows is None:
            raise ValueError("these trials are not tested, so there are no rows")
        return self._rows

    def missing(self, planned: Sequence[PlannedTrial]) -> tuple[list[PlannedTrial], list[int]]:
        """The trials that are not finished, and the numbers of the tests that any of them lacks."""
        lacking, tests = ([], []) if self._rows is None else self._rows.missing(planned)
        if not self.keep_weights:
            return lacking, tests
        names = {one.trial.hash for one in lacking}
        names |= {trial.hash for trial in self.weights.missing([one.trial for one in planned])}
        return [one for one in planned if one.trial.hash in names], tests

    def jobs(self, groups: Iterable[Sequence[PlannedTrial]], training: Path) -> Iterator[Job | None]:
        """What is left to do, a group at a time; None while other processes do what is left.

        A group is reserved when it is given out, so that processes on one store share the work.

        Args:
            groups: trials that train together.
            training: where unfinished trainings are saved.
        """
        others: list[Sequence[PlannedTrial]] = []
        for group in groups:
            job, is_free = self._job(group, training)
            if job is not None:
                yield job
            elif not is_free:
                others.append(group)
        while others:
            if self._rows is not None:
                self._rows.refresh(after=1.0)
            for group in list(others):
                job, is_free = self._job(group, training)
                if is_free:
                    others.remove(group)
                if job is not None:
                    yield job
            if others:
                yield None

    def _job(self, group: Sequence[PlannedTrial], training: Path) -> tuple[Job | None, bool]:
        """What is left to do of a group, and whether the group is free, or finished."""
        if self._rows is not None:
            self._rows.refresh(after=_LOOK_AGAIN)
        lacking, tests = self.missing(group)
        if not lacking:
            return None, True
        name = Job(tuple(group)).name
        if self._reservations is not None and not self._reservations.take(name):
            return None, False
        # Another process may have finished it between the look and the reservation.
        if self._rows is not None:
            self._rows.look_for((one.trial.hash, one.tests[number].hash) for one in lacking for number in tests)
        if self._reservations is not None:
            lacking, tests = self.missing(group)
        if not lacking:
            self._release(name)
            return None, True
        # A training that was saved goes on in the company that it began in; what was stored of it is written again.
        if unfinished_path(training, name).exists():
            lacking = list(group)
        trials = [one.trial for one in lacking]
        known = tests and self._any_weights and not self.weights.missing(trials)
        trained = self.weights.read(trials) if known else None
        with self._counting:
            self._left[name] = len(lacking)
        return Job(tuple(lacking), tuple(tests), self.keep_weights and trained is None, trained, name), True

    @cached_property
    def _any_weights(self) -> bool:
        """Whether weights were stored when first asked; where none are, they need not be looked for again and again."""
        return bool(self.weights.files.names(TRAINED))

    def commit(self, job: Job, outcome: Outcome, training: Path) -> None:
        """Store what a job gave; rows come last, since a trial with rows is finished."""
        self.weights.write(outcome.weights)
        if self._rows is not None and outcome.rows is not None:
            self._rows.add(outcome.rows)
        remove_unfinished(training, job.name)
        self.give_up(job)

    def give_up(self, job: Job) -> None:
        """Let others try a job that failed here, or whose group is not finished: count down what is left of it."""
        with self._counting:
            self._left[job.group] = self._left.get(job.group, 0) - len(job.planned)
            is_over = self._left[job.group] <= 0
        if is_over:
            self._release(job.group)

    def _release(self, group: str) -> None:
        if self._reservations is not None:
            self._reservations.release(group)

    def set_on_notice(self, on_notice: Callable[[str], None] | None) -> None:
        """Send messages for the user to a callback instead of a warning."""
        if on_notice is not None and self._reservations is not None:
            self._reservations.on_notice = on_notice

    def close(self) -> None:
        """Give back what was reserved and not done."""
        if self._reservations is not None:
            self._reservations.release_all()
