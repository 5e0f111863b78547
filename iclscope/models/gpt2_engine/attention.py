"""Causal attention of every prompt and head in a block, and its derivative.

The scores of one head are kept the other way round, a row per key: then all queries' largest score and sum are found
side by side, and nothing is summed along a row. Queries are taken a few at a time, and keys behind them left out.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from iclscope.models.compiled.compiling import compiled
from iclscope.models.compiled.products import multiply, panel_width
from iclscope.models.compiled.softmax import lanes_of, softmax_columns, softmax_columns_backward
from iclscope.models.compiled.tiles import size_of

TOGETHER = 32
"""Queries that are taken at a time; rows of scores are padded to a multiple of it."""


@compiled
def _turn(rows: Any, factor: Any, turned: Any) -> None:
    """Write the columns of one head as rows, times a factor; what lies behind them stays."""
    tokens = rows.shape[0]
    for d in range(turned.shape[0]):
        for i in range(tokens):
            turned[d, i] = rows[i, d] * factor


@compiled
def _softmax(scores: Any) -> None:
    """Turn one head's scores, [key, part, query of the part], into weights; a query sees no later key."""
    like = scores.dtype.type(0)
    padded, size, lanes = scores.shape[1] * TOGETHER, size_of(like), lanes_of(like)
    start = scores.ctypes.data
    for part in range(scores.shape[1]):
        first = part * TOGETHER
        last = min(scores.shape[0], first + TOGETHER)
        for i in range(first, first + TOGETHER, lanes):
            softmax_columns(start + size * i, padded, last, i, like)
        for j in range(last, scores.shape[0]):
            for i in range(TOGETHER):
                scores[j, part, i] = like


@compiled
def _softmax_backward(weights: Any, slopes: Any, factor: Any) -> None:
    """Turn one head's slopes by weight into slopes by score, times a factor."""
    like = weights.dtype.type(0)
    padded, size, lanes = weights.shape[1] * TOGETHER, size_of(like), lanes_of(like)
    start, moved = weights.ctypes.data, slopes.ctypes.data
    for part in range(weights.shape[1]):
        first = part * TOGETHER
        last = min(weights.shape[0], first + TOGETHER)
        for i in range(first, first + TOGETHER, lanes):
            softmax_columns_backward(start + size * i, moved + size * i, padded, last, factor)
        for j in range(last, weights.shape[0]):
            for i in range(TOGETHER):
                slopes[j, part, i] = like


@compiled
def attend(qkv: Any, prompts: Any, tokens: Any, turned: Any, weights: Any, mixed: Any) -> None:
    """Attention of a block.

    Args:
        qkv: queries, keys and values, [prompts · tokens, 3 D].
        prompts: how many there are.
        tokens: of each prompt.
        turned: room for one head's queries, [D / heads, tokens padded].
        weights: written: [prompts · heads, key, part, query of the part].
        mixed: written: the heads' mixed values, [prompts · tokens, D].
    """
    width, head = mixed.shape[1], turned.shape[0]
    heads, padded, kind = width // head, turned.shape[1], mixed.dtype
    like = kind.type(0)
    size, wide = size_of(like), panel_width(like)
    factor = kind.type(1 / np.sqrt(head))
    start, out = qkv.ctypes.data, mixed.ctypes.data
    for b in range(prompts):
        for h in range(heads):
            _turn(qkv[b * tokens : (b + 1) * tokens, h * head : (h + 1) * head], factor, turned)
            key = start + size * (b * tokens * 3 * width + width + h * head)
            own = weights[b * heads + h]
            multiply(tokens, padded, head, key, 3 * width, 1, turned.ctypes.data, padded, wide, 0, own.ctypes.data,
                     padded, like)  # fmt: skip
            _softmax(own)
            multiply(tokens, head, tokens, own.ctypes.data, 1, padded, key + size * width, 3 * width, wide, 0,
                     out + size * (b * tokens * width + h * head), width, like)  # fmt: skip


@compiled
def attend_backward(
    d_mixed: Any, qkv: Any, weights: Any, prompts: Any, tokens: Any, turned: Any, slopes: Any, d_qkv: Any
) -> None:
    """Backward through `attend`.

    Args:
        d_mixed: gradient of ``mixed``.
        qkv: as `attend` read them.
        weights: as it wrote them.
        prompts: how many there are.
        tokens: of each prompt.
        turned: room, as there.
        slopes: room for one head's gradients, [key, part, query of the part].
        d_qkv: written: gradient of ``qkv``.
    """
    width, head = d_mixed.shape[1], turned.shape[0]
    heads, padded, kind = width // head, turned.shape[1], d_mixed.dtype
    like, one = kind.type(0), kind.type(1)
    size, wide = size_of(like), panel_width(like)
    factor = kind.type(1 / np.sqrt(head))
    start, d_start, d_out, s = qkv.ctypes.data, d_qkv.ctypes.data, d_mixed.ctypes.data, slopes.ctypes.data
    row = 3 * width
    for b in range(prompts):
        for h in range(heads):
            place = size * (b * tokens * row + h * head)
            query, d_query = start + place, d_start + place
            key, d_key = query + size * width, d_query + size * width
            value, d_value = key + size * width, d_key + size * width
            d_own = d_out + size * (b * tokens * width + h * head)
            own = weights[b * heads + h]
            w = own.ctypes.data
            _turn(d_mixed[b * tokens : (b + 1) * tokens, h * head : (h + 1) * head], one, turned)
            multiply(tokens, padded, head, value, row, 1, turned.ctypes.data, padded, wide, 0, s, padded, like)
            multiply(tokens, head, tokens, w, padded, 1, d_own, width, wide, 0, d_value, row, like)
            _softmax_backward(own, slopes, factor)
            multiply(tokens, head, tokens, s, 1, padded, key, row, wide, 0, d_query, row, like)
            multiply(tokens, head, tokens, s, padded, 1, query, row, wide, 0, d_key, row, like)
