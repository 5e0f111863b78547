"""How long queries and keys are, and how much of that is the relevant pattern (Proposition 4.1 of Li 2024)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from iclscope.core.arguments import expect_instance
from iclscope.models.expected import expect_model_of
from iclscope.models.softmax_relu import SoftmaxReLUTransformer
from iclscope.tasks.patterns import PatternPrompts
from iclscope.tasks.patterns.prompts import own_rows

_COLUMNS = 2048


class Projections(NamedTuple):
    """Means over prompts (and context columns).

    Attributes:
        query: ‖W_Q p_query‖.
        query_relevant: part of W_Q p_query along μ_j as W_Q starts to map it, that is along δ μ_j, j the query's
            pattern.
        key: ‖W_K p_i‖ over context columns.
        key_relevant: part of W_K p_i along δ μ_j, j the column's own pattern.
    """

    query: Float[Tensor, " run"]
    query_relevant: Float[Tensor, " run"]
    key: Float[Tensor, " run"]
    key_relevant: Float[Tensor, " run"]


@torch.no_grad()
def projections(model: SoftmaxReLUTransformer, prompts: PatternPrompts) -> Projections:
    """Norms of queries and keys and their components along the relevant pattern's image.

    The image direction of μ_j is the one W_Q and W_K start with, a multiple of (μ_j, 0): the propositions say
    that the maps keep it and grow along it.
    """
    expect_model_of(SoftmaxReLUTransformer, model)
    expect_instance("prompts", prompts, PatternPrompts)
    images = _resized(prompts.dictionary, model.W_Q.shape[1])
    directions = torch.nn.functional.normalize(images, dim=2)
    query, along_query = _lengths(prompts.query @ model.W_Q.transpose(1, 2), directions, prompts.query_relevant)
    # Every column is projected on its own, which is slow: some thousand are enough for a mean.
    few = slice(0, max(1, _COLUMNS // max(1, prompts.length)))
    columns = prompts.dense().columns[:, few].flatten(1, 2)
    key, along_key = _lengths(columns @ model.W_K.transpose(1, 2), directions, prompts.relevant[:, few].flatten(1, 2))
    exists = torch.ones_like(prompts.kappa) if prompts.mask is None else prompts.mask
    weights = exists[:, few].flatten(1, 2).double()
    return Projections(
        query.mean(dim=1),
        along_query.mean(dim=1),
        (key * weights).sum(dim=1) / weights.sum(dim=1),
        (along_key * weights).sum(dim=1) / weights.sum(dim=1),
    )


def _resized(vectors: Float[Tensor, "run patterns d"], rows: int) -> Float[Tensor, "run patterns m_a"]:
    """What the initial W_Q and W_K make of vectors, up to δ: the first m_a entries, zeros behind."""
    kept = vectors[:, :, :rows]
    return torch.nn.functional.pad(kept, (0, rows - kept.shape[2]))


def _lengths(
    vectors: Float[Tensor, "run count m_a"],
    directions: Float[Tensor, "run patterns m_a"],
    pattern: Int64[Tensor, "run count"],
) -> tuple[Float64[Tensor, "run count"], Float64[Tensor, "run count"]]:
    """Norm of each vector, and its component along the direction of its pattern."""
    return vectors.norm(dim=2).double(), (vectors * own_rows(directions, pattern)).sum(dim=2).double()
