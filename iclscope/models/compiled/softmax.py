"""Softmax of columns and its derivative, a vector of columns at a time: sums stay in registers while rows run by.

Compiled from a loop in Python, every sum would be written to memory and read again at each row.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, cast

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from iclscope.models.compiled.exponential import COEFFICIENTS, LARGEST_EXPONENT, LEAST_EXPONENT, LN2, LOG2_E
from iclscope.models.compiled.tiles import HERE
from iclscope.models.compiled.vectors import Vectors


def _lanes_of(_context: Any, like: Any) -> Any:
    count = HERE.bytes * 8 // like.bitwidth

    def code(*_given: Any) -> Any:
        return ir.Constant(ir.IntType(64), count)

    return types.intp(like), code


def _softmax_columns(_context: Any, scores: Any, step: Any, rows: Any, first: Any, like: Any) -> Any:
    def code(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        _Columns(builder, like).softmax(*arguments[:-1])
        return context.get_dummy_value()

    del scores, step, rows, first
    return types.void(*(types.intp,) * 4, like), code


def _softmax_columns_backward(
    _context: Any, weights: Any, slopes: Any, step: Any, rows: Any, factor: Any
) -> Any:  # fmt: skip
    def code(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        _Columns(builder, factor).backward(*arguments)
        return context.get_dummy_value()

    del weights, slopes, step, rows
    return types.void(*(types.intp,) * 4, factor), code


class _Columns(Vectors):
    """One vector of columns, as it is written with LLVM's builder."""

    def __init__(self, builder: Any, like: Any) -> None:
        number = ir.FloatType() if like.bitwidth == 32 else ir.DoubleType()
        super().__init__(builder, number, HERE.bytes * 8 // like.bitwidth)

    def softmax(self, scores: Any, step: Any, rows: Any, first: Any) -> None:
        """Scores become weights; a column sees the rows up to its own number."""
        build, zero = self.builder, self.constant(0.0)

        def larger(row: Any, address: Any, found: Any) -> Any:
            score = self.load(address, 0, None)
            wanted = build.and_(build.fcmp_ordered(">", score, found), self.sees(row, first))
            return build.select(wanted, score, found)

        largest = self.over_rows(scores, step, rows, self.load(scores, 0, None), larger)

        def weigh(row: Any, address: Any, found: Any) -> Any:
            grown = self.exponential(build.fsub(self.load(address, 0, None), largest))
            weight = build.select(self.sees(row, first), grown, zero)
            self.store(weight, address, 0, None)
            return build.fadd(found, weight)

        total = self.over_rows(scores, step, rows, zero, weigh)
        share = build.fdiv(self.constant(1.0), total)

        def scale(_row: Any, address: Any, found: Any) -> Any:
            self.store(build.fmul(self.load(address, 0, None), share), address, 0, None)
            return found

        self.over_rows(scores, step, rows, zero, scale)

    def backward(self, weights: Any, slopes: Any, step: Any, rows: Any, factor: Any) -> None:
        """Slopes by weight become slopes by score, times a factor."""
        build = self.builder
        apart = build.sub(slopes, weights)

        def mean_of(_row: Any, address: Any, found: Any) -> Any:
            slope = self.load(build.add(address, apart), 0, None)
            return self.fused(self.load(address, 0, None), slope, found)

        mean = self.over_rows(weights, step, rows, self.constant(0.0), mean_of)
        times = self.same(factor, self.vector)

        def move(_row: Any, address: Any, found: Any) -> Any:
            place = build.add(address, apart)
            slope = build.fsub(self.load(place, 0, None), mean)
            self.store(build.fmul(build.fmul(times, self.load(address, 0, None)), slope), place, 0, None)
            return found

        self.over_rows(weights, step, rows, mean, move)

    def over_rows(
        self, start: Any, step: Any, rows: Any, begin: Any, act: Callable[[Any, Any, Any], Any]
    ) -> Any:  # fmt: skip
        """What is left of a vector that each row changes; there is at least one row."""
        build, word = self.builder, ir.IntType(64)
        before, loop, after = build.block, build.append_basic_block("row"), build.append_basic_block("rows")
        build.branch(loop)
        build.position_at_end(loop)
        row, address, found = build.phi(word), build.phi(word), build.phi(self.vector)
        changed = act(row, address, found)
        following = build.add(row, word(1)), build.add(address, build.mul(step, word(self.size))), changed
        for phi, first, then in zip((row, address, found), (word(0), start, begin), following, strict=True):
            phi.add_incoming(first, before)
            phi.add_incoming(then, loop)
        build.cbranch(build.icmp_signed("<", following[0], rows), loop, after)
        build.position_at_end(after)
        return changed

    def sees(self, row: Any, first: Any) -> Any:
        """Which columns see a row, where the first one's number is given."""
        small = ir.IntType(32)
        numbers = ir.VectorType(small, self.lanes)
        before = self.same(self.builder.trunc(self.builder.sub(row, first), small), numbers)
        return self.builder.icmp_signed(">=", ir.Constant(numbers, list(range(self.lanes))), before)

    def exponential(self, x: Any) -> Any:
        """As `exponential.exponential`."""
        build = self.builder
        if self.size == 8:
            return build.call(self.unary("exp"), [x])
        least, most = self.constant(LEAST_EXPONENT), self.constant(LARGEST_EXPONENT)
        small = build.fcmp_ordered("<", x, least)
        cut = build.select(small, least, x)
        cut = build.select(build.fcmp_ordered(">", cut, most), most, cut)
        whole = build.call(self.unary("floor"), [self.fused(cut, self.constant(LOG2_E), self.constant(0.5))])
        rest = self.fused(whole, self.constant(-LN2[0]), cut)
        rest = self.fused(whole, self.constant(-LN2[1]), rest)
        y = self.constant(COEFFICIENTS[0])
        for coefficient in COEFFICIENTS[1:]:
            y = self.fused(y, rest, self.constant(coefficient))
        y = self.fused(build.fmul(y, rest), rest, build.fadd(rest, self.constant(1.0)))
        word = ir.IntType(32)
        words = ir.VectorType(word, self.lanes)
        power = build.add(build.fptosi(whole, words), ir.Constant(words, [127] * self.lanes))
        power = build.bitcast(build.shl(power, ir.Constant(words, [23] * self.lanes)), self.vector)
        return build.select(small, self.constant(0.0), build.fmul(y, power))

    def unary(self, name: str) -> Any:
        """A function of LLVM's of one vector."""
        return self.declared(f"llvm.{name}.{self.named}", ir.FunctionType(self.vector, [self.vector]))


# The checks of shapes in tests would be compiled too.
lanes_of: Any = intrinsic(cast("Any", inspect.unwrap(_lanes_of)))
"""How many numbers like the argument a vector holds, known when it is compiled."""

softmax_columns: Any = intrinsic(cast("Any", inspect.unwrap(_softmax_columns)))
"""Scores → weights, for a vector of columns (`lanes_of`).

Args: the address of the first row; how many numbers further the next one is; how many rows, at least one; the number of
the first column: a column sees the rows up to its own number; any number of the scores' type.
"""

softmax_columns_backward: Any = intrinsic(cast("Any", inspect.unwrap(_softmax_columns_backward)))
"""Slopes by weight → slopes by score, for a vector of columns.

Args: the address of the first row of weights; that of the slopes, which are written over; how many numbers further the
next row of either is; how many rows, at least one; a factor.
"""
