"""Jobs on this machine: one group per core, or one at a time on a GPU."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path

import torch

from iclscope.core.memory import usable_memory
from iclscope.core.threads import one_thread_per_operation
from iclscope.execution.jobs import Job, OnFailed, OnRunSteps, Outcome, run_job
from iclscope.execution.parts import JobQueue, free_after
from iclscope.training.interrupts import deferred_interrupt

PATIENCE = 4.0
"""Seconds that groups under way have to save and stop after Ctrl-C; after that they are dropped."""

_WAKE_UP = 0.2
"""Seconds; waking up now and then lets Python notice Ctrl-C."""


class LocalEngine:
    """Performs jobs in threads of this process; nothing to set up.

    Attributes:
        device: what the groups are trained on.
    """

    def __init__(
        self,
        device: torch.device | str = "cpu",
        *,
        workers: int | None = None,
        folder: Path | None = None,
        memory: int | None = None,
    ) -> None:
        """Choose where and how many.

        Args:
            device: where to train.
            workers: how many groups to train at a time; None: one per core on a CPU, one on a GPU. The numbers do not
                depend on it.
            folder: where unfinished trainings are saved, and logs of long ones; None: nowhere.
            memory: bytes that all jobs together may use on a CPU; None: what this process may (`usable_memory`). A GPU
                says itself what does not fit.
        """
        self.device = torch.device(device)
        self._workers = workers or workers_on(self.device)
        self._folder = folder
        self._memory = memory

    def run(
        self,
        jobs: Iterator[Job | None],
        commit: Callable[[Job, Outcome], None],
        *,
        on_step: OnRunSteps | None = None,
        on_failed: OnFailed | None = None,
        on_notice: Callable[[str], None] | None = None,
    ) -> None:
        """Perform jobs, as `Engine.run` says.

        Raises:
            KeyboardInterrupt: on Ctrl-C, once every group under way is saved, or dropped if that takes too long.
        """
        failed = False

        def should_stop() -> bool:
            return interrupt.made or failed

        def work(job: Job) -> None:
            if should_stop():
                return
            try:
                outcome = run_job(job, self.device, folder=self._folder, on_step=on_step, should_stop=should_stop)
            except Exception as error:
                if not queue.failed(job, error):
                    raise
                free_after(error, self.device)
                return
            commit(job, outcome)

        queue = JobQueue(
            jobs, device=self.device, on_failed=on_failed, on_notice=on_notice, memory=self._memory_of_a_job()
        )
        pool = ThreadPoolExecutor(self._workers)
        under_way: set[Future[None]] = set()
        error: BaseException | None = None
        stop_requested_at: float | None = None
        with deferred_interrupt() as interrupt, one_thread_per_operation():
            try:
                while not queue.is_empty or under_way:
                    # One job more than there are workers, so that none waits while the next is made.
                    while not should_stop() and len(under_way) <= self._workers:
                        job = queue.take()
                        if job is None:
                            break
                        under_way.add(pool.submit(work, job))
                    if should_stop():
                        stop_requested_at = stop_requested_at or time.monotonic()
                        if not under_way or (time.monotonic() - stop_requested_at > PATIENCE and interrupt.made):
                            break
                    if under_way:
                        done, under_way = wait(under_way, timeout=_WAKE_UP, return_when=FIRST_COMPLETED)
                        for future in done:
                            found = future.exception()
                            if found is not None and not isinstance(found, KeyboardInterrupt):
                                error, failed = error or found, True
                    elif not queue.is_empty:
                        time.sleep(_WAKE_UP)
            except BaseException:
                failed = True
                raise
            finally:
                pool.shutdown(wait=not under_way or not interrupt.made, cancel_futures=True)
            if error is not None:
                raise error
            if interrupt.made:
                raise KeyboardInterrupt

    def _memory_of_a_job(self) -> int | None:
        """Bytes that each of the jobs that are performed at a time may use, where that can be said beforehand."""
        if self.device.type != "cpu":
            return None
        return (usable_memory() if self._memory is None else self._memory) // self._workers


def workers_on(device: torch.device) -> int:
    """How many groups train at a time on a device: one per core, or one on a GPU."""
    return cores() if device.type == "cpu" else 1


def cores() -> int:
    """The cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
