"""The command as processes of its own, that can be killed, starved and watched.

Each process runs `iclscope sweep` as a user's does. It only notes, in a ledger, which trials it begins to train. It is
forked from one that has imported the package already: a start takes a tenth of a second, not five.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
from sweeps.noted_sweep import sweep_noted

from iclscope.execution.stores.row_store import RowStore
from iclscope.execution.stores.store_files import StoreFiles

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["iclscope.cli.sweep", "iclscope.models.pattern_engine.compiled"])

PATIENCE = 120.0
"""Seconds after which a process that should have said something is taken for stuck."""


def yaml_of(
    *, length: int = 4, lengths: int = 2, shares: int = 5, seeds: int = 5, steps: int = 20, prompts: int = 16
) -> str:
    """A sweep with so many trials; those of one length train together."""
    return f"""
paper: li2024
base:
  task: {{M1: 4, M2: 6, d_X: 10, d_Y: 6}}
  model: {{d_X: 10, d_Y: 6, width: 12}}
  training: {{steps: {steps}, batch_size: 32}}
vary:
  task.length: {{from: {length}, to: {length + lengths - 1}, count: {lengths}, integer: true}}
  task.alpha: {{from: 0.2, to: 0.9, count: {shares}}}
seeds: {seeds}
tests:
  unseen: {{task: {{tasks: unseen}}, prompts: {prompts}}}
"""


class Ended(NamedTuple):
    """A process that has ended.

    Attributes:
        status: its exit status; minus the signal's number, if that ended it.
        out: what it printed.
        err: what it complained of.
    """

    status: int
    out: str
    err: str


class SweepProcess:
    """A running `iclscope sweep`; it is killed at the end of a block that it opens, if it has not ended by then."""

    def __init__(self, ledger: Path, arguments: Sequence[str], *, first: str = "") -> None:
        """Start it.

        Args:
            ledger: where it notes the trials that it begins.
            arguments: what comes after `iclscope sweep`.
            first: Python that it runs before.
        """
        self._ledger = ledger
        self._told = Path(tempfile.mkdtemp(dir=ledger.parent, prefix="told-"))
        out, err = (str(self._told / name) for name in ("out", "err"))
        self._process = _FORKS.Process(target=sweep_noted, args=(str(ledger), list(arguments), out, err, first))
        self._process.start()

    def __enter__(self) -> SweepProcess:
        return self

    def __exit__(self, *_: object) -> None:
        if self.running:
            with suppress(ProcessLookupError):  # it has no group yet
                os.killpg(self._pid, signal.SIGKILL)
            self._process.kill()
        self._process.join()

    def wait_until_training(self, groups: int = 1) -> None:
        """Wait until it has begun to train so many groups, or has ended."""
        deadline = time.monotonic() + PATIENCE
        while self.running and len(self._lines()) < groups:
            assert time.monotonic() < deadline, "the process does not come to train"
            time.sleep(0.01)

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._process.is_alive()

    @property
    def begun(self) -> list[str]:
        """The hashes of the trials that it began to train, as often as it began."""
        return [name for line in self._lines() for name in line["trials"]]

    def _lines(self) -> list[dict[str, Any]]:
        return [line for line in ledger_lines(self._ledger) if line["process"] == self._pid]

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        os.kill(self._pid, number)

    def ended(self, timeout: float = PATIENCE) -> Ended:
        """Wait for its end."""
        self._process.join(timeout)
        assert self._process.exitcode is not None, "the process does not end"
        out, err = ((self._told / name).read_text(encoding="utf-8") for name in ("out", "err"))
        return Ended(self._process.exitcode, out, err)

    @property
    def _pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid


def ledger_lines(ledger: Path) -> list[dict[str, Any]]:
    """What all processes have noted."""
    return [json.loads(line) for line in ledger.read_text(encoding="utf-8").splitlines()] if ledger.exists() else []


def finished_in(store: Path) -> set[str]:
    """The hashes of the trials whose rows a store holds."""
    rows = RowStore(StoreFiles(store))
    rows.refresh()
    return set(rows.rows()["trial"])


def table_in(folder: Path) -> pl.DataFrame:
    """The table of a sweep, as a user reads it."""
    return pl.read_parquet(folder / "rows.parquet")
