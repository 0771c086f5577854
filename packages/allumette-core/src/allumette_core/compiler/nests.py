"""The statements of a phase as they are made: which loops a store joins.

Stores over the same space share one nest, where they share terms too.
"""

from collections.abc import Sequence
from dataclasses import replace

from ..layout import Layout
from ..shapes import Shape
from .schedule import Access, Leaf, Nest, Statement, Store, reachable
from .terms import Terms


class Nests:
    """Statements, in an order in which they may run."""

    def __init__(self, terms: Terms) -> None:
        self.terms = terms
        self.statements: list[Statement] = []
        self.made_by: dict[int, int] = {}  # of a value in memory: the last statement that writes it

    def add(self, statement: Statement, value: int) -> None:
        """Append a statement that makes `value`."""
        self.statements.append(statement)
        self.made_by[value] = len(self.statements) - 1

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
            out = self.terms.view(term, change)
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
                renamed[number] = self.terms.number(old._replace(operands=operands))
        extra = None if store.extra is None else renamed[store.extra]
        return replace(store, term=renamed[store.term], extra=extra)
