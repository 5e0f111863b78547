"""Copies of models that hold some of their runs, and all else that belongs to them."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, TypeVar

from torch import nn

Model = TypeVar("Model", bound=nn.Module)


def copy_of_runs(model: Model, indices: Sequence[int]) -> Model:
    """A copy of a model with some of its runs, in the given order.

    Which weights are frozen, the class, and whatever a caller has set on the model are kept.

    Args:
        model: every weight and buffer has a leading run axis.
        indices: which runs.
    """
    chosen = list(indices)
    # What deepcopy is to take instead of copying: it then never copies a weight that is not wanted.
    instead: dict[int, Any] = {
        id(weight): nn.Parameter(weight.detach()[chosen], requires_grad=weight.requires_grad)
        for weight in model.parameters()
    }
    instead |= {id(buffer): buffer.detach()[chosen] for buffer in model.buffers()}
    return copy.deepcopy(model, instead)
