"""What a sweep amounts to, from its trials one by one: how many there are, and which train together."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch

from iclscope.experiments.trial import Trial
from iclscope.sweeps.designs import Grid
from iclscope.sweeps.planned import PlannedTrial
from iclscope.sweeps.sweep_file import Sweep


@dataclass
class Shape:
    """Trials of equal shape, which train together.

    Attributes:
        first: the first of them.
        count: how many there are.
        at_a_time: how many train together at most.
    """

    first: PlannedTrial
    count: int
    at_a_time: int

    @property
    def groups(self) -> int:
        """In how many groups they train."""
        return math.ceil(self.count / self.at_a_time)

    def sample_group(self, runs: int | None = None) -> list[Trial]:
        """A group as large as theirs, or of so many runs: the first trial with other seeds."""
        trial = self.first.trial
        size = min(self.count, self.at_a_time) if runs is None else runs
        return [trial.model_copy(update={"seed": trial.seed + number}) for number in range(size)]


class Overview(NamedTuple):
    """What a sweep amounts to.

    Attributes:
        trials: how many trials the sweep has.
        different: how many of them differ; only a design that draws from lists can draw one twice.
        shapes: the different trials by shape, in the order of their first.
    """

    trials: int
    different: int
    shapes: list[Shape]

    @property
    def groups(self) -> int:
        """In how many groups the trials train."""
        return sum(shape.groups for shape in self.shapes)


def overview(sweep: Sweep, device: torch.device | str = "cpu") -> Overview:
    """Check every trial of a sweep and count those that train together; memory does not grow with their number.

    Args:
        sweep: the sweep.
        device: where it would be trained, which decides how many train at a time.

    Raises:
        BadRequest: if a trial is not allowed.
    """
    shapes: dict[bytes, Shape] = {}
    trials = different = 0
    for planned, is_new in _told_apart(sweep):
        trials += 1
        if not is_new:
            continue
        different += 1
        key = _digest(repr(planned.trial.shape))
        if key in shapes:
            shapes[key].count += 1
        else:
            shapes[key] = Shape(planned, 1, planned.trial.model.runs_at_a_time(torch.device(device)))
    return Overview(trials, different, list(shapes.values()))


def _told_apart(sweep: Sweep) -> Iterator[tuple[PlannedTrial, bool]]:
    """Each trial, and whether it is the first of its kind."""
    if isinstance(sweep.design, Grid):  # its values differ, so its trials do
        yield from ((planned, True) for planned in sweep.trials())
        return
    seen: set[bytes] = set()
    for planned in sweep.trials():
        key = _digest(planned.trial.hash)
        yield planned, key not in seen
        seen.add(key)


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=16).digest()
