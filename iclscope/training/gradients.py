"""Where a step's losses and gradients come from: autograd on any model, or compiled by hand where that is faster."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol, Self, TypeVar, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from iclscope.tasks.prompts import TRAINING_PURPOSE as TRAINING_PURPOSE  # of all that training draws
from iclscope.tasks.prompts import Sampler as Sampler  # part of what training is asked with
from iclscope.training.losses import LOSSES, mean_loss
from iclscope.training.optimizers import UpdateRule
from iclscope.training.precision import no_bfloat16_of

Loss = Callable[[Tensor, Tensor], Tensor]


@runtime_checkable
class TrainableModel(Protocol):
    """What training asks of a model: a run axis on every weight."""

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


Model = TypeVar("Model", bound=TrainableModel)


class Gradients(Protocol):
    """Losses and gradients of runs that are trained together, and the weights they are of."""

    @property
    def parameters(self) -> Sequence[Tensor]:
        """What is moved, in place, by an update rule: the weights, or all of them that can move."""
        ...

    def at(self, step: int) -> tuple[Float[Tensor, " run"], Sequence[Tensor]]:
        """Each run's mean loss on the batch of a step, and the gradients of `parameters`, until the next step."""
        ...

    def model(self) -> Any:
        """The model with the weights as they are now."""
        ...

    def own_state(self) -> dict[str, Tensor]:
        """What must be kept beside the model's weights to go on exactly, each with a leading run axis."""
        ...

    def runs(self, positions: Sequence[int]) -> Self:
        """The same for some of the runs."""
        ...


class AutogradGradients:
    """Gradients of any loss of any model, by autograd; frozen weights (``requires_grad`` False) are left alone."""

    def __init__(self, model: TrainableModel, sampler: Sampler, loss: Loss, batch_size: int) -> None:
        self._model, self._sampler, self._loss, self._batch_size = model, sampler, loss, batch_size
        self.parameters: Sequence[Tensor] = [weight for weight in model.parameters() if weight.requires_grad]

    def at(self, step: int) -> tuple[Float[Tensor, " run"], Sequence[Tensor]]:
        """Each run's mean loss on the batch of a step, and the gradients of `parameters`."""
        prompts = self._sampler.prompts(self._batch_size, purpose=TRAINING_PURPOSE, step=step)
        losses = mean_loss(self._loss(self._model.predict(prompts).output, prompts.labels), prompts)
        return losses.detach(), torch.autograd.grad(losses.sum(), self.parameters)

    def model(self) -> Any:
        """The model itself."""
        return self._model

    def own_state(self) -> dict[str, Tensor]:
        """Nothing."""
        return {}

    def runs(self, positions: Sequence[int]) -> AutogradGradients:
        """The same for some of the runs."""
        chosen = self._model.runs(positions), self._sampler.runs(positions)
        return AutogradGradients(*chosen, self._loss, self._batch_size)


def gradients_of(
    model: TrainableModel,
    sampler: Sampler,
    *,
    loss: Loss,
    batch_size: int,
    rule: UpdateRule,
    weights: Mapping[str, Tensor],
    own_state: Mapping[str, Tensor],
    autograd: bool,
    bfloat16: bool = False,
) -> Gradients:
    """The fastest gradients there are for a training.

    Args:
        model: the runs at their initial values; not changed.
        sampler: training prompts of the same runs.
        loss: (output, labels) → loss per prompt, or per prediction.
        batch_size: prompts per run and step.
        rule: how the weights are moved; only plain SGD is the same rule in other coordinates.
        weights: the weights to go on from, by name.
        own_state: what `Gradients.own_state` returned when the training was left; empty at its start.
        autograd: whether to take autograd in any case.
        bfloat16: whether to take those whose products round their operands to bfloat16, and no others.

    Raises:
        BadRequest: if there are none in bfloat16.
    """
    if bfloat16:
        offered = getattr(model, "bfloat16_gradients", None)
        ready = None if offered is None or has_frozen_weights(model) else offered(sampler, _name_of(loss))
        if ready is None:
            raise no_bfloat16_of(model)
        rounded: Gradients = ready(model if own_state else _copy(model, weights), batch_size, own_state)
        return rounded
    offered = getattr(model, "compiled_gradients", None)
    # In other coordinates no single weight could be held.
    if offered is not None and not autograd and not has_frozen_weights(model):
        start = offered(sampler, _name_of(loss), rule.compiled_as)
        if start is not None:
            made: Gradients = start(model if own_state else _copy(model, weights), batch_size, own_state)
            return made
    return AutogradGradients(_copy(model, weights), sampler, loss, batch_size)


def _name_of(loss: Loss) -> str:
    """What a loss of ours is called; nothing where it is the caller's."""
    return next((name for name, known in LOSSES.items() if known is loss), "")


def has_frozen_weights(model: TrainableModel) -> bool:
    """Whether the caller asked for some weights not to be trained: ``requires_grad_(False)``."""
    return not all(weight.requires_grad for weight in model.parameters())


def _copy(model: Model, weights: Mapping[str, Tensor]) -> Model:
    """A model with other weights, so that the caller's stays as it is."""
    copy = model.runs(range(len(next(iter(weights.values())))))
    copy.load_state_dict(weights)
    return copy
