"""Jobs in the order in which they come, and before them the halves of those that did not fit into memory."""

from __future__ import annotations

import threading
import warnings
from collections import deque
from collections.abc import Callable, Iterator

import torch

from iclscope.core.memory import free_memory, is_out_of_memory
from iclscope.execution.failures import FATAL
from iclscope.execution.jobs import Job, OnFailed
from iclscope.execution.memory_need import halves, parts_that_fit


class JobQueue:
    """What an engine takes its jobs from.

    Attributes:
        is_empty: whether nothing is left; a job under way may still give halves.
    """

    def __init__(
        self,
        jobs: Iterator[Job | None],
        *,
        device: torch.device,
        on_failed: OnFailed | None,
        on_notice: Callable[[str], None] | None,
        memory: int | None = None,
    ) -> None:
        """Take jobs from somewhere.

        Args:
            jobs: as `Engine.run` takes them.
            device: where they are performed, for the note.
            on_failed: as that of `Engine.run`.
            on_notice: likewise.
            memory: bytes that a job may use; None: that is not known beforehand.
        """
        self._jobs, self._device, self._memory = jobs, device, memory
        self._on_failed, self._on_notice = on_failed, on_notice
        self._waiting: deque[Job] = deque()
        self._supply_ended = False
        self._has_said = False
        self._lock = threading.Lock()

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing more to take."""
        return self._supply_ended and not self._waiting

    def take(self) -> Job | None:
        """The next job; None if there is none now."""
        with self._lock:
            if self._waiting:
                return self._waiting.popleft()
        if self._supply_ended:
            return None
        try:
            job = next(self._jobs)
        except StopIteration:
            self._supply_ended = True
            return None
        if job is None or self._memory is None:
            return job
        first, *others = parts_that_fit(job, self._memory)
        if others:
            self._say(f"{_group_text(job)} would not fit into the memory of this machine; groups are trained in parts")
        self._waiting.extend(others)
        return first

    def failed(self, job: Job, error: Exception) -> bool:
        """Deal with the failure of a job: put its halves here, or tell of it.

        Returns:
            Whether it is dealt with; False: the caller is to raise it.
        """
        if isinstance(error, FATAL):
            return False
        if is_out_of_memory(error) and len(job.planned) > 1:
            self._say(f"{_group_text(job)} did not fit into the memory of {self._device}; groups are trained in parts")
            with self._lock:
                self._waiting.extendleft(reversed(halves(job)))
            return True
        if self._on_failed is None:
            return False
        self._on_failed(job, error)
        return True

    def _say(self, text: str) -> None:
        with self._lock:
            if self._has_said:
                return
            self._has_said = True
        if self._on_notice is None:
            warnings.warn(text, UserWarning, stacklevel=3)
        else:
            self._on_notice(text)


def free_after(error: Exception, device: torch.device | str) -> None:
    """Give memory back after an error that says there was too little."""
    if is_out_of_memory(error):
        error.__traceback__ = None  # it keeps the tensors of all frames alive
        error.__context__ = None
        free_memory(device)


def _group_text(job: Job) -> str:
    return f"a group of {len(job.planned)} trials"
