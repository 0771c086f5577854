"""Stores into which many points are folded: sums, products, extremes, scatters.

Along the innermost loops that its target does not move in, a fold lives in a register. The target
is then written **once**, if it moves in every loop further out; else it is updated turn by turn,
from the identity. A fold over rows updates the accumulators of the block. Float sums there are in
double precision, into which the sum of a piece of rows goes once: what is updated turn by turn is
collected apart.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from allumette_core.compiler.schedule import Place, Store

from ..scalars import Value, intrinsic, llvm_type, memory_type
from .casts import convert, number
from .emit import ANY_ORDER, constant

if TYPE_CHECKING:
    from .nests import NestWriter

DType = np.dtype[Any]
FLOAT64 = np.dtype("float64")
SUMS = ("sum", "scatter")


def accumulator(fold: str, dtype: DType) -> DType:
    """What a fold over rows is accumulated in."""
    return FLOAT64 if fold == "sum" and dtype.kind == "f" else dtype


def identity(fold: str, dtype: DType) -> Value:
    """What a fold starts from."""
    if fold in SUMS or fold == "prod":
        return number(fold == "prod", dtype)
    lowest = fold == "max"
    if dtype.kind == "f":
        return number(-np.inf if lowest else np.inf, dtype)
    if dtype.kind == "b":
        return number(not lowest, dtype)
    ends = np.iinfo(dtype)
    return number(ends.min if lowest else ends.max, dtype)


def combine(
    builder: Any, fold: str, dtype: DType, a: Value, b: Value, *, exact: bool = False
) -> Value:
    """Two partial results made one; in the order of the program if `exact`."""
    floating = dtype.kind == "f"
    flags = () if exact else ANY_ORDER
    if fold in SUMS:
        return builder.fadd(a, b, flags=flags) if floating else builder.add(a, b)
    if fold == "prod":
        return builder.fmul(a, b, flags=flags) if floating else builder.mul(a, b)
    if floating:  # NaN if either is
        return intrinsic(builder, f"{fold}imum", a, b)
    if dtype.kind == "b":
        return builder.or_(a, b) if fold == "max" else builder.and_(a, b)
    return intrinsic(builder, f"{'s' if dtype.kind == 'i' else 'u'}{fold}", a, b)


class Fold:
    """One folding store of a nest that is being written."""

    def __init__(self, nest: "NestWriter", place: int, store: Store) -> None:
        assert store.fold is not None
        self.nest, self.store, self.kind = nest, store, store.fold
        self.emit, self.frame = nest.emit, nest.frame
        self.key = ("store", place)
        self.strides = nest.axes.strides[self.key]
        self.still = next((d for d, s in enumerate(reversed(self.strides)) if s), len(self.strides))
        self.once = all(self.strides[: len(self.strides) - self.still])
        self.dtype = nest.terms[store.term].dtype
        self.scattered = store.extra is not None
        if self.scattered:  # every point has a target of its own
            self.still = 0
        over_rows = self.frame.place(store.access.value) is Place.FOLD
        result = self.frame.dtype(store.access.value)
        self.target = accumulator(self.kind, result) if over_rows else result
        self.apart = over_rows and self.target != self.dtype and not self.once
        self.memory = self.dtype if self.apart else self.target
        self.plain = self.once and store.fresh and not over_rows
        self.starts = self.apart or (store.fresh and not over_rows and not self.once)

    # ---- around the whole nest

    def base(self, offset: Value) -> Value:
        """The pointer that the nest moves along, to an element of `self.memory`."""
        value = self.store.access.value
        if self.apart:
            start = self.frame.scratch(value)
        else:
            start = self.frame.base(value)
        return self.emit.at(start, offset, memory_type(self.memory))

    def prepare(self) -> None:
        """Start from the identity where the loops update memory."""
        self.first = self.nest.pointers[self.key]
        if self.starts:
            with self._targets(self.first) as (pointer, *_):
                self._write(identity(self.kind, self.memory), pointer, self.memory)

    def finish(self) -> None:
        """Pass on what was collected apart."""
        if not self.apart:
            return
        goal = self.emit.at(
            self.frame.base(self.store.access.value),
            constant(self.store.access.layout.offset), memory_type(self.target),
        )  # fmt: skip
        with self._targets(self.first, goal) as (source, pointer):
            value = self._read(source, self.memory)
            self._update(value, self.memory, pointer)

    @contextmanager
    def _targets(self, *pointers: Value) -> Iterator[list[Value]]:
        """Loops over every element of the target; the pointers are moved along."""
        moved = list(pointers)
        kinds = [memory_type(self.memory), memory_type(self.target)]
        levels = [level for level, stride in enumerate(self.strides) if stride]
        with ExitStack() as stack:
            for level in levels:
                last = level == levels[-1]
                index = stack.enter_context(self.emit.loop(self.nest.count(level), parallel=last))
                step = self.emit.mul_by(index, self.nest.stride(self.key, level))
                moved = [self.emit.at(p, step, k) for p, k in zip(moved, kinds, strict=False)]
            yield moved

    # ---- around the loops that it is in a register for

    def opens_at(self, level: int) -> bool:
        return self.still > 0 and level == self.nest.depth - self.still

    def open(self) -> None:
        start = identity(self.kind, self.dtype)
        self.slot = self.emit.slot(start.type)
        self.emit.builder.store(start, self.slot)

    def close(self) -> None:
        value = self.emit.builder.load(self.slot, typ=llvm_type(self.dtype))
        self._settle(value, self.nest.pointers[self.key])

    def _settle(self, value: Value, pointer: Value) -> None:
        """Write a partial result to the target."""
        if self.plain:
            self._write(
                convert(self.emit.builder, value, self.dtype, self.target), pointer, self.target
            )
        else:
            self._update(value, self.dtype, pointer, self.memory)

    # ---- at each point

    def add(self, value: Value, extra: Value | None) -> None:
        builder = self.emit.builder
        if extra is not None:
            self._scatter(value, extra)
        elif self.still:
            old = builder.load(self.slot, typ=value.type)
            builder.store(combine(builder, self.kind, self.dtype, old, value), self.slot)
        else:
            self._settle(value, self.nest.pointers[self.key])

    def _scatter(self, value: Value, index: Value) -> None:
        """Update the slice that `index` picks; out of bounds nothing happens."""
        builder = self.emit.builder
        stride, size = self.store.along
        inside = builder.icmp_unsigned("<", index, self.emit.word(("const", size)))
        with builder.if_then(inside):
            step = self.emit.mul_by(index, self.nest.number(self.key, stride))
            pointer = self.emit.at(self.nest.pointers[self.key], step, memory_type(self.memory))
            if self.kind == "set":
                self._write(value, pointer, self.memory)
            else:
                self._update(value, self.dtype, pointer, self.memory)

    @property
    def collides(self) -> bool:
        """Whether neighbouring turns of the innermost loop may update one element."""
        if not self.scattered:
            return False
        assert self.store.extra is not None
        return self.nest.depths[self.store.extra] == self.nest.depth or self.strides[-1:] == (0,)

    # ---- memory

    def _read(self, pointer: Value, dtype: DType) -> Value:
        return self.nest.loaded(pointer, dtype)

    def _write(self, value: Value, pointer: Value, dtype: DType) -> None:
        self.nest.keep(value, pointer, dtype)

    def _update(
        self, value: Value, dtype: DType, pointer: Value, target: DType | None = None
    ) -> None:
        target = target or self.target
        builder = self.emit.builder
        old = self._read(pointer, target)
        new = combine(builder, self.kind, target, old, convert(builder, value, dtype, target))
        self._write(new, pointer, target)
