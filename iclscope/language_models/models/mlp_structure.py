"""Layouts of MLPs that no table knows: found by the names of their projections, and believed by numbers alone."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from iclscope.language_models.models.mlp_parts import Family, LayerMLP, mlps_of, width_of

_SIZES = ("intermediate_size", "ffn_dim", "n_inner", "ffn_hidden_size", "ffn_size")
_NEAR = 1e-4


def family_by_structure(model: PreTrainedModel, known: Iterable[Family]) -> Family | str:
    """The layout of a model, by those that are known of others.

    A layout is taken if every layer has projections of its names and no others in its MLP, the config says how many
    neurons there are, and a neuron without incoming weights is silent and leaves all others as they were, in the first
    and the last layer.

    Args:
        model: of a type that no table has.
        known: layouts of other types.

    Returns:
        The layout, or what is in its way, in words.
    """
    config: Any = model.config.get_text_config()
    reasons: list[str] = []
    for family in dict.fromkeys(known):
        if not family.mlp:  # the projections are the layer's own: nothing to try by itself
            continue
        try:
            found = mlps_of(model, family)
        except AttributeError:
            continue
        named = {*family.inputs, family.output}
        others = {
            name
            for mlp in found
            for name, part in mlp.holder.named_modules()
            if isinstance(part, nn.Linear | Conv1D) and name not in named
        }
        if others:
            reasons.append(f"its MLPs have {', '.join(sorted(others)[:3])} too, as experts have")
            continue
        width = width_of(found[0].output)
        size = next((name for name in _SIZES if getattr(config, name, None) == width), None)
        if size is None:
            reasons.append(f"its config does not say that it has {width} neurons a layer")
            continue
        if not all(_neurons_are_apart(mlp) for mlp in (found[0], found[-1])):
            reasons.append("its neurons depend on each other")
            continue
        return family._replace(size=size)
    # The layout that came first is the nearest: those behind it have fewer of the names.
    return reasons[0] if reasons else "its MLPs have names that no known model has"


@torch.inference_mode()
def _neurons_are_apart(mlp: LayerMLP) -> bool:
    """Whether a neuron without incoming weights is silent, and all others are as before."""
    names = {id(part): name for name, part in mlp.holder.named_modules()}
    inputs, output = [names[id(part)] for part in mlp.inputs], names[id(mlp.output)]
    width = width_of(mlp.output)
    channels = mlp.inputs[0].weight.shape[0 if isinstance(mlp.inputs[0], Conv1D) else 1]
    states = torch.randn(4, channels, generator=torch.Generator().manual_seed(0))
    whole = copy.deepcopy(mlp.holder).float().cpu()
    cut, neuron = copy.deepcopy(whole), width // 2
    for name in inputs:
        part: Any = cut.get_submodule(name)
        rows = part.weight.T if isinstance(part, Conv1D) else part.weight
        rows[neuron::width] = 0
        if part.bias is not None:
            part.bias[neuron::width] = 0
    try:
        before, after = (_hidden(one, output, states) for one in (whole, cut))
    except (AttributeError, IndexError, RuntimeError, TypeError, ValueError):
        return False
    if before.shape[-1] != width:
        return False
    silent = after[..., neuron].abs().max() <= _NEAR * before.abs().max()
    after[..., neuron] = before[..., neuron]
    return bool(silent and torch.allclose(before, after, atol=_NEAR * float(before.abs().max())))


def _hidden(holder: nn.Module, output: str, states: Float[Tensor, "row channel"]) -> Float[Tensor, "*row neuron"]:
    """What comes into the projection out of the neurons."""
    found: list[Tensor] = []
    hook = holder.get_submodule(output).register_forward_pre_hook(lambda _, given: found.append(given[0].clone()))
    try:
        holder(states[None])
    finally:
        hook.remove()
    return found[0]
