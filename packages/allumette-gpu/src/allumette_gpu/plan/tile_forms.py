"""Which phases can be kernels in tiles: what a workgroup may do without asking others."""

from collections.abc import Iterator
from itertools import accumulate
from math import prod

from allumette_core import primitives as P
from allumette_core.compiler.schedule import Contract, Leaf, Loop, Nest, Place, Statement, Store
from allumette_core.primitives import Kind, Primitive

from ..wgsl.types import TYPES

FOLDS: dict[str, Primitive] = {"sum": P.sum_, "prod": P.prod, "max": P.max_, "min": P.min_}
WORDS = {"f32": "float32", "i32": "int32", "u32": "uint32"}
"""What is kept in a workgroup's memory, and the dtype of its records."""
LARGEST_MATRIX = 1 << 14  # elements that every tile reads again
LARGEST_SHARED = 1 << 16  # elements that are copied for each run


def renders(loop: Loop) -> bool:
    memory = loop.memory
    if any(m.layout.size == 0 for m in memory.values()) or loop.phase.rows < 2:
        return False
    kept = [m for m in memory.values() if m.place is not Place.WHOLE]
    if any(TYPES[m.dtype.name].stored not in WORDS for m in kept):
        return False
    if not all(_statement_renders(loop, s) for s in loop.statements):
        return False
    folds = [s for s in targets(loop) if memory[s].place is Place.FOLD]
    return len(folds) == len(set(folds))


def targets(loop: Loop) -> Iterator[int]:
    """The value that each store or product writes to."""
    for s in loop.statements:
        yield from [x.access.value for x in s.stores] if isinstance(s, Nest) else [s.out]


def _statement_renders(loop: Loop, s: Statement) -> bool:
    if isinstance(s, Nest):
        return (
            all(_store_renders(loop, s, store) for store in s.stores)
            and all(_term_renders(loop, t) for t in loop.body(s))
        )  # fmt: skip
    matrix = prod(d.size for d in (s.m, s.n, s.k) if not d.rows)
    wide = loop.memory[s.out].dtype.name == "float32" and loop.memory[s.lhs].dtype.name == "float32"
    return wide and matrix <= LARGEST_MATRIX and _is_local(loop, s.out, moves(s))


def _store_renders(loop: Loop, nest: Nest, store: Store) -> bool:
    layout = store.access.layout
    if store.fold is not None and store.fold not in FOLDS:
        return False
    axes = [a for a, stride in enumerate(layout.strides) if stride]
    if store.fold is None and len(axes) != len(nest.shape):
        return False
    if not _is_local(loop, store.access.value, nest.rows):
        return False
    if loop.memory[store.access.value].place is Place.FOLD:
        whole = prod(layout.shape[a] for a in axes) == loop.memory[store.access.value].layout.size
        if not whole or 0 in axes:
            return False
    reach = 1  # elements of the target must not be shared by points that are kept apart
    for stride, size in sorted((abs(layout.strides[a]), layout.shape[a]) for a in axes):
        if stride < reach:
            return False
        reach = stride * (size - 1) + reach
    return True


def _is_local(loop: Loop, value: int, moving: bool) -> bool:
    """Whether a workgroup may write `value` without asking others."""
    memory = loop.memory[value]
    if memory.place is Place.FOLD:
        return moving
    return memory.moves if moving else memory.place is Place.CHUNK


def _term_renders(loop: Loop, number: int) -> bool:
    term = loop.terms[number]
    value = -1 if term.access is None else term.access.value
    if value >= 0 and loop.memory[value].place is Place.FOLD:
        return False
    if isinstance(term.op, Leaf) or term.op in (P.gather, P.random_bits):
        return True
    return term.op.kind is Kind.ELEMENTWISE


def moves(statement: Statement) -> bool:
    """Whether a statement runs over rows."""
    if isinstance(statement, Nest):
        return statement.rows
    return any(d.rows for d in statement.dims)


def touched(loop: Loop, statement: Statement) -> set[int]:
    """The values that a statement reads or writes."""
    if isinstance(statement, Contract):
        return {statement.lhs, statement.rhs, statement.out}
    accesses = [loop.terms[t].access for t in loop.body(statement)]
    accesses += [store.access for store in statement.stores]
    return {a.value for a in accesses if a is not None and a.value >= 0}


def shared(loop: Loop, excess: int, buffers: int) -> dict[int, int] | None:
    """The smallest inputs of one dtype that take `excess` buffers fewer when they share one, and
    where they begin there; None: there are not so many, or too many for one kernel to copy."""
    if excess <= 0:
        return {}
    if excess + 3 > buffers:
        return None
    inputs = loop.phase.program.avals[: loop.phase.program.num_inputs]
    sizes = [prod(a.shape) for a in inputs]
    for dtype in dict.fromkeys(a.dtype for a in inputs):
        alike = [v for v, a in enumerate(inputs) if a.dtype == dtype]
        small = sorted(alike, key=sizes.__getitem__)[: excess + 1]
        ends = list(accumulate(sizes[v] for v in small))
        if len(small) > excess and ends[-1] <= LARGEST_SHARED:
            return dict(zip(small, [0, *ends], strict=False))
    return None
