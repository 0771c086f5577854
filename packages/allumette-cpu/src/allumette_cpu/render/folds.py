"""Stores into which many points are folded: sums, products, extremes, scatters.

Along the innermost loops that its target does not move in, a fold lives in a register. The target
is then written **once**, if it moves in every loop further out; else it is updated turn by turn.
A fold over rows updates the accumulators of the block.

Long float sums go in **pieces** into double precision: a register every `RUN` points, which its
lanes share, and memory every `TURNS` turns. So no single-precision number is added to more than a
few times, and the loops are as wide and as fast as single precision lets them be.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from allumette_core.compiler.schedule import Place, Store

from ..runtime.vectors import vector_bytes
from ..scalars import F64, Value, intrinsic, memory_type
from .casts import convert, number
from .emit import ANY_ORDER, constant
from .extremes import extreme_of, further, parts_of

if TYPE_CHECKING:
    from .nests import NestWriter

DType = np.dtype[Any]
FLOAT64 = np.dtype("float64")
SUMS = ("sum", "scatter")
RUN = 16 * vector_bytes()  # points: some sixteen for each lane of the four vectors of a loop
TURNS = 16
FEW = 64  # turns: no more are added up in one piece
LOCAL = 1 << 14  # sums that there is room for on the stack


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
        self.moving = len(self.strides) - self.still  # loops outside of the register
        self.once = all(self.strides[: self.moving])
        self.dtype = nest.terms[store.term].dtype
        self.scattered = store.extra is not None
        if self.scattered:  # every point has a target of its own
            self.still = 0
        over_rows = self.frame.place(store.access.value) is Place.FOLD
        result = self.frame.dtype(store.access.value)
        self.target = accumulator(self.kind, result) if over_rows else result
        self.plain = self.once and store.fresh and not over_rows
        floats = self.kind == "sum" and self.dtype.kind == "f"
        run = nest.run if self.still == 1 else TURNS
        self.wide = floats and self.still > 0 and nest.points(self.moving) > run
        self.extreme = self.kind in ("max", "min") and self.dtype.kind == "f"
        # Vectors that do not wait for each other; an extreme's three registers do not, either.
        self.chains = 2 if self.extreme else 4
        self.total = FLOAT64 if self.wide else self.dtype  # in the register
        self.apart = over_rows and self.target != self.dtype and not self.once
        self.memory = self.dtype if self.apart else self.target
        self.turn, self.region = self._turn()
        kept = floats and not over_rows and store.fresh and self.region >= 0 and self._is_long()
        self.local = kept and self._room() <= LOCAL
        self.pieced = self.apart or self.local
        self.starts = store.fresh and not over_rows and not self.once and not self.pieced

    def _turn(self) -> tuple[int, int]:
        """The last loop outside of one that the target moves in, in which it stays; and the first
        of all such loops if they are next to each other, else -1."""
        stays = [level for level in range(self.moving) if not self.strides[level]]
        if self.scattered or not stays:
            return -1, -1
        first, last = stays[0], stays[-1]
        return last, first if len(stays) == last - first + 1 else -1

    def _is_long(self) -> bool:
        return self.nest.points(self.region) // self.nest.points(self.turn + 1) > FEW

    def _inside(self) -> list[int]:
        """The loops in which the target moves while it is updated turn by turn."""
        return [x for x in range(self.turn + 1, self.moving) if self.strides[x]]

    def _room(self) -> int:
        return prod(self.nest.bound(level) for level in self._inside())

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
        if self.starts:
            levels = [level for level, stride in enumerate(self.strides) if stride]
            with self._targets(levels) as (pointer, *_):
                self._write(identity(self.kind, self.memory), pointer, self.memory)

    @contextmanager
    def _targets(self, levels: Sequence[int], goal: Value = None) -> Iterator[list[Value]]:
        """Loops over the elements of the target along `levels`: a pointer to each, and to that in
        double precision, the accumulators at `goal` or memory on the stack."""
        moved, dense = self.nest.pointers[self.key], constant(0)
        with ExitStack() as stack:
            for level in levels:
                last = level == levels[-1]
                index = stack.enter_context(self.emit.loop(self.nest.count(level), parallel=last))
                step = self.emit.mul_by(index, self.nest.stride(self.key, level))
                moved = self.emit.at(moved, step, memory_type(self.memory))
                dense = self.emit.add(self.emit.mul(dense, self.nest.bound(level)), index)
                goal = None if goal is None else self.emit.at(goal, step, F64)
            if goal is None and self.local:
                goal = self.emit.at(self.sums, dense, F64)
            yield [moved, goal]

    # ---- around the loops in which memory is updated turn by turn, and around pieces of them

    def open_region(self) -> None:
        """Sums of pieces start at zero."""
        self.sums = self.emit.slot(F64, self._room())
        with self._targets(self._inside()) as (_, total):
            self.emit.store(number(0, FLOAT64), total)

    def open_piece(self) -> None:
        with self._targets(self._inside()) as (pointer, _):
            self._write(identity(self.kind, self.memory), pointer, self.memory)

    def close_piece(self) -> None:
        with self._targets(self._inside(), self._goal()) as (pointer, total):
            self._update(self._read(pointer, self.memory), self.memory, total, FLOAT64)

    def close_region(self) -> None:
        with self._targets(self._inside()) as (pointer, total):
            value = convert(self.emit.builder, self._read(total, FLOAT64), FLOAT64, self.memory)
            self._write(value, pointer, self.memory)

    def _goal(self) -> Value:
        """The accumulator of a fold over rows that the loops outside have come to."""
        if not self.apart:
            return None
        goal = self.emit.at(
            self.frame.base(self.store.access.value), constant(self.store.access.layout.offset), F64
        )
        for level in range(self.turn):
            if self.strides[level]:
                step = self.nest.stride(self.key, level)
                goal = self.emit.at(goal, self.emit.mul_by(self.nest.indices[level], step), F64)
        return goal

    # ---- around the loops that it is in a register for, and around runs of them

    def opens_at(self, level: int) -> bool:
        return self.still > 0 and level == self.moving

    def open(self) -> None:
        self.slots = [self._started(x) for x in self._registers(identity(self.kind, self.total))]

    def _started(self, value: Value) -> Value:
        """A register that holds `value`."""
        slot = self.emit.slot(value.type)
        self.emit.builder.store(value, slot)
        return slot

    def open_run(self) -> None:
        (self.whole,) = self.slots
        self.slots = [self._started(identity(self.kind, self.dtype))]

    def close_run(self) -> None:
        builder = self.emit.builder
        (slot,), self.slots = self.slots, [self.whole]
        old, value = builder.load(self.whole), builder.load(slot)
        new = convert(builder, value, self.dtype, FLOAT64)
        builder.store(combine(builder, self.kind, FLOAT64, old, new, exact=True), self.whole)

    def close(self) -> None:
        builder = self.emit.builder
        value = self._result([builder.load(slot) for slot in self.slots])
        self._settle(value, self.total, self.nest.pointers[self.key])

    def _settle(self, value: Value, dtype: DType, pointer: Value) -> None:
        """Write a partial result to the target."""
        if self.plain:
            self._write(convert(self.emit.builder, value, dtype, self.target), pointer, self.target)
        else:
            self._update(value, dtype, pointer, self.memory)

    # ---- at each point

    def add(self, value: Value, extra: Value | None) -> None:
        builder = self.emit.builder
        if extra is not None:
            self._scatter(value, extra)
        elif self.still:
            old = [builder.load(slot) for slot in self.slots]
            new = self._combined(old, self._registers(value))
            for value, slot in zip(new, self.slots, strict=True):
                builder.store(value, slot)
        else:
            self._settle(value, self.dtype, self.nest.pointers[self.key])

    def _registers(self, value: Value) -> list[Value]:
        """A value as it is in registers."""
        if not self.extreme:
            return [value]
        return parts_of(self.emit.builder, self.kind, value, self.dtype)

    def _combined(self, a: list[Value], b: list[Value]) -> list[Value]:
        """What is in registers for two values, made one."""
        builder = self.emit.builder
        if self.extreme:
            return further(builder, a, b)
        return [combine(builder, self.kind, self.dtype, *a, *b, exact=not self.still)]

    def _result(self, registers: list[Value]) -> Value:
        """The value of what is in registers."""
        if self.extreme:
            return extreme_of(self.emit.builder, self.kind, registers, self.dtype)
        return registers[0]

    def add_all(self, values: list[Value]) -> None:
        """The values of several turns, in pairs."""
        found = [self._registers(value) for value in values]
        while len(found) > 1:
            pairs = zip(found[::2], found[1::2], strict=True)
            found = [self._combined(*pair) for pair in pairs]
        self.add(self._result(found[0]), None)

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
