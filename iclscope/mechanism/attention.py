"""Where the attention goes (Proposition 4.1 of Li 2024)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from iclscope.core.arguments import expect_instance
from iclscope.models.expected import expect_model_of
from iclscope.models.softmax_relu import SoftmaxReLUTransformer
from iclscope.tasks.patterns import PatternPrompts


@torch.no_grad()
def attention_concentration(model: SoftmaxReLUTransformer, prompts: PatternPrompts) -> Float[Tensor, " run"]:
    """Attention summed over the context columns with the query's relevant pattern, averaged over prompts.

    The sum on all other columns is one minus this. Proposition 4.1: it grows to 1 − η^C. Prompts without such a
    column have none to attend to and are left out; NaN if there is no other.
    """
    expect_model_of(SoftmaxReLUTransformer, model)
    expect_instance("prompts", prompts, PatternPrompts)
    same = prompts.same_pattern
    summed = (model.predict(prompts).attention * same).sum(dim=2).double()
    counted = same.any(dim=2).double()
    return (summed * counted).sum(dim=1) / counted.sum(dim=1)
