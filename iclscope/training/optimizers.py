"""Update rules that act on every run at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

import torch
from jaxtyping import Float
from torch import Tensor

from iclscope.core.errors import require

OptimizerName = Literal["sgd", "adam"]


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


class SGD:
    """Plain SGD with a learning rate per run; remembers nothing."""

    def __init__(self, parameters: Sequence[Tensor], learning_rate: Float[Tensor, " run"]) -> None:
        self._parameters, self._learning_rate = list(parameters), learning_rate

    def step(self, gradients: Sequence[Tensor], rate_factor: float) -> None:
        """Move the parameters, in place, at the learning rate times a factor."""
        sgd_step(self._parameters, gradients, self._learning_rate * rate_factor)

    def state(self) -> dict[str, Tensor]:
        """Nothing."""
        return {}


class Adam:
    """PyTorch's Adam (Kingma and Ba 2015) at its defaults; it acts entry by entry, so runs do not mix.

    All runs share one learning rate.
    """

    def __init__(
        self, parameters: Sequence[Tensor], learning_rate: Float[Tensor, " run"], state: Mapping[str, Tensor]
    ) -> None:
        rates = sorted(set(learning_rate.tolist()))
        require(len(rates) == 1, "learning_rate", rates, "one number for all runs that Adam trains together")
        self._parameters, self._rate = list(parameters), rates[0]
        self._adam = torch.optim.Adam(self._parameters, lr=self._rate, fused=True)
        for index, parameter in enumerate(self._parameters):
            if state:
                self._adam.state[parameter] = {
                    # One counter for all runs, since they take the same steps.
                    "step": state["step"][0].clone(),
                    "exp_avg": state[f"exp_avg/{index}"].clone(),
                    "exp_avg_sq": state[f"exp_avg_sq/{index}"].clone(),
                }

    def step(self, gradients: Sequence[Tensor], rate_factor: float) -> None:
        """Move the parameters, in place, at the learning rate times a factor."""
        self._adam.param_groups[0]["lr"] = self._rate * rate_factor
        for parameter, gradient in zip(self._parameters, gradients, strict=True):
            parameter.grad = gradient
        self._adam.step()
        self._adam.zero_grad()

    def state(self) -> dict[str, Tensor]:
        """The first and second moments of every parameter, and the number of steps."""
        kept: dict[str, Tensor] = {}
        for index, parameter in enumerate(self._parameters):
            own = self._adam.state.get(parameter)
            if own:
                kept["step"] = own["step"].expand(len(parameter)).clone()
                kept |= {f"{name}/{index}": own[name] for name in ("exp_avg", "exp_avg_sq")}
        return kept


def optimizer_named(
    name: OptimizerName,
    parameters: Sequence[Tensor],
    learning_rate: Float[Tensor, " run"],
    state: Mapping[str, Tensor],
) -> Optimizer:
    """An update rule for the given parameters.

    Args:
        name: "sgd" or "adam".
        parameters: weights with a leading run axis; changed in place by each step.
        learning_rate: η of each run.
        state: what `Optimizer.state` returned when the training was left; empty at its start.

    Raises:
        BadRequest: if Adam is to train runs of different learning rates together.
    """
    return SGD(parameters, learning_rate) if name == "sgd" else Adam(parameters, learning_rate, state)
