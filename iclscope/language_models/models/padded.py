"""Texts of different lengths in batches, padded on the right."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

# Tokens of one batch: enough to keep the cores busy.
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


def halves_of(batch: PaddedBatch) -> list[PaddedBatch]:
    """Half of the texts each; the batch itself if it has one text."""
    middle = len(batch.rows) // 2
    places = [slice(None, middle), slice(middle, None)] if middle else [slice(None)]
    return [PaddedBatch(batch.rows[at], batch.ids[at], batch.mask[at]) for at in places]


def padded_batches(
    tokens: Sequence[Sequence[int]], device: torch.device, *, most: int | None = None
) -> Iterator[PaddedBatch]:
    """All texts, like lengths together, the longest first; a long text stands alone.

    Args:
        tokens: of the texts.
        device: where to.
        most: tokens of one batch, if fewer than otherwise.
    """
    usual = _TOKENS_ON_CPU if device.type == "cpu" else _TOKENS_ON_GPU
    most = usual if most is None else min(most, usual)
    order = sorted(range(len(tokens)), key=lambda row: -len(tokens[row]))
    while order:
        width = len(tokens[order[0]])
        count = max(1, most // width)
        rows, order = tuple(order[:count]), order[count:]
        ids = torch.tensor([[*tokens[row]] + [0] * (width - len(tokens[row])) for row in rows], device=device)
        lengths = torch.tensor([len(tokens[row]) for row in rows], device=device)
        yield PaddedBatch(rows, ids, torch.arange(width, device=device) < lengths[:, None])
