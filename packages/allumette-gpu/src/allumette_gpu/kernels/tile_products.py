"""Products in a tile: an invocation computes a block of the result, term by term in registers."""

from contextlib import ExitStack
from typing import TYPE_CHECKING

import numpy as np
from allumette_core import primitives as P
from allumette_core.compiler.schedule import Dim, Place

from ..plan.tiling import Blocks
from ..wgsl.folds import Fold

if TYPE_CHECKING:
    from .tiles import Tile

SUM = Fold(P.sum_, np.dtype("float32"))


def write_blocks(tile: "Tile", blocks: Blocks) -> None:
    """Append the loops of `blocks`."""
    _BlockWriter(tile, blocks).write()


class _BlockWriter:
    def __init__(self, tile: "Tile", blocks: Blocks) -> None:
        self.tile, self.writer, self.blocks = tile, tile.writer, blocks
        self.product = p = blocks.product
        self.rows = next((d for d in p.dims if d.rows), None)
        self.values = {"lhs": p.lhs, "rhs": p.rhs, "out": p.out}
        self.offsets = dict(zip(self.values, p.offsets, strict=True))

    def _size(self, dim: Dim) -> int:
        return dim.size * (self.tile.tiling.rows if dim.rows else 1)

    def _count(self, dim: Dim) -> str:
        """The size of a dimension in this tile."""
        if not dim.rows:
            return f"{dim.size}u"
        return "rows" if dim.size == 1 else f"rows * {dim.size}u"

    def write(self) -> None:
        p, (down, across) = self.product, self.blocks.sides
        m, n = -(-self._size(p.m) // down), -(-self._size(p.n) // across)
        around = [d for d in p.loops if d.out]
        sizes = [n, m, *map(self._size, reversed(around)), self.blocks.parts]
        if self._transposed():
            sizes[:2] = [m, n]
        with ExitStack() as stack:
            places = self.tile.deal(stack, sizes)
            column, row, *batch, part = places
            if self._transposed():
                column, row = row, column
            at = dict(zip(reversed(around), batch, strict=True))
            for dim, place in at.items():
                if dim.rows:
                    guard = f"if ({place} < {self._count(dim)}) {{"
                    stack.enter_context(self.writer.block(guard))
            self._block(at, (row, column), (m, n), part)

    def _transposed(self) -> bool:
        """Whether neighbours in the result are along m."""
        return self._number(self.product.m.out, "out") == 1

    def _block(
        self, at: dict[Dim, str], corner: tuple[str, str], steps: tuple[int, int], part: str
    ) -> None:
        """The elements of a block are `steps` apart, so that neighbours compute neighbours."""
        p, writer = self.product, self.writer
        sides = [
            [self._coordinate(dim, first, step, turn) for turn in range(side)]
            for dim, first, step, side in zip(
                (p.m, p.n), corner, steps, self.blocks.sides, strict=True
            )
        ]
        places = [(i, j) for i in range(len(sides[0])) for j in range(len(sides[1]))]
        for i, j in places:
            writer.line(f"var c{i}{j} = 0.0f;")
        outer = [self._base(side, at) for side in ("lhs", "rhs")]
        left = [
            writer.let(self._plus(outer[0], p.m, "lhs", self._inside(p.m, x))) for x in sides[0]
        ]
        right = [
            writer.let(self._plus(outer[1], p.n, "rhs", self._inside(p.n, x))) for x in sides[1]
        ]
        with ExitStack() as stack:
            moved: list[tuple[Dim, str]] = []
            for dim in (*(d for d in p.loops if not d.out), p.k):
                shared = dim is p.k and self.blocks.parts > 1
                start, step = (part, self.blocks.parts) if shared else ("0u", 1)
                name = writer.fresh("k")
                head = (
                    f"for (var {name} = {start}; {name} < {self._count(dim)}; {name} += {step}u) {{"
                )
                if self._size(dim) == 1 and not dim.rows:
                    continue
                stack.enter_context(writer.block(head))
                moved.append((dim, name))
            a = [self._term("lhs", x, moved) for x in left]
            b = [self._term("rhs", x, moved) for x in right]
            for i, j in places:
                writer.line(f"c{i}{j} += {a[i]} * {b[j]};")
        out = self._base("out", at)
        for i, j in places:
            self._keep(out, (sides[0][i], sides[1][j]), (i, j), part)

    def _coordinate(self, dim: Dim, first: str, step: int, turn: int) -> str:
        return self.writer.let(f"{first} + {turn * step}u") if turn else first

    def _inside(self, dim: Dim, place: str) -> str:
        """`place`, or the last one of a dimension where a block goes beyond it."""
        side = self.blocks.sides[0 if dim is self.product.m else 1]
        whole = self._size(dim) % side == 0
        if place == "0u" or (whole and not self._beyond(dim)):
            return place
        return self.writer.let(f"min({place}, {self._last(dim)})")

    def _beyond(self, dim: Dim) -> bool:
        """Whether rows of a last tile that are not there would be read from memory that ends."""
        return dim.rows

    def _last(self, dim: Dim) -> str:
        return f"{self._count(dim)} - 1u" if dim.rows else f"{dim.size - 1}u"

    def _keep(self, out: str, place: tuple[str, str], number: tuple[int, int], part: str) -> None:
        p, tests = self.product, []
        for dim, text, side in zip((p.m, p.n), place, self.blocks.sides, strict=True):
            if text != "0u" and (dim.rows or self._size(dim) % side):
                tests.append(f"{text} < {self._count(dim)}")
        with ExitStack() as stack:
            if tests:
                stack.enter_context(self.writer.block(f"if ({' && '.join(tests)}) {{"))
            at = self._plus(self._plus(out, p.m, "out", place[0]), p.n, "out", place[1])
            text = f"c{number[0]}{number[1]}"
            if self.tile.loop.memory[p.out].place is Place.FOLD:
                self.tile.fold(p.out, at, part, text, SUM)
                return
            if p.accumulate:
                text = f"{self.tile.load(p.out, at)} + {text}"
            self.tile.store(p.out, at, text)

    # ---- addresses

    def _term(self, side: str, base: str, moved: list[tuple[Dim, str]]) -> str:
        for dim, name in moved:
            base = self._plus(base, dim, side, name)
        return self.writer.let(self.tile.load(self.values[side], base))

    def _base(self, side: str, at: dict[Dim, str]) -> str:
        """Where the rows of this tile begin, along the dimensions around."""
        text = f"{self._number(self.offsets[side], side)}u"
        step = getattr(self.rows, side) if self.rows else 0
        if self.rows and step and self.tile.is_whole(self.values[side]):
            text = self._times(text, "first", self.rows.size * step)
        for dim, place in at.items():
            text = self._plus(text, dim, side, place)
        return text

    def _plus(self, text: str, dim: Dim, side: str, place: str) -> str:
        return self._times(text, place, self._number(getattr(dim, side), side))

    def _times(self, text: str, place: str, step: int) -> str:
        if not step or place == "0u":
            return text
        term = place if abs(step) == 1 else f"{place} * {abs(step)}u"
        return f"{text} {'+' if step > 0 else '-'} {term}"

    def _number(self, number: int, side: str) -> int:
        """A stride or offset of one side, scaled to where its rows are."""
        if self.rows is None:
            return number
        entries = self.rows.size * self.tile.loop.phase.rows
        return self.tile.scaled(number, self.values[side], getattr(self.rows, side), entries)
