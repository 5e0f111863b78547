"""The parts of an MLP, and how models of a family name them."""

from __future__ import annotations

from typing import Any, NamedTuple

from torch import nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

Projection = nn.Linear | Conv1D


class Family(NamedTuple):
    """How models of some types name the parts of their MLPs.

    Attributes:
        layers: the list of decoder layers, seen from the model.
        mlp: the MLP, seen from a layer; empty where the projections are the layer's own.
        inputs: the projections into the neurons; of a gated MLP two, or one that holds both.
        output: the projection out of the neurons.
        size: the config's name of the number of neurons.
        gated: whether a neuron is activation(gate)·up instead of activation(input).
    """

    layers: str
    mlp: str
    inputs: tuple[str, ...]
    output: str
    size: str
    gated: bool = False


class LayerMLP(NamedTuple):
    """The MLP of one decoder layer.

    Attributes:
        holder: the module that the projections belong to.
        inputs: the projections into the neurons.
        output: the projection out of the neurons.
    """

    holder: nn.Module
    inputs: tuple[Projection, ...]
    output: Projection


def mlps_of(model: PreTrainedModel, family: Family) -> tuple[LayerMLP, ...]:
    """The MLPs of a model of a family, in the order of its layers."""
    layers: Any = model.get_submodule(family.layers)
    found = []
    for layer in layers:
        holder = layer.get_submodule(family.mlp)
        inputs = tuple(holder.get_submodule(name) for name in family.inputs)
        found.append(LayerMLP(holder, inputs, holder.get_submodule(family.output)))
    return tuple(found)


def width_of(output: Projection) -> int:
    """How many neurons an output projection reads."""
    return int(output.weight.shape[0] if isinstance(output, Conv1D) else output.weight.shape[1])
