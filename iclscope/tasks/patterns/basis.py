"""The orthogonal patterns that inputs are made of, and the label embedding q."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from iclscope.core.random_streams import RandomStream


@dataclass(frozen=True)
class PatternBasis:
    """Patterns of each run: x = μ_j + κ·ν_k, y = ±q (Li 2024, Section 2).

    Attributes:
        relevant: the patterns μ_j that decide the label (IDR in domain, ODR out of domain).
        irrelevant: the patterns ν_k that do not (IDI, ODI).
        label: the label embedding q; −q stands for the label −1.
    """

    relevant: Float[Tensor, "run M1 d_X"]
    irrelevant: Float[Tensor, "run M2 d_X"]
    label: Float[Tensor, "run d_Y"]

    def dictionary(self) -> Float[Tensor, "run patterns d"]:
        """All that a column is made of, as rows of length d = d_X + d_Y: the μ_j, then the ν_k, then q."""
        inputs = torch.cat([self.relevant, self.irrelevant], dim=1)
        d_X, d_Y = inputs.shape[2], self.label.shape[1]
        inputs = torch.nn.functional.pad(inputs, (0, d_Y))
        label = torch.nn.functional.pad(self.label, (d_X, 0))
        return torch.cat([inputs, label[:, None]], dim=1)


def orthonormal_rows(stream: RandomStream, count: int, dimension: int) -> Float[Tensor, "run count dimension"]:
    """Random orthonormal vectors (rows), uniformly rotated: the QR factor of a normal matrix, in float64."""
    factor, triangle = torch.linalg.qr(stream.normal(dimension, count))
    # Fixing the signs makes the factor unique, and so the same on every LAPACK.
    signs = torch.sign(torch.diagonal(triangle, dim1=-2, dim2=-1))
    rows: Tensor = (factor * signs[:, None, :]).transpose(1, 2)
    return rows


def pattern_basis(
    stream: RandomStream,
    *,
    M1: int,
    M2: int,
    d_X: int,
    d_Y: int,
    beta: Float[Tensor, " run"],
    q_norm: Float[Tensor, " run"],
) -> PatternBasis:
    """Draw in-domain patterns, mutually orthogonal and of norm β, and a label embedding of norm ‖q‖.

    Args:
        stream: one stream per run.
        M1: number of relevant patterns, at least 3.
        M2: number of irrelevant patterns, at least 1; M1 + M2 ≤ d_X.
        d_X: input dimension.
        d_Y: label dimension.
        beta: norm of every pattern.
        q_norm: norm of q.

    Returns:
        Patterns in float64; the caller chooses the precision it works in.
    """
    patterns = orthonormal_rows(stream.at(0), M1 + M2, d_X) * beta[:, None, None].double()
    label = orthonormal_rows(stream.at(1), 1, d_Y)[:, 0] * q_norm[:, None].double()
    return PatternBasis(patterns[:, :M1], patterns[:, M1:], label)
