"""Nearest neighbours: the answer is what similar inputs were given."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from iclscope.core.errors import require


def nearest_neighbours(
    inputs: Float[Tensor, "*batch k d"],
    targets: Float[Tensor, "*batch k"],
    query: Float[Tensor, "*batch d"],
    *,
    neighbours: int = 3,
) -> Float[Tensor, "*batch"]:
    """Answer with the unweighted mean target of the examples nearest to the query.

    Distances are Euclidean; of equally distant examples the earlier one counts as nearer. Baseline of Garg et al.
    2022 (arXiv 2208.01066), Section 3, with 3 neighbours.

    Args:
        inputs: each prompt's examples.
        targets: their values.
        query: the input to answer.
        neighbours: how many examples are averaged, at least 1; all there are if there are fewer.

    Returns:
        One answer per prompt; 0 where k = 0.

    Raises:
        BadRequest: if ``neighbours`` is below 1.
    """
    require(neighbours >= 1, "neighbours", neighbours, "an integer from 1")
    distances = (inputs - query[..., None, :]).square().sum(-1)
    # A stable sort and not topk, whose choice among equal distances differs from device to device.
    nearest = distances.argsort(dim=-1, stable=True)[..., :neighbours]
    return targets.gather(-1, nearest).sum(-1) / max(nearest.shape[-1], 1)
