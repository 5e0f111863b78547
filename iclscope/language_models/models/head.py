"""The last product of a language model, that with the vocabulary's matrix: in float32, and once for all rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import PreTrainedModel

_ROWS_AT_A_TIME = 8192
"""Rows of the vocabulary's matrix that are held in float32 at a time."""


@contextmanager
def exact_head(model: PreTrainedModel) -> Iterator[None]:
    """In the block logits are in float32, whatever the weights are in, and computed from one contiguous matrix.

    In bfloat16 logits near 16 come in steps of 1/8, so that labels tie. And the last columns of a batch, as models
    slice them, are no contiguous matrix: PyTorch then copies the vocabulary's matrix once per row. What a model does
    behind its head (soft caps, scales) it goes on doing.
    """
    head: Any = model.get_output_embeddings()  # type: ignore[no-untyped-call]
    if not isinstance(head, nn.Linear) or "forward" in vars(head):  # accelerate puts its own in front
        yield
        return

    def logits(states: Float[Tensor, "*rows channel"]) -> Float[Tensor, "*rows vocabulary"]:
        flat = states.reshape(-1, states.shape[-1]).contiguous().float()
        bias = None if head.bias is None else head.bias.float()
        if head.weight.dtype == torch.float32:
            found = nn.functional.linear(flat, head.weight, bias)
        else:
            found = flat.new_empty(len(flat), len(head.weight))
            for start in range(0, len(head.weight), _ROWS_AT_A_TIME):
                at = slice(start, start + _ROWS_AT_A_TIME)
                found[:, at] = flat @ head.weight[at].float().T
            found = found if bias is None else found.add_(bias)
        return found.reshape(*states.shape[:-1], -1)

    head.forward = logits  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        del head.forward


def log_probabilities(logits: Float[Tensor, "row place vocabulary"], keep: int) -> Float[Tensor, "row kept vocabulary"]:
    """Log-probabilities of the next token behind each of the last columns, in float32."""
    return torch.log_softmax(logits[:, -keep:].float(), dim=-1)
