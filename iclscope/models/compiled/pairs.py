"""Matrices of float32 as pairs of bfloat16 along the inner dimension of a product, for `products.multiply`."""

from __future__ import annotations

from typing import Any

import numpy as np

from iclscope.models.compiled.bfloat16 import LANES, pair, pair_vector, round_vector
from iclscope.models.compiled.compiling import compiled, inlined
from iclscope.models.compiled.products import panel_width

_WHOLE, _PART = 1, 0


@inlined
def _pair_row(first: Any, second: Any, exists: Any, words: Any, count: Any) -> None:
    """Numbers at two addresses, side by side in words; zeros in place of the second ones if they do not exist."""
    for j in range(0, count, LANES):
        if exists and j + LANES <= count:
            pair_vector(_WHOLE, first + 4 * j, second + 4 * j, LANES, words + 4 * j, LANES)
        else:
            left = count - j
            pair_vector(_PART, first + 4 * j, second + 4 * j, left if exists else 0, words + 4 * j, left)


@compiled
def pack_pairs(source: Any, row: Any, column: Any, k: Any, n: Any, packed: Any) -> None:
    """The same as `products.pack` in bfloat16: a word holds two rows of a column; behind an odd last row lie zeros.

    Args:
        source: float32, flat.
        row: from one row to the next.
        column: from one column to the next.
        k: rows.
        n: columns.
        packed: written: words, at least ⌈k / 2⌉ times the columns of whole panels.
    """
    wide, zero = panel_width(packed[0]), np.float32(0)
    start, words = source.ctypes.data, packed.ctypes.data
    at = 0
    for begin in range(0, n, wide):
        columns = min(wide, n - begin)
        for i in range(0, k, 2):
            first = i * row + begin * column
            if column == 1:
                _pair_row(start + 4 * first, start + 4 * (first + row), i + 1 < k, words + 4 * at, columns)
            elif i + 1 < k:
                for j in range(columns):
                    packed[at + j] = pair(source[first + j * column], source[first + row + j * column])
            else:
                for j in range(columns):
                    packed[at + j] = pair(source[first + j * column], zero)
            for j in range(columns, wide):
                packed[at + j] = 0
            at += wide


@compiled
def pair_columns(x: Any, rows: Any, k: Any, words: Any) -> None:
    """The first rows of x in bfloat16, as the left side of a product: [row, pair of columns].

    Args:
        x: float32, ``k`` columns side by side.
        rows: how many.
        k: columns; an odd number of them is followed by a zero.
        words: written, flat: at least ``rows`` times ⌈k / 2⌉.
    """
    source, out = x.ctypes.data, words.ctypes.data
    lines, length = (rows, k) if k % 2 else (1, rows * k)
    for _line in range(lines):
        for j in range(0, length, 2 * LANES):
            if j + 2 * LANES <= length:
                round_vector(_WHOLE, source + 4 * j, out + 2 * j, 2 * LANES)
            else:
                round_vector(_PART, source + 4 * j, out + 2 * j, length - j)
        source += 4 * length
        out += 4 * ((length + 1) // 2)


@compiled
def pair_rows(x: Any, rows: Any, k: Any, words: Any) -> None:
    """The first rows of x in bfloat16, for its transpose as the left side: [pair of rows, column].

    Args:
        x: float32, ``k`` columns side by side.
        rows: how many; an odd number of them is followed by zeros.
        k: columns.
        words: written, flat: at least ⌈rows / 2⌉ times ``k``.
    """
    source, out = x.ctypes.data, words.ctypes.data
    for i in range(0, rows, 2):
        _pair_row(source + 4 * i * k, source + 4 * (i + 1) * k, i + 1 < rows, out + 2 * i * k, k)
