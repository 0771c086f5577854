"""Products whose tiles take one row of B after the other, C (+)= A B, as LLVM code.

A tile of C, a few rows by a few vectors, stays in registers while one column of A and one row of B
after the other are multiplied into it. Small products read both operands where they lie, which is
where a packing library spends its time; for large ones, blocks of B that fit a cache are laid out
as tiles read them (Goto & van de Geijn, "Anatomy of high-performance matrix multiplication", 2008).
Where rows and vectors of B begin is in tables, so that windows that slide over an array are a
matrix as they are (Matthews, "High-performance tensor contraction without transposition", 2018).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from ..plan import GEMM_BYTES, GEMM_DEPTH
from .packing import PARTS
from .tile import Tile
from .vectors import I1, I64, PTR, TALLEST, VECTORS, WIDE_ROWS, Cut, Value

SCATTERED_ROWS = 32  # up to so many, columns in runs are read where they lie, if masks are fast
FEW_ROWS = 128  # up to so many, packing B is not worth its while ...
# ... but beyond so many it is if rows of B are a multiple of so many bytes apart: they then share a
# few sets of the first cache, which costs less with masked vectors, as long as a line of it.
CROWDED_ROWS, CROWDED_BYTES = 24, 512
NEAR_COLUMNS = 64  # up to so many, too
NEAR_DEPTH = 128  # so many rows of a panel of B, unpacked, stay in the first cache ...
SCATTERED_DEPTH = 1024  # ... or so many of windows, whose elements are those of several rows
# Vectors in one piece are read where they lie if there are so many terms. So are those over runs no
# more than a part of their length apart: what is between is multiplied, too.
DIRECT_TERMS, JOINED_PART = 64, 15


class Runs(NamedTuple):
    """Columns come in `count` runs of `length` contiguous ones, which begin at the offsets from B
    and from C in these tables: in B, `group` of them one after the other `pitch` apart."""

    count: Value
    length: Value
    b: Value
    c: Value
    pitch: Value
    group: Value


class Lines(NamedTuple):
    """Groups of runs that vectors go across: how many runs, columns from one to the next, vectors;
    and whether vectors of B are in one piece and to be read where they lie."""

    group: Value
    pitch: Value
    vectors: Value
    direct: Value


class Outer(Tile):
    def outer(self) -> Any:
        """Write the function `outer`, which is returned, and what it calls."""
        self.packing()
        self.packed_terms = self.table(
            "packed_terms", range(0, GEMM_DEPTH * self.lanes, self.lanes)
        )
        self.tiles = {
            (rows, vectors): self.tile(rows, vectors)
            for rows, most in VECTORS.items()
            for vectors in range(1, most + 1)
        }
        self.sweep = self.sweeping()
        return self.blocks()

    # ---- all tiles over one stretch of k ---------------------------------------------------------

    def sweeping(self) -> Any:
        """(m, k, whole, a, a_rs, a_cs, pack, packed, b, b_rs, *further, vectors, rows, wide, adds,
        c, c_rs)

        Tiles have at most `rows` and `wide` vectors. If `pack`, their rows of A are copied to
        `packed`. `further` is `terms`, `columns` or `b_vs`, `n`: of all columns.
        """
        kinds = [I64, I64, I64, PTR, I64, I64, I1, PTR, PTR, I64, *self.further_kinds]
        made = self.function("sweep", [*kinds, I64, I64, I64, I1, PTR, I64])
        m, k, whole, a, a_rs, a_cs, pack, packed, *right, rows, wide, adds, c, c_rs = made.args
        b, (b_, b_rs, first, second, vectors) = self.b, right
        panels = self.cut(vectors, wide)
        with self.pieces(self.cut(m, rows)) as (_, i, height):
            left = self.at(a, b.mul(i, a_rs))
            with b.if_then(pack):
                b.call(self.pack_a, [packed, left, height, k, a_rs, a_cs])
            copied, there = (packed, I64(1), I64(TALLEST)), (left, a_rs, a_cs)
            operand = [b.select(pack, *pair) for pair in zip(copied, there, strict=True)]
            target = self.at(c, b.mul(i, c_rs))
            with self.pieces(panels) as (_, v, width):
                if self.scattered:
                    panel, place = [b_, b_rs, first, self.parts(second, v)], target
                else:
                    j = b.mul(v, I64(self.lanes))
                    before = b.add(j, b.mul(b.sub(width, I64(1)), I64(self.lanes)))
                    tail = self.smaller(I64(self.lanes), b.sub(second, before))
                    panel = [self.at(b_, b.mul(v, first)), b_rs, first, tail]
                    place = self.at(target, j)
                arguments = [k, whole, *operand, *panel, adds, place, c_rs]
                self.dispatch(self.tiles, height, width, arguments)
        b.ret_void()
        return made

    # ---- the whole -----------------------------------------------------------------------------

    def blocks(self) -> Any:
        """(m, k, a, a_rs, a_cs, b, terms, b_rs, b_cs, *runs, accumulate, c, c_rs, scratch)

        Blocks of B, each small enough for a cache, and all rows of A times each. Row p of B begins
        at `terms[p]` if they are scattered, else at p `b_rs`.
        """
        left, right = [PTR, I64, I64], [PTR, PTR, I64, I64]
        kinds = [I64, I64, *left, *right, I64, I64, PTR, PTR, I64, I64, I1, PTR, I64, PTR]
        made = self.function("outer", kinds)
        m, k, a, a_rs, a_cs, b_, terms, b_rs, b_cs, *columns, adds, c, c_rs, scratch = made.args
        b, lanes, runs = self.b, I64(self.lanes), Runs(*columns)
        most = GEMM_BYTES // (GEMM_DEPTH * self.size * self.lanes)  # vectors of a packed block
        parts = self.room(PARTS * max(most, VECTORS[1]))
        least = self.smaller(m, self.smaller(runs.count, runs.length))
        with b.if_then(b.icmp_signed("<", least, I64(1))):
            b.ret_void()
        lines = self.lines(runs, k)
        packs = b.and_(self.is_packed(m, runs.length, b_rs, b_cs), b.not_(lines.direct))
        pack_a = b.and_(packs, b.icmp_signed("!=", a_cs, I64(1)))
        vectors = b.mul(b.udiv(runs.count, lines.group), lines.vectors)
        usual = self.panel_vectors(m)
        packed_a = self.at(scratch, b.mul(I64(most), self.stream(I64(GEMM_DEPTH))))
        near = I64(SCATTERED_DEPTH if self.scattered else NEAR_DEPTH)
        deepest = b.select(packs, I64(GEMM_DEPTH), near)
        pieces = self.cut(vectors, I64(most)), self.panels(vectors, usual)
        blocks = Cut(*(b.select(packs, *pair) for pair in zip(*pieces, strict=True)))
        with self.depths(k, deepest, adds) as (start, depth, further):
            x, y = self.at(a, b.mul(start, a_cs)), self.at(b_, b.mul(start, b_rs))
            with self.pieces(blocks) as (_, v, count):
                place, first, second = c, b.gep(terms, [start], source_etype=I64), parts
                if self.scattered:
                    partial = self.fill_parts(parts, runs, lines, v, count)
                    with b.if_then(packs):
                        b.call(self.pack_scattered, [scratch, y, count, parts, depth, first])
                        with self.loop(count) as t:
                            b.store(b.mul(t, self.stream(depth)), self.parts(parts, t))
                    first = b.select(packs, self.packed_terms, first)
                else:
                    j = b.mul(v, lanes)
                    place, y = self.at(c, j), self.at(y, b.mul(j, b_cs))
                    second = self.smaller(b.mul(count, lanes), b.sub(runs.length, j))
                    partial = b.icmp_signed("<", second, b.mul(count, lanes))
                    with b.if_then(packs):
                        b.call(self.pack_b, [scratch, y, second, depth, b_rs, b_cs])
                    first = b.select(packs, self.stream(depth), lanes)
                reach = self.reaching(depth, b_rs)
                whole = b.sub(depth, b.select(b.or_(packs, b.not_(partial)), I64(0), reach))
                wide = b.icmp_signed("==", count, I64(VECTORS[TALLEST] + 1))
                wide = b.and_(wide, b.icmp_signed("<", usual, count))
                tile = b.select(wide, I64(WIDE_ROWS), I64(TALLEST)), b.select(wide, count, usual)
                block = [b.select(packs, scratch, y), b.select(packs, lanes, b_rs), first, second]
                operands = [x, a_rs, a_cs, pack_a, packed_a, *block, count]
                b.call(self.sweep, [m, depth, whole, *operands, *tile, further, place, c_rs])
        b.ret_void()
        return made

    def is_packed(self, m: Value, length: Value, b_rs: Value, b_cs: Value) -> Value:
        """Whether blocks of B are copied."""
        b = self.b
        if self.scattered:
            return b.icmp_signed(">", m, I64(SCATTERED_ROWS if self.masks else 0))
        apart = b.and_(b_rs, I64(CROWDED_BYTES // self.size - 1))
        crowded = b.and_(I1(not self.masks), b.icmp_signed("==", apart, I64(0)))
        most = b.select(crowded, I64(CROWDED_ROWS), I64(FEW_ROWS))
        few = b.icmp_signed("<=", m, most)
        near = b.or_(few, b.icmp_signed("<=", length, I64(NEAR_COLUMNS)))
        return b.or_(b.icmp_signed("!=", b_cs, I64(1)), b.not_(near))

    @contextmanager
    def depths(self, k: Value, most: Value, adds: Value) -> Iterator[tuple[Value, Value, Value]]:
        """Stretches of k: where one starts, how long it is, whether it adds to what C holds."""
        with self.pieces(self.cut(k, most)) as (step, start, depth):
            yield start, depth, self.b.or_(adds, self.b.icmp_signed(">", step, I64(0)))

    def lines(self, runs: Runs, k: Value) -> Lines:
        """What vectors go across: a run; all runs; or those of a picture, whose rows are close, and
        the few columns between them, which are multiplied in vain."""
        b, lanes, zero = self.b, I64(self.lanes), I64(0)
        long = b.icmp_signed(">=", runs.length, lanes)
        half = b.icmp_signed("==", b.mul(runs.length, I64(2)), lanes)
        spans = b.and_(I1(self.masks), b.or_(long, half))

        def vectors_of(group: Value, pitch: Value) -> Value:
            columns = b.add(b.mul(b.sub(group, I64(1)), pitch), runs.length)
            return self.quotient(columns, lanes)

        group = b.select(spans, runs.count, I64(1))
        apart = b.mul(vectors_of(group, runs.length), b.udiv(runs.count, group))
        together = b.mul(vectors_of(runs.group, runs.pitch), b.udiv(runs.count, runs.group))
        fewest = b.add(apart, b.udiv(apart, I64(JOINED_PART)))
        deep = b.icmp_signed(">=", k, I64(DIRECT_TERMS))
        may = b.and_(I1(self.scattered and self.masks), deep)
        even = b.icmp_signed("==", b.urem(runs.length, lanes), zero)
        close = b.icmp_signed("<=", together, fewest)
        least = b.select(b.icmp_signed("<", runs.length, lanes), lanes, runs.length)
        close = b.and_(close, b.icmp_signed(">=", runs.pitch, least))
        joins = b.and_(b.and_(may, b.not_(even)), close)
        group = b.select(joins, runs.group, group)
        pitch = b.select(joins, runs.pitch, runs.length)
        return Lines(group, pitch, vectors_of(group, pitch), b.or_(joins, b.and_(may, even)))

    def fill_parts(
        self, parts: Value, runs: Runs, lines: Lines, first: Value, count: Value
    ) -> Value:
        """The parts of `count` vectors from number `first` on; whether one is not of one piece."""
        b, lanes, one, zero = self.b, I64(self.lanes), I64(1), I64(0)
        group = b.udiv(first, lines.vectors)
        begin = b.mul(b.urem(first, lines.vectors), lanes)
        run = b.add(b.mul(group, lines.group), b.udiv(begin, lines.pitch))
        end = b.mul(b.add(group, one), lines.group)
        starts = I1(0), run, b.urem(begin, lines.pitch), end
        before = b.block
        with self.loop(count) as t:
            body = b.block
            b.position_at_start(t.parent)
            now = partial, run, start, end = b.phi(I1), b.phi(I64), b.phi(I64), b.phi(I64)
            b.position_at_end(body)
            after, left = b.add(run, one), b.sub(runs.length, start)
            more = b.icmp_signed("<", after, end)
            split = self.smaller(lanes, b.select(b.icmp_signed("<", left, zero), zero, left))
            resume = b.select(more, self.smaller(lanes, b.sub(lines.pitch, start)), lanes)
            reached = self.smaller(lanes, b.add(resume, runs.length))
            live = b.select(more, reached, split)
            nearest = b.select(more, after, run)
            place = self.parts(parts, t)
            begins = [b.add(self.offset(x, run), start) for x in (runs.b, runs.c)]
            nexts = [b.sub(self.offset(x, nearest), resume) for x in (runs.b, runs.c)]
            for i, part in enumerate((*begins, *nexts, split, resume, live)):
                b.store(part, b.gep(place, [I64(i)], source_etype=I64))
            further = b.add(start, lanes)
            ends = b.and_(b.not_(more), b.icmp_signed(">=", further, runs.length))
            following = (
                b.or_(partial, b.icmp_signed("<", b.select(lines.direct, live, split), lanes)),
                b.select(ends, end, b.add(run, b.udiv(further, lines.pitch))),
                b.select(ends, zero, b.urem(further, lines.pitch)),
                b.select(ends, b.add(end, lines.group), end),
            )
            for phi, from_, then in zip(now, starts, following, strict=True):
                phi.add_incoming(from_, before)
                phi.add_incoming(then, b.block)
        return partial

    def reaching(self, k: Value, b_rs: Value) -> Value:
        """In how many of the last rows of B a whole vector may reach beyond the end of B: before
        them it reads from the rows that follow, which is faster than a part of its lanes."""
        b = self.b
        if self.masks:
            return k
        wide = b.icmp_signed(">=", b_rs, I64(self.lanes))
        last = self.smaller(b.select(wide, I64(1), I64(self.lanes)), k)
        return b.select(b.icmp_signed("<", b_rs, I64(1)), k, last)

    def panel_vectors(self, m: Value) -> Value:
        """The vectors for which tiles of the rows of A leave registers."""
        rows = self.quotient(m, self.quotient(m, I64(TALLEST)))
        vectors: Value = I64(VECTORS[TALLEST])
        for height, width in VECTORS.items():
            equal = self.b.icmp_signed("==", rows, I64(height))
            vectors = self.b.select(equal, I64(width), vectors)
        return vectors

    def panels(self, vectors: Value, usual: Value) -> Cut:
        """Panels of B: a single vector that would be left joins another one."""
        b = self.b
        left = b.icmp_signed("==", b.urem(vectors, usual), I64(1))
        joins = b.and_(left, b.icmp_signed(">", vectors, usual))
        joins = b.and_(joins, b.icmp_signed("==", usual, I64(VECTORS[TALLEST])))
        count = b.sub(self.quotient(vectors, usual), b.zext(joins, I64))
        return Cut(count, b.udiv(vectors, count), b.urem(vectors, count))
