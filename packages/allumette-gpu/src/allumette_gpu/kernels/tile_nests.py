"""Nests of loops in a tile: an invocation computes points of its own, and folds along the rest."""

from contextlib import ExitStack
from typing import TYPE_CHECKING

from allumette_core import primitives as P
from allumette_core.compiler.schedule import Access, Leaf, Place, Store, Term, reachable
from allumette_core.dtypes import uint32

from ..plan.tile_forms import FOLDS
from ..plan.tiling import Group
from ..wgsl.folds import Fold
from ..wgsl.scalar import cast, compute
from ..wgsl.types import computed, constant, rounded
from ..wgsl.values import clamped

if TYPE_CHECKING:
    from .tiles import Tile

WIDEST = 32  # elements apart: further apart is no slower


def write_group(tile: "Tile", group: Group) -> None:
    """Append the loops of `group`."""
    _GroupWriter(tile, group).write()


class _GroupWriter:
    def __init__(self, tile: "Tile", group: Group) -> None:
        self.tile, self.group, self.nest = tile, group, group.nest
        self.writer, self.loop = tile.writer, tile.loop
        rank = len(self.nest.shape)
        self.near, self.far = ["0u"] * rank, ["0u"] * rank
        self.per_row = self.nest.shape[0] // self.loop.phase.rows if self.nest.rows else 1
        self.stored = self._stored()
        self.terms = self._terms()
        self.depths = self._depths()
        self.texts: dict[int, str] = {}

    def _stored(self) -> dict[int, Access]:
        """Terms that another group of this nest has stored for this tile: they are loaded."""
        mine = {id(store) for store in self.group.stores}
        return {
            store.term: store.access
            for store in self.nest.stores
            if store.fold is None and id(store) not in mine
            and self.tile.loop.memory[store.access.value].dtype == self.loop.terms[store.term].dtype
            and not isinstance(self.loop.terms[store.term].op, Leaf)
        }  # fmt: skip

    def _terms(self) -> dict[int, Term]:
        """What is computed at a point, operands first."""
        found: dict[int, Term] = {}
        roots = [store.term for store in self.group.stores]
        wanted = set(roots)
        for number in reversed(reachable(self.loop.terms, self.group.stores)):
            if number not in wanted:
                continue
            term = self.loop.terms[number]
            if number in self.stored:
                term = Term(Leaf.LOAD, (), (), term.dtype, self.stored[number])
            found[number] = term
            wanted.update(term.operands)
            if term.op is P.random_bits:  # its counter is a number of 64 bits elsewhere
                wanted.discard(term.operands[0])
        return dict(sorted(found.items()))

    def _depths(self) -> dict[int, int]:
        """How many of the loops each term is inside of: down to the last one that it varies in."""
        depth_of = {axis: place + 1 for place, axis in enumerate(self.group.folded)}
        depths: dict[int, int] = {}
        for number, term in self.terms.items():
            counter = self.loop.terms[term.operands[0]] if term.op is P.random_bits else term
            strides = counter.access.layout.strides if counter.access else ()
            own = max((depth_of.get(a, 0) for a, s in enumerate(strides) if s), default=0)
            depths[number] = max([own, *(depths.get(i, 0) for i in term.operands)])
        return depths

    # ---- loops

    def _size(self, axis: int) -> int:
        """The points along an axis of a whole tile."""
        return (
            self.per_row * self.tile.tiling.rows if self._is_rows(axis) else self.nest.shape[axis]
        )

    def _is_rows(self, axis: int) -> bool:
        return self.nest.rows and axis == 0

    @property
    def _count(self) -> str:
        """The points along the axis of rows of this tile."""
        return "rows" if self.per_row == 1 else f"rows * {self.per_row}u"

    def _set(self, axis: int, text: str) -> None:
        self.near[axis] = self.far[axis] = text
        if self._is_rows(axis):
            start = "first" if self.per_row == 1 else f"first * {self.per_row}u"
            self.far[axis] = self.writer.let(f"{start} + {text}")

    def write(self) -> None:
        kept = self._order()
        sizes = [self._size(axis) for axis in kept]
        with ExitStack() as stack:
            places = self.tile.deal(stack, [*reversed(sizes), self.group.parts])
            part = places.pop()
            for axis, text in zip(reversed(kept), places, strict=True):
                self.near[axis] = text
            if 0 in kept and self.nest.rows:
                guard = f"if ({self.near[0]} < {self._count}) {{"
                stack.enter_context(self.writer.block(guard))
            for axis in kept:
                self._set(axis, self.near[axis])
            self._inside(part)

    def _order(self) -> list[int]:
        """The axes of points, the one along which neighbours had best be neighbours last."""
        accesses = [t.access for t in self.terms.values() if t.access and t.access.value >= 0]
        accesses += [s.access for s in self.group.stores]

        def cost(axis: int) -> int:
            return sum(min(abs(a.layout.strides[axis]), WIDEST) for a in accesses)

        kept = list(self.group.kept)
        if kept:
            best = min(kept, key=lambda axis: (cost(axis), -axis))
            kept.remove(best)
            kept.append(best)
        return kept

    def _inside(self, part: str) -> None:
        folds = {id(s): self._fold(s) for s in self.group.stores if s.fold}
        names: dict[int, str] = {}
        for key, fold in folds.items():
            names[key] = self.writer.fresh("acc")
            self.writer.line(f"var {names[key]}: {fold.type} = {fold.start};")
        with ExitStack() as stack:
            self._compute(0)
            for depth, axis in enumerate(self.group.folded, 1):
                name = self.writer.fresh("x")
                end = self._count if self._is_rows(axis) else f"{self._size(axis)}u"
                shared = self._is_rows(axis) and self.group.parts > 1
                start, step = (part, self.group.parts) if shared else ("0u", 1)
                head = f"for (var {name} = {start}; {name} < {end}; {name} += {step}u) {{"
                stack.enter_context(self.writer.block(head))
                self._set(axis, name)
                self._compute(depth)
            for store in self.group.stores:
                text = self.texts[store.term]
                if id(store) in folds:
                    acc = names[id(store)]
                    self.writer.line(f"{acc} = {folds[id(store)].join(acc, text)};")
                else:
                    self.tile.store(store.access.value, self._place(store.access), text)
        for axis in self.group.folded:
            self.near[axis] = self.far[axis] = "0u"
        for store in self.group.stores:
            if id(store) in folds:
                self._finish(store, folds[id(store)], names[id(store)], part)

    def _fold(self, store: Store) -> Fold:
        assert store.fold is not None
        return Fold(FOLDS[store.fold], self.loop.terms[store.term].dtype)

    def _finish(self, store: Store, fold: Fold, text: str, part: str) -> None:
        value = store.access.value
        place = self.writer.let(self._place(store.access))
        if self.loop.memory[value].place is Place.FOLD:
            self.tile.fold(value, place, part, text, fold)
            return
        if not store.fresh:
            text = fold.join(self.writer.let(self.tile.load(value, place)), text)
        self.tile.store(value, place, rounded(text, fold.dtype) if fold.dtype.kind == "f" else text)

    # ---- points

    def _place(self, access: Access) -> str:
        return self.tile.place(access, self.near, self.far, self.nest.rows)

    def _compute(self, depth: int) -> None:
        """The terms that are inside of `depth` loops and no more."""
        for number, own in self.depths.items():
            if own == depth:
                self.texts[number] = self.writer.let(self._text(self.terms[number]))

    def _text(self, term: Term) -> str:
        if term.op is Leaf.CONST:
            return constant(term.params[0], term.dtype)
        if term.op is Leaf.INDEX:
            assert term.access is not None
            place = self._place(term.access)
            return cast(place, uint32, term.dtype)
        if term.op is Leaf.LOAD:
            assert term.access is not None
            return self.tile.load(term.access.value, self._place(term.access))
        if term.op is P.random_bits:
            return self._random(term)
        texts = [self.texts[i] for i in term.operands]
        if term.op is P.gather:
            return self._gathered(term, texts[0])
        assert not isinstance(term.op, Leaf)
        dtypes = tuple(self.loop.terms[i].dtype for i in term.operands)
        return compute(term.op, term.params, dtypes, term.dtype, texts)

    def _gathered(self, term: Term, index: str) -> str:
        assert term.access is not None
        stride, size = term.params
        source, layout = term.access.value, term.access.layout
        dtype = self.loop.terms[term.operands[0]].dtype
        which = self.writer.let(clamped(index, dtype.kind, computed(dtype), size))
        step, entries = (layout.strides[0], layout.shape[0]) if self.nest.rows else (0, 0)
        step = self.tile.scaled(stride, source, step, entries)
        sign = "+" if step >= 0 else "-"
        return self.tile.load(source, f"{self._place(term.access)} {sign} {which} * {abs(step)}u")

    def _random(self, term: Term) -> str:
        counter, *key = term.operands
        access = self.loop.terms[counter].access
        assert access is not None
        k0, k1 = (self.texts[i] for i in key)
        words = self.writer.let(f"threefry({k0}, {k1}, 0u, {self._place(access)})")
        if term.dtype.itemsize == 8:
            return f"((u64({words}.x) << 32u) | u64({words}.y))"
        return f"({words}.x ^ {words}.y)"
