"""From the program of a phase to statements: what is computed together, at every point of a space.

Elementwise instructions become scalar terms. A view of a term is the same term with the view
applied to the layouts of what it loads, so views vanish. A value gets memory when something reads
it that needs memory (a product), or when it is used more than once and would cost more to compute
again than to load. Stores over the same space then share one nest, where they share terms too;
what is only used inside its nest is never stored.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import prod

from .. import primitives as P
from ..dtypes import DType
from ..layout import Layout
from ..primitives import Kind, Primitive
from ..shapes import Shape
from .flows import is_free
from .lowering import RULES
from .program import Aval, Instruction
from .pruning import without_dead_stores
from .rows import Phase
from .schedule import (
    Access,
    Leaf,
    Loop,
    Memory,
    Nest,
    Place,
    Statement,
    Store,
    Term,
    arranged,
    by_column,
    reachable,
)  # fmt: skip

_VIEWS: dict[Primitive, Callable[..., Layout | None]] = {
    P.reshape: Layout.reshape, P.permute: Layout.permute, P.broadcast: Layout.broadcast,
    P.slice_: Layout.slice, P.flip: Layout.flip, P.windows: Layout.windows,
}  # fmt: skip
_CHEAP = frozenset(
    (P.neg, P.abs_, P.add, P.sub, P.mul, P.maximum, P.minimum, P.eq, P.ne, P.lt, P.le, P.where)
    + (P.bit_and, P.bit_or, P.bit_xor, P.invert, P.cast)
)
CHEAP_TERMS = 2  # as many cheap operations are repeated rather than stored
CHEAP_LOADS = 2


def fuse(phase: Phase) -> Loop:
    """The statements of `phase`."""
    return Fusion(phase).loop()


class Fusion:
    """Terms, memory and statements of one phase, while they are being made."""

    def __init__(self, phase: Phase) -> None:
        self.phase = phase
        self.program = phase.program
        self.terms: list[Term] = []
        self.numbers: dict[object, int] = {}
        self.term_of: dict[int, int] = {}  # of a value that is not in memory
        self.memory: dict[int, Memory] = {}
        self.made_by: dict[int, int] = {}  # of a value in memory: the last statement that writes it
        self.statements: list[Statement] = []
        self.copies: dict[tuple[Access, int | None, Shape | None], Access] = {}
        self.avals = list(self.program.avals)
        self.uses = self._uses()
        self.by_column = phase.by_column
        for value in range(self.program.num_inputs):
            self.claim(value)

    def _uses(self) -> list[int]:
        """How often each value is read, a view being read through."""
        uses = [0] * len(self.avals)
        for value in reversed(range(self.program.num_inputs, len(self.avals))):
            instruction = self.program.instructions[value - self.program.num_inputs]
            for source in set(instruction.inputs):
                uses[source] += uses[value] if is_free(instruction) else 1
        return uses

    def loop(self) -> Loop:
        outputs = frozenset(self.program.outputs)
        for value, instruction in enumerate(self.program.instructions, self.program.num_inputs):
            if value not in self.memory:  # it may have been made with what it is a view of
                self._lower(value, instruction)
            if value in outputs:
                self.access(value)
        statements, used = without_dead_stores(self.statements, self.terms, outputs)
        memory = {v: m for v, m in self.memory.items() if v in used}
        return Loop(self.phase, statements, tuple(self.terms), memory)

    # ---- terms

    def term(self, term: Term) -> int:
        """The number of `term`; equal terms have one number."""
        key = (*term[:2], repr(term.params), *term[3:]) if term.op is Leaf.CONST else term
        number = self.numbers.setdefault(key, len(self.terms))
        if number == len(self.terms):
            self.terms.append(term)
        return number

    def load(self, value: int, layout: Layout) -> int:
        return self.term(Term(Leaf.LOAD, (), (), self.avals[value].dtype, Access(value, layout)))

    def const(self, value: object, dtype: DType) -> int:
        return self.term(Term(Leaf.CONST, (), (value,), dtype))

    def value(self, value: int) -> int:
        """The term that is `value` at each point of its shape."""
        if value in self.term_of:
            return self.term_of[value]
        return self.load(value, self.memory[value].layout)

    def view(self, term: int, change: Callable[[Layout], Layout | None]) -> int | None:
        """`term` with `change` applied to every layout in it; None where one cannot be changed."""
        renamed: dict[int, int] = {}
        for number in reachable(self.terms, [Store(_NOWHERE, term)]):
            old = self.terms[number]
            access = old.access
            if access is not None:
                layout = change(access.layout)
                if layout is None:
                    return None
                access = Access(access.value, layout)
            operands = tuple(renamed[i] for i in old.operands)
            renamed[number] = self.term(old._replace(operands=operands, access=access))
        return renamed[term]

    def over(self, value: int, shape: Shape) -> int:
        """The term of `value` broadcast to `shape`."""
        if self.avals[value].shape == shape:
            return self.value(value)
        self._settle(value, shape)
        viewed = self.view(self.value(value), lambda layout: layout.broadcast(shape))
        assert viewed is not None
        return viewed

    # ---- memory

    def claim(self, value: int, order: Shape | None = None) -> Layout:
        """Give `value` memory, which the caller then stores to.

        The axes of a chunk by column are in `order`; None: the rows last.
        """
        shape, dtype = self.avals[value]
        axis = self.phase.axis(value)
        if self.phase.folds(value):
            place = Place.FOLD
        elif value < self.program.num_inputs or value in self.program.outputs:
            place = Place.WHOLE
        else:
            place = Place.CHUNK
        columns = place is Place.CHUNK and self.by_column
        order = by_column(range(len(shape)), axis) if order is None else order
        layout = arranged(shape, order) if columns else Layout.contiguous(shape)
        self.memory[value] = Memory(place, layout, dtype, axis is not None)
        self.term_of.pop(value, None)
        return layout

    def access(self, value: int) -> Access:
        """`value` in memory, or a view of something there."""
        if value not in self.memory:
            term = self.terms[self.term_of[value]]
            if term.op is Leaf.LOAD and value not in self.program.outputs:
                assert term.access is not None
                return term.access
            self.keep(value)
        return Access(value, self.memory[value].layout)

    def keep(self, value: int) -> None:
        """Store the term of `value`."""
        term, shape = self.term_of[value], self.avals[value].shape
        self.store(shape, self.phase.axis(value), Store(Access(value, self.claim(value)), term))

    def copy(
        self, source: Access, axis: int | None, order: Shape, *, exactly: bool = False
    ) -> Access:
        """The elements of `source`, copied so that its axes are nested in `order`; unless
        `exactly` so, one copy serves every product that wants one."""
        key = source, axis, order if exactly else None
        if key not in self.copies:
            shape, dtype = source.layout.shape, self.memory[source.value].dtype
            layout = arranged(shape, order)
            value = len(self.avals)
            self.avals.append(Aval(shape, dtype))
            self.memory[value] = Memory(Place.CHUNK, layout, dtype, axis is not None)
            self.copies[key] = Access(value, layout)
            self.store(shape, axis, Store(self.copies[key], self.load(source.value, source.layout)))
        return self.copies[key]

    def store(self, shape: Shape, axis: int | None, store: Store) -> None:
        """Add `store` to the first nest over its space where all it loads is ready and some of it
        is at hand, or a new one.

        A space has its rows first, and no axes of size 1.
        """
        shape, store = self._canonical(shape, axis, store)
        rows = axis is not None
        first = self._earliest(shape, rows, store)
        for number in range(first, len(self.statements)):
            nest = self.statements[number]
            if not isinstance(nest, Nest):
                continue
            if (nest.shape, nest.rows) == (shape, rows) and self._suits(nest, store):
                store = self._from_registers(nest, store)
                self.statements[number] = Nest(shape, rows, (*nest.stores, store))
                break
        else:
            number = len(self.statements)
            self.statements.append(Nest(shape, rows, (store,)))
        self.made_by[store.access.value] = max(number, self.made_by.get(store.access.value, 0))

    def _canonical(self, shape: Shape, axis: int | None, store: Store) -> tuple[Shape, Store]:
        """The same store over `shape` with its rows first and without axes of size 1."""
        order = [a for a, size in enumerate(shape) if size != 1 and a != axis]
        order = order if axis is None else [axis, *order]

        def change(layout: Layout) -> Layout:
            strides = tuple(layout.strides[a] for a in order)
            return Layout(tuple(layout.shape[a] for a in order), strides, layout.offset)

        def moved(term: int) -> int:
            out = self.view(term, change)
            assert out is not None
            return out

        extra = None if store.extra is None else moved(store.extra)
        access = Access(store.access.value, change(store.access.layout))
        moved_store = replace(store, access=access, term=moved(store.term), extra=extra)
        return access.layout.shape, moved_store

    def _suits(self, nest: Nest, store: Store) -> bool:
        """Whether `store` gains from being in the loops of `nest`: it loads what they do."""
        if not nest.takes(store):
            return False
        if not nest.shape:
            return True
        at_hand = self._loads(nest.stores) | {s.access for s in nest.stores}
        return not at_hand.isdisjoint(self._loads([store]))

    def _loads(self, stores: Sequence[Store]) -> set[Access]:
        """What is loaded for `stores`, besides what is the same at every point."""
        accesses = (self.terms[term].access for term in reachable(self.terms, stores))
        return {a for a in accesses if a is not None and any(a.layout.strides)}

    def _earliest(self, shape: Shape, rows: bool, store: Store) -> int:
        """The first statement that `store` may be part of."""
        # A second store to one value comes after the first.
        first = self.made_by.get(store.access.value, -1) + 1
        for term in reachable(self.terms, [store]):
            access, op = self.terms[term].access, self.terms[term].op
            made = None if access is None else self.made_by.get(access.value)
            if made is None:
                continue
            nest = self.statements[made]
            ready = (
                op is Leaf.LOAD
                and isinstance(nest, Nest)
                and (nest.shape, nest.rows) == (shape, rows)
                and any(s.access == access and not s.fold for s in nest.stores)
            )
            first = max(first, made if ready else made + 1)
        return first

    def _from_registers(self, nest: Nest, store: Store) -> Store:
        """`store` with loads of what `nest` itself stores replaced by the terms stored."""
        stored = {s.access: s.term for s in nest.stores if not s.fold}
        renamed: dict[int, int] = {}
        for number in reachable(self.terms, [store]):
            old = self.terms[number]
            if old.op is Leaf.LOAD and old.access in stored:
                renamed[number] = stored[old.access]
            else:
                operands = tuple(renamed[i] for i in old.operands)
                renamed[number] = self.term(old._replace(operands=operands))
        extra = None if store.extra is None else renamed[store.extra]
        return replace(store, term=renamed[store.term], extra=extra)

    # ---- instructions

    def _lower(self, value: int, instruction: Instruction) -> None:
        primitive, inputs, params = instruction
        shape, dtype = self.avals[value]
        if primitive.kind is Kind.ELEMENTWISE:
            operands = tuple(self.over(i, shape) for i in inputs)
            self.define(value, self.term(Term(primitive, operands, params, dtype)))
        elif primitive in _VIEWS:
            self._view(value, primitive, inputs[0], params)
        else:
            RULES[primitive](self, value, instruction)

    def define(self, value: int, term: int) -> None:
        """`value` is `term` at each point; it gets memory if computing it twice costs too much."""
        self.term_of[value] = term
        if self.uses[value] > 1 and not self._is_cheap(term):
            self.keep(value)

    def _is_cheap(self, term: int) -> bool:
        terms = [self.terms[t] for t in reachable(self.terms, [Store(_NOWHERE, term)])]
        operations = [t.op for t in terms if not isinstance(t.op, Leaf)]
        loads = sum(t.op is Leaf.LOAD for t in terms)
        return (
            len(operations) <= CHEAP_TERMS
            and loads <= CHEAP_LOADS
            and all(op in _CHEAP for op in operations)
        )

    def _view(
        self, value: int, primitive: Primitive, source: int, params: tuple[object, ...]
    ) -> None:
        change = _VIEWS[primitive]
        self._settle(source, self.avals[value].shape)
        flow = self.phase.flow(value)
        slides = primitive is P.windows and self.by_column
        term = self._turned(source, flow.ins[0] if flow and slides else None)
        viewed = self.view(term, lambda layout: change(layout, *params))
        if viewed is None:  # elements that are not in order are put in order first
            order = tuple(range(len(self.avals[source].shape)))
            axis = self.phase.axis(source)
            ordered = self.copy(self.access(source), axis, order, exactly=True)
            viewed = self.view(
                self.load(ordered.value, ordered.layout), lambda layout: change(layout, *params)
            )
            assert viewed is not None
        self.term_of[value] = viewed

    def _turned(self, value: int, axis: int | None) -> int:
        """The term of a value, of a copy if its rows are along `axis` and it is not by column."""
        if axis is None or self.access(value).layout.strides[axis] == 1:
            return self.value(value)
        order = by_column(range(len(self.avals[value].shape)), axis)
        copy = self.copy(self.access(value), axis, order, exactly=True)
        return self.load(copy.value, copy.layout)

    def _settle(self, value: int, shape: Shape) -> None:
        """Compute `value` once before it is spread over more points, if that is worth it."""
        grows = prod(shape) > prod(self.avals[value].shape)
        if value in self.term_of and grows and not self._is_cheap(self.term_of[value]):
            self.access(value)

    def add(self, statement: Statement, value: int) -> None:
        """Append a statement that makes `value`."""
        self.statements.append(statement)
        self.made_by[value] = len(self.statements) - 1


_NOWHERE = Access(-1, Layout((), ()))
