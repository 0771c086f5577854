"""A tile of a product, a few rows by a few vectors of columns, whose sums stay in registers.

One column of A and one row of B after the other are multiplied into them. Columns are contiguous in
B and in C, or come in runs: a vector may then hold columns of two of them.
"""

from typing import Any

from .packing import Packing, Piece
from .vectors import I1, I64, PTR, Value

GROUP = 4  # rows of A that are reached from one address


class Tile(Packing):
    scattered: bool
    """Whether rows of B begin where a table says, and not at equal distances."""

    def tile(self, rows: int, vectors: int) -> Any:
        """(k, whole, a, a_rs, a_cs, b, b_rs, *further, accumulate, c, c_rs)

        Of so many first rows of B, `whole`, all lanes are there to be read. What else tells where
        elements of B are is `terms`, `columns` if they are scattered: tables of where rows begin,
        and of the parts of vectors; else `b_vs`, `tail`: the elements from one vector to the next,
        and how many lanes of the last one are columns.
        """
        kinds = [I64, I64, PTR, I64, I64, PTR, I64, *self.further_kinds, I1, PTR, I64]
        made = self.function(f"tile_{rows}x{vectors}", kinds)
        k, whole, a, a_rs, a_cs, b_, b_rs, terms, columns, accumulate, c, c_rs = made.args
        b, by_table = self.b, self.scattered and self.masks
        made.attributes.add("noinline")
        grid = [(i, j) for i in range(rows) for j in range(vectors)]
        sums = {at: b.alloca(self.vector) for at in grid}
        for slot in sums.values():
            b.store(self.zero(), slot)
        columns_of = self.vectors_of(terms, columns, vectors)
        starts_c = [self.at(c, b.mul(c_rs, I64(i))) for i in range(rows)]
        for i, j in grid:
            self.prefetch(self.at(starts_c[i], columns_of[j][0].c))
        down_a = [I64(0), a_rs, b.mul(a_rs, I64(2)), self.opaque(b.mul(a_rs, I64(3)))]

        def multiply(pointers: list[Value], all_lanes: bool) -> None:
            row, *groups = pointers
            if by_table:
                row = self.at(b_, b.load(row, typ=I64))
            right = [self.gathered(row, "b", pieces, all_lanes) for pieces in columns_of]
            for i in range(rows):
                element = b.load(self.at(groups[i // GROUP], down_a[i % GROUP]), typ=self.kind)
                x = self.splat(element, self.vector)
                for j in range(vectors):
                    b.store(self.fma(x, right[j], b.load(sums[i, j], typ=self.vector)), sums[i, j])

        starts = [self.opaque(self.at(a, b.mul(a_rs, I64(i)))) for i in range(0, rows, GROUP)]
        first, step = (terms, I64(8 // self.size)) if by_table else (b_, b_rs)
        steps, pointers = [step] + [a_cs] * len(starts), [first, *starts]
        with self.walk(whole, pointers, steps) as now:
            multiply(now, True)
        further = [self.at(x, b.mul(whole, step)) for x, step in zip(pointers, steps, strict=True)]
        with self.walk(b.sub(k, whole), further, steps) as now:
            multiply(now, False)
        with b.if_then(accumulate):
            for i, j in grid:
                old = self.gathered(starts_c[i], "c", columns_of[j], False)
                b.store(b.fadd(old, b.load(sums[i, j], typ=self.vector)), sums[i, j])
        for i, j in grid:
            value = b.load(sums[i, j], typ=self.vector)
            for piece in columns_of[j]:
                self.store_some(value, self.at(starts_c[i], piece.c), piece)
        b.ret_void()
        return made

    @property
    def further_kinds(self) -> list[Any]:
        return [PTR, PTR] if self.scattered else [I64, I64]

    def vectors_of(self, first: Value, second: Value, count: int) -> list[list[Piece]]:
        """The vectors of a tile."""
        if self.scattered:
            return [self.pieces_of(second, I64(j)) for j in range(count)]
        before = [Piece(self.b.mul(first, I64(j)), I64(j * self.lanes)) for j in range(count)]
        return [[x] for x in before[:-1]] + [
            [before[-1]._replace(count=second, mask=self.mask(second))]
        ]

    def store_some(self, value: Value, place: Value, piece: Piece) -> None:
        if piece.mask is None:
            self.b.store(value, place, align=self.size)
        elif self.masks:
            self.store(value, place, piece.mask)
        else:
            self.store_first(value, place, piece.count)
