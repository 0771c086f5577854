"""How a phase runs as one kernel: the rows of a tile, who computes what, and where it is kept.

Core's scheduler cuts a program into phases in which values flow along rows. A workgroup takes one
tile of rows after another, and keeps what it computes of them in its memory. What is folded up over
the rows (losses, gradients of parameters) it folds up in a record of its own: records are read by
the kernels that come after.

An invocation updates the same elements of its record for every tile, so nothing has to wait for
that, and results do not depend on what runs when.
"""

from dataclasses import dataclass

import numpy as np
from allumette_core.compiler.schedule import Contract, Loop, Nest, Store
from allumette_core.dtypes import DType
from allumette_core.shapes import Shape

from .tile_forms import WORDS


@dataclass(frozen=True, slots=True)
class Record:
    """What a workgroup keeps of a fold: `parts` times `count` elements of a record of `word`s."""

    kind: str
    word: str
    offset: int
    parts: int
    count: int


@dataclass(frozen=True, slots=True)
class Group:
    """Stores of a nest whose points are dealt out to invocations alike: along the axes `kept` each
    has points of its own, along the others it folds up; `parts` of them share the rows."""

    nest: Nest
    stores: tuple[Store, ...]
    kept: Shape
    parts: int

    @property
    def folded(self) -> Shape:
        return tuple(a for a in range(len(self.nest.shape)) if a not in self.kept)


@dataclass(frozen=True, slots=True)
class Blocks:
    """A product whose result is cut into blocks of `sides`, one an invocation."""

    product: Contract
    sides: tuple[int, int]
    parts: int


Work = Group | Blocks


@dataclass(eq=False, slots=True)
class Tiling:
    """A phase as a kernel of `groups` workgroups that take tiles of `rows` rows."""

    loop: Loop
    rows: int
    width: int
    groups: int
    before: tuple[Work, ...]
    """What does not depend on rows, and is done once."""
    work: tuple[Work, ...]
    rooms: dict[int, int]
    """The room of each value that is kept for a tile."""
    room_types: tuple[tuple[str, int], ...]
    records: dict[int, Record]
    lengths: dict[str, int]
    """The elements of a workgroup's record, by what they are."""
    packed: dict[int, int]
    """Where inputs begin that share a buffer, where there are too few."""

    def aval(self, result: int | str) -> tuple[Shape, DType]:
        """The shape and dtype of a value that is stored, or of the records of one kind of word."""
        if isinstance(result, int):
            return self.loop.phase.program.avals[result]
        return (self.groups, self.lengths[result]), np.dtype(WORDS[result])

    @property
    def tiles(self) -> int:
        return -(-self.loop.phase.rows // self.rows)
