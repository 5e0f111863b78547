"""A plain log of a training: one JSON line now and then, for whoever follows a long run or plots its loss."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from iclscope.training.trial import Trial

LINES = 500
"""About how many lines a training writes, however long it is."""

LONG = 1000
"""Steps from which on a training is worth a log; figures of many short trainings would drown in files."""


class TrainingLog:
    """Appends step, seconds and training loss of each run to a file; a training that goes on adds to its old lines.

    The lines of steps that were made twice, since the last save lay before them, are there twice: the later ones count,
    and they are equal but for the time.
    """

    def __init__(self, path: Path, trials: Sequence[Trial]) -> None:
        """Prepare a log; nothing is written before the first line.

        Args:
            path: the file, JSON lines.
            trials: the runs.
        """
        self._path = path
        self._hashes = [trial.hash for trial in trials]
        self._every = max(1, trials[0].training.steps // LINES)
        self._started = time.monotonic()

    def __call__(self, step: int, live: Sequence[int], losses: Tensor) -> None:
        """Note the losses of a step, if it is one of those that are noted."""
        if step % self._every:
            return
        values = dict(zip((self._hashes[i] for i in live), losses.tolist(), strict=True))
        line = {"step": step, "seconds": round(time.monotonic() - self._started, 1), "loss": values}
        # A training that starts over, perhaps by --force, does not append to an old log.
        with self._path.open("a" if step else "w", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
