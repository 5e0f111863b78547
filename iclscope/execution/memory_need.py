"""How much memory a group of trials needs on a CPU, and the parts of a job that fit into what there is."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from iclscope.core.memory import is_out_of_memory
from iclscope.execution.jobs import Job
from iclscope.models.pattern_engine.engine import is_compiled
from iclscope.tasks import stack_tasks
from iclscope.training.gradients import TRAINING_PURPOSE
from iclscope.training.losses import LOSSES
from iclscope.training.trained import untrained_models
from iclscope.training.trial import Trial

_COPIES = 8
"""Of the weights: as they are, a gradient, two moments of Adam, the state that is saved, and those of the moment."""

_BESIDE = 1.5
"""What a step needs beside the tensors that it keeps for its gradient: those of the moment."""

_AT_MOST_PER_OPERATION = 256
"""Bytes; a step keeps fewer per operation (``config.operations``) of any model here, of GPT-2 a tenth of it. So most
groups are known to fit without being looked at."""

_SMALL = 2**24
"""Bytes of weights and prompts of a small model that no number of operations tells of."""

_LOOKED_AT = 2
"""Prompts of the step that is looked at."""


def halves(job: Job) -> list[Job]:
    """A job as two of half as many trials each, which together give what it would.

    Args:
        job: of two trials or more.
    """
    middle = len(job.planned) // 2
    return [_part(job, 0, middle), _part(job, middle, len(job.planned))]


def parts_that_fit(job: Job, available: int) -> list[Job]:
    """The job, or parts of it whose training fits into memory; halves of halves, as after an error.

    Args:
        job: trials of one shape.
        available: bytes that it may use.
    """
    runs = len(job.planned)
    trial = job.planned[0].trial
    if runs == 1 or job.trained is not None or _surely(trial) * runs <= available:
        return [job]
    if bytes_of_run(trial) * runs <= available:
        return [job]
    return [part for half in halves(job) for part in parts_that_fit(half, available)]


def bytes_of_run(trial: Trial) -> int:
    """About how many bytes a run needs while it is trained on a CPU.

    The tensors that a step on two prompts keeps for its gradient are counted, and scaled to the batch size.
    """
    shape = repr(trial.shape)
    if shape not in _KNOWN:
        _KNOWN[shape] = _bytes_of_run(trial)
    return _KNOWN[shape]


_KNOWN: dict[str, int] = {}


def _bytes_of_run(trial: Trial) -> int:
    try:
        model = untrained_models([trial], "cpu")
        weights = sum(_size(tensor) for tensor in model.state_dict().values())
        if is_compiled(model):  # its loops hold one prompt at a time
            return _COPIES * weights
        kept = _kept_by_step(trial, model)
    except Exception as error:  # noqa: BLE001 (whatever is wrong with a model or task is told when it is trained)
        return _surely(trial) if is_out_of_memory(error) else 0
    return int(_COPIES * weights + _BESIDE * kept * trial.training.batch_size / _LOOKED_AT)


def _kept_by_step(trial: Trial, model: Any) -> int:
    """Bytes that a step on a few prompts keeps for its gradient, without the weights."""
    sampler: Any = stack_tasks([trial.task], [trial.seed], dtype=trial.dtype, device="cpu")
    own = {tensor.untyped_storage().data_ptr() for tensor in model.parameters()}
    seen: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            seen[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        prompts = sampler.prompts(_LOOKED_AT, purpose=TRAINING_PURPOSE, step=0)
        loss = LOSSES[trial.training.loss](model.predict(prompts).output, prompts.labels).mean()
    assert loss.numel() == 1  # what is kept must live until it has been counted
    return sum(seen.values())


def _surely(trial: Trial) -> int:
    """Bytes that suffice for a run, from its sizes alone; mostly far more than it needs."""
    per_prompt = trial.model.operations(trial.task.length_range[1]) + 1
    return _SMALL + trial.training.batch_size * per_prompt * _AT_MOST_PER_OPERATION


def _part(job: Job, start: int, end: int) -> Job:
    planned = job.planned[start:end]
    trained = None if job.trained is None else {one.trial.hash: job.trained[one.trial.hash] for one in planned}
    return job._replace(planned=planned, trained=trained, group=job.group or job.name)


def _size(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()
