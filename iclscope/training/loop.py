"""The one training loop: many runs, one step at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, NamedTuple, Protocol, Self, TypeVar, runtime_checkable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from iclscope.errors import require
from iclscope.tasks.prompts import PromptSize, TrainingPrompts
from iclscope.training.interrupts import stop_requests
from iclscope.training.losses import hinge_loss
from iclscope.training.optimizers import OptimizerName, optimizer_named
from iclscope.training.state import RUNNING, TrainingState

TRAINING_PURPOSE = "training"

Records = Mapping[str, Tensor]
Loss = Callable[[Tensor, Tensor], Tensor]
OnLoss = Callable[[int, Sequence[int], Tensor], None]


@runtime_checkable
class TrainableModel(Protocol):
    """What the loop asks of a model: a run axis on every weight."""

    def predict(self, prompts: Any) -> Any:
        """Read prompts, differentiably; the result has ``output`` [run, batch] or [run, batch, points]."""
        ...

    def runs(self, indices: Sequence[int]) -> Self:
        """A copy that holds some of the runs."""
        ...

    def parameters(self) -> Iterator[torch.nn.Parameter]:
        """The trained weights."""
        ...

    def state_dict(self) -> Mapping[str, Any]:
        """All weights, by name."""
        ...

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> Any:
        """Set all weights."""
        ...


@runtime_checkable
class Sampler(Protocol):
    """What the loop asks of a task."""

    def prompts(self, batch: int, *, purpose: str, step: int = 0, size: PromptSize | None = None) -> TrainingPrompts:
        """A batch for every run, a pure function of (seed, purpose, step), and of the size if one is given."""
        ...

    def runs(self, indices: Sequence[int]) -> Self:
        """The sampler of some of the runs."""
        ...


Model = TypeVar("Model", bound=TrainableModel)


class Probe(NamedTuple):
    """What to record on the way.

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
    """Where and how often a running training is saved.

    Attributes:
        path: the file; an interrupted training that finds it goes on from there.
        fingerprint: which training this is; a file of another one is ignored.
        seconds: the shortest time between two saves.
    """

    path: Path
    fingerprint: str
    seconds: float = 30.0


def train_runs(
    model: TrainableModel,
    sampler: Sampler,
    *,
    learning_rate: Float[Tensor, " run"],
    steps: int,
    batch_size: int,
    optimizer: OptimizerName = "sgd",
    rate_decay: bool = False,
    loss: Loss = hinge_loss,
    probe: Probe | None = None,
    checkpointing: Checkpointing | None = None,
    on_step: Callable[[int], None] | None = None,
    on_loss: OnLoss | None = None,
    stop_asked: Callable[[], bool] | None = None,
) -> TrainingState:
    """Train every run with a fresh batch per step.

    A run's numbers do not depend on the other runs: each has its own weights, stream, learning rate and loss. A
    run whose loss is no longer finite is reported in ``diverged_at`` and trained no further; a run that reached
    its target likewise in ``stopped_at``. Runs that have ended leave the batch, so they cost nothing.

    Args:
        model: the runs at their initial values; not changed.
        sampler: training prompts of the same runs.
        learning_rate: η of each run.
        steps: number of steps T.
        batch_size: fresh prompts per step B.
        optimizer: the update rule.
        rate_decay: whether the learning rate falls linearly to zero over the steps.
        loss: (output, labels) → loss per prompt, or per prediction.
        probe: what to record, when, and when a run is done.
        checkpointing: where to save on the way; also on Ctrl-C.
        on_step: called after each step with the number of runs that made it.
        on_loss: called at each step, before its update, with the step, the live runs and their losses; for logs.
        stop_asked: whether to save and stop; None: Ctrl-C asks for it.

    Returns:
        The final state; its weights load into a model of the same runs.

    Raises:
        KeyboardInterrupt: when asked to stop, after the step under way and after saving.
    """
    runs = len(learning_rate)
    held = {len(tensor) for tensor in model.state_dict().values()}
    require(held == {runs}, "learning_rate", f"{runs} values", f"one per run of the model, {sorted(held)}")
    state = None
    if checkpointing:
        state = TrainingState.load(checkpointing.path, checkpointing.fingerprint, learning_rate.device)
    if state is None:
        state = TrainingState.start(model.state_dict(), runs)
    live = _LiveRuns(model, sampler, learning_rate, optimizer, state)
    saved_at = time.monotonic()
    with stop_requests(stop_asked) as asked_to_stop:
        while live.indices:
            if probe and state.step in probe.steps and state.step not in state.recorded_at[-1:]:
                reached = _take(probe, live, state, runs)
                if bool(reached.any()):
                    live.end(reached, state.stopped_at)
                    continue
            if state.step >= steps:
                break
            prompts = live.sampler.prompts(batch_size, purpose=TRAINING_PURPOSE, step=state.step)
            losses = mean_loss(loss(live.model.predict(prompts).output, prompts.labels), prompts)
            infinite = ~losses.detach().isfinite().cpu()
            if bool(infinite.any()):
                live.end(infinite, state.diverged_at)
                continue
            if on_loss:
                on_loss(state.step, live.indices, losses.detach())
            factor = 1 - state.step / steps if rate_decay else 1.0
            live.optimizer.step(torch.autograd.grad(losses.sum(), live.parameters), factor)
            state.step += 1
            if on_step:
                on_step(len(live.indices))
            stopping = asked_to_stop()
            if checkpointing and (stopping or time.monotonic() - saved_at > checkpointing.seconds):
                live.write_back()
                state.save(checkpointing.path, checkpointing.fingerprint)
                saved_at = time.monotonic()
            if stopping:
                raise KeyboardInterrupt
    live.write_back()
    _note_divergence_at_the_end(state)
    return state


class _LiveRuns(Generic[Model]):
    """The runs that are still trained, as a smaller batch of their own."""

    def __init__(
        self, model: Model, sampler: Sampler, learning_rate: Tensor, optimizer: OptimizerName, state: TrainingState
    ) -> None:
        self._all_samplers, self._all_rates, self._state = sampler, learning_rate, state
        self._optimizer_name = optimizer
        self.indices = ((state.stopped_at == RUNNING) & (state.diverged_at == RUNNING)).nonzero()[:, 0].tolist()
        # One copy, so that the caller's model stays as it is, with the weights the state holds.
        everyone = model.runs(range(len(learning_rate)))
        everyone.load_state_dict(state.weights)
        self.model = everyone
        if self.indices:
            self._keep(list(self.indices), self.indices)

    def _keep(self, positions: Sequence[int], indices: list[int]) -> None:
        self.indices = indices
        self.model = self.model.runs(positions)
        self.sampler = self._all_samplers.runs(indices)
        self.parameters = list(self.model.parameters())
        remembered = {name: tensor[indices] for name, tensor in self._state.optimizer.items()}
        self.optimizer = optimizer_named(self._optimizer_name, self.parameters, self._all_rates[indices], remembered)

    def write_back(self) -> None:
        """Copy the live weights, and what the update rule remembers, into the state."""
        if not self.indices:
            return
        for name, tensor in self.model.state_dict().items():
            self._state.weights[name][self.indices] = tensor
        for name, tensor in self.optimizer.state().items():
            everyone = self._state.optimizer.setdefault(name, tensor.new_zeros(len(self._all_rates), *tensor.shape[1:]))
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


def mean_loss(losses: Float[Tensor, "run batch *points"], prompts: TrainingPrompts) -> Float[Tensor, " run"]:
    """Each run's mean loss: all prompts alike, or by their probabilities where a batch has them."""
    weights: Tensor | None = getattr(prompts, "weights", None)
    if weights is None:
        return losses.flatten(1).mean(dim=1)
    return (losses.flatten(2).mean(dim=2) * weights).sum(dim=1)


def _note_divergence_at_the_end(state: TrainingState) -> None:
    """The loss before a step cannot tell what the last step did: look at the weights."""
    infinite = torch.stack([~w.detach().isfinite().flatten(1).all(dim=1).cpu() for w in state.weights.values()]).any(
        dim=0
    )
    state.diverged_at[infinite & (state.diverged_at == RUNNING)] = state.step


def _take(probe: Probe, live: _LiveRuns[Any], state: TrainingState, runs: int) -> Bool[Tensor, " live"]:
    """Record a probe, NaN where a run has ended; returns which live runs have reached their target."""
    with torch.no_grad():
        records = probe.measure(live.model, live.indices)
    for name, values in records.items():
        row = values.new_full((runs, *values.shape[1:]), torch.nan)
        row[live.indices] = values
        state.records.setdefault(name, []).append(row.cpu())
    state.recorded_at.append(state.step)
    if probe.reached is None:
        return torch.zeros(len(live.indices), dtype=torch.bool)
    return probe.reached(records, live.indices).cpu()
