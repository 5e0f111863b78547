"""Least squares and averaging: linear answers with a formula."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def least_squares(
    inputs: Float[Tensor, "*batch k d"], targets: Float[Tensor, "*batch k"], query: Float[Tensor, "*batch d"]
) -> Float[Tensor, "*batch"]:
    """Answer ⟨w, query⟩ with the least-squares w of each prompt, the shortest one where there are several.

    There is no intercept. For k < d in general position w interpolates the examples. Computed in float64; directions
    whose singular value is at most max(k, d)·ε times the largest count as absent, with the ε of the inputs' own
    precision, as in ``numpy.linalg.lstsq``. Baseline of Garg et al. 2022 (arXiv 2208.01066), Section 3.

    Args:
        inputs: each prompt's examples, finite.
        targets: their values, finite.
        query: the input to answer.

    Returns:
        One answer per prompt, in the targets' precision; 0 where k = 0.
    """
    # Inputs in a subspace leave it by their rounding error. A cutoff for float64 would take rounding of float32 for
    # a direction of its own and fit noise in it.
    cutoff = max(inputs.shape[-2:]) * torch.finfo(inputs.dtype).eps
    weights: Tensor = torch.linalg.pinv(inputs.double(), rtol=cutoff) @ targets.double()[..., None]
    return (query.double() * weights[..., 0]).sum(-1).to(targets.dtype)


def averaging(
    inputs: Float[Tensor, "*batch k d"], targets: Float[Tensor, "*batch k"], query: Float[Tensor, "*batch d"]
) -> Float[Tensor, "*batch"]:
    """Answer ⟨w, query⟩ with w the mean of targetᵢ·inputᵢ over the k examples.

    The estimate is unbiased for linear functions of standard normal inputs. Baseline of Garg et al. 2022
    (arXiv 2208.01066), Section 3.

    Args:
        inputs: each prompt's examples.
        targets: their values.
        query: the input to answer.

    Returns:
        One answer per prompt; 0 where k = 0.
    """
    products = (inputs @ query[..., None])[..., 0]
    return (products * targets).sum(-1) / max(inputs.shape[-2], 1)
