"""Where inputs come from: N(0, I_d), and the shifted distributions of Garg 2022, Section 4.

The last point of a prompt is the query. Where context and query are drawn alike, every point may serve as one.
"""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float64
from torch import Tensor

from iclscope.core.random_streams import RandomStream

InputName = Literal["gaussian", "skewed", "half_subspace", "orthants", "orthogonal_query", "repeated_query"]

QUERY_APART: tuple[InputName, ...] = ("orthants", "orthogonal_query", "repeated_query")
"""Distributions whose query is drawn otherwise than the context."""

Inputs = Float64[Tensor, "run batch points d"]


def draw_inputs(name: InputName, stream: RandomStream, batch: int, points: int, d: int) -> Inputs:
    """Inputs of every prompt.

    The mean square of a coordinate is 1 under every distribution but that of the orthogonal query.

    - gaussian: N(0, I_d).
    - skewed: N(0, Σ), the i-th eigenvalue of Σ in proportion to 1/i², trace d, eigenvectors random per prompt.
    - half_subspace: normal on a random subspace of dimension ⌊d/2⌋ per prompt, trace d.
    - orthants: the context in one random orthant per prompt; the query, being normal, in a random one of its own.
    - orthogonal_query: the query normal on the orthogonal complement of the context, which needs fewer than d examples.
    - repeated_query: the query equal to one of the context inputs, chosen at random.
    """
    inputs = stream.normal(batch, points, d)
    if name == "gaussian":
        return inputs
    apart = stream.at(1)
    context, query = inputs[:, :, :-1], inputs[:, :, -1:]
    if name in ("skewed", "half_subspace"):
        return inputs @ _shape_of(name, apart.normal(batch, d, d))
    if name == "orthants":
        signs = torch.where(apart.uniform(batch, 1, d) < 0.5, -1.0, 1.0).to(inputs)
        return torch.cat([context.abs() * signs, query], dim=2)
    if name == "orthogonal_query":
        basis = torch.linalg.qr(context.transpose(2, 3)).Q
        return torch.cat([context, query - (query @ basis) @ basis.transpose(2, 3)], dim=2)
    which = (apart.uniform(batch) * (points - 1)).long()
    chosen = which[..., None, None].expand(-1, -1, 1, d)
    return torch.cat([context, context.gather(2, chosen)], dim=2)


def _shape_of(name: InputName, square: Float64[Tensor, "run batch d d"]) -> Float64[Tensor, "run batch d d"]:
    """The symmetric root of the covariance, trace d, with random eigenvectors."""
    d = square.shape[3]
    roots = torch.arange(1, d + 1, dtype=square.dtype, device=square.device).reciprocal()
    if name == "half_subspace":
        roots = (roots > 1 / (d // 2 + 1)).to(square)
    roots = roots * (d / roots.square().sum()).sqrt()
    vectors: Tensor = torch.linalg.qr(square).Q
    return (vectors * roots) @ vectors.transpose(2, 3)
