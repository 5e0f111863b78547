"""What can be recorded while a trial trains."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib import import_module
from typing import Any

import torch
from torch import Tensor

from iclscope.models import Model
from iclscope.tasks import Task, stack_tasks
from iclscope.tasks.prompts import EVALUATION_PURPOSE
from iclscope.tasks.task import SQUARED_ERROR
from iclscope.training.loop import Probe, Records
from iclscope.training.losses import mean_loss
from iclscope.training.trial import Trial


def _measure(name: str, model: Model, prompts: Any, sampler: Any, task: Task) -> Records:
    """One probe on one batch of prompts."""
    if name == "weights":
        return {name: weight.detach().clone() for name, weight in model.named_parameters()}
    if name in model.probes:
        found: Records = _function(model.probes[name])(model, prompts, sampler)
        return found
    scores = task.score(model.predict(prompts).output, prompts)
    if getattr(prompts, "weights", None) is not None:
        return {name: mean_loss(values, prompts)[:, None] for name, values in scores.items()}
    return {
        name: values.mean(dim=1) if name == SQUARED_ERROR.name else values.double().mean(dim=1)[:, 0]
        for name, values in scores.items()
    }


@cache
def _function(address: str) -> Any:
    """A function by ``module:name``."""
    module, _, name = address.partition(":")
    return getattr(import_module(module), name)


STOPPING_PURPOSE = "stopping"


class TrialProbe:
    """Measures the probes of a group of trials on their evaluation tasks.

    Records are named ``TASK/QUANTITY``. The evaluation prompts are the same at every record.
    """

    def __init__(self, trials: Sequence[Trial], device: torch.device | str) -> None:
        self._trials = tuple(trials)
        self._device = device
        self._live: tuple[int, ...] = ()
        self._on: dict[str, tuple[Any, Any]] = {}

    def _prepare(self, live: Sequence[int]) -> None:
        """Draw the evaluation prompts of the runs that are still trained; kept until runs leave."""
        if tuple(live) == self._live:
            return
        trials = [self._trials[i] for i in live]
        evaluation = trials[0].evaluation
        for name in evaluation.on:
            tasks = [trial.evaluation.on[name] for trial in trials]
            seeds = [trial.seed for trial in trials]
            sampler = stack_tasks(tasks, seeds, dtype=trials[0].dtype, device=self._device)
            # What decides when training stops has been seen by it: nothing is reported of the prompts of a test.
            purpose = EVALUATION_PURPOSE if trials[0].training.target_risk is None else STOPPING_PURPOSE
            self._on[name] = (sampler, sampler.prompts(evaluation.prompts, purpose=purpose))
        self._live = tuple(live)

    def measure(self, model: Model, live: Sequence[int]) -> Records:
        """All probes on all evaluation tasks."""
        self._prepare(live)
        evaluation = self._trials[0].evaluation
        return {
            f"{name}/{quantity}": values
            for name, (sampler, prompts) in self._on.items()
            for probe in evaluation.probes
            for quantity, values in _measure(probe, model, prompts, sampler, evaluation.on[name]).items()
        }

    def reached(self, records: Records, live: Sequence[int]) -> Tensor:
        """Which runs have met their target risk on the first evaluation task."""
        first, task = next(iter(self._trials[0].evaluation.on.items()))
        risk = records[f"{first}/{task.metrics[0].name}"].cpu()
        risk = risk if risk.ndim == 1 else risk[:, -1]
        targets = [self._trials[i].training.target_risk for i in live]
        return risk <= torch.tensor([-torch.inf if target is None else target for target in targets], dtype=risk.dtype)


def trial_probe(trials: Sequence[Trial], device: torch.device | str) -> Probe | None:
    """The probe of a group of trials of one shape; None if they record nothing."""
    steps = trials[0].record_steps()
    if not steps:
        return None
    probe = TrialProbe(trials, device)
    return Probe(probe.measure, steps, None if trials[0].training.target_risk is None else probe.reached)
