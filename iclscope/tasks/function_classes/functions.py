"""The function classes of Garg 2022: how a function is drawn, and what it says of inputs.

Every class has E f(x)² known for x ~ N(0, I_d), by which errors are divided, so that predicting 0 scores 1.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from jaxtyping import Float64
from torch import Tensor

from iclscope.core.random_streams import RandomStream

FunctionName = Literal["linear", "sparse_linear", "decision_tree", "relu_network", "quadratic", "linear_classification"]

Inputs = Float64[Tensor, "run batch points d"]
Values = Float64[Tensor, "run batch points"]


def linear(stream: RandomStream, inputs: Inputs) -> Values:
    """f(x) = ⟨w, x⟩, w ~ N(0, I_d); E f² = d."""
    return _products(inputs, _weights(stream, inputs))


def sparse_linear(stream: RandomStream, inputs: Inputs, sparsity: int, active: int) -> Values:
    """f(x) = ⟨w, x⟩ with ``sparsity`` non-zero coordinates of w ~ N(0, I_d), chosen at random; E f² = sparsity.

    They are chosen among the first ``active`` coordinates, the ones that a curriculum has switched on.
    """
    _, batch, _, d = inputs.shape
    order = stream.at(1).uniform(batch, d)
    order[..., active:] = 1  # behind all others
    rank = order.argsort(dim=2).argsort(dim=2)
    return _products(inputs, _weights(stream, inputs) * (rank < min(sparsity, active)))


def quadratic(stream: RandomStream, inputs: Inputs) -> Values:
    """f(x) = Σ w_i x_i² / √3, w ~ N(0, I_d): linear in the squares, with the variance of the linear class; E f² = d."""
    return _products(inputs.square(), _weights(stream, inputs)) / math.sqrt(3)


def linear_classification(stream: RandomStream, inputs: Inputs) -> Values:
    """f(x) = sign ⟨w, x⟩, w ~ N(0, I_d); E f² = 1."""
    return linear(stream, inputs).sign()


def relu_network(stream: RandomStream, inputs: Inputs, width: int) -> Values:
    """f(x) = √(2/h) Σ_i a_i ReLU(⟨w_i, x⟩) with h hidden units, a_i and w_i standard normal; E f² = d."""
    _, batch, _, d = inputs.shape
    first = stream.normal(batch, width, d)
    second = stream.at(1).normal(batch, width)
    hidden = torch.relu(torch.einsum("rbpd,rbhd->rbph", inputs, first))
    return torch.einsum("rbph,rbh->rbp", hidden, second) * math.sqrt(2 / width)


def decision_tree(stream: RandomStream, inputs: Inputs, depth: int, active: int) -> Values:
    """A full binary tree: every inner node asks for the sign of one coordinate, leaf values are N(0, 1); E f² = 1.

    Coordinates are drawn among the first ``active`` ones, those that a curriculum has switched on.
    """
    runs, batch, points, _ = inputs.shape
    inner = 2**depth - 1
    asked = (stream.uniform(batch, inner) * active).long()
    leaves = stream.at(1).normal(batch, inner + 1)
    node = torch.zeros(runs, batch, points, dtype=torch.int64, device=inputs.device)
    for _ in range(depth):  # levels, not prompts
        coordinate = asked.gather(2, node)
        positive = inputs.gather(3, coordinate[..., None])[..., 0] > 0
        node = 2 * node + 1 + positive.long()
    return leaves.gather(2, node - inner)


def _weights(stream: RandomStream, inputs: Inputs) -> Float64[Tensor, "run batch d"]:
    return stream.normal(inputs.shape[1], inputs.shape[3])


def _products(inputs: Inputs, weights: Float64[Tensor, "run batch d"]) -> Values:
    return torch.einsum("rbpd,rbd->rbp", inputs, weights)
