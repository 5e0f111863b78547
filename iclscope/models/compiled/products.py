"""Products of matrices of any sizes, by tiles that stay in registers.

Matrices are addresses and strides in numbers, so that parts of a matrix, its transpose and the columns of one head are
matrices without a copy. What they point at must live as long as the call, and hold what the sizes say. Of a product in
bfloat16 A and B are words, each a pair along k (`pairs`), and C is float32.
"""

from __future__ import annotations

from typing import Any

from iclscope.models.compiled.compiling import compiled, inlined
from iclscope.models.compiled.tiles import HERE, add_tile, size_of

_BYTES, _ROWS, _VECTORS, _NARROW_ROWS, _NARROW_VECTORS = HERE
_WHOLE, _PART = 1, 0


@inlined
def _strip(
    most: Any, vectors: Any, whole: Any, columns: Any, m: Any, k: Any, a: Any, a_row: Any, a_step: Any, b: Any,
    b_row: Any, adds: Any, c: Any, c_row: Any, like: Any,
) -> None:  # fmt: skip
    """All rows of the result in some columns, by tiles of ``most`` rows."""
    size = size_of(like)
    for i in range(0, m, most):
        add_tile(most, vectors, whole, min(most, m - i), columns, k, a + i * a_row * size, a_row, a_step, b, b_row,
                 adds, c + i * c_row * size, c_row, like)  # fmt: skip


@compiled
def panel_width(like: Any) -> Any:
    """Columns of a panel, in which `pack` writes a matrix; the argument is any number of the matrix's type."""
    return _VECTORS * _BYTES // size_of(like)


@compiled
def multiply(
    m: Any, n: Any, k: Any, a: Any, a_row: Any, a_step: Any, b: Any, b_row: Any, b_panel: Any, adds: Any, c: Any,
    c_row: Any, like: Any,
) -> None:  # fmt: skip
    """C ← A B, or C ← C + A B; C may not overlap A or B.

    Args:
        m: rows of A and C.
        n: columns of B and C.
        k: columns of A, rows of B; of pairs as many as there are.
        a: address of A.
        a_row: from one row of A to the next, in numbers.
        a_step: from one column of A to the next; A's transpose has the two the other way round.
        b: address of B, whose columns lie one after the other within a panel.
        b_row: from one row of B to the next.
        b_panel: from one panel to the next: ``k`` times its width if B is packed, else the width.
        adds: 1 to add to C, 0 to overwrite it.
        c: address of C.
        c_row: from one row of C to the next.
        like: any number of the type of A and B.
    """
    size = size_of(like)
    wide, narrow = _VECTORS * _BYTES // size, _NARROW_VECTORS * _BYTES // size
    for begin in range(0, n, wide):
        columns = min(wide, n - begin)
        panel, out = b + begin // wide * b_panel * size, c + begin * size
        if columns == wide:
            _strip(_ROWS, _VECTORS, _WHOLE, columns, m, k, a, a_row, a_step, panel, b_row, adds, out, c_row, like)
        elif columns > narrow:
            _strip(_ROWS, _VECTORS, _PART, columns, m, k, a, a_row, a_step, panel, b_row, adds, out, c_row, like)
        elif columns == narrow:
            _strip(_NARROW_ROWS, _NARROW_VECTORS, _WHOLE, columns, m, k, a, a_row, a_step, panel, b_row, adds, out,
                   c_row, like)  # fmt: skip
        else:
            _strip(_NARROW_ROWS, _NARROW_VECTORS, _PART, columns, m, k, a, a_row, a_step, panel, b_row, adds, out,
                   c_row, like)  # fmt: skip


@inlined
def add_product(A: Any, B: Any, adds: Any, C: Any) -> None:
    """C ← A B, or C ← C + A B, for arrays whose memory outlives the call.

    Args:
        A: any strides, so that it may be a transpose.
        B: columns side by side.
        adds: 1 to add to C, 0 to overwrite it.
        C: columns side by side; it has the rows of A and the columns of B.
    """
    like = B.dtype.type(0)
    size = size_of(like)
    multiply(A.shape[0], B.shape[1], A.shape[1], A.ctypes.data, A.strides[0] // size, A.strides[1] // size,
             B.ctypes.data, B.strides[0] // size, panel_width(like), adds, C.ctypes.data, C.strides[0] // size,
             like)  # fmt: skip


@inlined
def turned_product(A: Any, B: Any, panels: Any, C: Any) -> None:
    """C ← A Bᵀ; B is read once into ``panels``, room for its columns times its rows in whole panels."""
    like = B.dtype.type(0)
    size, wide, k = size_of(like), panel_width(like), B.shape[1]
    pack(B.reshape(B.size), 1, k, k, B.shape[0], panels)
    multiply(A.shape[0], B.shape[0], k, A.ctypes.data, A.strides[0] // size, A.strides[1] // size,
             panels.ctypes.data, wide, k * wide, 0, C.ctypes.data, C.strides[0] // size, like)  # fmt: skip


@compiled
def pack(source: Any, row: Any, column: Any, k: Any, n: Any, packed: Any) -> None:
    """Write a matrix panel by panel, the rows of a panel one after the other and zeros behind its last column.

    Read so, a product finds its numbers side by side: rows of a wide matrix lie a power of two apart, and would push
    each other out of the cache.

    Args:
        source: its numbers, flat.
        row: from one row to the next.
        column: from one column to the next.
        k: rows.
        n: columns.
        packed: written: at least ``k`` times the columns of whole panels.
    """
    wide = panel_width(source[0])
    at = 0
    for begin in range(0, n, wide):
        columns = min(wide, n - begin)
        for i in range(k):
            first = i * row + begin * column
            for j in range(columns):
                packed[at + j] = source[first + j * column]
            for j in range(columns, wide):
                packed[at + j] = 0
            at += wide
