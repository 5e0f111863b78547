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
from iclscope.experiments.trained import TrainedGroup, stack_models
from iclscope.experiments.trial import Trial
from iclscope.sweeps.store import TrialStore
from iclscope.tasks.patterns import PatternSampler
from iclscope.threads import one_thread_per_operation
from iclscope.training.interrupts import deferred_interrupt
from iclscope.training.loop import Checkpointing, train_runs
from iclscope.training.state import TrainingState

# Measured: beyond this many runs a step no longer gets cheaper per run, but leaves the cache.
RUNS_PER_BATCH = 16

OnRunSteps = Callable[[int], None]


def groups_of(trials: Sequence[Trial]) -> Iterator[list[Trial]]:
    """Trials of equal shape, at most `RUNS_PER_BATCH` at a time."""
    ordered = sorted(trials, key=lambda trial: repr(trial.shape))
    for _, same_shape in groupby(ordered, key=lambda trial: repr(trial.shape)):
        group = list(same_shape)
        for start in range(0, len(group), RUNS_PER_BATCH):
            yield group[start : start + RUNS_PER_BATCH]


def train_trials(
    trials: Sequence[Trial],
    *,
    device: torch.device | str = "cpu",
    checkpointing: Checkpointing | None = None,
    on_step: OnRunSteps | None = None,
    stop_asked: Callable[[], bool] | None = None,
) -> TrainingState:
    """Train trials of one shape together; the arguments are those of `train_runs`."""
    training = trials[0].training
    return train_runs(
        stack_models(trials, device),
        PatternSampler([trial.task for trial in trials], [trial.seed for trial in trials], device=device),
        learning_rate=torch.tensor([trial.training.learning_rate for trial in trials], device=device),
        steps=training.steps,
        batch_size=training.batch_size,
        probe=trial_probe(trials, device),
        checkpointing=checkpointing,
        on_step=on_step,
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
        on_step: called after each step with the number of run-steps made, for progress; from several threads.
        workers: how many groups to train at a time; None: one per core on a CPU, one on a GPU. The numbers do not
            depend on it.

    Raises:
        KeyboardInterrupt: on Ctrl-C, once every group under way is saved.
    """
    device = torch.device(device)
    # The longest first, so that no core is left alone with them at the end.
    groups = sorted(groups_of(store.missing(trials)), key=_cost, reverse=True)
    if not groups:
        return
    store.folder.mkdir(parents=True, exist_ok=True)
    at_a_time = workers or (_cores() if device.type == "cpu" else 1)
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
    state = train_trials(
        group,
        device=device,
        checkpointing=Checkpointing(path, fingerprint),
        on_step=on_step,
        stop_asked=stop_asked,
    )
    seconds = f"{(time.monotonic() - started) / len(group):.3f}"
    store.save(group, state, {**metadata, "device": str(device), "seconds": seconds})
    path.unlink(missing_ok=True)


def _cost(group: Sequence[Trial]) -> int:
    """Roughly how long a group trains: columns drawn, and products of prompts with neurons."""
    first = group[0]
    per_prompt = 2 * first.task.length_range[1] + first.model.width
    return len(group) * first.training.steps * (first.training.batch_size * per_prompt + 10_000)


def _cores() -> int:
    """The cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def load_groups(
    trials: Sequence[Trial], store: TrialStore, device: torch.device | str = "cpu"
) -> Iterator[TrainedGroup]:
    """Read finished trials back, in groups of equal shape."""
    for group in groups_of(trials):
        yield store.load(group, device)
