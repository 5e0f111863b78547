"""The initial values of GPT-2, drawn for many runs from a seed each.

transformers draws them from PyTorch's global generator, which threads share and which holds one state for all runs. The
distributions here are transformers' own (``GPT2PreTrainedModel._init_weights``) and PyTorch's for linear layers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor

from iclscope.core.random_streams import RandomStream

InitialWeights = Literal["gpt2", "fan_in"]
"""How the matrices of the layers begin: with transformers' own deviation, or with one over the root of their inputs."""

STANDARD_DEVIATION = 0.02  # transformers' initializer_range for GPT-2


def initial_values(
    shapes: Mapping[str, Sequence[int]],
    seeds: Sequence[int],
    *,
    layers: int,
    device: torch.device | str,
    initial: InitialWeights = "gpt2",
) -> dict[str, Tensor]:
    """Initial values with a leading run axis.

    Args:
        shapes: shape of each weight of a single run, by name.
        seeds: one per run.
        layers: number of layers; the weights that write into the residual stream shrink with it.
        device: where the values are made.
        initial: "gpt2": matrices of the layers are N(0, 0.02²), as transformers draws them; "fan_in": N(0, 1/inputs),
            at which signals keep their size from layer to layer. Either way those that write into the residual stream
            are divided by √(2 · layers), and all else is the same.
    """
    return {
        name: _initial(name, tuple(shape), shapes, seeds, layers, device, initial) for name, shape in shapes.items()
    }


def _initial(
    name: str,
    shape: tuple[int, ...],
    shapes: Mapping[str, Sequence[int]],
    seeds: Sequence[int],
    layers: int,
    device: torch.device | str,
    initial: InitialWeights,
) -> Tensor:
    stream = RandomStream.from_seeds(seeds, f"initial {name}", device)
    if name.startswith("read_"):
        # A linear layer of PyTorch: weights and biases uniform on ±1/√(inputs).
        bound = 1 / math.sqrt(shapes[name.rpartition(".")[0] + ".weight"][1])
        return (2 * stream.uniform(*shape) - 1) * bound
    if ".ln_" in name:
        return torch.full((len(seeds), *shape), float(name.endswith("weight")), dtype=torch.float64, device=device)
    if name.endswith("bias"):
        return torch.zeros(len(seeds), *shape, dtype=torch.float64, device=device)
    into_residual = name.endswith("c_proj.weight")
    is_matrix = ".attn." in name or ".mlp." in name  # positions are none
    # transformers keeps these matrices as [inputs, outputs].
    deviation = 1 / math.sqrt(shape[0]) if is_matrix and initial == "fan_in" else STANDARD_DEVIATION
    if into_residual:
        deviation /= math.sqrt(2 * layers)
    return deviation * stream.normal(*shape)
