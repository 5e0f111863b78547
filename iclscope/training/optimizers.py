"""Update rules that act on every run at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

import torch
from jaxtyping import Float
from torch import Tensor

from iclscope.core.errors import require

if TYPE_CHECKING:
    from iclscope.models.run_model import Matrix

OptimizerName = Literal["sgd", "adam", "muon"]

NO_MATRICES = "sgd or adam, for a model that names no matrices (RunModel.matrices)"


class UpdateRule(NamedTuple):
    """How gradients become steps.

    Attributes:
        optimizer: "sgd", "adam", or "muon" for the matrices of a model and Adam for the rest.
        adam_rate: with Muon, the learning rate of the rest.
        weight_decay: decoupled: each step takes learning rate · decay of the weights away; with Muon, of the matrices.
        clip_norm: the largest norm of a run's whole gradient; None: any.
    """

    optimizer: OptimizerName = "sgd"
    adam_rate: float | None = None
    weight_decay: float = 0.0
    clip_norm: float | None = None

    @property
    def compiled_as(self) -> str:
        """Its name for gradients in other coordinates, in which only plain SGD is the same rule."""
        return self.optimizer if self[1:] == (None, 0.0, None) else f"{self.optimizer} and more"


@torch.no_grad()
def sgd_step(parameters: Sequence[Tensor], gradients: Sequence[Tensor], learning_rate: Float[Tensor, " run"]) -> None:
    """One step of plain SGD, in place: W ← W − η ∂loss/∂W.

    Args:
        parameters: weights with a leading run axis.
        gradients: of each run's own loss, in the same order.
        learning_rate: η of each run.
    """
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.addcmul_(learning_rate.reshape(-1, *(1,) * (parameter.ndim - 1)), gradient, value=-1)


class Optimizer(Protocol):
    """What the loop asks of an update rule."""

    def step(self, gradients: Sequence[Tensor], rate_factor: float) -> None:
        """Move the parameters, in place, at the learning rate times a factor."""
        ...

    def state(self) -> dict[str, Tensor]:
        """All that the rule remembers, each with a leading run axis; enough to go on exactly."""
        ...


def _whole(tensors: Sequence[Tensor]) -> list[Tensor]:
    """What to act on number by number: the buffer that all tensors are parts of, where they say so, or each of them."""
    whole: Tensor | None = getattr(tensors, "whole", None)
    return list(tensors) if whole is None else [whole]


class SGD:
    """SGD with a learning rate per run; remembers nothing."""

    def __init__(
        self, parameters: Sequence[Tensor], learning_rate: Float[Tensor, " run"], weight_decay: float = 0.0
    ) -> None:
        self._parameters, self._learning_rate, self._decay = _whole(parameters), learning_rate, weight_decay

    def step(self, gradients: Sequence[Tensor], rate_factor: float) -> None:
        """Move the parameters, in place, at the learning rate times a factor."""
        if self._decay:
            with torch.no_grad():
                for parameter in self._parameters:
                    kept = 1 - self._learning_rate * rate_factor * self._decay
                    parameter.mul_(kept.reshape(-1, *(1,) * (parameter.ndim - 1)))
        sgd_step(self._parameters, _whole(gradients), self._learning_rate * rate_factor)

    def state(self) -> dict[str, Tensor]:
        """Nothing."""
        return {}


class Adam:
    """PyTorch's Adam (Kingma and Ba 2015) at its defaults; it acts entry by entry, so runs do not mix.

    All runs share one learning rate. With weight decay it is AdamW (Loshchilov and Hutter 2019).
    """

    def __init__(
        self,
        parameters: Sequence[Tensor],
        learning_rate: Float[Tensor, " run"],
        state: Mapping[str, Tensor],
        weight_decay: float = 0.0,
    ) -> None:
        rates = sorted(set(learning_rate.tolist()))
        require(len(rates) == 1, "learning_rate", rates, "one number for all runs that Adam trains together")
        self._parameters, self._rate = parameters, rates[0]
        self._moved = _whole(parameters)
        self._adam = torch.optim.AdamW(self._moved, lr=self._rate, weight_decay=weight_decay, fused=True)
        if state:
            moments = {name: [torch.zeros_like(one) for one in self._moved] for name in ("exp_avg", "exp_avg_sq")}
            for name, buffers in moments.items():
                for index, part in enumerate(self._parts(buffers)):
                    part.copy_(state[f"{name}/{index}"])
            for place, moved in enumerate(self._moved):
                # One counter for all runs, since they take the same steps.
                own = {name: buffers[place] for name, buffers in moments.items()}
                self._adam.state[moved] = {"step": state["step"][0].clone(), **own}

    def _parts(self, buffers: Sequence[Tensor]) -> Sequence[Tensor]:
        """One tensor per parameter, of what belongs to all that is moved."""
        parts: Callable[[Tensor], Sequence[Tensor]] | None = getattr(self._parameters, "parts", None)
        return buffers if parts is None else parts(buffers[0])

    def step(self, gradients: Sequence[Tensor], rate_factor: float) -> None:
        """Move the parameters, in place, at the learning rate times a factor."""
        self._adam.param_groups[0]["lr"] = self._rate * rate_factor
        for moved, gradient in zip(self._moved, _whole(gradients), strict=True):
            moved.grad = gradient
        self._adam.step()
        self._adam.zero_grad()

    def state(self) -> dict[str, Tensor]:
        """The first and second moments of every parameter, and the number of steps."""
        owns = [self._adam.state[moved] for moved in self._moved if self._adam.state.get(moved)]
        if not owns:
            return {}
        kept = {"step": owns[0]["step"].expand(len(self._moved[0])).clone()}
        for name in ("exp_avg", "exp_avg_sq"):
            parts = self._parts([own[name] for own in owns])
            kept |= {f"{name}/{index}": part for index, part in enumerate(parts)}
        return kept


def optimizer_of(
    rule: UpdateRule,
    parameters: Sequence[Tensor],
    learning_rate: Float[Tensor, " run"],
    state: Mapping[str, Tensor],
    matrices: Mapping[int, Matrix],
) -> Optimizer:
    """What moves the given parameters.

    Args:
        rule: how.
        parameters: weights with a leading run axis; changed in place by each step.
        learning_rate: η of each run.
        state: what `Optimizer.state` returned when the training was left; empty at its start.
        matrices: which of the parameters are made of matrices, and how.

    Raises:
        BadRequest: if Adam is to train runs of different learning rates together, or Muon a model without matrices.
    """
    if rule.optimizer == "sgd":
        return SGD(parameters, learning_rate, rule.weight_decay)
    if rule.optimizer == "adam":
        return Adam(parameters, learning_rate, state, rule.weight_decay)
    from iclscope.training.muon import Muon

    require(bool(matrices), "optimizer", rule.optimizer, NO_MATRICES)
    assert rule.adam_rate is not None
    return Muon(parameters, matrices, learning_rate, state, adam_rate=rule.adam_rate, weight_decay=rule.weight_decay)


def clipped(gradients: Sequence[Tensor], most: float) -> Sequence[Tensor]:
    """Gradients of each run, made smaller in place, so that the norm of all of them together is at most ``most``."""
    moved = _whole(gradients)
    squares = torch.stack([gradient.reshape(len(gradient), -1).square().sum(dim=1) for gradient in moved])
    scale = (most / (squares.sum(dim=0).sqrt() + 1e-6)).clamp(max=1.0)
    for gradient in moved:
        gradient.mul_(scale.reshape(-1, *(1,) * (gradient.ndim - 1)))
    return gradients
