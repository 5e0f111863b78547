"""Products with the matrices of the layers, in the precision of the weights or with operands rounded to bfloat16.

Which of the two is compiled, the type of the packed weights or of the room for panels says: numbers, or words that hold
pairs of bfloat16. All else is as precise as the weights, sums of products too.
"""

from __future__ import annotations

from typing import Any

from iclscope.models.compiled.compiling import by_kind
from iclscope.models.compiled.pairs import pack_pairs, pair_columns, pair_rows
from iclscope.models.compiled.products import multiply, pack, panel_width
from iclscope.models.compiled.tiles import size_of


def _by_numbers(
    x: Any, rows: Any, k: Any, n: Any, packed: Any, at: Any, adds: Any, out: Any, _left: Any
) -> None:  # fmt: skip
    like = packed[0]
    wide = panel_width(like)
    multiply(rows, n, k, x.ctypes.data, k, 1, packed.ctypes.data + size_of(like) * at, wide, k * wide, adds,
             out.ctypes.data, n, like)  # fmt: skip


def _by_pairs(
    x: Any, rows: Any, k: Any, n: Any, packed: Any, at: Any, adds: Any, out: Any, left: Any
) -> None:  # fmt: skip
    like = packed[0]
    wide, pairs = panel_width(like), (k + 1) // 2
    pair_columns(x, rows, k, left)
    multiply(rows, n, pairs, left.ctypes.data, pairs, 1, packed.ctypes.data + size_of(like) * at, wide, pairs * wide,
             adds, out.ctypes.data, n, like)  # fmt: skip


def _add_slope_of_numbers(
    x: Any, d_out: Any, rows: Any, k: Any, n: Any, _left: Any, panels: Any, slopes: Any, at: Any
) -> None:  # fmt: skip
    like = slopes[0]
    wide = panel_width(like)
    b, b_row, b_panel = d_out.ctypes.data, n, wide
    if n > wide and k > 2 * wide:  # below, the copy costs more than it brings
        pack(d_out.reshape(d_out.size), n, 1, rows, n, panels)
        b, b_row, b_panel = panels.ctypes.data, wide, rows * wide
    multiply(k, n, rows, x.ctypes.data, 1, k, b, b_row, b_panel, 1, slopes.ctypes.data + size_of(like) * at, n, like)


def _add_slope_of_pairs(
    x: Any, d_out: Any, rows: Any, k: Any, n: Any, left: Any, panels: Any, slopes: Any, at: Any
) -> None:  # fmt: skip
    like = panels[0]
    wide, pairs = panel_width(like), (rows + 1) // 2
    pair_rows(x, rows, k, left)
    pack_pairs(d_out.reshape(d_out.size), n, 1, rows, n, panels)
    multiply(k, n, pairs, left.ctypes.data, 1, k, panels.ctypes.data, wide, pairs * wide, 1,
             slopes.ctypes.data + size_of(like) * at, n, like)  # fmt: skip


pack_matrix: Any = by_kind(pack, pack_pairs, place=5)
"""`pack`, or `pack_pairs` into words."""

by_packed: Any = by_kind(_by_numbers, _by_pairs, place=4)
"""The first rows of x times a packed matrix, [k, n], into those of another.

Args: x; how many rows; k; n; the packed matrices, and where this one begins; 1 to add, 0 to overwrite; where to; room
for the rows as pairs.
"""

add_slope: Any = by_kind(_add_slope_of_numbers, _add_slope_of_pairs, place=6)
"""Add xᵀ d_out, [k, n], to the gradient of a weight.

Args: x; d_out; how many rows; k; n; room for x as pairs; room for d_out in panels; the gradients, and where this one
begins.
"""
