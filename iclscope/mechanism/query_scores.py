"""What a bilinear form says of orthonormal features: scores, attention and loss per query feature (Huang 2024)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor


def feature_scores(
    Q: Float[Tensor, "run records d d"], features: Float[Tensor, "run K d"]
) -> Float[Tensor, "run records K K"]:
    """v_nᵀ Q v_k for query feature k (third axis) and context feature n (last): A_k if n = k, else B_{k,n}.

    Args:
        Q: the form over training, as it was recorded.
        features: v_1 … v_K of each run.
    """
    return torch.einsum("rnd,rtde,rke->rtkn", features, Q, features)


class QueryMeans(NamedTuple):
    """Means over contexts, for each query feature.

    Attributes:
        attention: on each feature (last axis), summed over its examples; sums to 1.
        loss: E(ŷ − y)², the mean over w ~ N(0, I) taken exactly: Σ_m (attention_m − δ_mk)².
    """

    attention: Float[Tensor, "run records K K"]
    loss: Float[Tensor, "run records K"]


@torch.no_grad()
def query_means(scores: Float[Tensor, "run records K K"], counts: Float[Tensor, "run contexts K"]) -> QueryMeans:
    """Attention and loss of every query feature at every record, on the same contexts.

    Args:
        scores: as `feature_scores` gives them.
        counts: how often each feature stands in each context.
    """
    own = torch.eye(scores.shape[3], dtype=scores.dtype, device=scores.device)
    log_counts = counts.to(scores).log()[:, :, None]
    attention, loss = [], []
    for at in scores.unbind(1):  # records, so that memory holds the contexts once
        a = (at[:, None] + log_counts).softmax(dim=3)
        attention.append(a.mean(dim=1))
        loss.append((a - own).square().sum(dim=3).mean(dim=1))
    return QueryMeans(torch.stack(attention, dim=1), torch.stack(loss, dim=1))
