"""LLVM code with vectors as wide as this processor's."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import llvmlite.binding as llvm
from llvmlite import ir

Value = Any
I1, I32, I64, PTR = ir.IntType(1), ir.IntType(32), ir.IntType(64), ir.PointerType()
NULL = ir.Constant(PTR, None)


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


def second_cache() -> int:
    """Bytes of a core's second-level cache, as Linux tells; elsewhere what most have at least."""
    try:
        size = Path("/sys/devices/system/cpu/cpu0/cache/index2/size").read_text()
        return int(size.strip().removesuffix("K")) << 10
    except (OSError, ValueError):
        return 1 << 19


def _fitting(rows: int) -> int:
    """Vectors in a row of a tile, so that it, a row or a column of operands and the element that is
    multiplied with these fit the registers."""
    return max(v for v in range(1, 9) if rows * v + min(rows, v) < registers())


TALLEST = 8 if registers() == 32 else 4
VECTORS = {rows: _fitting(rows) for rows in range(1, TALLEST + 1)}  # of a tile's rows
WIDE_ROWS = max(rows for rows in VECTORS if VECTORS[rows] > VECTORS[TALLEST])
"""The rows of a tile of one vector more than the tallest one's."""


class Cut(NamedTuple):
    """So many pieces of a length, of which so many are longer by 1."""

    count: Value
    length: Value
    longer: Value


class Code:
    """A module being written, for numbers of one type."""

    def __init__(self, module: Any, name: str, kind: Any, size: int) -> None:
        self.module, self.name, self.kind, self.size = module, name, kind, size
        self.lanes = vector_bytes() // size
        self.vector = ir.VectorType(kind, self.lanes)
        self.masks = vector_bytes() == 64  # loads and stores of some lanes are fast

    # ---- pieces of code ------------------------------------------------------------------------

    def function(self, name: str, kinds: list[Any], *, public: bool = False) -> Any:
        full = f"{name}_{self.name}"
        made = ir.Function(self.module, ir.FunctionType(ir.VoidType(), kinds), full)
        if not public:
            made.linkage = "internal"
        self.b = ir.IRBuilder(made.append_basic_block("entry"))
        return made

    def table(self, name: str, offsets: Iterable[int]) -> Any:
        """A constant table of offsets."""
        numbers = list(offsets)
        kind = ir.ArrayType(I64, len(numbers))
        made = ir.GlobalVariable(self.module, kind, f"{name}_{self.name}")
        made.linkage, made.global_constant = "internal", True
        made.initializer = ir.Constant(kind, numbers)
        return made

    def offset(self, table: Value, number: Value) -> Value:
        """What a table of offsets has there."""
        return self.b.load(self.b.gep(table, [number], source_etype=I64), typ=I64)

    def room(self, count: int) -> Any:
        """Room on the stack for a table of offsets."""
        return self.b.alloca(I64, count)

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

    @contextmanager
    def walk(
        self, count: Value, pointers: list[Value], steps: list[Value]
    ) -> Iterator[list[Value]]:
        """`count` times, with pointers that move on by `steps` elements each time."""
        b = self.b
        before = b.block
        with self.loop(count) as i:
            body = b.block
            b.position_at_start(i.parent)
            now = [b.phi(PTR) for _ in pointers]
            b.position_at_end(body)
            yield now
            for pointer, start, step in zip(now, pointers, steps, strict=True):
                pointer.add_incoming(start, before)
                pointer.add_incoming(self.at(pointer, step), b.block)

    def cut(self, size: Value, most: Value | int) -> Cut:
        """Cut `size` into as few pieces as can be, but at least one, even but for 1."""
        b = self.b
        count = self.quotient(size, most if isinstance(most, ir.Value) else I64(most))
        count = b.select(b.icmp_signed("<", count, I64(1)), I64(1), count)
        return Cut(count, b.udiv(size, count), b.urem(size, count))

    @contextmanager
    def pieces(self, cut: Cut) -> Iterator[tuple[Value, Value, Value]]:
        """The number of a piece, where it begins, its length."""
        b = self.b
        with self.loop(cut.count) as t:
            more = b.zext(b.icmp_signed("<", t, cut.longer), I64)
            begin = b.add(b.mul(t, cut.length), self.smaller(t, cut.longer))
            yield t, begin, b.add(cut.length, more)

    def dispatch(
        self, tiles: dict[tuple[int, int], Any], rows: Value, columns: Value, arguments: list[Value]
    ) -> None:
        """Call the one of `tiles` that has so many rows and columns."""
        b = self.b
        after = b.append_basic_block("done")
        switch = b.switch(b.add(b.mul(rows, I64(16)), columns), after)
        for (height, width), tile in tiles.items():
            case = b.append_basic_block(f"case_{height}x{width}")
            switch.add_case(I64(height * 16 + width), case)
            b.position_at_end(case)
            b.call(tile, arguments)
            b.branch(after)
        b.position_at_end(after)

    def zero(self) -> Value:
        return ir.Constant(self.vector, [0.0] * self.lanes)

    def lanes_of(self, x: Value, lanes: Iterable[int], y: Value | None = None) -> Value:
        """Those lanes of x, and of y after them."""
        chosen = list(lanes)
        picks = ir.Constant(ir.VectorType(I32, len(chosen)), chosen)
        other = ir.Constant(x.type, ir.Undefined) if y is None else y
        return self.b.shuffle_vector(x, other, picks)

    def at(self, pointer: Value, *offsets: Value) -> Value:
        for offset in offsets:
            pointer = self.b.gep(pointer, [offset], source_etype=self.kind)
        return pointer

    def opaque(self, x: Value) -> Value:
        """x, which the optimiser is not to work out anew from what it is made of."""
        return self.b.asm(ir.FunctionType(x.type, [x.type]), "", "=r,0", [x], False)

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

    def load(self, pointer: Value, mask: Value | None = None, others: Value | None = None) -> Value:
        """The lanes there that are in the mask, and `others` (0) for those that are not."""
        if mask is None:
            return self.b.load(pointer, align=self.size, typ=self.vector)
        name, rest = f"llvm.masked.load.{self.suffix()}.p0", others or self.zero()
        return self.call_vector(name, self.vector, pointer, I32(self.size), mask, rest)

    def prefetch(self, pointer: Value) -> None:
        """Have the line of the cache at `pointer` at hand when it is to be written."""
        kind = ir.FunctionType(ir.VoidType(), [PTR, I32, I32, I32])
        name = "llvm.prefetch.p0"
        found = self.module.globals.get(name) or ir.Function(self.module, kind, name)
        self.b.call(found, [pointer, I32(1), I32(3), I32(1)])

    def splat(self, value: Value, kind: Any) -> Value:
        b, lanes = self.b, self.lanes
        one = b.insert_element(ir.Constant(kind, ir.Undefined), value, I32(0))
        return self.lanes_of(one, [0] * lanes)

    def mask(self, count: Value) -> Value:
        """The first `count` lanes."""
        kind = ir.VectorType(ir.IntType(8 * self.size), self.lanes)
        limit = self.splat(self.b.trunc(count, kind.element) if self.size < 8 else count, kind)
        return self.b.icmp_unsigned("<", ir.Constant(kind, list(range(self.lanes))), limit)

    def fma(self, x: Value, y: Value, z: Value) -> Value:
        # Fused where the processor does it in one instruction.
        return self.call_vector(f"llvm.fmuladd.{self.suffix()}", self.vector, x, y, z)

    def store(self, value: Value, place: Value, mask: Value) -> None:
        """Store the lanes in the mask."""
        name = f"llvm.masked.store.{self.suffix()}.p0"
        self.call_vector(name, ir.VoidType(), value, place, I32(self.size), mask)

    def store_first(self, value: Value, place: Value, count: Value) -> None:
        """Store the first `count` lanes: halves, where masked stores take long."""
        b, lanes = self.b, value.type.count
        if self.masks:
            self.store(value, place, self.mask(count))
            return
        with b.if_else(b.icmp_signed("==", count, I64(lanes))) as (all_, some):
            with all_:
                b.store(value, place, align=self.size)
            with some:
                while lanes > 1:
                    lanes //= 2
                    low, high = (self.lanes_of(value, range(at, at + lanes)) for at in (0, lanes))
                    has = b.icmp_unsigned("!=", b.and_(count, I64(lanes)), I64(0))
                    with b.if_then(has):
                        b.store(low, place, align=self.size)
                    value = b.select(has, high, low)
                    place = b.select(has, self.at(place, I64(lanes)), place)
