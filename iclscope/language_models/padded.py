"""Texts of different lengths in batches, padded on the right."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

# Tokens of one batch: with the log-probabilities of a vocabulary of 50,000 they take 200 MB in float32.
_TOKENS_ON_CPU, _TOKENS_ON_GPU = 1024, 16384


class PaddedBatch(NamedTuple):
    """Texts as a matrix of tokens.

    Attributes:
        rows: their places among all.
        ids: tokens, padded with 0 on the right, where no token before sees it.
        mask: where tokens stand.
    """

    rows: tuple[int, ...]
    ids: Int64[Tensor, "text token"]
    mask: Bool[Tensor, "text token"]


def padded_batches(tokens: Sequence[Sequence[int]], device: torch.device) -> Iterator[PaddedBatch]:
    """All texts, like lengths together, the longest first; a long text stands alone."""
    most = _TOKENS_ON_CPU if device.type == "cpu" else _TOKENS_ON_GPU
    order = sorted(range(len(tokens)), key=lambda row: -len(tokens[row]))
    while order:
        width = len(tokens[order[0]])
        count = max(1, most // width)
        rows, order = tuple(order[:count]), order[count:]
        ids = torch.tensor([[*tokens[row]] + [0] * (width - len(tokens[row])) for row in rows], device=device)
        lengths = torch.tensor([len(tokens[row]) for row in rows], device=device)
        yield PaddedBatch(rows, ids, torch.arange(width, device=device) < lengths[:, None])
