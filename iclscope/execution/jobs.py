"""A job: trials of one shape that train together, and are then tested. Every engine performs jobs by `run_job`."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path, PurePath
from typing import NamedTuple, Protocol

import polars as pl
import torch
from safetensors import SafetensorError
from safetensors.torch import load

from iclscope.core.errors import StorageFailed
from iclscope.core.files import storage_failures
from iclscope.core.memory import free_memory, is_out_of_memory
from iclscope.evaluation.probes import trial_probe
from iclscope.execution.groups import fingerprint_of, step_cost
from iclscope.execution.measure import measured
from iclscope.execution.prompt_parts import predicting_in_parts
from iclscope.execution.stores.provenance import Provenance
from iclscope.execution.stores.trial_files import group_of_files, trained_group, trial_files
from iclscope.execution.units import PlannedTrial
from iclscope.tasks import stack_tasks
from iclscope.training.gradients import Sampler
from iclscope.training.log import LONG, TrainingLog
from iclscope.training.loop import Checkpointing, OnLoss, train_runs
from iclscope.training.losses import LOSSES
from iclscope.training.precision import BFLOAT16, check_precision_here
from iclscope.training.schedules import ScheduledSampler
from iclscope.training.state import TrainingState
from iclscope.training.trained import TrainedGroup, untrained_models
from iclscope.training.trial import Trial

OnRunSteps = Callable[[int], None]
OnFailed = Callable[["Job", Exception], None]

SAVED_AFTER = 30.0
"""Seconds of training after which it is saved before the tests begin."""


class Job(NamedTuple):
    """Trials of one shape, to be trained together and tested.

    Attributes:
        planned: the trials, with their tests.
        tests: the numbers of the tests that are wanted.
        weights: whether the trained weights are wanted.
        trained: weights that are there already, as files by the trial's hash; of all the trials, or none.
        group: the name of the group of the sweep that these trials are of; empty: they are all of it.
    """

    planned: tuple[PlannedTrial, ...]
    tests: tuple[int, ...] = ()
    weights: bool = False
    trained: Mapping[str, bytes] | None = None
    group: str = ""

    @property
    def trials(self) -> list[Trial]:
        """What is trained."""
        return [one.trial for one in self.planned]

    @property
    def name(self) -> str:
        """A name for these trials in this order."""
        return fingerprint_of(self.trials)


class Outcome(NamedTuple):
    """What a job gave.

    Attributes:
        rows: those of a store (`row_store.SCHEMA`); None where no tests were wanted.
        weights: a safetensors file per trial, by its hash; empty where they are not wanted.
    """

    rows: pl.DataFrame | None
    weights: Mapping[str, bytes]


class Engine(Protocol):
    """What performs jobs: this machine, or a cluster.

    Attributes:
        device: what the groups are trained on.
    """

    device: torch.device

    def run(
        self,
        jobs: Iterator[Job | None],
        commit: Callable[[Job, Outcome], None],
        *,
        on_step: OnRunSteps | None = None,
        on_failed: OnFailed | None = None,
        on_notice: Callable[[str], None] | None = None,
    ) -> None:
        """Perform jobs and commit what each gives as soon as it is there; the numbers do not depend on the engine.

        A job that does not fit into memory is performed as two halves, down to single trials.

        Args:
            jobs: taken one at a time, when there is room for one; None: none now, ask again.
            commit: stores an outcome; called in this process, from several threads perhaps.
            on_step: called with the work done, in runs times `step_cost`.
            on_failed: told of a job that failed, while the others go on; from several threads perhaps. None: the first
                failure is raised, and what is under way stops.
            on_notice: called once with one line if jobs are split into parts; None: a warning.

        Raises:
            KeyboardInterrupt: on Ctrl-C.
            StorageFailed: if an outcome could not be stored.
        """
        ...


def train_trials(
    trials: Sequence[Trial],
    *,
    device: torch.device | str = "cpu",
    checkpointing: Checkpointing | None = None,
    on_step: OnRunSteps | None = None,
    on_loss: OnLoss | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> TrainingState:
    """Train trials of one shape together; the arguments are those of `train_runs`."""
    task, training = trials[0].task, trials[0].training
    check_precision_here(training.precision, device)
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
        decay_power=training.decay_power,
        adam_rate=training.adam_rate,
        weight_decay=training.weight_decay,
        clip_norm=training.clip_norm,
        loss=LOSSES[training.loss],
        probe=trial_probe(trials, device),
        checkpointing=checkpointing,
        on_step=on_step,
        on_loss=on_loss,
        should_stop=should_stop,
        bfloat16=training.precision == BFLOAT16,
    )


def run_job(
    job: Job,
    device: torch.device | str = "cpu",
    *,
    folder: Path | None = None,
    on_step: OnRunSteps | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> Outcome:
    """Train the trials of a job, from where it was interrupted if it was, and test them.

    Args:
        job: what to do.
        device: where.
        folder: where unfinished trainings are saved, and logs of long ones; None: nowhere.
        on_step: called with the work done, in runs times `step_cost`.
        should_stop: whether to save and stop; None: Ctrl-C asks for it.

    Raises:
        KeyboardInterrupt: when asked to stop.
    """
    started = time.monotonic()
    trials = job.trials
    weights: dict[str, bytes] = {}
    state = None
    if job.trained is not None:
        group = group_of_files(trials, [load(job.trained[trial.hash]) for trial in trials], device)
    else:
        state = _trained(job, device, folder, on_step, should_stop)
        seconds = time.monotonic() - started
        group = trained_group(trials, state, device)
        if job.weights:
            weights = dict(trial_files(trials, state, _about(device, seconds / len(trials))))
        # Weights are many files, and tests may take long: what is trained is not lost if the process dies meanwhile.
        if folder is not None and (job.weights or seconds > SAVED_AFTER):
            _save(state, folder, job.name)
    if not job.tests:
        return Outcome(None, weights)
    try:
        rows = _measured(group, job, device, should_stop)
    except KeyboardInterrupt:
        if folder is not None and state is not None:
            _save(state, folder, job.name)
        raise
    return Outcome(_with_provenance(rows, trials, device, (time.monotonic() - started) / len(trials)), weights)


def _measured(
    group: TrainedGroup, job: Job, device: torch.device | str, should_stop: Callable[[], bool] | None
) -> pl.DataFrame:
    """Test a group; one that does not fit is halved by the engine, and a single run asked fewer prompts at a time."""
    try:
        return measured(group, job.planned, job.tests, should_stop=should_stop)
    except Exception as error:
        if len(group.trials) > 1 or not is_out_of_memory(error):
            raise
    free_memory(device)  # here, where the error and what it kept alive are gone
    with predicting_in_parts(group.model):
        return measured(group, job.planned, job.tests, should_stop=should_stop)


def _about(device: torch.device | str, seconds: float) -> dict[str, str]:
    """What a file of weights says of its making."""
    made = Provenance.of(torch.device(device))
    return {**{name: value or "" for name, value in made._asdict().items()}, "seconds": f"{seconds:.3f}"}


def _with_provenance(
    rows: pl.DataFrame, trials: Sequence[Trial], device: torch.device | str, seconds: float
) -> pl.DataFrame:
    """Rows that know what they were made with, and how long a trial of theirs took."""
    made = Provenance.of(torch.device(device))
    settings = {trial.hash: json.dumps(trial.model_dump(mode="json"), sort_keys=True) for trial in trials}
    return rows.with_columns(
        *(pl.lit(value, dtype=pl.String).alias(name) for name, value in made._asdict().items()),
        pl.lit(seconds).alias("seconds"),
        pl.col("trial").replace_strict(settings, return_dtype=pl.String).alias("settings"),
    )


def _trained(
    job: Job,
    device: torch.device | str,
    folder: Path | None,
    on_step: OnRunSteps | None,
    should_stop: Callable[[], bool] | None,
) -> TrainingState:
    trials, name = job.trials, job.name
    checkpointing = log = None
    if folder is not None:
        checkpointing = Checkpointing(unfinished_path(folder, name), name)
        if trials[0].training.steps >= LONG:
            log = TrainingLog(folder / f"log-{name}.jsonl", trials)
    cost = step_cost(trials[0])
    with nullcontext() if folder is None else _saving(folder):
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        return train_trials(
            trials,
            device=device,
            checkpointing=checkpointing,
            on_step=(lambda runs: on_step(runs * cost)) if on_step else None,
            on_loss=log,
            should_stop=should_stop,
        )


@contextmanager
def _saving(folder: Path) -> Iterator[None]:
    """Let a save that fails be told as such; what a task reads elsewhere is its own affair."""
    try:
        with storage_failures(f"writing to {folder}"):
            yield
    except SafetensorError as error:
        raise StorageFailed(f"writing to {folder} failed: {error}") from error
    except StorageFailed as error:
        cause = error.__cause__
        elsewhere = isinstance(cause, OSError) and cause.filename is not None and not _is_in(folder, cause.filename)
        if isinstance(cause, OSError) and elsewhere:
            raise cause from None
        raise


def _is_in(folder: Path, name: object) -> bool:
    return isinstance(name, (str, PurePath)) and Path(name).absolute().is_relative_to(folder.absolute())


def _save(state: TrainingState, folder: Path, name: str) -> None:
    with _saving(folder):
        state.save(unfinished_path(folder, name), name)


def unfinished_path(folder: Path, name: str) -> Path:
    """Where an unfinished training of that name is saved."""
    return folder / f"unfinished-{name}.safetensors"


def remove_unfinished(folder: Path, name: str) -> None:
    """Remove the save of a training that is finished."""
    with suppress(OSError):
        unfinished_path(folder, name).unlink(missing_ok=True)
