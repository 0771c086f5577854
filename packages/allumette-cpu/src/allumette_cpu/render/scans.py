"""Running sums, products and extremes: each is made of the one before and a value, and stored."""

from typing import TYPE_CHECKING

import numpy as np
from allumette_core.compiler.schedule import Store

from ..scalars import Value, memory_type
from .casts import number
from .emit import constant
from .folds import combine, identity

if TYPE_CHECKING:
    from .nests import NestWriter


class Scan:
    """One store of a running result.

    The one before is in a register if its axis is the innermost loop of the nest. Else it is read
    from memory, as rows of a matrix are that are added up one after the other: the innermost loop
    then fills vectors.
    """

    collides = False

    def __init__(self, nest: "NestWriter", place: int, store: Store) -> None:
        assert store.fold is not None
        self.nest, self.emit, self.key = nest, nest.emit, ("store", place)
        self.value = store.access.value
        self.kind = store.fold.removeprefix("cum")
        self.dtype = self.memory = nest.terms[store.term].dtype
        self.level = nest.axes.strides[self.key].index(store.along[0])

    def base(self, offset: Value) -> Value:
        """The pointer that the nest moves along."""
        return self.emit.at(self.nest.frame.base(self.value), offset, memory_type(self.memory))

    def opens_at(self, level: int) -> bool:
        return level == self.level == self.nest.depth - 1

    def open(self) -> None:
        start = self._start()
        self.slot = self.emit.slot(start.type)
        self.emit.builder.store(start, self.slot)

    def _start(self) -> Value:
        """What changes nothing: for sums of floats that is -0, as 0 makes 0 of it."""
        if self.kind == "sum" and self.dtype.kind == "f":
            return number(-0.0, self.dtype)
        return identity(self.kind, self.dtype)

    def close(self) -> None:
        """Nothing: every element is written."""

    def add(self, value: Value, extra: Value | None) -> None:
        builder, pointer = self.emit.builder, self.nest.pointers[self.key]
        registered = self.opens_at(self.level)
        old = builder.load(self.slot, typ=value.type) if registered else self._before(pointer)
        new = combine(builder, self.kind, np.dtype(self.dtype), old, value, exact=True)
        if registered:
            builder.store(new, self.slot)
        self.nest.keep(new, pointer, self.dtype)

    def _before(self, pointer: Value) -> Value:
        """The result before the one that is at `pointer`."""
        builder, step = self.emit.builder, self.nest.stride(self.key, self.level)
        first = builder.icmp_signed("==", self.nest.indices[self.level], constant(0))
        back = builder.select(first, constant(0), builder.neg(step))
        there = self.emit.at(pointer, back, memory_type(self.memory))
        start = self._start()
        return builder.select(first, start, self.nest.loaded(there, self.dtype))
