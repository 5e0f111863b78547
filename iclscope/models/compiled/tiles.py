"""The innermost loop of a product: a tile of the result stays in registers while rows and columns run by.

Written in LLVM's own terms, since no loop in Python is compiled to it. Every entry of the result is one chain of fused
multiply-adds in the order of k, whatever the tile: how a matrix is cut into tiles changes no bit. Matrices of words of
32 bits are pairs of bfloat16 along k, whose products are added to float32 (`bfloat16`).
"""

from __future__ import annotations

import inspect
from typing import Any, NamedTuple, cast

from llvmlite import ir
from numba.core import types
from numba.core.registry import cpu_target
from numba.extending import intrinsic

from iclscope.models.compiled.vectors import BFloat16, Vectors


class Tile(NamedTuple):
    """What fits into the registers of a processor.

    Attributes:
        bytes: of a vector register.
        rows: of the tile for wide results.
        vectors: its columns, in registers.
        narrow_rows: of the tile for results of few columns, as those of one head of attention.
        narrow_vectors: its columns, in registers.
    """

    bytes: int
    rows: int
    vectors: int
    narrow_rows: int
    narrow_vectors: int


def tile_of(features: str) -> Tile:
    """The tile for a processor, by its features as LLVM names them; a plain one, right everywhere, if it has neither.

    With 32 registers of AVX-512, 24 hold the result; with the 16 of all others 12. A tile that does not fit is three
    times slower.
    """
    known = set(features.split(","))
    if "+avx512f" in known:
        return Tile(64, 6, 4, 7, 2)
    if {"+avx2", "+fma"} <= known:
        return Tile(32, 6, 2, 6, 2)
    return Tile(16, 6, 2, 6, 2)


_FEATURES = cpu_target.target_context.codegen().magic_tuple()[2]

HERE = tile_of(_FEATURES)
"""For the processor that Numba compiles for, which is part of the key of kept machine code."""


def has_bfloat16(features: str = _FEATURES) -> bool:
    """Whether a processor, by its features as LLVM names them, adds products of pairs of bfloat16: AVX512-BF16."""
    return {"+avx512f", "+avx512bf16"} <= set(features.split(","))


def _number(element: Any) -> Any:
    """LLVM's type of the sums: that of a real number of Numba's, float32 for pairs of bfloat16."""
    return ir.FloatType() if element.bitwidth == 32 else ir.DoubleType()


def _size_of(_context: Any, like: Any) -> Any:
    size = like.bitwidth // 8

    def code(*_given: Any) -> Any:
        return ir.Constant(ir.IntType(64), size)

    return types.intp(like), code


def _add_tile(
    _context: Any, most: Any, vectors: Any, whole: Any, rows: Any, columns: Any, k: Any, a: Any, a_row: Any,
    a_step: Any, b: Any, b_row: Any, adds: Any, c: Any, c_row: Any, like: Any,
) -> Any:  # fmt: skip
    given = (most, vectors, whole, *(types.intp,) * 11, like)
    sizes = (most.literal_value, vectors.literal_value, bool(whole.literal_value), HERE.bytes * 8 // like.bitwidth)
    pairs = isinstance(like, types.Integer)

    def code(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        _Written(builder, _number(like), *sizes, pairs=pairs).tile(*arguments[3:-1])
        return context.get_dummy_value()

    del rows, columns, k, a, a_row, a_step, b, b_row, adds, c, c_row
    return types.void(*given), code


# The checks of shapes in tests would be compiled too.
size_of: Any = intrinsic(cast("Any", inspect.unwrap(_size_of)))
"""Bytes of a number, known when it is compiled."""

add_tile: Any = intrinsic(prefer_literal=True)(cast("Any", inspect.unwrap(_add_tile)))
"""C ← A B, or C + A B, for one tile.

Args: rows and vectors of the tile; whole, 1 if all columns of the vectors exist (these three are known when it is
compiled); how many rows and columns exist, at least one; the length of the sums; the address of A, and how many numbers
further its next row and its next column are; the address of B and the same of its next row, B's columns lie one after
the other; whether to add to C; its address, and the same of its next row; any number of the matrices' type, a whole one
of 32 bits for pairs of bfloat16, of which the length counts the pairs.
"""


class _Written(Vectors):
    """One tile, as it is written with LLVM's builder."""

    def __init__(
        self, builder: Any, number: Any, rows: int, vectors: int, whole: bool, lanes: int, *, pairs: bool
    ) -> None:
        super().__init__(builder, number, lanes)
        self.rows, self.vectors, self.whole, self.pairs = rows, vectors, whole, pairs

    def tile(
        self, rows: Any, columns: Any, k: Any, a: Any, a_row: Any, a_step: Any, b: Any, b_row: Any, adds: Any, c: Any,
        c_row: Any,
    ) -> None:  # fmt: skip
        """All sums of the tile, and then the tile into C; of rows that do not exist the last one is read instead."""
        builder, word = self.builder, ir.IntType(64)
        a_row, a_step, b_row, c_row = (builder.mul(step, word(self.size)) for step in (a_row, a_step, b_row, c_row))
        masks = None if self.whole else self.masks(columns, self.vectors)
        offsets = [word(0)]
        for i in range(1, self.rows):
            exists = builder.icmp_signed("<", word(i), rows)
            offsets.append(builder.select(exists, builder.add(offsets[-1], a_row), offsets[-1]))
        before = builder.block
        loop, after = builder.append_basic_block("k"), builder.append_basic_block("done")
        empty = ir.Constant(self.vector, None)
        builder.cbranch(builder.icmp_signed(">", k, word(0)), loop, after)
        builder.position_at_end(loop)
        step, at_a, at_b = (builder.phi(word) for _ in range(3))
        sums = [[builder.phi(self.vector) for _ in range(self.vectors)] for _ in range(self.rows)]
        found = [self.load(at_b, j, masks) for j in range(self.vectors)]
        added = []
        for i in range(self.rows):
            one = self.spread(builder.add(at_a, offsets[i]))
            added.append([self.fused(one, found[j], sums[i][j]) for j in range(self.vectors)])
        following = (builder.add(step, word(1)), builder.add(at_a, a_step), builder.add(at_b, b_row))
        builder.cbranch(builder.icmp_signed("<", following[0], k), loop, after)
        builder.position_at_end(after)
        totals = [[builder.phi(self.vector) for _ in range(self.vectors)] for _ in range(self.rows)]
        for phi, start, then in zip((step, at_a, at_b), (word(0), a, b), following, strict=True):
            phi.add_incoming(start, before)
            phi.add_incoming(then, loop)
        for i in range(self.rows):
            for j in range(self.vectors):
                for phi in (sums[i][j], totals[i][j]):
                    phi.add_incoming(empty, before)
                    phi.add_incoming(added[i][j], loop)
        adding, row = builder.icmp_signed("!=", adds, word(0)), c
        for i in range(self.rows):
            exists = builder.icmp_signed("<", word(i), rows)
            for wanted, with_old in ((adding, True), (builder.not_(adding), False)):
                with builder.if_then(builder.and_(exists, wanted)):
                    for j in range(self.vectors):
                        total = totals[i][j]
                        self.store(builder.fadd(self.load(row, j, masks), total) if with_old else total, row, j, masks)
            row = builder.add(row, c_row)

    def fused(self, a: Any, b: Any, c: Any) -> Any:
        """A b + c, rounded once where the processor can; of pairs both products."""
        if self.pairs:
            both = ir.VectorType(BFloat16(), 2 * self.lanes)
            name = f"llvm.x86.avx512bf16.dpbf16ps.{32 * self.lanes}"
            add = self.declared(name, ir.FunctionType(self.vector, [self.vector, both, both]))
            return self.builder.call(add, [c, self.builder.bitcast(a, both), self.builder.bitcast(b, both)])
        return super().fused(a, b, c)
