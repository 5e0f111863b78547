"""Training many trials on this machine: those of equal shape together, along the run axis."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from itertools import groupby

import torch

from iclscope.experiments.probes import trial_probe
from iclscope.experiments.trained import TrainedGroup, untrained_models
from iclscope.experiments.trial import Trial
from iclscope.sweeps.log import LONG, TrainingLog
from iclscope.sweeps.store import TrialStore
from iclscope.tasks import stack_tasks
from iclscope.threads import one_thread_per_operation
from iclscope.training.gradients import Sampler
from iclscope.training.interrupts import deferred_interrupt
from iclscope.training.loop import Checkpointing, OnLoss, train_runs
from iclscope.training.losses import LOSSES
from iclscope.training.schedules import ScheduledSampler
from iclscope.training.state import TrainingState

OnRunSteps = Callable[[int], None]


def groups_of(trials: Sequence[Trial], device: torch.device | str = "cpu") -> Iterator[list[Trial]]:
    """Trials of equal shape, at most as many at a time as are worth training together on the device."""
    ordered = sorted(trials, key=lambda trial: repr(trial.shape))
    for _, same_shape in groupby(ordered, key=lambda trial: repr(trial.shape)):
        group = list(same_shape)
        most = group[0].model.runs_at_a_time(torch.device(device))
        for start in range(0, len(group), most):
            yield group[start : start + most]


def train_trials(
    trials: Sequence[Trial],
    *,
    device: torch.device | str = "cpu",
    checkpointing: Checkpointing | None = None,
    on_step: OnRunSteps | None = None,
    on_loss: OnLoss | None = None,
    stop_asked: Callable[[], bool] | None = None,
) -> TrainingState:
    """Train trials of one shape together; the arguments are those of `train_runs`."""
    task, training = trials[0].task, trials[0].training
    dtype = trials[0].dtype
    seeds = [trial.seed for trial in trials]
    sampler: Sampler = stack_tasks([trial.task for trial in trials], seeds, dtype=dtype, device=device)
    if training.schedule is not None:
        longest = task.length_range[1]
        sampler = ScheduledSampler(sampler, training.schedule, dimensions=task.d_X, length=longest)
    return train_runs(
        untrained_models(trials, device),
        sampler,
        learning_rate=torch.tensor([trial.training.learning_rate for trial in trials], dtype=dtype, device=device),
        steps=training.steps,
        batch_size=training.batch_size,
        optimizer=training.optimizer,
        rate_decay=training.rate_decay,
        loss=LOSSES[training.loss],
        probe=trial_probe(trials, device),
        checkpointing=checkpointing,
        on_step=on_step,
        on_loss=on_loss,
        stop_asked=stop_asked,
    )


def run_trials(
    trials: Sequence[Trial],
    store: TrialStore,
    *,
    device: torch.device | str = "cpu",
    metadata: dict[str, str] | None = None,
    on_step: OnRunSteps | None = None,
    workers: int | None = None,
) -> None:
    """Train what the store does not hold yet.

    An interrupted call leaves finished groups stored and those under way saved; called again, it goes on there.

    Args:
        trials: any trials; equal ones are trained once.
        store: where finished trials are kept.
        device: where to train.
        metadata: noted with each trial: version, device.
        on_step: called after each step with the work done, runs times `step_cost`, for progress; from several threads.
        workers: how many groups to train at a time; None: one per core on a CPU, one on a GPU. The numbers do not
            depend on it.

    Raises:
        KeyboardInterrupt: on Ctrl-C, once every group under way is saved.
    """
    device = torch.device(device)
    # The longest first, so that no core is left alone with them at the end.
    groups = sorted(groups_of(store.missing(trials), device), key=_cost, reverse=True)
    if not groups:
        return
    store.folder.mkdir(parents=True, exist_ok=True)
    at_a_time = workers or (cores() if device.type == "cpu" else 1)
    with deferred_interrupt() as interrupt, one_thread_per_operation(), ThreadPoolExecutor(at_a_time) as pool:
        failed = False

        def train_and_store(group: list[Trial]) -> None:
            nonlocal failed
            try:
                _train_and_store(group, store, device, metadata or {}, on_step, lambda: interrupt.made or failed)
            except BaseException:
                failed = True
                raise

        jobs = [pool.submit(train_and_store, group) for group in groups]
        # Waking up now and then lets Python notice Ctrl-C.
        while wait(jobs, timeout=0.2, return_when=FIRST_EXCEPTION).not_done and not failed:
            pass
        for job in jobs:
            job.cancel()
        wait(jobs)
        for job in jobs:
            error = None if job.cancelled() else job.exception()
            if error is not None and not isinstance(error, KeyboardInterrupt):
                raise error
        if interrupt.made:
            raise KeyboardInterrupt


def _train_and_store(
    group: list[Trial],
    store: TrialStore,
    device: torch.device,
    metadata: dict[str, str],
    on_step: OnRunSteps | None,
    stop_asked: Callable[[], bool],
) -> None:
    """Train one group, from where it was interrupted if it was, and store its trials."""
    if stop_asked():
        return
    fingerprint = hashlib.sha256("".join(trial.hash for trial in group).encode()).hexdigest()[:24]
    path = store.folder / f"unfinished-{fingerprint}.safetensors"
    started = time.monotonic()
    cost = step_cost(group[0])
    long = group[0].training.steps >= LONG
    log = TrainingLog(store.folder / f"log-{fingerprint}.jsonl", group) if long else None
    state = train_trials(
        group,
        device=device,
        checkpointing=Checkpointing(path, fingerprint),
        on_step=(lambda runs: on_step(runs * cost)) if on_step else None,
        on_loss=log,
        stop_asked=stop_asked,
    )
    seconds = f"{(time.monotonic() - started) / len(group):.3f}"
    store.save(group, state, {**metadata, "device": str(device), "seconds": seconds})
    path.unlink(missing_ok=True)


def step_cost(trial: Trial) -> int:
    """Roughly how long a step of one run takes, in steps of the one-layer model at its defaults; at least 1."""
    longest = trial.task.length_range[1]
    return max(1, round((trial.training.batch_size * trial.model.operations(longest) + 10_000) / 30_000))


def _cost(group: Sequence[Trial]) -> int:
    """Roughly how long a group trains."""
    return len(group) * group[0].training.steps * step_cost(group[0])


def cores() -> int:
    """The cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def load_groups(
    trials: Sequence[Trial], store: TrialStore, device: torch.device | str = "cpu"
) -> Iterator[TrainedGroup]:
    """Read finished trials back, in groups of equal shape."""
    for group in groups_of(trials, device):
        yield store.load(group, device)
