"""Where the MLP of a decoder layer keeps the weights of a neuron, for each kind of model that can be pruned."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from transformers.pytorch_utils import Conv1D

from iclscope.core.errors import BadRequest, refused
from iclscope.language_models.models.loading import LanguageModel
from iclscope.language_models.models.mlp_parts import Family, LayerMLP, Projection, mlps_of, width_of
from iclscope.language_models.models.mlp_structure import family_by_structure

_GATED = Family("model.layers", "mlp", ("gate_proj", "up_proj"), "down_proj", "intermediate_size", gated=True)
_FUSED = _GATED._replace(inputs=("gate_up_proj",))
_UNGATED = _GATED._replace(inputs=("up_proj",), gated=False)
_GPT2 = Family("transformer.h", "mlp", ("c_fc",), "c_proj", "n_inner")
_GPTJ = _GPT2._replace(inputs=("fc_in",), output="fc_out")
_GPT_NEOX = Family("gpt_neox.layers", "mlp", ("dense_h_to_4h",), "dense_4h_to_h", "intermediate_size")
_OPT = Family("model.decoder.layers", "", ("fc1",), "fc2", "ffn_dim")

FAMILIES: dict[str, Family] = {
    **dict.fromkeys(("llama", "mistral", "qwen2", "qwen3", "gemma", "gemma2", "gemma3_text", "granite"), _GATED),
    **dict.fromkeys(("olmo", "olmo2", "olmo3", "stablelm", "smollm3", "cohere", "helium"), _GATED),
    **dict.fromkeys(("phi3", "glm", "glm4"), _FUSED),
    **dict.fromkeys(("nemotron", "arcee"), _UNGATED),
    "gpt2": _GPT2,
    "gpt_bigcode": _GPT2,
    "gpt_neo": _GPT2._replace(size="intermediate_size"),
    "gptj": _GPTJ,
    "codegen": _GPTJ,
    "gpt_neox": _GPT_NEOX,
    "falcon": _GPT_NEOX._replace(layers="transformer.h", size="ffn_hidden_size"),
    "starcoder2": _GATED._replace(inputs=("c_fc",), output="c_proj", gated=False),
    "phi": _GATED._replace(inputs=("fc1",), output="fc2", gated=False),
    "opt": _OPT,
    "xglm": _OPT._replace(layers="model.layers"),
}
"""The layout of each ``model_type`` that is tested; others are found by their structure."""


class MLPLayout(NamedTuple):
    """All MLPs of a model.

    Attributes:
        family: how they are named.
        mlps: one per layer.
        width: how many neurons each has.
    """

    family: Family
    mlps: tuple[LayerMLP, ...]
    width: int


def mlp_layout(language_model: LanguageModel) -> MLPLayout:
    """Find the MLPs of a model.

    Raises:
        BadRequest: if its type is not in `FAMILIES` and it is built otherwise, its layers differ in width, or its
            projections are not plain (of a quantized model, say).
    """
    family = FAMILIES.get(language_model.kind)
    if family is None:
        by_structure = family_by_structure(language_model.model, FAMILIES.values())
        if isinstance(by_structure, str):
            raise _refusal(language_model, f"this one is of type {language_model.kind!r}, and {by_structure}")
        family = by_structure
    found = mlps_of(language_model.model, family)
    for mlp in found:
        for projection in (*mlp.inputs, mlp.output):
            plain = isinstance(projection, Projection) and projection.weight.is_floating_point()
            if not plain:
                raise _refusal(language_model, f"this one has projections of {type(projection).__name__}")
    widths = {width_of(mlp.output) for mlp in found}
    if len(widths) != 1:
        raise _refusal(language_model, f"this one's layers differ in their number of neurons: {sorted(widths)}")
    return MLPLayout(family, found, widths.pop())


def outgoing_weights(mlp: LayerMLP) -> Float[Tensor, "neuron model"]:
    """What each neuron writes: columns of a Linear, rows of GPT-2's Conv1D, which is transposed."""
    weight = mlp.output.weight.detach()
    return weight if isinstance(mlp.output, Conv1D) else weight.T


def incoming_weights(mlp: LayerMLP) -> Float[Tensor, "part neuron model"]:
    """What each neuron reads; of a gated MLP the gate's part first, then the up-projection's."""
    parts = []
    for projection in mlp.inputs:
        weight = projection.weight.detach()
        parts.append(weight.T if isinstance(projection, Conv1D) else weight)
    width = width_of(mlp.output)
    return torch.cat(parts).reshape(-1, width, parts[0].shape[1])


def _refusal(language_model: LanguageModel, found: str) -> BadRequest:
    return refused(
        "MODEL",
        language_model.name,
        (f"a model with MLPs of a known layout, its weights not quantized, such as {', '.join(FAMILIES)}; {found}"),
    )
