"""A nest of loops: every term at the outermost loop that it varies in, reductions in registers."""

from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from allumette_core import primitives as P
from allumette_core.compiler.schedule import Leaf, Nest, Store, Term
from allumette_core.layout import Layout
from llvmlite import ir

from ..scalars import memory_type
from .casts import convert
from .emit import LONG, SHORT, Value, constant
from .folds import RUN, TURNS, Fold
from .order import STRIP, crosses, ordered
from .scalar import compute
from .scans import Scan

if TYPE_CHECKING:
    from .phases import Frame

DType = np.dtype[Any]
INT64 = np.dtype("int64")
TOGETHER = 8  # turns of a loop down columns that are one, a power of two ...
FEW_TERMS = 6  # ... of a nest that has no more terms than this
Key = tuple[str, int]  # ("term", its number) or ("store", its place in the nest)


def _fold(nest: "NestWriter", place: int, store: Store) -> Fold | Scan | None:
    if store.fold is None:
        return None
    return (Scan if store.fold.startswith("cum") else Fold)(nest, place, store)


class NestWriter:
    """Appends the loops of one nest to a function."""

    def __init__(self, frame: "Frame", nest: Nest) -> None:
        self.frame, self.nest, self.emit = frame, nest, frame.emit
        self.terms = {t: frame.loop.terms[t] for t in frame.loop.body(nest)}
        self.accesses = {("term", t): x.access for t, x in self.terms.items() if x.access}
        self.accesses |= {("store", i): s.access for i, s in enumerate(nest.stores)}
        self.per_row = nest.shape[0] // frame.loop.phase.rows if nest.rows else 1
        sizes = (self.per_row, *nest.shape[1:]) if nest.rows else nest.shape
        strides = {key: access.layout.strides for key, access in self.accesses.items()}
        self.axes = ordered(sizes, nest.rows, strides, nest.order)
        self.depth = len(self.axes.sizes)
        self.pointers: dict[Key, Value] = {}
        self.values: dict[int, Value] = {}
        self.indices: dict[int, Value] = {}  # of the loops being written
        self.depths = self._depths()
        self.together = self._together()
        self.strips = crosses(self.axes) and not any(store.fold for store in nest.stores)
        self.strip: tuple[Value, Value] | None = None  # the turns of the innermost loop, if some
        self.turns = TURNS * self.together
        self.run = self._run()
        self.folds = [_fold(self, i, store) for i, store in enumerate(nest.stores)]
        self.sums = [fold for fold in self.folds if isinstance(fold, Fold)]

    def _depths(self) -> dict[int, int]:
        """How many loops each term is inside of: down to the last one that it varies in."""
        depths: dict[int, int] = {}
        for number, term in self.terms.items():
            strides = self.axes.strides["term", number] if term.access else ()
            own = max((d + 1 for d, s in enumerate(strides) if s), default=0)
            depths[number] = max([own, *(depths[i] for i in term.operands)])
        return depths

    # ---- loops

    def write(self) -> None:
        for key, access in self.accesses.items():
            self.pointers[key] = self._start(key, access.value, access.layout)
        for fold in self.sums:
            fold.prepare()
        self._level(0)

    def _level(self, level: int) -> None:
        """Everything that is done inside of `level` loops."""
        if self.strips and level == self.depth - 2 and self.strip is None:
            count, turns = self.count(level + 1), constant(STRIP)
            with self.emit.loop(count, step=turns) as start:
                self.strip = start, self.emit.least(self.emit.add(start, turns), count)
                self._level(level)
                self.strip = None
            return
        self._terms(level)
        if level == self.depth:
            for place, store in enumerate(self.nest.stores):
                self._store(place, store)
            return
        regions = [fold for fold in self.sums if fold.local and fold.region == level]
        opening = [fold for fold in self.folds if fold and fold.opens_at(level)]
        for region in regions:
            region.open_region()
        for fold in opening:
            fold.open()
        self._pieces(level)
        for fold in opening:
            fold.close()
        for region in regions:
            region.close_region()

    def _terms(self, depth: int) -> None:
        """The terms that are inside of `depth` loops and no more."""
        for number, own in self.depths.items():
            if own == depth:
                self.values[number] = self._term(("term", number), self.terms[number])

    def _pieces(self, level: int) -> None:
        """The loop at `level`, in pieces where sums are passed on after each."""
        count, last = self.count(level), level == self.depth - 1
        pieced = [fold for fold in self.sums if fold.pieced and fold.turn == level]
        running = [fold for fold in self.sums if fold.wide and last]
        size = self.turns if pieced else self.run
        if not pieced and not running:
            self._loop(level, *((last and self.strip) or (constant(0), count)))
            return
        with self.emit.loop(count, step=constant(size)) as start:
            for fold in pieced:
                fold.open_piece()
            for fold in running:
                fold.open_run()
            self._loop(level, start, self.emit.least(self.emit.add(start, constant(size)), count))
            for fold in running:
                fold.close_run()
            for fold in pieced:
                fold.close_piece()

    def _loop(self, level: int, start: Value, end: Value) -> None:
        """The turns from `start` to `end` of the loop at `level`."""
        if level == self.depth - 2 and self.together > 1:
            builder, step = self.emit.builder, constant(self.together)
            middle = builder.sub(end, builder.srem(builder.sub(end, start), step))
            with self.emit.loop(middle, start, step) as index:
                self._turns_together(level, index)
            start = middle
        parallel = level == self.depth - 1 and not any(f and f.collides for f in self.folds)
        with self.emit.loop(end, start, parallel=parallel, chains=self._chains(level)) as index:
            outer = dict(self.pointers)
            self._move(level, index)
            self._level(level + 1)
            self.pointers = outer

    def _chains(self, level: int) -> int:
        """How many vectors of a loop are worked on at a time, so that none waits for itself."""
        size = LONG if level == self.axes.rows else self.axes.sizes[level]
        if size >= LONG:
            return max((2, *(fold.chains for fold in self.sums if fold.still)))
        return 2 if size >= SHORT else 1

    def _move(self, level: int, index: Value) -> None:
        self.indices[level] = index
        for key, strides in self.axes.strides.items():
            if strides[level]:
                self.pointers[key] = self._moved(key, index, level)

    def _turns_together(self, level: int, first: Value) -> None:
        """Several turns of the last loop but one, point by point."""
        outer, turns = dict(self.pointers), []
        for turn in range(self.together):
            self.pointers = dict(outer)
            self._move(level, self.emit.add(first, constant(turn)))
            self._terms(level + 1)
            turns.append((self.pointers, dict(self.values)))
        values: dict[int, list[Value]] = {place: [] for place, f in enumerate(self.folds) if f}
        with self.emit.loop(self.count(level + 1), parallel=True) as index:
            for pointers, terms in turns:
                self.pointers, self.values = dict(pointers), dict(terms)
                self._move(level + 1, index)
                self._terms(level + 2)
                for place, store in enumerate(self.nest.stores):
                    if place in values:
                        values[place].append(self.values[store.term])
                    else:
                        self._store(place, store)
            for fold, found in zip(self.sums, values.values(), strict=True):
                fold.add_all(found)
        self.pointers = outer

    def _together(self) -> int:
        """How many turns of the last loop but one are one: sums down columns are then read and
        written as much less often."""
        folds = [s for s in self.nest.stores if s.fold]
        strides = [self.axes.strides["store", i] for i, s in enumerate(self.nest.stores) if s.fold]
        down = all(s[-1] and not s[-2] for s in strides) if self.depth > 1 else False
        if (
            not folds
            or not down
            or self.nest.order != ()
            or any(s.extra is not None for s in folds)
        ):
            return 1
        return TOGETHER if len(self.terms) <= FEW_TERMS else 1

    def _run(self) -> int:
        """The points of the innermost loop after which a sum is passed on: fewer if nothing is
        read in order, as the loop then fills no vectors."""
        steps = [abs(self.axes.strides[key][-1]) for key in self.accesses] if self.depth else []
        return RUN if 1 in steps else TURNS

    def bound(self, level: int) -> int:
        """The most turns that a loop can have."""
        rows = self.frame.sizes.rows.room if level == self.axes.rows else 1
        return self.axes.sizes[level] * rows

    def points(self, level: int) -> int:
        """The most points that there can be inside of `level` loops."""
        return prod(self.bound(inner) for inner in range(level, self.depth))

    def count(self, level: int) -> Value:
        """How often the loop turns."""
        if level == self.axes.rows:
            return self.emit.mul(self.frame.rows, self.axes.sizes[level])
        return constant(self.axes.sizes[level])

    # ---- addresses

    def _start(self, key: Key, value: int, layout: Layout) -> Value:
        """A pointer to what the first point accesses; for an index, its value there."""
        offset = self._number(layout.offset, value, layout)
        if self._is_whole(value) and self.nest.rows and layout.strides[0]:
            rows = self.emit.mul(self.frame.first, self.per_row * layout.strides[0])
            offset = self.emit.add(offset, rows)
        fold = self.folds[key[1]] if key[0] == "store" else None
        if fold:
            return fold.base(offset)
        return (
            offset
            if value < 0
            else self.emit.at(self.frame.base(value), offset, self._memory(value))
        )

    def _moved(self, key: Key, index: Value, level: int) -> Value:
        access = self.accesses[key]
        step = self.emit.mul_by(index, self.stride(key, level))
        if access.value < 0:
            return self.emit.add(self.pointers[key], step)
        fold = self.folds[key[1]] if key[0] == "store" else None
        kind = memory_type(fold.memory) if fold else self._memory(access.value)
        return self.emit.at(self.pointers[key], step, kind)

    def stride(self, key: Key, level: int) -> Value:
        """How many elements an access moves with each turn of a loop."""
        return self.number(key, self.axes.strides[key][level])

    def number(self, key: Key, number: int) -> Value:
        """A stride of an access, scaled to where its rows are."""
        access = self.accesses[key]
        return self._number(number, access.value, access.layout)

    def _is_whole(self, value: int) -> bool:
        return value < 0 or self.frame.is_whole(value)

    def _number(self, number: int, value: int, layout: Layout) -> Value:
        step = abs(layout.strides[0]) if self.nest.rows else 0
        entries = self.nest.shape[0] if self.nest.rows else 0
        return self.frame.number(number, self._is_whole(value), step, entries)

    def _memory(self, value: int) -> Any:
        return memory_type(self.frame.dtype(value))

    # ---- points

    def _term(self, key: Key, term: Term) -> Value:
        if term.op is Leaf.CONST:
            return self.frame.literal(term.params[0], term.dtype)
        if term.op is Leaf.INDEX:
            return convert(self.emit.builder, self.pointers[key], INT64, term.dtype)
        if term.op is Leaf.LOAD:
            return self.loaded(self.pointers[key], term.dtype)
        if term.op is P.gather:
            return self._gathered(key, term)
        assert not isinstance(term.op, Leaf)
        operands = [self.values[i] for i in term.operands]
        dtypes = [self.terms[i].dtype for i in term.operands]
        return compute(self.emit.builder, term.op, operands, dtypes, term.dtype, term.params)

    def loaded(self, pointer: Value, dtype: DType) -> Value:
        """The value at `pointer`."""
        value = self.emit.load(pointer, memory_type(dtype))
        if dtype.kind == "b":
            return self.emit.builder.icmp_unsigned("!=", value, ir.Constant(value.type, 0))
        return value

    def keep(self, value: Value, pointer: Value, dtype: DType) -> None:
        """Write `value` to `pointer`."""
        if dtype.kind == "b":
            value = self.emit.builder.zext(value, memory_type(dtype))
        self.emit.store(value, pointer)

    def _gathered(self, key: Key, term: Term) -> Value:
        """What the index operand picks; out of bounds that is the nearest element."""
        stride, size = term.params
        last = self.emit.word(("const", size - 1))
        index, zero = self._index(term.operands[0]), constant(0)
        builder = self.emit.builder
        index = builder.select(builder.icmp_signed("<", index, zero), zero, index)
        step = self.emit.mul_by(self.emit.least(index, last), self.number(key, stride))
        pointer = self.emit.at(self.pointers[key], step, memory_type(term.dtype))
        return self.loaded(pointer, term.dtype)

    def _index(self, number: int) -> Value:
        """A term as a signed 64-bit index; what is too large for one is out of bounds anyway."""
        dtype, builder = self.terms[number].dtype, self.emit.builder
        value = convert(builder, self.values[number], dtype, INT64)
        if dtype.name != "uint64":
            return value
        negative = builder.icmp_signed("<", value, constant(0))
        return builder.select(negative, constant(2**62), value)

    def _store(self, place: int, store: Store) -> None:
        fold, value = self.folds[place], self.values[store.term]
        if fold:
            fold.add(value, None if store.extra is None else self._index(store.extra))
        else:
            self.keep(value, self.pointers["store", place], self.frame.dtype(store.access.value))
