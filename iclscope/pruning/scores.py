"""How much each MLP neuron matters."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from iclscope.models.expected import expect_model_of
from iclscope.models.softmax_relu import SoftmaxReLUTransformer


def magnitude(model: SoftmaxReLUTransformer) -> Float[Tensor, "run width"]:
    """‖W_O(i,·)‖, the norm of a neuron's incoming weights: the score of Li 2024, Section 3.4."""
    expect_model_of(SoftmaxReLUTransformer, model)
    norms: Tensor = model.W_O.detach().norm(dim=2)
    return norms
