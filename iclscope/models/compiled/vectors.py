"""Vector registers in LLVM's own terms: what is written where no loop in Python is compiled to it."""

from __future__ import annotations

from typing import Any

from llvmlite import ir


class BFloat16(ir.Type):  # type: ignore[misc]  # the binding has no types
    """LLVM's bfloat16, which its binding does not name."""

    def _to_string(self) -> str:
        return "bfloat"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BFloat16)

    def __hash__(self) -> int:
        return hash(BFloat16)


class Vectors:
    """Vectors of so many numbers, read and written at addresses."""

    def __init__(self, builder: Any, number: Any, lanes: int) -> None:
        self.builder, self.number = builder, number
        self.lanes, self.vector = lanes, ir.VectorType(number, lanes)
        self.size = 4 if isinstance(number, ir.FloatType) else 8
        self.named = f"v{lanes}f{8 * self.size}"

    def masks(self, columns: Any, vectors: int) -> list[Any]:
        """Which lanes of each vector exist."""
        whole_number = ir.IntType(64)
        lanes = ir.VectorType(whole_number, self.lanes)
        count = self.same(columns, lanes)
        return [
            self.builder.icmp_signed("<", ir.Constant(lanes, [j * self.lanes + i for i in range(self.lanes)]), count)
            for j in range(vectors)
        ]

    def same(self, number: Any, vector: Any) -> Any:
        """A vector with one number in all lanes."""
        nothing = ir.Constant(vector, ir.Undefined)
        first = self.builder.insert_element(nothing, number, ir.IntType(32)(0))
        return self.builder.shuffle_vector(
            first, nothing, ir.Constant(ir.VectorType(ir.IntType(32), self.lanes), [0] * self.lanes)
        )

    def spread(self, address: Any) -> Any:
        """The number at an address in all lanes."""
        place = self.builder.inttoptr(address, self.number.as_pointer())
        return self.same(self.builder.load(place, align=self.size), self.vector)

    def place(self, address: Any, j: int) -> Any:
        """Where the j-th vector from an address on lies."""
        offset = self.builder.add(address, ir.IntType(64)(j * self.lanes * self.size))
        return self.builder.inttoptr(offset, self.vector.as_pointer())

    def load(self, address: Any, j: int, masks: list[Any] | None) -> Any:
        """The j-th vector from an address on, zeros where a lane does not exist."""
        place = self.place(address, j)
        if masks is None:
            return self.builder.load(place, align=self.size)
        load = self.function(f"llvm.masked.load.{self.named}.p0", self.vector, place.type, masks[j].type)
        empty = ir.Constant(self.vector, None)
        return self.builder.call(load, [place, ir.IntType(32)(self.size), masks[j], empty])

    def store(self, vector: Any, address: Any, j: int, masks: list[Any] | None) -> None:
        """Write the j-th vector from an address on, where its lanes exist."""
        place = self.place(address, j)
        if masks is None:
            self.builder.store(vector, place, align=self.size)
            return
        store = self.function(f"llvm.masked.store.{self.named}.p0", None, place.type, masks[j].type)
        self.builder.call(store, [vector, place, ir.IntType(32)(self.size), masks[j]])

    def fused(self, a: Any, b: Any, c: Any) -> Any:
        """A b + c, rounded once where the processor can."""
        name = f"llvm.fmuladd.{self.named}"
        kind = ir.FunctionType(self.vector, [self.vector] * 3)
        return self.builder.call(self.declared(name, kind), [a, b, c])

    def constant(self, number: float) -> Any:
        """A vector with one number in all lanes that is known when it is written."""
        return ir.Constant(self.vector, [number] * self.lanes)

    def function(self, name: str, result: Any, place: Any, mask: Any) -> Any:
        """A masked load (with a result) or store."""
        size = ir.IntType(32)
        if result is None:
            return self.declared(name, ir.FunctionType(ir.VoidType(), [self.vector, place, size, mask]))
        return self.declared(name, ir.FunctionType(result, [place, size, mask, self.vector]))

    def declared(self, name: str, kind: Any) -> Any:
        """A function of LLVM's, declared once per module."""
        known = self.builder.module.globals
        return known[name] if name in known else ir.Function(self.builder.module, kind, name)
