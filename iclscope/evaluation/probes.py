"""What can be recorded while a trial trains."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from iclscope.evaluation.risks import EVALUATION_PURPOSE, risks_of
from iclscope.mechanism import attention_concentration, layer_attention, layer_neurons, neuron_alignment, projections
from iclscope.models import Model
from iclscope.models.gpt2 import GPT2Transformer
from iclscope.models.softmax_relu import SoftmaxReLUTransformer
from iclscope.tasks import PatternPrompts, PatternSampler, TaskSampler, stack_tasks
from iclscope.training.loop import Probe, Records
from iclscope.training.losses import mean_loss
from iclscope.training.trial import ProbeName, Trial


def _measure(name: ProbeName, model: Model, prompts: Any, sampler: TaskSampler) -> Records:
    """One probe on one batch of prompts."""
    if name == "weights":
        return {name: weight.detach().clone() for name, weight in model.named_parameters()}
    if name == "squared_error":
        assert not isinstance(sampler, PatternSampler)
        errors = (model.predict(prompts).output - prompts.labels).square() / sampler.task.scale
        if hasattr(prompts, "weights"):
            return {"squared_error": mean_loss(errors, prompts)[:, None]}
        return {"squared_error": errors.mean(dim=1).reshape(len(errors), -1)}
    assert isinstance(sampler, PatternSampler)
    if name == "risk":
        return risks_of(model.predict(prompts).output, prompts.labels)._asdict()
    if isinstance(model, GPT2Transformer):
        return _inside(model, prompts, sampler)
    assert isinstance(model, SoftmaxReLUTransformer)
    return _of_one_layer(name, model, prompts, sampler)


def _inside(model: GPT2Transformer, prompts: PatternPrompts, sampler: PatternSampler) -> Records:
    """Attention and neurons of every layer of GPT-2."""
    attention = layer_attention(model, prompts)._asdict()
    return attention | layer_neurons(model, sampler.in_domain)._asdict()


def _of_one_layer(
    name: ProbeName, model: SoftmaxReLUTransformer, prompts: PatternPrompts, sampler: PatternSampler
) -> Records:
    """What is measured inside the one-layer model."""
    if name == "attention":
        return {"attention_concentration": attention_concentration(model, prompts)}
    if name == "projections":
        return projections(model, prompts)._asdict()
    return neuron_alignment(model, sampler.in_domain)._asdict()


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
        return {
            f"{task}/{quantity}": values
            for task, (sampler, prompts) in self._on.items()
            for probe in self._trials[0].evaluation.probes
            for quantity, values in _measure(probe, model, prompts, sampler).items()
        }

    def reached(self, records: Records, live: Sequence[int]) -> Tensor:
        """Which runs have met their target risk on the first evaluation task."""
        first = next(iter(self._trials[0].evaluation.on))
        risk = records[f"{first}/squared_error"][:, -1] if f"{first}/squared_error" in records else None
        risk = (records[f"{first}/hinge_risk"] if risk is None else risk).cpu()
        targets = [self._trials[i].training.target_risk for i in live]
        return risk <= torch.tensor([-torch.inf if target is None else target for target in targets], dtype=risk.dtype)


def trial_probe(trials: Sequence[Trial], device: torch.device | str) -> Probe | None:
    """The probe of a group of trials of one shape; None if they record nothing."""
    steps = trials[0].record_steps()
    if not steps:
        return None
    probe = TrialProbe(trials, device)
    return Probe(probe.measure, steps, None if trials[0].training.target_risk is None else probe.reached)
