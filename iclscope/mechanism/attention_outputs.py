"""What the attention of the one-layer model passes on (proof sketch of Li 2024): the query's pattern and a label."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from iclscope.core.arguments import expect_instance
from iclscope.models.expected import expect_model_of
from iclscope.models.softmax_relu import SoftmaxReLUTransformer
from iclscope.tasks.patterns import PatternPrompts
from iclscope.tasks.patterns.prompts import own_rows


class AttentionOutput(NamedTuple):
    """The attention-weighted sum of context columns Σ_s attn_s p_s, means over prompts.

    Attributes:
        pattern_cosine: cosine of its feature part with the query's relevant pattern.
        irrelevant_norm: norm of the part of it along irrelevant patterns, over that of the query's own input.
        label: its label part along z·q, in units of ‖q‖: 1 where all attention lies on columns with the query's label.
    """

    pattern_cosine: Float[Tensor, " run"]
    irrelevant_norm: Float[Tensor, " run"]
    label: Float[Tensor, " run"]


@torch.no_grad()
def attention_output(model: SoftmaxReLUTransformer, prompts: PatternPrompts, M1: int) -> AttentionOutput:
    """What the attention makes of the context, before W_V and the MLP.

    Prompts without a column of the query's pattern are left out: no attention could pass it on.

    Args:
        model: the runs.
        prompts: a batch per run.
        M1: how many of the prompts' patterns are relevant; they come first in the dictionary.
    """
    expect_model_of(SoftmaxReLUTransformer, model)
    expect_instance("prompts", prompts, PatternPrompts)
    table = prompts.dictionary
    same = torch.eye(table.shape[2], dtype=table.dtype, device=table.device).expand(len(table), -1, -1)
    mixed = prompts.weighted_sum(model.predict(prompts).attention, same)
    pattern = own_rows(table, prompts.query_relevant)
    label = table[:, -1:]
    own = prompts.query_kappa.abs() * own_rows(table, prompts.query_irrelevant).norm(dim=2)
    counted = prompts.same_pattern.any(dim=2).double()
    feature = mixed[..., : prompts.d_X]
    cosine = torch.cosine_similarity(feature, pattern[..., : prompts.d_X], dim=2)
    irrelevant = torch.nn.functional.normalize(table[:, M1:-1], dim=2)
    rest = (mixed @ irrelevant.transpose(1, 2)).norm(dim=2)
    along = prompts.labels * (mixed * label).sum(dim=2) / label.square().sum(dim=2)
    return AttentionOutput(_mean(cosine, counted), _mean(rest, counted) / _mean(own, counted), _mean(along, counted))


def _mean(values: Float[Tensor, "run batch"], weights: Float[Tensor, "run batch"]) -> Float[Tensor, " run"]:
    return (values.double() * weights).sum(dim=1) / weights.sum(dim=1)
