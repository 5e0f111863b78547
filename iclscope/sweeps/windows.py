"""The trials of a sweep, part by part, and the groups in which they train."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import torch

from iclscope.execution.groups import group_cost, groups_of
from iclscope.execution.units import PlannedTrial
from iclscope.sweeps.file.designs import Grid
from iclscope.sweeps.file.sweep_file import Sweep

WINDOW = 4096
"""Trials that are made at a time; groups are made within such a part of a sweep, so memory does not grow with it."""

KEPT = 5
"""Windows of a sweep that stay in memory, so that what is looked at again is not made and checked again."""


def windows_of(sweep: Sweep) -> Iterator[list[PlannedTrial]]:
    """The different trials of a sweep, in order, a window at a time.

    Raises:
        BadRequest: at the first trial whose settings are not allowed.
    """
    kept = sweep.kept
    yield from kept
    number = len(kept)
    trials = sweep.trials(number * WINDOW)
    # The values of a grid differ, so its trials do.
    drawn = not isinstance(sweep.design, Grid)
    seen = {bytes.fromhex(one.trial.hash) for window in kept if drawn for one in window}
    while window := list(islice(trials, WINDOW)):
        if drawn:
            by_hash = {bytes.fromhex(one.trial.hash): one for one in window}
            window = [one for key, one in by_hash.items() if key not in seen]
            seen |= by_hash.keys()
        if len(kept) == number < KEPT:
            kept.append(window)
        number += 1
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
