"""What tasks of a Ray cluster do in tests; the nodes import it, so it is a file of its own."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import torch

from iclscope.core.errors import BadRequest
from iclscope.execution.jobs import Job, Outcome
from iclscope.execution.ray_engine import run_job_remotely


def answer(job: Job, device: str) -> Outcome:
    """Say which trials the job has, and which process did it."""
    rows = pl.DataFrame({"trial": [trial.hash for trial in job.trials], "process": os.getpid(), "device": device})
    return Outcome(rows, {})


def refuse(job: Job, device: str) -> Outcome:
    """Find fault with the request."""
    raise BadRequest("task.alpha: expected 0 to 1")


def fail_at_length_4(job: Job, device: str) -> Outcome:
    """Fail where the context has four examples, train and test elsewhere."""
    if job.trials[0].task.length_range[1] == 4:
        raise ValueError("a bug at https://me:p@ss@h/x")
    return run_job_remotely(job, device)


def fit_one(job: Job, device: str) -> Outcome:
    """Have room for one trial at a time."""
    if len(job.planned) > 1:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")
    return run_job_remotely(job, device)


def die_at_length_4(job: Job, device: str) -> Outcome:
    """Take the process down where the context has four examples, every time."""
    return die(job, device) if job.trials[0].task.length_range[1] == 4 else run_job_remotely(job, device)


def die(job: Job, device: str) -> Outcome:
    """Take the process down, every time."""
    os._exit(3)


@dataclass(frozen=True)
class Noted:
    """Work that notes what it begins, waits a moment, and then trains and tests.

    Attributes:
        ledger: the file with the notes.
        seconds: how long it waits.
    """

    ledger: Path
    seconds: float

    def __call__(self, job: Job, device: str) -> Outcome:
        """Do it."""
        line = json.dumps({"node": os.environ["NODE"], "job": job.name}) + "\n"
        descriptor = os.open(self.ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(descriptor, line.encode())  # one write: whole in the file, however the process ends
        os.close(descriptor)
        time.sleep(self.seconds)
        return run_job_remotely(job, device)

    def lines(self) -> list[dict[str, str]]:
        """What has been noted."""
        if not self.ledger.exists():
            return []
        return [json.loads(line) for line in self.ledger.read_text(encoding="utf-8").splitlines()]
