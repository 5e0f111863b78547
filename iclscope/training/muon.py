"""Muon: a matrix moves along the orthogonal factor of its momentum; Adam moves all else.

The rule of Jordan et al. 2024 (https://kellerjordan.github.io/posts/muon/): momentum with Nesterov's look ahead, five
Newton–Schulz steps in the precision of the weights, and steps whose size follows the matrix's shape.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import sqrt

import torch
from jaxtyping import Float
from torch import Tensor

from iclscope.models.run_model import Matrix
from iclscope.training.optimizers import Adam

MOMENTUM = 0.95
NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
"""Of x ↦ a x + b x³ + c x⁵, which brings singular values near 1: within about 0.7 and 1.2 after five steps."""
STEPS = 5
_TINY = 1e-7


def orthogonalised(matrices: Float[Tensor, "*batch rows columns"]) -> Float[Tensor, "*batch rows columns"]:
    """About U Vᵀ of each matrix U Σ Vᵀ, by five Newton–Schulz steps; a matrix of zeros stays one."""
    a, b, c = NEWTON_SCHULZ
    is_tall = matrices.shape[-2] > matrices.shape[-1]
    X: Tensor = matrices.mT if is_tall else matrices  # the smaller products
    X = X / (X.norm(dim=(-2, -1), keepdim=True) + _TINY)
    for _ in range(STEPS):
        A = X @ X.mT
        X = a * X + (b * A + c * A @ A) @ X
    return X.mT if is_tall else X


class Muon:
    """Muon for the matrices of a model, PyTorch's Adam for all else; runs do not mix."""

    def __init__(
        self,
        parameters: Sequence[Tensor],
        matrices: Mapping[int, Matrix],
        learning_rate: Float[Tensor, " run"],
        state: Mapping[str, Tensor],
        *,
        adam_rate: float,
        weight_decay: float = 0.0,
    ) -> None:
        """Begin, or go on.

        Args:
            parameters: weights with a leading run axis; changed in place by each step.
            matrices: which of them are made of matrices, and how.
            learning_rate: of the matrices of each run.
            state: what `state` returned when the training was left; empty at its start.
            adam_rate: of everything else, in all runs.
            weight_decay: decoupled, of the matrices: each step takes rate · decay of them away.
        """
        self._parameters, self._matrices, self._rate = list(parameters), dict(matrices), learning_rate
        self._decay = weight_decay
        self._others = [index for index in range(len(self._parameters)) if index not in self._matrices]
        self._momentum = {
            index: state[f"momentum/{index}"].clone() if state else torch.zeros_like(self._parameters[index])
            for index in self._matrices
        }
        # PyTorch's fused Adam moves parts of a larger buffer wrongly, without a word: it gets copies of such parts.
        self._rest = [self._parameters[index].detach().contiguous() for index in self._others]
        rates = learning_rate.new_full((len(learning_rate),), adam_rate)
        self._adam = Adam(self._rest, rates, state) if self._rest else None

    @torch.no_grad()
    def step(self, gradients: Sequence[Tensor], rate_factor: float) -> None:
        """Move the parameters, in place, at the learning rates times a factor."""
        ahead: dict[tuple[int, ...], list[tuple[int, Tensor]]] = {}
        for index, kind in self._matrices.items():
            momentum = self._momentum[index].lerp_(gradients[index], 1 - MOMENTUM)
            looked_ahead = split(gradients[index].lerp(momentum, MOMENTUM), kind)
            ahead.setdefault(tuple(looked_ahead.shape), []).append((index, looked_ahead))
        for of_one_shape in ahead.values():  # all layers' matrices of one shape are one product
            directions = orthogonalised(torch.stack([matrices for _, matrices in of_one_shape]))
            for (index, _), direction in zip(of_one_shape, directions, strict=True):
                self._move(index, direction, rate_factor)
        if self._adam is not None:
            self._adam.step([gradients[index].contiguous() for index in self._others], rate_factor)
            for index, moved in zip(self._others, self._rest, strict=True):
                self._parameters[index].copy_(moved)

    def _move(self, index: int, direction: Float[Tensor, "run part inputs outputs"], rate_factor: float) -> None:
        parameter, kind = self._parameters[index], self._matrices[index]
        inputs, outputs = direction.shape[-2:]
        rate = (self._rate * rate_factor)[:, None, None]
        if self._decay:
            parameter.mul_(1 - rate * self._decay)
        parameter.addcmul_(rate * sqrt(max(1.0, outputs / inputs)), joined(direction, kind), value=-1)

    def state(self) -> dict[str, Tensor]:
        """Momenta of the matrices, and what Adam remembers of the rest."""
        kept = {f"momentum/{index}": momentum for index, momentum in self._momentum.items()}
        return kept | ({} if self._adam is None else self._adam.state())


def split(weight: Tensor, kind: Matrix) -> Float[Tensor, "run part inputs outputs"]:
    """The matrices that a weight is made of, each [in, out]."""
    as_written = weight if kind.outputs_last else weight.mT
    runs, inputs, outputs = as_written.shape
    return as_written.reshape(runs, inputs, kind.parts, outputs // kind.parts).transpose(1, 2)


def joined(matrices: Float[Tensor, "run part inputs outputs"], kind: Matrix) -> Tensor:
    """The weight that is made of these matrices: the other way round."""
    runs, _, inputs, _ = matrices.shape
    whole = matrices.transpose(1, 2).reshape(runs, inputs, -1)
    return whole if kind.outputs_last else whole.mT
