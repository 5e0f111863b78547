"""Which trials train together, and what a step of them costs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence

import torch

from iclscope.training.trial import Trial


def unique_trials(trials: Iterable[Trial]) -> list[Trial]:
    """The different trials, in order."""
    return list({trial.hash: trial for trial in trials}.values())


def groups_of(trials: Sequence[Trial], device: torch.device | str = "cpu") -> Iterator[list[Trial]]:
    """Trials of equal shape, at most as many at a time as are worth training together on the device."""
    by_shape: dict[str, list[Trial]] = {}
    for trial in trials:
        by_shape.setdefault(repr(trial.shape), []).append(trial)
    for _, group in sorted(by_shape.items()):
        most = group[0].model.runs_at_a_time(torch.device(device))
        for start in range(0, len(group), most):
            yield group[start : start + most]


def step_cost(trial: Trial) -> int:
    """Roughly how long a step of one run takes, in steps of the one-layer model at its defaults; at least 1."""
    longest = trial.task.length_range[1]
    return max(1, round((trial.training.batch_size * trial.model.operations(longest) + 10_000) / 30_000))


def group_cost(group: Sequence[Trial]) -> int:
    """Roughly how long a group trains, in the unit of `step_cost`."""
    return len(group) * group[0].training.steps * step_cost(group[0])


def fingerprint_of(trials: Iterable[Trial]) -> str:
    """A name for these trials in this order."""
    return hashlib.sha256("".join(trial.hash for trial in trials).encode()).hexdigest()[:24]
