"""What the layers and heads of GPT-2 do on pattern prompts: attention and MLP neurons, layer by layer.

The paper defines both for one layer and one head. The definitions for several (ours) are in the docstrings below.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from iclscope.core.arguments import expect_instance
from iclscope.models.expected import expect_model_of
from iclscope.models.gpt2 import GPT2Transformer
from iclscope.tasks.patterns import PatternBasis, PatternPrompts


class LayerAttention(NamedTuple):
    """Where the query's attention goes, per layer.

    Attributes:
        same_pattern: attention from the query's token to the context examples with the query's relevant pattern, as a
            share of its attention to all context examples; mean over heads and prompts.
        best_head: the same for the head with the largest mean.
        on_context: attention from the query's token to all context examples; the rest stays on the query itself.
    """

    same_pattern: Float[Tensor, "run layer"]
    best_head: Float[Tensor, "run layer"]
    on_context: Float[Tensor, "run layer"]


@torch.no_grad()
def layer_attention(model: GPT2Transformer, prompts: PatternPrompts) -> LayerAttention:
    """Attention from the query to examples of its own pattern.

    In the one-layer model the query does not attend to itself; here it does, so the sum over same-pattern examples is
    divided by the sum over all examples. With alternating tokens an example is its x and its y. Prompts without an
    example of the query's pattern are left out.
    """
    expect_model_of(GPT2Transformer, model)
    expect_instance("prompts", prompts, PatternPrompts)
    tokens = prompts.examples().tokens(model.config.tokens)
    attention = model.predict(prompts, inside=True).attention
    assert attention is not None
    layers, heads, width = attention.shape[2], attention.shape[3], attention.shape[5]
    query = tokens.read_at[:, :, None, None, :, None].expand(-1, -1, layers, heads, 1, width)
    from_query = attention.gather(4, query)[..., 0, :].double()
    to_examples = from_query[..., : prompts.length]
    if model.config.tokens == "alternating":
        pairs = from_query[..., : 2 * prompts.length]
        to_examples = pairs[..., ::2] + pairs[..., 1::2]
    exists = torch.ones_like(prompts.same_pattern) if prompts.mask is None else prompts.mask
    total = (to_examples * exists[:, :, None, None]).sum(dim=-1)
    same = (to_examples * prompts.same_pattern[:, :, None, None]).sum(dim=-1) / total
    counted = prompts.same_pattern.any(dim=2)[:, :, None, None]
    per_head = same.masked_fill(~counted, 0).sum(dim=1) / counted.sum(dim=1)
    return LayerAttention(per_head.mean(dim=2), per_head.amax(dim=2), total.mean(dim=(1, 3)))


class LayerNeurons(NamedTuple):
    """How the MLP neurons of each layer read labels, by the sign of what they write.

    Attributes:
        angle_plus: angle to q (radians) of the label rows of neurons that raise the output.
        angle_minus: the same for neurons that lower it.
        label_norm: norm of the label rows.

    All are means weighted by the size of a neuron's path, |effect| · ‖label row‖.
    """

    angle_plus: Float[Tensor, "run layer"]
    angle_minus: Float[Tensor, "run layer"]
    label_norm: Float[Tensor, "run layer"]


@torch.no_grad()
def layer_neurons(model: GPT2Transformer, basis: PatternBasis) -> LayerNeurons:
    """Label rows of the neurons of every layer, against q.

    In the one-layer model a neuron's label row is the label part of its row of W_O W_V, and a_i is what it does to the
    output. Here the label row is the direct path of a label embedding to the neuron, read-in → values and output
    projection of the layer's attention (all heads) → first MLP weights, and its effect is the direct path to the
    output, second MLP weights → read-out, both with the gains of the layer norms and without their divisions. Paths
    through other layers are not counted.

    Args:
        model: the runs.
        basis: their in-domain patterns.
    """
    expect_model_of(GPT2Transformer, model)
    expect_instance("basis", basis, PatternBasis)
    weights = {name.removeprefix("network."): tensor.double() for name, tensor in model.state_dict().items()}
    n, d_X = model.config.embedding, model.config.d_X
    # A label stands below the input of its column, or in a token of its own, padded behind.
    label = slice(d_X, None) if model.config.tokens == "columns" else slice(model.config.d_Y)
    label_in = weights["read_in.weight"][:, :, label]
    readout = weights["read_out.weight"][:, 0]
    if model.config.final_norm:
        readout = weights["backbone.ln_f.weight"] * readout
    q = basis.label.to(label_in)
    found = []
    for layer in range(model.config.layers):
        own = {name.removeprefix(f"backbone.h.{layer}."): tensor for name, tensor in weights.items()}
        # transformers' Conv1D multiplies from the right: a vector x becomes x W.
        values = own["attn.c_attn.weight"][:, :, 2 * n :] @ own["attn.c_proj.weight"]
        moved = (label_in.transpose(1, 2) * own["ln_1.weight"][:, None]) @ values
        rows = ((moved * own["ln_2.weight"][:, None]) @ own["mlp.c_fc.weight"]).transpose(1, 2)
        effect = (own["mlp.c_proj.weight"] @ readout[..., None])[..., 0]
        norm = rows.norm(dim=2)
        angle = torch.arccos(torch.cosine_similarity(rows, q[:, None], dim=2).clamp(-1, 1))
        size = effect.abs() * norm
        found.append(
            (
                _weighted(angle, size * (effect > 0)),
                _weighted(angle, size * (effect < 0)),
                _weighted(norm, size),
            )
        )
    plus, minus, norms = (torch.stack(values, dim=1) for values in zip(*found, strict=True))
    return LayerNeurons(plus, minus, norms)


def _weighted(values: Float[Tensor, "run neuron"], weights: Float[Tensor, "run neuron"]) -> Float[Tensor, " run"]:
    return (values * weights).sum(dim=1) / weights.sum(dim=1)
