"""Trials whose weights are wanted: train what a store does not hold yet, and read it back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import torch

from iclscope.execution.groups import each_once, fingerprint_of, group_cost, groups_of
from iclscope.execution.jobs import Engine, Job, OnRunSteps, Outcome, forget_unfinished, unfinished_path
from iclscope.execution.local import LocalEngine
from iclscope.execution.stores.store import TrialStore
from iclscope.execution.units import PlannedTrial
from iclscope.training.trained import TrainedGroup
from iclscope.training.trial import Trial

Group = Sequence[Trial]


def run_trials(
    trials: Sequence[Trial],
    store: TrialStore,
    *,
    device: torch.device | str = "cpu",
    on_step: OnRunSteps | None = None,
    workers: int | None = None,
) -> None:
    """Train what the store does not hold yet; equal trials are trained once. The rest is as in `run_groups`."""
    groups = list(groups_of(each_once(trials), device))
    run_groups(groups, store, device=device, on_step=on_step, workers=workers)


def run_groups(
    groups: Sequence[Group],
    store: TrialStore,
    *,
    device: torch.device | str = "cpu",
    on_step: OnRunSteps | None = None,
    workers: int | None = None,
) -> None:
    """Train what the store does not hold yet, in the given company.

    An interrupted call leaves finished groups stored and those under way saved; called again, it goes on there.

    Args:
        groups: trials that train together, each trial once.
        store: where trained trials are kept, in a folder of this machine.
        device: where to train.
        on_step: called after each step with the work done, runs times `step_cost`, for progress; from several threads.
        workers: how many groups to train at a time; None: one per core on a CPU, one on a GPU. The numbers do not
            depend on it.

    Raises:
        KeyboardInterrupt: on Ctrl-C, once every group under way is saved.
        StorageFailed: if the store cannot be written to.
    """
    engine: Engine = LocalEngine(device, workers=workers, folder=store.folder)
    jobs = list(_jobs(groups, store))
    if not jobs:
        return
    store.folder.mkdir(parents=True, exist_ok=True)

    def commit(job: Job, outcome: Outcome) -> None:
        store.write(outcome.weights)
        forget_unfinished(store.folder, job.name)

    engine.run(iter(jobs), commit, on_step=on_step)


def _jobs(groups: Sequence[Group], store: TrialStore) -> Iterator[Job]:
    """What is missing, the longest first, so that no core is left alone with it at the end."""
    missing = {trial.hash for trial in store.missing([trial for group in groups for trial in group])}
    for group in sorted(groups, key=group_cost, reverse=True):
        lacking = [trial for trial in group if trial.hash in missing]
        # A group whose files were being written when the process died is whole in its save: it is written again.
        if lacking and unfinished_path(store.folder, fingerprint_of(group)).exists():
            lacking = list(group)
        if lacking:
            yield Job(tuple(PlannedTrial(trial, {}, ()) for trial in lacking), weights=True)


def groups_by_owner(
    trials_of: Mapping[str, Sequence[Trial]], device: torch.device | str = "cpu"
) -> dict[str, list[list[Trial]]]:
    """The groups in which trials train that several figures share: with those of the first figure that has them.

    They depend on what is asked for alone, not on how many cores there are or what is finished, so neither do numbers,
    down to the last bit.

    Args:
        trials_of: the trials of each figure, in the order in which figures are made.
        device: where they train.
    """
    seen: set[str] = set()
    groups = {}
    for name, trials in trials_of.items():
        own = [trial for trial in each_once(trials) if trial.hash not in seen]
        seen |= {trial.hash for trial in own}
        groups[name] = list(groups_of(own, device))
    return groups


def load_groups(
    trials: Sequence[Trial], store: TrialStore, device: torch.device | str = "cpu"
) -> Iterator[TrainedGroup]:
    """Read finished trials back, in groups of equal shape."""
    for group in groups_of(trials, device):
        yield store.load(group, device)
