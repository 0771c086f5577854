"""A phase as functions: one that computes a block of rows, one that adds the blocks up.

Rows are cut into blocks by the problem's shape, so that results do not depend on the number of
threads. A block is computed a chunk of rows at a time, in scratch memory that stays in the cache,
and has accumulators of its own; these are combined in the order of the blocks.
"""

from typing import Any

import numpy as np
from allumette_core.compiler.schedule import Contract, Loop, Nest, Place
from llvmlite import ir

from ..plan import GEMM_SCRATCH, Ref, scratch_stride
from ..scalars import I1, Value, llvm_type, memory_type
from . import contracts
from .casts import convert, number
from .emit import Emitter, Module, constant
from .folds import combine, identity
from .nests import NestWriter
from .sizes import Sizes

DType = np.dtype[Any]
PLAIN = frozenset(map(repr, (0.0, 1.0, -1.0, 0.5, -0.5, 2.0, -2.0, 0, 1, -1, 2, True, False)))


class Frame:
    """The function that computes one block of a phase, while it is being written."""

    def __init__(
        self, module: Module, name: str, loop: Loop, sizes: Sizes, refs: dict[int, Ref]
    ) -> None:
        self.loop, self.sizes, self.refs = loop, sizes, refs
        self.emit = Emitter(module, name)
        self.rows: Value = constant(1)
        self.first: Value = constant(0)
        self.later: Value = I1(0)
        """Whether the block's products have a sum already that those of this chunk are added to."""
        self.tables: dict[tuple[tuple[int, str], ...], Value] = {}

    # ---- values

    def dtype(self, value: int) -> DType:
        return self.loop.memory[value].dtype

    def place(self, value: int) -> Place:
        return self.loop.memory[value].place

    def is_whole(self, value: int) -> bool:
        """Whether every row of `value` is there, or what it has in place of rows: in a chunk, what
        does not move with the rows may be spread over them all the same."""
        return self.place(value) is Place.WHOLE or not self.loop.memory[value].moves

    def base(self, value: int) -> Value:
        """Where `value` begins."""
        place = self.place(value)
        if place is Place.WHOLE:
            return self.emit.pointer(self.refs[value])
        if place is Place.FOLD:
            return self._offset(self.accumulators(), self.sizes.folds[value].offset)
        return self._offset(self.thread_memory(), self.sizes.chunks[value])

    def accumulators(self) -> Value:
        """The accumulators of the block."""
        return self._offset_by(self.emit.pointer(self.sizes.accumulators), self.emit.block)

    def _offset_by(self, base: Value, block: Value) -> Value:
        step = self.emit.setup.mul(block, constant(self.sizes.fold_bytes))
        return self.emit.setup.gep(base, [step], source_etype=ir.IntType(8))

    def thread_memory(self) -> Value:
        """The scratch memory of the thread."""
        base = self.emit.pointer(self.sizes.scratch)
        if not self.sizes.per_thread:
            return base
        step = self.emit.setup.mul(self.emit.thread, constant(self.sizes.scratch_bytes))
        return self.emit.setup.gep(base, [step], source_etype=ir.IntType(8))

    def _offset(self, base: Value, offset: int) -> Value:
        return self.emit.setup.gep(base, [constant(offset)], source_etype=ir.IntType(8))

    def gemm_memory(self) -> Value:
        """What a product of matrices works in."""
        base = self.emit.pointer(("scratch", GEMM_SCRATCH))
        step = self.emit.setup.mul(self.emit.thread, constant(scratch_stride(GEMM_SCRATCH)))
        return self.emit.setup.gep(base, [step], source_etype=ir.IntType(8))

    def scratch(self, value: int) -> Value:
        """Room for the sum over one chunk of what `value` accumulates."""
        return self._offset(self.thread_memory(), self.sizes.parts[value])

    # ---- numbers

    def literal(self, value: Any, dtype: DType) -> Value:
        """A constant: in the code if it is a plain one, else an argument: it may depend on N."""
        exact = dtype.type(value).item()
        if repr(exact) in PLAIN or dtype.kind == "b":
            return number(value, dtype)
        if dtype.kind == "f":
            word = self.emit.word(("float", float(exact)))
            return convert(
                self.emit.setup,
                self.emit.setup.bitcast(word, ir.DoubleType()),
                np.dtype("float64"),
                dtype,
            )
        signed = int(np.array(exact, dtype).astype("int64"))
        word = self.emit.word(("const", signed))
        return word if dtype.itemsize == 8 else self.emit.setup.trunc(word, llvm_type(dtype))

    def number(self, value: int, whole: bool, step: int, entries: int) -> Value:
        """An offset or stride in an array whose axis of rows has `entries` at distance `step`.

        What steps over all rows depends on their number: in a buffer it is an argument, in a
        chunk it is scaled to the rows that a chunk has room for.
        """
        over, rest = divmod(abs(value), step * entries) if step and entries else (0, abs(value))
        if not over:
            return constant(value)
        if whole:
            return self.emit.word(("const", value))
        room = entries // self.loop.phase.rows * self.sizes.rows.room
        scaled = over * step * room + rest
        return constant(scaled if value > 0 else -scaled)

    def most(self, a: Value, b: Value) -> Value:
        """The larger of two lengths."""
        if isinstance(a, ir.Constant) and isinstance(b, ir.Constant):
            return a if a.constant >= b.constant else b
        return self.emit.builder.select(self.emit.builder.icmp_signed(">", a, b), a, b)

    # ---- code

    def write(self) -> tuple[Ref, ...]:
        """The whole function; what its argument table holds."""
        emit, loop = self.emit, self.loop
        products = {s.out for s in loop.statements if isinstance(s, Contract)}
        for value, fold in self.sizes.folds.items():
            if value not in products:  # which those of the first chunk write
                start = identity(fold.kind, fold.dtype)
                self._fill(self.base(value), fold.count, start, fold.dtype)
        for statement in loop.statements:
            if not _moves(statement):
                self._statement(statement)
        if loop.phase.rows > 1:
            low = emit.mul_by(emit.block, emit.word(("const", self.sizes.rows.block)))
            end = emit.least(
                emit.add(low, emit.word(("const", self.sizes.rows.block))),
                emit.word(("const", loop.phase.rows)),
            )
            chunk = emit.word(("const", self.sizes.rows.chunk))
            with emit.loop(end, low, chunk) as first:
                self.first, self.later = first, emit.builder.icmp_signed(">", first, low)
                self.rows = emit.least(chunk, emit.builder.sub(end, first))
                for statement in loop.statements:
                    if _moves(statement):
                        self._statement(statement)
        return emit.finish()

    def _statement(self, statement: Nest | Contract) -> None:
        if isinstance(statement, Nest):
            NestWriter(self, statement).write()
        else:
            contracts.write(self, statement)

    def _fill(self, pointer: Value, count: int, value: Value, dtype: DType) -> None:
        with self.emit.loop(constant(count), parallel=True) as index:
            if dtype.kind == "b":
                value = self.emit.builder.zext(value, memory_type(dtype))
            self.emit.store(value, self.emit.at(pointer, index, memory_type(dtype)))


def _moves(statement: Nest | Contract) -> bool:
    """Whether a statement runs over rows; what does not is done once for a block."""
    if isinstance(statement, Nest):
        return statement.rows
    return any(d.rows for d in statement.dims)


def combiner(
    module: Module, name: str, loop: Loop, sizes: Sizes, refs: dict[int, Ref]
) -> tuple[Ref, ...]:
    """Write the function that combines the accumulators of all blocks into the phase's outputs.

    Its own blocks are parts of every accumulator, `sizes.combining` of them.
    """
    emit = Emitter(module, name)
    base = emit.pointer(sizes.accumulators)
    blocks = emit.word(("const", sizes.rows.blocks))
    for value, fold in sizes.folds.items():
        memory, result = memory_type(fold.dtype), loop.memory[value].dtype
        piece = -(-fold.count // sizes.combining)
        low = emit.mul(emit.block, piece)
        high = emit.least(emit.add(low, constant(piece)), constant(fold.count))
        total = emit.bytes_from(base, constant(fold.offset))
        with emit.loop(blocks, constant(1)) as block:
            other = emit.bytes_from(total, emit.mul(block, sizes.fold_bytes))
            with emit.loop(high, low, parallel=True) as index:
                pointer = emit.at(total, index, memory)
                a, b = emit.load(pointer, memory), emit.load(emit.at(other, index, memory), memory)
                emit.store(_combine_stored(emit.builder, fold.kind, fold.dtype, a, b), pointer)
        out = emit.pointer(refs[value])
        with emit.loop(high, low, parallel=True) as index:
            got = emit.load(emit.at(total, index, memory), memory)
            made = got if fold.dtype == result else convert(emit.builder, got, fold.dtype, result)
            emit.store(made, emit.at(out, index, memory_type(result)))
    return emit.finish()


def _combine_stored(builder: Any, kind: str, dtype: DType, a: Value, b: Value) -> Value:
    """`combine` for values as they are in memory: bools are bytes there, which extremes suit."""
    return combine(builder, kind, np.dtype("uint8") if dtype.kind == "b" else dtype, a, b)
