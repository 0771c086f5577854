"""Running sums, products and extremes: a register that every point adds to and stores."""

from typing import TYPE_CHECKING

import numpy as np
from allumette_core.compiler.schedule import Store

from ..scalars import Value, memory_type
from .folds import combine, identity

if TYPE_CHECKING:
    from .nests import NestWriter


class Scan:
    """One store of a running result; its axis is the innermost loop of the nest."""

    collides = False

    def __init__(self, nest: "NestWriter", place: int, store: Store) -> None:
        assert store.fold is not None
        self.nest, self.emit, self.key = nest, nest.emit, ("store", place)
        self.value = store.access.value
        self.kind = store.fold.removeprefix("cum")
        self.dtype = self.memory = nest.terms[store.term].dtype

    def base(self, offset: Value) -> Value:
        """The pointer that the nest moves along."""
        return self.emit.at(self.nest.frame.base(self.value), offset, memory_type(self.memory))

    def opens_at(self, level: int) -> bool:
        return level == self.nest.depth - 1

    def open(self) -> None:
        start = identity(self.kind, self.dtype)
        self.slot = self.emit.slot(start.type)
        self.emit.builder.store(start, self.slot)

    def close(self) -> None:
        """Nothing: every element is written."""

    def add(self, value: Value, extra: Value | None) -> None:
        builder = self.emit.builder
        old = builder.load(self.slot, typ=value.type)
        new = combine(builder, self.kind, np.dtype(self.dtype), old, value, exact=True)
        builder.store(new, self.slot)
        self.nest.keep(new, self.nest.pointers[self.key], self.dtype)
