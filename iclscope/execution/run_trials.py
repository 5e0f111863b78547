"""Groups of trials on an engine: train and test what a store does not hold yet, and read trained models back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import torch

from iclscope.execution.failures import FailedJob
from iclscope.execution.groups import group_cost, groups_of, unique_trials
from iclscope.execution.jobs import Engine, Job, OnRunSteps, Outcome
from iclscope.execution.local import LocalEngine
from iclscope.execution.stores.finished import Finished
from iclscope.execution.stores.store import TrialStore
from iclscope.execution.units import PlannedTrial
from iclscope.training.trained import TrainedGroup
from iclscope.training.trial import Trial

Group = Sequence[Trial]


def run_planned(
    groups: Iterable[Sequence[PlannedTrial]],
    finished: Finished,
    engine: Engine,
    training: Path,
    *,
    on_step: OnRunSteps | None = None,
    on_finished: Callable[[Job], None] | None = None,
    on_failed: Callable[[FailedJob], None] | None = None,
    on_notice: Callable[[str], None] | None = None,
) -> None:
    """Train and test what is not finished yet, in the given company.

    An interrupted call leaves finished groups stored and those under way saved; called again, it goes on there.

    Args:
        groups: trials that train together, each trial once.
        finished: what is stored, and where.
        engine: what trains.
        training: where unfinished trainings are saved, in a folder of this machine.
        on_step: called after each step with the work done, runs times `step_cost`, for progress; from several threads.
        on_finished: called with what was left to do of a group, once it is stored; likewise.
        on_failed: called with a group that failed, while the others go on; None: the first failure is raised.
        on_notice: called with messages for the user, as in `Engine.run`.

    Raises:
        KeyboardInterrupt: on Ctrl-C, once every group under way is saved or dropped.
        StorageFailed: if a store cannot be written to.
    """

    def commit(job: Job, outcome: Outcome) -> None:
        finished.commit(job, outcome, training)
        if on_finished is not None:
            on_finished(job)

    def give_up(job: Job, error: Exception) -> None:
        if on_failed is not None:
            on_failed(FailedJob.of(job, error))
        finished.give_up(job)

    finished.set_on_notice(on_notice)
    try:
        jobs = finished.jobs(groups, training)
        failed = None if on_failed is None else give_up
        engine.run(jobs, commit, on_step=on_step, on_failed=failed, on_notice=on_notice)
    finally:
        finished.close()


def run_trials(
    trials: Sequence[Trial],
    store: TrialStore,
    *,
    device: torch.device | str = "cpu",
    on_step: OnRunSteps | None = None,
    workers: int | None = None,
) -> None:
    """Train what the store does not hold yet; equal trials are trained once. The rest is as in `run_groups`."""
    groups = list(groups_of(unique_trials(trials), device))
    run_groups(groups, store, device=device, on_step=on_step, workers=workers)


def run_groups(
    groups: Sequence[Group],
    store: TrialStore,
    *,
    device: torch.device | str = "cpu",
    on_step: OnRunSteps | None = None,
    workers: int | None = None,
) -> None:
    """Train on this machine what a store of weights does not hold yet; the rest is as in `run_planned`.

    Args:
        groups: trials that train together, each trial once.
        store: where trained trials are kept, in a folder of this machine.
        device: where to train.
        on_step: as that of `run_planned`.
        workers: how many groups to train at a time; None: one per core on a CPU, one on a GPU. The numbers do not
            depend on it.
    """
    # The longest first, so that no core is left alone with it at the end.
    planned = [
        [PlannedTrial(trial, {}, ()) for trial in group] for group in sorted(groups, key=group_cost, reverse=True)
    ]
    engine = LocalEngine(device, workers=workers, folder=store.folder)
    run_planned(planned, Finished(store), engine, store.folder, on_step=on_step)


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
        own = [trial for trial in unique_trials(trials) if trial.hash not in seen]
        seen |= {trial.hash for trial in own}
        groups[name] = list(groups_of(own, device))
    return groups


def load_groups(
    trials: Sequence[Trial], store: TrialStore, device: torch.device | str = "cpu"
) -> Iterator[TrainedGroup]:
    """Read finished trials back, in groups of equal shape."""
    for group in groups_of(trials, device):
        yield store.load(group, device)
