"""The initial values of GPT-2, drawn for many runs from a seed each.

transformers draws them from PyTorch's global generator, which threads share and which holds one state for all runs. The
distributions here are transformers' own (``GPT2PreTrainedModel._init_weights``) and PyTorch's for linear layers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from iclscope.core.random_streams import RandomStream

STANDARD_DEVIATION = 0.02  # transformers' initializer_range for GPT-2


def initial_values(
    shapes: Mapping[str, Sequence[int]], seeds: Sequence[int], *, layers: int, device: torch.device | str
) -> dict[str, Tensor]:
    """Initial values with a leading run axis.

    Args:
        shapes: shape of each weight of a single run, by name.
        seeds: one per run.
        layers: number of layers; the weights that write into the residual stream shrink with it.
        device: where the values are made.
    """
    return {name: _initial(name, tuple(shape), shapes, seeds, layers, device) for name, shape in shapes.items()}


def _initial(
    name: str,
    shape: tuple[int, ...],
    shapes: Mapping[str, Sequence[int]],
    seeds: Sequence[int],
    layers: int,
    device: torch.device | str,
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
    deviation = STANDARD_DEVIATION / math.sqrt(2 * layers) if into_residual else STANDARD_DEVIATION
    return deviation * stream.normal(*shape)
