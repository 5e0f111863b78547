"""Numbers rounded to bfloat16, two of them in a word of 32 bits, as products of pairs take them.

Rounded to nearest, ties to even. What float32 holds below 1.2·10⁻³⁸ becomes zero; infinities and NaN stay.
"""

from __future__ import annotations

import inspect
from typing import Any, cast

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from iclscope.models.compiled.vectors import BFloat16, Vectors

LANES = 16
"""Words of a vector."""


def _pair(_context: Any, first: Any, second: Any) -> Any:
    def code(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        half, word = ir.IntType(16), ir.IntType(32)
        bits = (builder.bitcast(builder.fptrunc(number, BFloat16()), half) for number in arguments)
        low, high = (builder.zext(one, word) for one in bits)
        return builder.or_(low, builder.shl(high, word(16)))

    return types.uint32(first, second), code


def _pair_vector(_context: Any, whole: Any, first: Any, second: Any, seconds: Any, out: Any, count: Any) -> Any:
    is_whole = bool(whole.literal_value)

    def code(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        _, first, second, seconds, out, count = arguments
        _Rounded(builder, is_whole).pair(first, second, seconds, out, count)
        return context.get_dummy_value()

    del first, second, seconds, out, count
    return types.void(whole, *(types.intp,) * 5), code


def _round_vector(_context: Any, whole: Any, source: Any, out: Any, count: Any) -> Any:
    is_whole = bool(whole.literal_value)

    def code(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        _Rounded(builder, is_whole).in_order(*arguments[1:])
        return context.get_dummy_value()

    del source, out, count
    return types.void(whole, *(types.intp,) * 3), code


class _Rounded(Vectors):
    """A vector of words, as it is written with LLVM's builder."""

    def __init__(self, builder: Any, whole: bool) -> None:
        super().__init__(builder, ir.FloatType(), LANES)
        self.whole, self.halves = whole, ir.VectorType(BFloat16(), 2 * LANES)

    def pair(self, first: Any, second: Any, seconds: Any, out: Any, count: Any) -> None:
        """Numbers at two addresses side by side."""
        masks, of_second = (None, None) if self.whole else (self.masks(count, 1), self.masks(seconds, 1))
        rounded = self.rounded(self.load(first, 0, masks), self.load(second, 0, of_second))
        order = [half for word in range(LANES) for half in (word, word + LANES)]
        places = ir.Constant(ir.VectorType(ir.IntType(32), 2 * LANES), order)
        self.store(
            self.builder.bitcast(self.builder.shuffle_vector(rounded, rounded, places), self.vector), out, 0, masks
        )

    def in_order(self, source: Any, out: Any, count: Any) -> None:
        """Numbers at one address, two to a word."""
        masks = None if self.whole else self.masks(count, 2)
        rounded = self.rounded(self.load(source, 0, masks), self.load(source, 1, masks))
        if not self.whole:
            whole_number = ir.IntType(64)
            masks = self.masks(self.builder.ashr(self.builder.add(count, whole_number(1)), whole_number(1)), 1)
        self.store(self.builder.bitcast(rounded, self.vector), out, 0, masks)

    def rounded(self, low: Any, high: Any) -> Any:
        """Two vectors one after the other in bfloat16."""
        name = f"llvm.x86.avx512bf16.cvtne2ps2bf16.{32 * LANES}"
        function = self.declared(name, ir.FunctionType(self.halves, [self.vector] * 2))
        return self.builder.call(function, [high, low])


# The checks of shapes in tests would be compiled too.
pair: Any = intrinsic(cast("Any", inspect.unwrap(_pair)))
"""Two float32 as bfloat16 in one word, the first in its lower half."""

pair_vector: Any = intrinsic(prefer_literal=True)(cast("Any", inspect.unwrap(_pair_vector)))
"""`LANES` words, each of a number at one address and one at another.

Args: 1 if all of them exist (known when it is compiled), else 0, and then: the address of the first numbers; of the
second ones; how many of these exist, zeros for the others; where to; how many words exist.
"""

round_vector: Any = intrinsic(prefer_literal=True)(cast("Any", inspect.unwrap(_round_vector)))
"""`LANES` words, each of two numbers that lie side by side.

Args: 1 if all of them exist, else 0; the address of the numbers; where to; how many numbers exist, behind an odd last
one a zero.
"""
