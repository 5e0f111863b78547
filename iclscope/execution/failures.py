"""Jobs that failed while all others went on: which settings they are of, and why."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from typing import Any, NamedTuple

import polars as pl

from iclscope.core.addresses import without_secrets
from iclscope.core.errors import BadRequest, ClusterFailed, JobsFailed, StorageFailed
from iclscope.core.memory import is_out_of_memory
from iclscope.core.yaml_text import as_written
from iclscope.execution.jobs import Job

FATAL = (StorageFailed, ClusterFailed)
"""Errors that no other job would be spared: they end the work."""

_LONGEST_REASON = 300
_MOST_POINTS = 3


class FailedJob(NamedTuple):
    """A job that failed.

    Attributes:
        job: its trials.
        reason: why, in one line.
        trace: where, as Python tells it.
    """

    job: Job
    reason: str
    trace: str

    @classmethod
    def of(cls, job: Job, error: Exception) -> FailedJob:
        """A job and the error that it ended with, of which no tensor is kept alive."""
        trace = "".join(traceback.format_exception(error))
        return cls(job, reason_of(error), without_secrets(trace))

    @property
    def settings(self) -> str:
        """The varied settings of its trials and their seeds, in one line."""
        seeds: dict[str, list[int]] = {}
        for one in self.job.planned:
            point = ", ".join(f"{name} = {as_written(value)}" for name, value in one.varied.items())
            seeds.setdefault(point, []).append(one.trial.seed)
        named = [f"{point}{', ' if point else ''}{_seeds_text(of_it)}" for point, of_it in seeds.items()]
        more = len(named) - _MOST_POINTS
        return "; ".join(named[:_MOST_POINTS]) + (f"; and {more} more points" if more > 0 else "")

    @property
    def text(self) -> str:
        """For whoever ran the sweep: settings and reason, in one line."""
        count = len(self.job.planned)
        return f"{count} trial{'s' * (count != 1)} ({self.settings}): {self.reason}"

    def to_json(self) -> dict[str, Any]:
        """For a note."""
        return {
            "trials": [trial.hash for trial in self.job.trials],
            "settings": self.settings,
            "reason": self.reason,
        }


class IncompleteSweep(JobsFailed):
    """A sweep some of whose jobs failed; all others are stored and in the table.

    Attributes:
        failures: those that failed.
        rows: the table of the others.
    """

    def __init__(self, failures: Sequence[FailedJob], rows: pl.DataFrame, trials: int) -> None:
        failed = sum(len(failure.job.planned) for failure in failures)
        more = f"; and {len(failures) - 1} more groups" if len(failures) > 1 else ""
        super().__init__(
            f"{failed} of {trials} trials failed: {failures[0].text}{more}. The others are finished and kept; the same "
            "call trains only these again"
        )
        self.failures = tuple(failures)
        self.rows = rows


def reason_of(error: Exception) -> str:
    """Why something failed, in one short line without what is secret."""
    if is_out_of_memory(error):
        said = "it does not fit into memory"
    elif isinstance(error, BadRequest):
        said = str(error)
    else:
        said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    line = without_secrets(" ".join(said.split()))
    return line if len(line) <= _LONGEST_REASON else f"{line[: _LONGEST_REASON - 1]}…"


def _seeds_text(seeds: Sequence[int]) -> str:
    if len(seeds) == 1:
        return f"seed {seeds[0]}"
    in_a_row = list(seeds) == list(range(seeds[0], seeds[0] + len(seeds)))
    return f"seeds {seeds[0]} … {seeds[-1]}" if in_a_row else f"seeds {', '.join(map(str, seeds))}"
