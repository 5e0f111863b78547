"""The one training loop: many runs, one step at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from iclscope.core.errors import require
from iclscope.core.gradient_mode import gradients_enabled
from iclscope.models.run_model import Matrix
from iclscope.tasks.prompts import Sampler
from iclscope.training.gradients import Gradients, Loss, TrainableModel, gradients_of
from iclscope.training.interrupts import StoppedTraining, stop_requests
from iclscope.training.losses import hinge_loss
from iclscope.training.optimizers import OptimizerName, UpdateRule, clipped, optimizer_of
from iclscope.training.state import RUNNING, TrainingState

Records = Mapping[str, Tensor]
OnLoss = Callable[[int, Sequence[int], Tensor], None]


class Probe(NamedTuple):
    """What to record during training.

    Attributes:
        measure: (model, which of all runs it holds) → named tensors with leading run axis.
        steps: at which steps to record; step 0 is before the first update.
        reached: which runs are done, given what was recorded; they are trained no further. None: train all to
            the end.
    """

    measure: Callable[[Any, Sequence[int]], Records]
    steps: Collection[int]
    reached: Callable[[Records, Sequence[int]], Bool[Tensor, " live"]] | None = None


class Checkpointing(NamedTuple):
    """Where and how often to save a training that is running.

    Attributes:
        path: the file; an interrupted training that finds it goes on from there.
        fingerprint: which training this is; a file of another one is ignored.
        seconds: the shortest time between two saves.
    """

    path: Path
    fingerprint: str
    seconds: float = 30.0


@gradients_enabled()
def train_runs(
    model: TrainableModel,
    sampler: Sampler,
    *,
    learning_rate: Float[Tensor, " run"],
    steps: int,
    batch_size: int,
    optimizer: OptimizerName = "sgd",
    rate_decay: bool = False,
    decay_power: float = 1.0,
    adam_rate: float | None = None,
    weight_decay: float = 0.0,
    clip_norm: float | None = None,
    loss: Loss = hinge_loss,
    probe: Probe | None = None,
    checkpointing: Checkpointing | None = None,
    on_step: Callable[[int], None] | None = None,
    on_loss: OnLoss | None = None,
    should_stop: Callable[[], bool] | None = None,
    autograd: bool = False,
    bfloat16: bool = False,
) -> TrainingState:
    """Train every run with a fresh batch per step.

    A run's numbers do not depend on the other runs: each has its own weights, stream, learning rate and loss. A
    run whose loss is no longer finite is reported in ``diverged_at`` and trained no further; a run that reached
    its target likewise in ``stopped_at``. Runs that have ended leave the batch, so they cost nothing.

    Args:
        model: the runs at their initial values; not changed. Weights with ``requires_grad`` False are not trained.
        sampler: training prompts of the same runs.
        learning_rate: η of each run.
        steps: number of steps T.
        batch_size: fresh prompts per step B.
        optimizer: the update rule.
        rate_decay: whether the learning rate falls to zero over the steps, as (1 − t/T)^decay_power.
        decay_power: how; 1: linearly.
        adam_rate: with Muon, the learning rate of what is no matrix.
        weight_decay: decoupled; as of `UpdateRule`.
        clip_norm: likewise.
        loss: (output, labels) → loss per prompt, or per prediction.
        probe: what to record, when, and when a run is done.
        checkpointing: where to save on the way; also on Ctrl-C.
        on_step: called after each step with the number of runs that made it.
        on_loss: called at each step, before its update, with the step, the live runs and their losses; for logs.
        should_stop: whether to save and stop; None: Ctrl-C asks for it.
        autograd: take gradients by autograd even where compiled ones are faster; they differ in rounding only.
        bfloat16: round operands of products to bfloat16, which only some models can (`RunModel.bfloat16_gradients`).

    Returns:
        The final state; its weights load into a model of the same runs.

    Raises:
        StoppedTraining: a KeyboardInterrupt with the state, when asked to stop, after the current step and a save.
    """
    runs = len(learning_rate)
    held = {len(tensor) for tensor in model.state_dict().values()}
    require(held == {runs}, "learning_rate", f"{runs} values", f"one per run of the model, {sorted(held)}")
    trained = any(weight.requires_grad for weight in model.parameters())
    require(trained, "weights of the model", "all frozen", "at least one with requires_grad = True")
    state = None
    if checkpointing:
        state = TrainingState.load(checkpointing.path, checkpointing.fingerprint, learning_rate.device)
    if state is None:
        state = TrainingState.start(model.state_dict(), runs)
    rule = UpdateRule(optimizer, adam_rate, weight_decay, clip_norm)
    gradients = gradients_of(
        model,
        sampler,
        loss=loss,
        batch_size=batch_size,
        rule=rule,
        weights=state.weights,
        own_state=state.extra_state,
        autograd=autograd,
        bfloat16=bfloat16,
    )
    live = _LiveRuns(gradients, learning_rate, rule, state)
    saved_at = time.monotonic()
    with stop_requests(should_stop) as asked_to_stop:
        while live.indices:
            if probe and state.step in probe.steps and state.step not in state.recorded_at[-1:]:
                reached = _take(probe, live, state, runs)
                if bool(reached.any()):
                    live.end(reached, state.stopped_at)
                    continue
            if state.step >= steps:
                break
            losses, slopes = live.gradients.at(state.step)
            infinite = ~losses.isfinite().cpu()
            if bool(infinite.any()):
                live.end(infinite, state.diverged_at)
                continue
            if on_loss:
                on_loss(state.step, live.indices, losses)
            factor = (1 - state.step / steps) ** decay_power if rate_decay else 1.0
            live.optimizer.step(slopes if clip_norm is None else clipped(slopes, clip_norm), factor)
            state.step += 1
            if on_step:
                on_step(len(live.indices))
            stopping = asked_to_stop()
            if stopping or (checkpointing and time.monotonic() - saved_at > checkpointing.seconds):
                live.write_back()
                if checkpointing:
                    state.save(checkpointing.path, checkpointing.fingerprint)
                    saved_at = time.monotonic()
            if stopping:
                raise StoppedTraining(state)
    live.write_back()
    _note_divergence_at_the_end(state)
    return state


class _LiveRuns:
    """The runs that are still trained, as a smaller batch of their own."""

    def __init__(self, everyone: Gradients, learning_rate: Tensor, rule: UpdateRule, state: TrainingState) -> None:
        self._all_rates, self._state, self._rule = learning_rate, state, rule
        self.indices = ((state.stopped_at == RUNNING) & (state.diverged_at == RUNNING)).nonzero()[:, 0].tolist()
        self.gradients = everyone
        if self.indices:
            self._keep(list(self.indices), self.indices)

    def _keep(self, positions: Sequence[int], indices: list[int]) -> None:
        self.indices = indices
        self.gradients = self.gradients.runs(positions)
        remembered = {name: tensor[indices] for name, tensor in self._state.optimizer.items()}
        rates = self._all_rates[indices]
        parameters = self.gradients.parameters
        matrices = matrices_of(self.gradients.model()) if self._rule.optimizer == "muon" else {}
        self.optimizer = optimizer_of(self._rule, parameters, rates, remembered, matrices)

    def write_back(self) -> None:
        """Copy the live weights, and what goes with them, into the state."""
        if not self.indices:
            return
        for name, tensor in self.gradients.model().state_dict().items():
            self._state.weights[name][self.indices] = tensor
        own = self.gradients.own_state()
        if not own:
            self._state.extra_state.clear()
        for kept, found in ((self._state.optimizer, self.optimizer.state()), (self._state.extra_state, own)):
            for name, tensor in found.items():
                everyone = kept.setdefault(name, tensor.new_zeros(len(self._all_rates), *tensor.shape[1:]))
                everyone[self.indices] = tensor

    def end(self, ended: Tensor, ended_at: Tensor) -> None:
        """Take runs out of the batch and note the step in ``ended_at``."""
        self.write_back()
        ended_at[[index for index, over in zip(self.indices, ended.tolist(), strict=True) if over]] = self._state.step
        kept = (~ended).nonzero()[:, 0].tolist()
        remaining = [self.indices[i] for i in kept]
        if remaining:
            self._keep(kept, remaining)
        else:
            self.indices = []


def matrices_of(model: Any) -> dict[int, Matrix]:
    """The trainable weights that are made of matrices, by their index among the trainable ones."""
    named = getattr(model, "matrices", {})
    trained = [name for name, weight in model.named_parameters() if weight.requires_grad]
    return {place: named[name] for place, name in enumerate(trained) if name in named}


def _note_divergence_at_the_end(state: TrainingState) -> None:
    """The loss before a step cannot tell what the last step did: look at the weights."""
    infinite = torch.stack(
        [~w.detach().isfinite().reshape(len(w), -1).all(dim=1).cpu() for w in state.weights.values()]
    ).any(dim=0)
    state.diverged_at[infinite & (state.diverged_at == RUNNING)] = state.step


def _take(probe: Probe, live: _LiveRuns, state: TrainingState, runs: int) -> Bool[Tensor, " live"]:
    """Record a probe, NaN where a run has ended; returns which live runs have reached their target."""
    with torch.no_grad():
        records = probe.measure(live.gradients.model(), live.indices)
    for name, values in records.items():
        row = values.new_full((runs, *values.shape[1:]), torch.nan)
        row[live.indices] = values
        state.records.setdefault(name, []).append(row.cpu())
    state.recorded_at.append(state.step)
    if probe.reached is None:
        return torch.zeros(len(live.indices), dtype=torch.bool)
    return probe.reached(records, live.indices).cpu()
