"""LLVM code with vectors as wide as this processor's, and the packing of matrices."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir

Value = Any
I1, I32, I64, PTR = ir.IntType(1), ir.IntType(32), ir.IntType(64), ir.PointerType()
GROUP = 4  # panels of B that are packed at once


@cache
def vector_bytes() -> int:
    """The width of the processor's vectors in bytes."""
    features = llvm.get_host_cpu_features()
    if features.get("avx512f") and features.get("avx512vl"):
        return 64
    return 32 if features.get("avx") else 16


@cache
def registers() -> int:
    """How many vectors the processor holds."""
    arm = llvm.get_process_triple().startswith(("aarch64", "arm64"))
    return 32 if arm or vector_bytes() == 64 else 16


def _fitting(rows: int) -> int:
    """Vectors in a row of a tile, so that it, a row or a column of operands and the element that is
    multiplied with these fit the registers."""
    return max(v for v in range(1, 9) if rows * v + min(rows, v) < registers())


TALLEST = 8 if registers() == 32 else 6
VECTORS = {rows: _fitting(rows) for rows in range(1, TALLEST + 1)}  # of a tile's rows
WIDE_ROWS = max(rows for rows in VECTORS if VECTORS[rows] > VECTORS[TALLEST])
"""The rows of a tile of one vector more than the tallest one's."""


class Code:
    """A module being written, for numbers of one type."""

    def __init__(self, module: Any, name: str, kind: Any, size: int) -> None:
        self.module, self.name, self.kind, self.size = module, name, kind, size
        self.lanes = vector_bytes() // size
        self.vector = ir.VectorType(kind, self.lanes)
        self.masks = vector_bytes() == 64

    # ---- pieces of code ------------------------------------------------------------------------

    def function(self, name: str, kinds: list[Any], *, public: bool = False) -> Any:
        full = f"{name}_{self.name}"
        made = ir.Function(self.module, ir.FunctionType(ir.VoidType(), kinds), full)
        if not public:
            made.linkage = "internal"
        self.b = ir.IRBuilder(made.append_basic_block("entry"))
        return made

    @contextmanager
    def loop(self, stop: Value, step: Value | int = 1) -> Iterator[Value]:
        """i = 0, step, 2 step ... below stop."""
        b = self.b
        before, head = b.block, b.append_basic_block("head")
        body, after = b.append_basic_block("body"), b.append_basic_block("after")
        b.branch(head)
        b.position_at_end(head)
        i = b.phi(I64)
        i.add_incoming(I64(0), before)
        b.cbranch(b.icmp_signed("<", i, stop), body, after)
        b.position_at_end(body)
        yield i
        i.add_incoming(b.add(i, step if isinstance(step, ir.Value) else I64(step)), b.block)
        b.branch(head)
        b.position_at_end(after)

    def at(self, pointer: Value, *offsets: Value) -> Value:
        for offset in offsets:
            pointer = self.b.gep(pointer, [offset], source_etype=self.kind)
        return pointer

    def smaller(self, x: Value, y: Value) -> Value:
        return self.b.select(self.b.icmp_signed("<", x, y), x, y)

    def quotient(self, x: Value, size: Value) -> Value:
        """x / size, rounded up, of positive numbers."""
        return self.b.udiv(self.b.sub(self.b.add(x, size), I64(1)), size)

    def call_vector(self, name: str, result: Any, *values: Value) -> Value:
        kind = ir.FunctionType(result, [value.type for value in values])
        found = self.module.globals.get(name) or ir.Function(self.module, kind, name)
        return self.b.call(found, values)

    def suffix(self) -> str:
        return f"v{self.lanes}{self.name}"

    def load(self, pointer: Value, mask: Value | None = None) -> Value:
        if mask is None:
            return self.b.load(pointer, align=self.size, typ=self.vector)
        zero = ir.Constant(self.vector, [0.0] * self.lanes)
        name = f"llvm.masked.load.{self.suffix()}.p0"
        return self.call_vector(name, self.vector, pointer, I32(self.size), mask, zero)

    def splat(self, value: Value, kind: Any) -> Value:
        b, lanes = self.b, self.lanes
        one = b.insert_element(ir.Constant(kind, ir.Undefined), value, I32(0))
        zeros = ir.Constant(ir.VectorType(I32, lanes), [0] * lanes)
        return b.shuffle_vector(one, ir.Constant(kind, ir.Undefined), zeros)

    def mask(self, count: Value) -> Value:
        """The first `count` lanes."""
        kind = ir.VectorType(ir.IntType(8 * self.size), self.lanes)
        limit = self.splat(self.b.trunc(count, kind.element) if self.size < 8 else count, kind)
        return self.b.icmp_unsigned("<", ir.Constant(kind, list(range(self.lanes))), limit)

    def fma(self, x: Value, y: Value, z: Value) -> Value:
        # Fused where the processor does it in one instruction.
        return self.call_vector(f"llvm.fmuladd.{self.suffix()}", self.vector, x, y, z)

    def store_first(self, value: Value, place: Value, count: Value) -> None:
        """Store the first `count` lanes: halves, where masked stores take long."""
        b, lanes = self.b, value.type.count
        if self.masks:
            name = f"llvm.masked.store.{self.suffix()}.p0"
            where = place, I32(self.size), self.mask(count)
            self.call_vector(name, ir.VoidType(), value, *where)
            return
        with b.if_else(b.icmp_signed("==", count, I64(lanes))) as (all_, some):
            with all_:
                b.store(value, place, align=self.size)
            with some:
                while lanes > 1:
                    lanes //= 2
                    low, high = (
                        b.shuffle_vector(
                            value,
                            ir.Constant(value.type, ir.Undefined),
                            ir.Constant(ir.VectorType(I32, lanes), list(range(at, at + lanes))),
                        )
                        for at in (0, lanes)
                    )
                    has = b.icmp_unsigned("!=", b.and_(count, I64(lanes)), I64(0))
                    with b.if_then(has):
                        b.store(low, place, align=self.size)
                    value = b.select(has, high, low)
                    place = b.select(has, self.at(place, I64(lanes)), place)


class Packing(Code):
    """Copies parts of matrices to where tiles read them one element after the other."""

    pack: Any
    pack_rows: Any

    def packing(self) -> Any:
        """(target, x, size, depth, x_size, x_depth, even, width): cut x along `size` into stretches
        of at most `width`, each laid out as [depth][width]: equally long as tiles of A are, or
        full as panels of B."""
        made = self.function("pack", [PTR, PTR, I64, I64, I64, I64, I1, I64])
        target, x, size, depth, x_size, x_depth, even, width = made.args
        target.add_attribute("noalias")
        b = self.b
        count = self.quotient(size, width)
        height, taller = b.udiv(size, count), b.urem(size, count)
        with self.loop(count) as t:
            longer = b.add(height, b.zext(b.icmp_signed("<", t, taller), I64))
            first = b.add(b.mul(t, height), self.smaller(t, taller))
            whole = b.mul(t, width)
            first = b.select(even, first, whole)
            length = b.select(even, longer, self.smaller(width, b.sub(size, whole)))
            source = self.at(x, b.mul(first, x_size))
            stretch = self.at(target, b.mul(whole, depth))
            vectors = VECTORS[TALLEST]
            is_full = b.icmp_signed("==", length, I64(vectors * self.lanes))
            is_row = b.and_(is_full, b.icmp_signed("==", x_size, I64(1)))
            with b.if_else(is_row) as (rows, elements):
                with rows, self.loop(depth) as p:
                    line, place = (
                        self.at(source, b.mul(p, x_depth)),
                        self.at(stretch, b.mul(p, width)),
                    )
                    for j in range(vectors):
                        at = I64(j * self.lanes)
                        b.store(self.load(self.at(line, at)), self.at(place, at), align=self.size)
                with elements, b.if_else(b.icmp_signed("==", x_depth, I64(1))) as (deep, flat):
                    with deep, self.loop(length) as i, self.loop(depth) as p:
                        self.copy(source, stretch, i, p, x_size, x_depth, width)
                    with flat, self.loop(depth) as p, self.loop(length) as i:
                        self.copy(source, stretch, i, p, x_size, x_depth, width)
        b.ret_void()
        return made

    def packing_rows(self) -> Any:
        """(target, x, groups, depth, x_depth): pack so many times GROUP panels of contiguous rows,
        reading several lines of the cache at a time."""
        made = self.function("pack_rows", [PTR, PTR, I64, I64, I64])
        target, x, groups, depth, x_depth = made.args
        target.add_attribute("noalias")
        b, width = self.b, VECTORS[TALLEST] * self.lanes
        with self.loop(groups) as g:
            source = self.at(x, b.mul(g, I64(GROUP * width)))
            panels = self.at(target, b.mul(b.mul(g, I64(GROUP * width)), depth))
            with self.loop(depth) as p:
                line = self.at(source, b.mul(p, x_depth))
                for panel in range(GROUP):
                    start = b.add(b.mul(depth, I64(panel * width)), b.mul(p, I64(width)))
                    for at in range(0, width, self.lanes):
                        value = self.load(self.at(line, I64(panel * width + at)))
                        b.store(value, self.at(panels, start, I64(at)), align=self.size)
        b.ret_void()
        return made

    def pack_b(
        self, target: Value, x: Value, columns: Value, depth: Value, right: tuple[Value, Value]
    ) -> None:
        """Pack the block of B that begins at x into panels."""
        b, width = self.b, I64(VECTORS[TALLEST] * self.lanes)
        many = b.mul(width, I64(GROUP))
        contiguous = b.icmp_signed("==", right[1], I64(1))
        groups = b.select(contiguous, b.udiv(columns, many), I64(0))
        b.call(self.pack_rows, [target, x, groups, depth, right[0]])
        done = b.mul(groups, many)
        rest = b.sub(columns, done)
        with b.if_then(b.icmp_signed(">", rest, I64(0))):
            place, source = self.at(target, b.mul(done, depth)), self.at(x, b.mul(done, right[1]))
            b.call(self.pack, [place, source, rest, depth, right[1], right[0], I1(0), width])

    def copy(self, source: Value, target: Value, i: Value, p: Value, *strides: Value) -> None:
        b, (x_size, x_depth, width) = self.b, strides
        value = b.load(self.at(source, b.mul(i, x_size), b.mul(p, x_depth)), typ=self.kind)
        b.store(value, self.at(target, b.mul(p, width), i))
