"""The schedule: what a level-2 backend renders. Data only, without a word about any target.

A `Schedule` is a list of phases; a phase is a loop over rows (`rows.py`) around a list of
statements, run in order for each piece of rows:

- `Nest`: a loop nest over a space of points. At every point scalar `Term`s are computed from what
  is loaded there, and `Store`d: set, or folded into an element that many points share. Views cost
  nothing: they are in the layouts of loads and stores. Elementwise chains, broadcasts, reductions,
  padding, concatenation, gathers, scatters and random bits are all of this form.
- `Contract`: a batch of matrix products on memory, by strides.

Layouts are those of arrays with all their rows, wherever these are held: strides over the axis of
rows are multiples of its size, which a renderer scales to the number of rows that it holds.

Values are numbered as in the phase's program. Where a value lives is its `Place`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal, NamedTuple

from ..dtypes import DType
from ..layout import Layout
from ..primitives import Primitive
from ..shapes import Shape
from .program import Program
from .rows import Phase


class Place(Enum):
    """Where the elements of a value are."""

    WHOLE = "whole"  # in a buffer of its own, row-major: inputs and outputs of the phase
    CHUNK = "chunk"  # the rows in hand only, dense
    FOLD = "fold"  # an accumulator of a piece of rows, row-major


class Leaf(Enum):
    """Terms that are no primitive."""

    LOAD = "load"
    INDEX = "index"  # the number that `layout` gives the point
    CONST = "const"

    def __repr__(self) -> str:
        return self.value


@dataclass(frozen=True, slots=True)
class Access:
    """One element of `value` for each point of a space."""

    value: int
    layout: Layout


class Term(NamedTuple):
    """A scalar at each point: an operation on earlier terms of the schedule, or a leaf.

    A gather has the index as its operand, and in `access` the elements for index 0; its params are
    the stride and the size of the axis that is indexed.
    """

    op: Primitive | Leaf
    operands: tuple[int, ...]
    params: tuple[Any, ...]
    dtype: DType
    access: Access | None = None


@dataclass(frozen=True, slots=True)
class Store:
    """Write term number `term` to `access`; several points may share an element if `fold` is set.

    `fold` names the reduction: sum, prod, max, min; cumsum, cumprod, cummax, cummin along the axis
    of the stride and size in `along`; scatter (which adds) or set, where the value of the term
    `extra` picks a slice along such an axis.
    """

    access: Access
    term: int
    fold: str | None = None
    extra: int | None = None
    along: tuple[int, int] = (0, 0)
    fresh: bool = True
    """Whether the fold starts from its identity, not from what is there."""

    @property
    def order(self) -> Shape | None:
        """The axes that are loops of their own; None: all axes, in their order.

        Running results are made along one, each after the one before; and of points that set one
        element the last one wins.
        """
        strides = self.access.layout.strides
        if self.fold and self.fold.startswith("cum"):
            return (strides.index(self.along[0]),)
        return None if self.fold == "set" else ()


@dataclass(frozen=True, slots=True)
class Nest:
    """Terms and stores at every point of `shape`, the first axis of which is rows if `rows`."""

    shape: Shape
    rows: bool
    stores: tuple[Store, ...]

    @property
    def order(self) -> Shape | None:
        """The axes that are loops of their own; None: all, in order. Its stores agree on it."""
        return next((store.order for store in self.stores if store.order != ()), ())

    def takes(self, store: Store) -> bool:
        """Whether the loops can be in an order that suits `store` too."""
        return () in (self.order, store.order) or self.order == store.order


@dataclass(frozen=True, slots=True)
class Dim:
    """A loop of a product: its size, and the strides of lhs, rhs and out along it."""

    size: int
    lhs: int
    rhs: int
    out: int
    rows: bool = False
    """Whether it runs over rows; `size` is then that of a single row."""


@dataclass(frozen=True, slots=True)
class Contract:
    """out[batch, m, n] (+)= sum over k of lhs[batch, m, k] * rhs[batch, k, n].

    Without `runs` it is a product of matrices by strides. Otherwise `columns` and `terms` are
    further dimensions, outside of n and of k, as windows have them: with runs of "columns", along
    n, these are contiguous in rhs and out, and all terms are evenly apart in lhs; with runs of
    "terms", along k, these are contiguous in lhs and rhs, and all columns in out.
    """

    out: int
    lhs: int
    rhs: int
    offsets: tuple[int, int, int]  # of lhs, rhs, out
    batch: tuple[Dim, ...]
    m: Dim
    n: Dim
    k: Dim
    accumulate: bool
    runs: Literal["columns", "terms"] | None = None
    columns: tuple[Dim, ...] = ()
    terms: tuple[Dim, ...] = ()

    @property
    def loops(self) -> tuple[Dim, ...]:
        """What is around one product by strides: all but m, n and k."""
        return (*self.batch, *self.columns, *self.terms)

    @property
    def dims(self) -> tuple[Dim, ...]:
        """All dimensions."""
        return (*self.loops, self.m, self.n, self.k)


Statement = Nest | Contract


@dataclass(frozen=True, slots=True)
class Memory:
    """Where a value is and how it lies there; `moves` if it has a part for every row."""

    place: Place
    layout: Layout
    dtype: DType
    moves: bool


@dataclass(frozen=True, slots=True)
class Loop:
    """A phase with the statements that compute it.

    `memory` has its inputs and all that is stored; what the statements need beyond the values of
    the phase's program is numbered after them.
    """

    phase: Phase
    statements: tuple[Statement, ...]
    terms: tuple[Term, ...]
    memory: dict[int, Memory]

    def body(self, nest: Nest) -> list[int]:
        """The terms that a nest needs, each after its operands."""
        return reachable(self.terms, nest.stores)

    def loads(self, nest: Nest) -> dict[int, Layout | None]:
        """The values that a nest reads, each with the layout by which it does; None: by more than
        one, or where an index says."""
        found: dict[int, Layout | None] = {}
        for term in map(self.terms.__getitem__, self.body(nest)):
            if term.access is not None:
                value, layout = term.access.value, term.access.layout
                alone = term.op is Leaf.LOAD and found.get(value, layout) == layout
                found[value] = layout if alone else None
        return found


@dataclass(frozen=True, slots=True)
class Schedule:
    """The loops of a program in an order in which they may run."""

    program: Program
    loops: tuple[Loop, ...]


def reachable(terms: "tuple[Term, ...] | list[Term]", stores: Iterable[Store]) -> list[int]:
    """The numbers of the terms under `stores`, ascending: operands come before users."""
    stack = [t for s in stores for t in (s.term, s.extra) if t is not None]
    seen = set[int]()
    while stack:
        term = stack.pop()
        if term not in seen:
            seen.add(term)
            stack.extend(terms[term].operands)
    return sorted(seen)


def arranged(shape: Shape, order: Shape) -> Layout:
    """A dense layout of `shape` with the axes nested in `order`, outermost first."""
    back = tuple(order.index(a) for a in range(len(shape)))
    return Layout.contiguous(tuple(shape[a] for a in order)).permute(back)


def by_column(axes: Iterable[int], rows: int | None) -> Shape:
    """`axes` in an order in which the rows of each column are contiguous."""
    return tuple(sorted(axes, key=lambda axis: axis == rows))


def spread(layout: Layout, axes: Shape, space: Shape) -> Layout:
    """`layout` of a reduced value over the points of `space`, which share elements along `axes`."""
    strides = iter(layout.strides)
    return Layout(
        space,
        tuple(0 if axis in axes else next(strides) for axis in range(len(space))),
        layout.offset,
    )
