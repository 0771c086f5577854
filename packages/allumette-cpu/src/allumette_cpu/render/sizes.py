"""How many rows at a time, in how many blocks, and the memory that this takes."""

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from allumette_core import primitives as P
from allumette_core.compiler.schedule import Contract, Leaf, Loop, Nest, Place

from ..plan import Ref, scratch_stride
from ..runtime.vectors import second_cache
from . import scratch
from .folds import LOCAL, accumulator
from .scalar import TRANSCENDENTAL

BLOCK_BYTES = 1 << 19  # what the rows of a block take at least, if something is done once a chunk
CHUNK_BYTES = max(BLOCK_BYTES, min(1 << 20, second_cache() // 2))  # what those of a chunk take
MAX_CHUNK = 1 << 13
MAX_BLOCKS = 64
LANES = 16
PADDING = LANES  # rows: columns a power of two apart would share sets of the cache
COMBINED_BYTES = 1 << 16  # of a block's accumulators that are combined at once
FOLD_BYTES = 1 << 22  # what the accumulators of all blocks may take together ...
MIN_BLOCKS = 8  # ... unless that were fewer blocks than this
BLOCK_WORK = 20_000  # nanoseconds: a block that is half as much is not worth its while
SMALL_MATRIX = 1 << 12  # elements that stay in the first-level cache
HUGE_MATRIX = 1 << 20  # ... that is packed for every block
PRODUCT_ROWS = 256, 512  # at least, of a product with a matrix between these two; with a huge one
FLOPS, OPERATIONS = 80.0, 30.0  # a nanosecond of one core: roughly, to compare with
HEAVY: dict[P.Primitive | Leaf, int] = {  # how many operations what is not one takes
    **dict.fromkeys(TRANSCENDENTAL, 30), **dict.fromkeys((P.div, P.sqrt, P.floordiv, P.mod), 5),
    P.random_bits: 100,
}  # fmt: skip
SCATTERED = 2.0  # nanoseconds an element that is added where an index says
ADDED_UP = 5  # bytes of accumulators a nanosecond, cleared and added to those of other blocks


@dataclass(frozen=True, slots=True)
class FoldSize:
    """An accumulator: how it folds and in what dtype, its offset in a block's, its elements."""

    kind: str
    dtype: np.dtype[Any]
    offset: int
    count: int


@dataclass(frozen=True, slots=True)
class Rows:
    """The pieces that the rows of a phase are cut into."""

    chunk: int
    room: int
    """Rows that a chunk has room for in scratch memory, however many there are in all."""
    block: int
    blocks: int


@dataclass(frozen=True, slots=True)
class Sizes:
    """The pieces of a phase, and its memory."""

    rows: Rows
    work: int
    scratch: Ref
    scratch_bytes: int
    accumulators: Ref
    fold_bytes: int
    folds: dict[int, FoldSize]
    chunks: dict[int, int]
    """Where each value is in scratch memory ..."""
    parts: dict[int, int]
    """... and the sum over one chunk of what is accumulated in another dtype."""

    @property
    def per_thread(self) -> bool:
        """Whether scratch memory is that of a thread, not of the program."""
        return self.scratch[0] == "scratch"

    @property
    def combining(self) -> int:
        """The blocks in which the accumulators of all blocks are combined."""
        return max(1, -(-self.fold_bytes // COMBINED_BYTES))  # an accumulator may be empty


def measure(loop: Loop, temps: list[int]) -> Sizes:
    """The sizes of `loop`; the temporaries it needs are appended to `temps`, in bytes."""
    folds, fold_bytes = _folds(loop)
    work = _work(loop)
    rows = _rows(loop, work, folds, fold_bytes)
    chunks, parts, scratch_bytes = scratch.place(loop, folds, rows.room)
    memory: Ref = ("scratch", scratch_bytes)
    if loop.phase.rows == 1:
        memory = ("temp", len(temps))
        temps.append(scratch_bytes)
    accumulators: Ref = ("temp", len(temps))
    if folds:
        temps.append(fold_bytes * rows.blocks)
    scratch_bytes = scratch_stride(scratch_bytes)
    return Sizes(rows, work, memory, scratch_bytes, accumulators, fold_bytes, folds, chunks, parts)


def _rows(loop: Loop, work: int, folds: dict[int, FoldSize], fold_bytes: int) -> Rows:
    """Chunks that fit the cache, in blocks that are worth starting and whose sums fit memory."""
    total = loop.phase.rows
    fitting = MAX_CHUNK
    if len(loop.statements) > 1:  # else nothing is read again that it would be near for
        fitting = min(MAX_CHUNK, CHUNK_BYTES // _row_bytes(loop, folds))
    fitting = max(1, min(fitting, LOCAL // _sums(loop) - PADDING))
    least = _least_rows(loop)
    room = max(1 << fitting.bit_length() - 1, least)
    most = max(MIN_BLOCKS, min(MAX_BLOCKS, FOLD_BYTES // max(fold_bytes, 1)))
    worth = min(-(-work // BLOCK_WORK), work * ADDED_UP // max(fold_bytes, 1))
    if len(loop.statements) > 1:  # what is done once a chunk is done the less often
        most = min(most, max(MIN_BLOCKS, total * CHUNK_BYTES // (room * BLOCK_BYTES)))
    wanted = min(most, max(1, worth), max(1, total // least))
    wanted = 1 << wanted.bit_length() - 1  # a power of two: threads have equal shares
    share = -(-total // wanted)
    chunk = min(room, _rounded(-(-share // -(-share // room))))
    block = _rounded(share)
    padding = PADDING if room > LANES else 0
    return Rows(chunk, room + padding, block, -(-total // block))


def _rounded(rows: int) -> int:
    """So many rows, or a few more that fill a vector."""
    return -(-rows // LANES) * LANES if rows > LANES else rows


def _folds(loop: Loop) -> tuple[dict[int, FoldSize], int]:
    """The accumulators of a block, and how many bytes they are."""
    kinds = {s.out: "gemm" for s in loop.statements if isinstance(s, Contract)}
    for statement in loop.statements:
        if isinstance(statement, Nest):
            kinds.update({s.access.value: s.fold for s in statement.stores if s.fold})
    folds, offset = {}, 0
    for value, memory in loop.memory.items():
        if memory.place is not Place.FOLD:
            continue
        kind, dtype, count = kinds[value], memory.dtype, memory.layout.size
        dtype = dtype if kind == "gemm" else accumulator(kind, dtype)
        folds[value] = FoldSize("scatter" if kind == "gemm" else kind, dtype, offset, count)
        offset += scratch_stride(count * dtype.itemsize)
    return folds, offset


def _row_bytes(loop: Loop, folds: dict[int, FoldSize]) -> int:
    """What a row takes of the cache: what comes and goes, and what there is of the rest at once."""
    whole = sum(
        memory.layout.size * memory.dtype.itemsize // loop.phase.rows
        for memory in loop.memory.values()
        if memory.moves and memory.place is Place.WHOLE
    )
    few, many = (scratch.place(loop, folds, rows)[2] for rows in (MAX_CHUNK, 2 * MAX_CHUNK))
    return whole + (many - few) // MAX_CHUNK + 16


def _least_rows(loop: Loop) -> int:
    """The rows below which vectors are not filled, arrays are read in stripes of less than the two
    cache lines that come together, or a large product spends its time on the matrix that has none
    of them."""
    least = 2 * LANES if _is_striped(loop) else LANES if loop.phase.by_column else 1
    for s in loop.statements:
        if isinstance(s, Contract):
            along = [s.n for d in s.columns if d.rows] + [d for d in (s.m, s.n, s.k) if d.rows]
            moving = next(iter(along), None)
            sizes = (*s.columns, *s.terms, s.m, s.n, s.k)
            other = prod(d.size for d in sizes if d is not moving)
            if moving and other > SMALL_MATRIX:
                few, many = PRODUCT_ROWS
                rows = min(many, max(few, many * other // HUGE_MATRIX))
                least = max(least, 1 << max(1, rows // moving.size).bit_length() - 1)
    blocks = MIN_BLOCKS if least <= PRODUCT_ROWS[0] else MIN_BLOCKS // 2
    share = max(1, loop.phase.rows // blocks)
    return min(least, 1 << share.bit_length() - 1)


def _sums(loop: Loop) -> int:
    """The most long sums of a row that one nest has at once, which a chunk has room for."""
    stores = (s for nest in loop.statements if isinstance(nest, Nest) for s in nest.stores)
    targets = (loop.memory[s.access.value] for s in stores if s.fold == "sum")
    rows = loop.phase.rows
    return max([1, *(x.layout.size // rows for x in targets if x.place is not Place.FOLD)])


def _is_striped(loop: Loop) -> bool:
    """Whether the rows of an input or output lie along the last of its axes."""
    found = ((m, loop.phase.axis(v)) for v, m in loop.memory.items() if m.place is Place.WHOLE)
    layouts = ((m.layout, axis) for m, axis in found if axis is not None)
    return any(x.strides[axis] == 1 and x.size > x.shape[axis] for x, axis in layouts)


def _work(loop: Loop) -> int:
    """About how many nanoseconds the phase takes on one thread."""
    total = 0.0
    for s in loop.statements:
        if isinstance(s, Nest):
            scattered = any(store.extra is not None for store in s.stores)
            operations = sum(HEAVY.get(loop.terms[t].op, 1) for t in loop.body(s))
            each = (operations + 2) / OPERATIONS + SCATTERED * scattered
            total += prod(s.shape) * each
        else:
            sizes = prod(d.size for d in s.dims)
            moves = any(d.rows for d in s.dims)
            total += 2 * sizes * (loop.phase.rows if moves else 1) / FLOPS
    return int(total)
