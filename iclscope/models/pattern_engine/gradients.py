"""Outputs and gradients of many runs on a sampler's prompts, by hand: the same prompts and numbers as autograd's.

With the images of all rows, P = W_Q Dᵀ, R = W_K Dᵀ and V = W_V Dᵀ, a prompt's scores come from T = Pᵀ R, its mixed
column is Dᵀ c with n amounts c (`kernels.attend`), and F = a · ReLU(W_O V c).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from iclscope.tasks import PatternSampler


@dataclass
class PatternPass:
    """One batch of every run: outputs now, gradients when the derivative of the loss is known.

    Attributes:
        output: F(Ψ; P).
        labels: the query's label z.
    """

    output: Float[Tensor, "run batch"]
    labels: Float[Tensor, "run batch"]
    _weights: Mapping[str, Tensor]
    _dictionary: Tensor
    _images: tuple[Tensor, Tensor, Tensor, Tensor]
    _hidden: Tensor
    _sums: tuple[Tensor, ...]

    @torch.no_grad()
    def gradients(self, d_output: Float[Tensor, "run batch"]) -> dict[str, Tensor]:
        """Gradients of the weights.

        Args:
            d_output: the derivative of each run's loss by its outputs.
        """
        from iclscope.models.pattern_engine.kernels import scores_backward

        P, R, V, H = self._images
        queries, query_kappa, c, by_label, by_pair, by_square = self._sums
        D, W_O = self._dictionary, self._weights["W_O"]
        d_hidden = (d_output[..., None] * self._weights["a"][:, None]).mul_(self._hidden > 0)
        dH = d_hidden.transpose(1, 2) @ c
        dT = c.new_zeros(len(c), c.shape[2], c.shape[2])
        u = d_hidden @ H
        active = (d_output != 0).numpy()
        scores_backward(
            u.numpy(), queries.numpy(), query_kappa.numpy(), c.numpy(), by_label.numpy(), by_pair.numpy(),
            by_square.numpy(), active, dT.numpy(),
        )  # fmt: skip
        return {
            "W_Q": R @ dT.transpose(1, 2) @ D,
            "W_K": P @ dT @ D,
            "W_V": W_O.transpose(1, 2) @ dH @ D,
            "W_O": dH @ V.transpose(1, 2),
        }


@torch.no_grad()
def pattern_pass(
    weights: Mapping[str, Tensor],
    dictionary: Float[Tensor, "run n d"],
    sampler: PatternSampler,
    batch: int,
    *,
    purpose: str,
    step: int,
) -> PatternPass:
    """Answer a batch of prompts of every run, on a CPU.

    Args:
        weights: W_Q, W_K, W_V, W_O and a, full or in `PatternCoordinates`.
        dictionary: the patterns and q as those weights read them.
        sampler: which prompts.
        batch: prompts per run.
        purpose: as for `PatternSampler.prompts`.
        step: as for `PatternSampler.prompts`.
    """
    from iclscope.models.pattern_engine.kernels import attend

    columns = dictionary.transpose(1, 2)
    P, R, V = (weights[name] @ columns for name in ("W_Q", "W_K", "W_V"))
    H = weights["W_O"] @ V
    T = P.transpose(1, 2) @ R
    source = sampler.source(purpose, step)
    runs, n = len(P), T.shape[1]
    M1, M2 = source.M1, source.M2

    def empty(*shape: int) -> Tensor:
        return T.new_empty(runs, batch, *shape)

    queries = torch.empty(runs, batch, 2, dtype=torch.int64)
    query_kappa, labels, c = empty(), empty(), empty(n)
    by_label, by_pair, by_square = empty(2 * M1), empty(2 * M1, M2), empty(M2)
    arrays: list[Any] = [
        tensor.numpy() for tensor in (T, queries, query_kappa, labels, c, by_label, by_pair, by_square)
    ]
    attend(
        source.keys.numpy().view(np.uint64), source.alpha.numpy(), source.K.numpy(), source.tasks.numpy(),
        source.task_counts.numpy(), M1, M2, source.shortest, source.longest, source.exact, 0, *arrays,
    )  # fmt: skip
    hidden = (c @ H.transpose(1, 2)).relu_()
    output = (hidden @ weights["a"][..., None])[..., 0]
    sums = (queries, query_kappa, c, by_label, by_pair, by_square)
    return PatternPass(output, labels, weights, dictionary, (P, R, V, H), hidden, sums)
