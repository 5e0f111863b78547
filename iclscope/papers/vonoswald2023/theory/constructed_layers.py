"""The layer that takes a step of gradient descent, and such steps themselves."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from iclscope.core.errors import require, require_finite


class LayerWeights(NamedTuple):
    """The four matrices of a layer (Proposition 1), and their two products, in float64.

    Attributes:
        W_K: keys.
        W_Q: queries.
        W_V: values.
        P: projection.
    """

    W_K: Float[Tensor, "d d"]
    W_Q: Float[Tensor, "d d"]
    W_V: Float[Tensor, "d d"]
    P: Float[Tensor, "d d"]

    @property
    def W_KQ(self) -> Float[Tensor, "d d"]:
        """W_Kᵀ W_Q."""
        return self.W_K.T @ self.W_Q

    @property
    def W_PV(self) -> Float[Tensor, "d d"]:
        """P W_V."""
        return self.P @ self.W_V


def construction(
    *, d_X: int, eta: float, gamma: float = 0.0, length: int = 1, W0: Float[Tensor, "d_Y d_X"] | None = None
) -> LayerWeights:
    """The weights that make a layer one step of gradient descent, or of GD++ (Proposition 1 and Section 3).

    The same weights in every one of K layers make K steps. With W0 the query's y must start at −W0 x, as in the paper;
    a model in which it starts at 0 predicts what W0 x lacks.

    Args:
        d_X: dimension of the inputs.
        eta: step size η.
        gamma: γ of GD++: the layer also maps every x to (I − γ Σ_i x_i x_iᵀ) x; 0 is plain gradient descent.
        length: N, of use with γ only, since the model divides its sum by N and γ is not divided.
        W0: where gradient descent starts; None: at 0, one output.

    Raises:
        BadRequest: if a setting is not allowed.
    """
    require_finite([("eta", eta), ("gamma", gamma)])
    require(d_X >= 1, "d_X", d_X, "at least 1")
    require(length >= 1, "length", length, "at least 1")
    W0 = torch.zeros(1, d_X, dtype=torch.float64) if W0 is None else W0.double()
    require(W0.ndim == 2, "axes of W0", W0.ndim, "2: outputs by inputs")
    require(W0.shape[1] == d_X, "columns of W0", W0.shape[1], f"d_X = {d_X}")
    d_Y = len(W0)
    reads = torch.diag(torch.tensor([1.0] * d_X + [0.0] * d_Y, dtype=torch.float64))
    values, projection = torch.zeros_like(reads), torch.eye(d_X + d_Y, dtype=torch.float64) * eta
    values[d_X:, :d_X], values[d_X:, d_X:] = W0, -torch.eye(d_Y, dtype=torch.float64)
    if gamma:
        values[:d_X, :d_X] = -torch.eye(d_X, dtype=torch.float64)
        projection[:d_X, :d_X] = torch.eye(d_X, dtype=torch.float64) * gamma * length
    return LayerWeights(reads, reads, values, projection)


def gradient_descent(
    x: Float[Tensor, "*batch length d_X"],
    y: Float[Tensor, "*batch length"],
    query: Float[Tensor, "*batch d_X"],
    *,
    eta: float,
    steps: int = 1,
    gamma: float = 0.0,
) -> Float[Tensor, "*batch"]:
    """The prediction of K steps of gradient descent from W = 0, or of GD++, at each prompt's query.

    GD++ alternates with γ: after each step every x becomes (I − γ Σ_i x_i x_iᵀ) x, and the next step is taken on the
    residuals with these inputs. Both moves of a layer read the inputs before it.

    Args:
        x: inputs of the context.
        y: its answers.
        query: where to predict.
        eta: step size η.
        steps: number of steps K.
        gamma: γ of GD++; 0 is plain gradient descent.
    """
    residual, prediction = y, torch.zeros_like(query[..., 0])
    for _ in range(steps):
        step = eta * torch.einsum("...i,...id->...d", residual, x) / x.shape[-2]
        residual = residual - torch.einsum("...d,...id->...i", step, x)
        prediction = prediction + torch.einsum("...d,...d->...", step, query)
        if gamma:
            moments = x.transpose(-1, -2) @ x
            x, query = x - gamma * x @ moments, query - gamma * (moments @ query[..., None])[..., 0]
    return prediction
