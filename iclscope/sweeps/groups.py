"""Which trials train together, and what a step of them costs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, islice

import torch

from iclscope.experiments.trial import Trial
from iclscope.sweeps.designs import Grid
from iclscope.sweeps.planned import PlannedTrial
from iclscope.sweeps.sweep_file import Sweep

WINDOW = 4096
"""Trials of a sweep that are held at a time; groups are made within such a part of it, so memory does not grow."""


def groups_of(trials: Sequence[Trial], device: torch.device | str = "cpu") -> Iterator[list[Trial]]:
    """Trials of equal shape, at most as many at a time as are worth training together on the device."""
    ordered = sorted(trials, key=lambda trial: repr(trial.shape))
    for _, same_shape in groupby(ordered, key=lambda trial: repr(trial.shape)):
        group = list(same_shape)
        most = group[0].model.runs_at_a_time(torch.device(device))
        for start in range(0, len(group), most):
            yield group[start : start + most]


def windows_of(sweep: Sweep) -> Iterator[list[PlannedTrial]]:
    """The different trials of a sweep, in order, a window at a time.

    Raises:
        BadRequest: at the first trial whose settings are not allowed.
    """
    trials = sweep.trials()
    seen: set[bytes] = set()
    while window := list(islice(trials, WINDOW)):
        if not isinstance(sweep.design, Grid):  # the values of a grid differ, so its trials do
            by_hash = {bytes.fromhex(one.trial.hash): one for one in window}
            window = [one for key, one in by_hash.items() if key not in seen]
            seen |= by_hash.keys()
        yield window


def sweep_groups(sweep: Sweep, device: torch.device | str = "cpu") -> Iterator[tuple[PlannedTrial, ...]]:
    """The groups in which the trials of a sweep train, the most work of each window first.

    They depend on the sweep and the device alone, never on what is already stored: a trial is trained in the same
    company, to the same bits, however often a sweep was interrupted.

    Args:
        sweep: the sweep.
        device: where it is trained.
    """
    for window in windows_of(sweep):
        by_hash = {one.trial.hash: one for one in window}
        # The longest first, so that no core is left alone with them at the end.
        for group in sorted(groups_of([one.trial for one in window], device), key=group_cost, reverse=True):
            yield tuple(by_hash[trial.hash] for trial in group)


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
