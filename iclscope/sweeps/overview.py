"""What a sweep amounts to, from its trials one by one: how many there are, and which train together."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import NamedTuple

import torch

from iclscope.execution.units import PlannedTrial
from iclscope.sweeps.file.sweep_file import Sweep
from iclscope.sweeps.windows import windows_of
from iclscope.training.trial import Trial


@dataclass
class Shape:
    """Trials of equal shape, which train together.

    Attributes:
        first: the first of them.
        at_a_time: how many train together at most.
        count: how many there are.
        groups: in how many groups they train.
    """

    first: PlannedTrial
    at_a_time: int
    count: int = 0
    groups: int = 0

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
    shapes: dict[str, Shape] = {}
    for window in windows_of(sweep):
        counts: Counter[str] = Counter()
        for planned in window:
            key = repr(planned.trial.shape)
            counts[key] += 1
            if key not in shapes:
                shapes[key] = Shape(planned, planned.trial.model.runs_at_a_time(torch.device(device)))
        for key, count in counts.items():
            shapes[key].count += count
            shapes[key].groups += math.ceil(count / shapes[key].at_a_time)
    different = sum(shape.count for shape in shapes.values())
    return Overview(sweep.count, different, list(shapes.values()))
