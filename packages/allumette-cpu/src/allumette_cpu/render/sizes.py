"""How many rows at a time, in how many blocks, and where everything is in scratch memory."""

from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
from allumette_core.compiler.schedule import Contract, Loop, Nest, Place

from ..plan import Ref, scratch_stride
from .folds import accumulator

CHUNK_BYTES = 1 << 18  # what a chunk of rows takes: a part of the second-level cache
MAX_CHUNK = 1 << 13
MAX_BLOCKS = 64
FOLD_BYTES = 1 << 23  # what the accumulators of all blocks may take together ...
MIN_BLOCKS = 8  # ... unless that were fewer blocks than this
BLOCK_WORK = 50_000  # nanoseconds: less is not worth a block
FLOPS, BYTES = 80.0, 30.0  # a nanosecond of one core: roughly, to compare with


@dataclass(frozen=True, slots=True)
class FoldSize:
    """An accumulator: how it folds, in what dtype, its place in a block's accumulators, its size."""

    kind: str
    dtype: np.dtype[Any]
    offset: int
    count: int


@dataclass(frozen=True, slots=True)
class Sizes:
    """The pieces a phase is cut into, and its memory."""

    chunk: int
    room: int
    """Rows that a chunk has room for in scratch memory."""
    block_rows: int
    blocks: int
    work: int
    scratch_bytes: int
    fold_bytes: int
    scratch: Ref
    accumulators: Ref
    per_thread: bool
    folds: dict[int, FoldSize] = field(default_factory=dict)
    chunks: dict[int, int] = field(default_factory=dict)
    parts: dict[int, int] = field(default_factory=dict)


def measure(loop: Loop, temps: list[int]) -> Sizes:
    """The sizes of `loop`; the temporaries it needs are appended to `temps`, in bytes."""
    phase = loop.phase
    folds, fold_bytes = _folds(loop)
    row_bytes = _row_bytes(loop)
    chunk = 1 << max(0, min(MAX_CHUNK, CHUNK_BYTES // max(row_bytes, 1)).bit_length() - 1)
    work = _work(loop)
    most = max(MIN_BLOCKS, min(MAX_BLOCKS, FOLD_BYTES // max(fold_bytes, 1)))
    wanted = min(most, max(1, work // BLOCK_WORK), max(1, phase.rows))
    chunk = min(chunk, max(1, -(-phase.rows // wanted)))
    per_block = -(-phase.rows // (wanted * chunk)) * chunk
    chunks, offset = {}, 0
    limit = 1 << max(0, min(MAX_CHUNK, CHUNK_BYTES // max(row_bytes, 1)).bit_length() - 1)
    for value, memory in loop.memory.items():
        if memory.place is Place.CHUNK:
            chunks[value] = offset
            elements = memory.layout.size
            if memory.moves:
                elements = elements // phase.rows * limit
            offset += scratch_stride(elements * memory.dtype.itemsize)
    parts = {}
    for value, fold in folds.items():
        if fold.dtype != loop.memory[value].dtype:
            parts[value] = offset
            offset += scratch_stride(fold.count * loop.memory[value].dtype.itemsize)
    per_thread = phase.rows > 1
    scratch: Ref = ("scratch", offset)
    if not per_thread:
        scratch = ("temp", len(temps))
        temps.append(offset)
    blocks = -(-phase.rows // per_block)
    accumulators: Ref = ("temp", len(temps))
    if folds:
        temps.append(fold_bytes * blocks)
    return Sizes(
        chunk, limit, per_block, blocks, work, scratch_stride(offset), fold_bytes, scratch, accumulators,
        per_thread, folds, chunks, parts,
    )  # fmt: skip


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


def _row_bytes(loop: Loop) -> int:
    """What a row takes of the cache."""
    phase, total = loop.phase, 0
    for memory in loop.memory.values():
        if memory.moves:
            total += memory.layout.size * memory.dtype.itemsize // phase.rows
    return total + 16


def _work(loop: Loop) -> int:
    """About how many nanoseconds the phase takes on one thread."""
    total = 0.0
    for s in loop.statements:
        if isinstance(s, Nest):
            total += prod(s.shape) * (len(loop.body(s)) + 2) / BYTES
        else:
            sizes = prod(d.size for d in (*s.batch, s.m, s.n, s.k))
            moves = any(d.rows for d in (*s.batch, s.m, s.n, s.k))
            total += 2 * sizes * (loop.phase.rows if moves else 1) / FLOPS
    return int(total)
