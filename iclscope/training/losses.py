"""Losses that models are trained on."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor


def hinge_loss(output: Float[Tensor, "run batch"], labels: Float[Tensor, "run batch"]) -> Float[Tensor, "run batch"]:
    """max{0, 1 − z·F(Ψ; P)} per prompt (Li 2024, Section 2); z is the query's label."""
    return (1 - labels * output).relu()
