"""Update rules that act on every run at once, each with its own learning rate."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor


@torch.no_grad()
def sgd_step(parameters: Sequence[Tensor], gradients: Sequence[Tensor], learning_rate: Float[Tensor, " run"]) -> None:
    """One step of plain SGD, in place: W ← W − η ∂loss/∂W.

    Args:
        parameters: weights with a leading run axis.
        gradients: of each run's own loss, in the same order.
        learning_rate: η of each run.
    """
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.sub_(learning_rate.reshape(-1, *(1,) * (parameter.ndim - 1)) * gradient)
