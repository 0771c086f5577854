"""Matrix products, C = A B or C += A B, as LLVM code for this processor's vectors.

A tile of C, a few rows by a few vectors, stays in registers while one column of A and one row of B
after the other are multiplied into it. Small products read both operands where they lie, which is
where a packing library spends its time; for large ones, blocks of B that fit a cache are laid out
as tiles read them (Goto & van de Geijn, "Anatomy of high-performance matrix multiplication", 2008).
The order of additions depends on shapes and strides alone.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from llvmlite import ir

from ..plan import GEMM_BYTES, GEMM_DEPTH
from .inner import INNER_DEPTH, Inner
from .packing import Packing
from .vectors import I1, I64, PTR, TALLEST, VECTORS, WIDE_ROWS, Cut, Value

FEW_ROWS = 128  # up to so many, packing B is not worth its while
NEAR_COLUMNS = 64  # up to so many, too
NEAR_DEPTH = 128  # so many rows of a panel of B, unpacked, stay in the first cache
GROUP = 4  # rows of A that are reached from one address

Matrix = tuple[Value, Value, Value]  # its first element, its strides


def source(name: str) -> str:
    """The LLVM assembly of `gemm_f32` or `gemm_f64`.

    `gemm(m, n, k, a, a_rs, a_cs, b, b_rs, b_cs, accumulate, c, c_rs, scratch)`: strides of rows and
    columns count elements, the columns of C are contiguous, and `scratch` has GEMM_SCRATCH bytes.
    """
    module = ir.Module("gemm")
    kind, size = (ir.FloatType(), 4) if name == "f32" else (ir.DoubleType(), 8)
    _Gemm(module, name, kind, size).build()
    return str(module)


class _Gemm(Packing, Inner):
    def build(self) -> None:
        self.packing()
        self.inner = self.inner_block()
        self.tiles = {
            (rows, vectors): self.tile(rows, vectors)
            for rows, most in VECTORS.items()
            for vectors in range(1, most + 1)
        }
        self.sweep = self.sweeping()
        self.entry()

    # ---- a tile --------------------------------------------------------------------------------

    def tile(self, rows: int, vectors: int) -> Any:
        """(k, a, a_rs, a_cs, b, b_rs, b_vs, tail, accumulate, c, c_rs): from a vector of B to the
        next are `b_vs` elements; `tail` lanes of the last one are columns."""
        kinds = [I64, PTR, I64, I64, PTR, I64, I64, I64, I1, PTR, I64]
        made = self.function(f"tile_{rows}x{vectors}", kinds)
        k, a, a_rs, a_cs, b_, b_rs, b_vs, tail, accumulate, c, c_rs = made.args
        b = self.b
        made.attributes.add("noinline")
        grid = [(i, j) for i in range(rows) for j in range(vectors)]
        sums = {at: b.alloca(self.vector) for at in grid}
        for slot in sums.values():
            b.store(self.zero(), slot)
        places = {(i, j): self.at(c, b.mul(c_rs, I64(i)), I64(j * self.lanes)) for i, j in grid}
        for place in places.values():
            self.prefetch(place)
        whole: list[Value | None] = [None] * (vectors - 1)
        along_b = [b.mul(b_vs, I64(j)) for j in range(vectors)]
        down_a = [I64(0), a_rs, b.mul(a_rs, I64(2)), self.opaque(b.mul(a_rs, I64(3)))]

        def multiply(pointers: list[Value], last: Value | None) -> None:
            row, *groups = pointers
            where = [self.at(row, offset) for offset in along_b]
            right = [self.load(*x) for x in zip(where, [*whole, last], strict=True)]
            for i in range(rows):
                element = b.load(self.at(groups[i // GROUP], down_a[i % GROUP]), typ=self.kind)
                x = self.splat(element, self.vector)
                for j in range(vectors):
                    b.store(self.fma(x, right[j], b.load(sums[i, j], typ=self.vector)), sums[i, j])

        full = b.icmp_signed("==", tail, I64(self.lanes))
        beyond = b.select(full, I64(0), k if self.masks else self.reaching(k, b_rs))
        safe = b.sub(k, beyond)
        starts = [self.opaque(self.at(a, b.mul(a_rs, I64(i)))) for i in range(0, rows, GROUP)]
        steps = [b_rs] + [a_cs] * len(starts)
        pointers = [b_, *starts]
        with self.walk(safe, pointers, steps) as now:
            multiply(now, None)
        mask = self.mask(tail)
        further = [self.at(x, b.mul(safe, step)) for x, step in zip(pointers, steps, strict=True)]
        with self.walk(beyond, further, steps) as now:
            multiply(now, mask)
        masks = [*whole, mask]
        with b.if_then(accumulate):
            for at in grid:
                old = self.load(places[at], masks[at[1]])
                b.store(b.fadd(old, b.load(sums[at], typ=self.vector)), sums[at])
        for at in grid:
            value = b.load(sums[at], typ=self.vector)
            if at[1] < vectors - 1:
                b.store(value, places[at], align=self.size)
            else:
                self.store_first(value, places[at], tail)
        b.ret_void()
        return made

    def reaching(self, k: Value, b_rs: Value) -> Value:
        """In how many of the last rows of B a whole vector may reach beyond the end of B: before
        them it reads from the rows that follow, which is faster than a part of its lanes."""
        b = self.b
        wide = b.icmp_signed(">=", b_rs, I64(self.lanes))
        last = self.smaller(b.select(wide, I64(1), I64(self.lanes)), k)
        return b.select(b.icmp_signed("<", b_rs, I64(1)), k, last)

    # ---- all tiles over one stretch of k ---------------------------------------------------------

    def sweeping(self) -> Any:
        """(m, n, k, a, a_rs, a_cs, pack, packed, b, b_rs, b_vs, rows, vectors, accumulate, c, c_rs)

        Tiles have at most `rows` and `vectors`. If `pack`, their rows of A are copied to `packed`.
        """
        kinds = [I64, I64, I64, PTR, I64, I64, I1, PTR, PTR, I64, I64, I64, I64, I1, PTR, I64]
        made = self.function("sweep", kinds)
        m, n, k, a, a_rs, a_cs, pack, packed, *right, rows, vectors, adds, c, c_rs = made.args
        b, lanes, (b_, b_rs, b_vs) = self.b, I64(self.lanes), right
        panels = self.cut(self.quotient(n, lanes), vectors)
        with self.pieces(self.cut(m, rows)) as (_, i, height):
            left = self.at(a, b.mul(i, a_rs))
            with b.if_then(pack):
                b.call(self.pack_a, [packed, left, height, k, a_rs, a_cs])
            copied, there = (packed, I64(1), I64(TALLEST)), (left, a_rs, a_cs)
            operand = [b.select(pack, *pair) for pair in zip(copied, there, strict=True)]
            target = self.at(c, b.mul(i, c_rs))
            with self.pieces(panels) as (_, v, width):
                j = b.mul(v, lanes)
                last = b.mul(b.sub(width, I64(1)), lanes)
                tail = self.smaller(lanes, b.sub(b.sub(n, j), last))
                panel = [self.at(b_, b.mul(v, b_vs)), b_rs, b_vs]
                arguments = [k, *operand, *panel, tail, adds, self.at(target, j), c_rs]
                self.dispatch(self.tiles, height, width, arguments)
        b.ret_void()
        return made

    # ---- the whole -----------------------------------------------------------------------------

    def entry(self) -> None:
        kinds = [I64, I64, I64, PTR, I64, I64, PTR, I64, I64, I64, PTR, I64, PTR]
        made = self.function("gemm", kinds, public=True)
        m, n, k, a, a_rs, a_cs, b_, b_rs, b_cs, accumulate, c, c_rs, scratch = made.args
        b, one = self.b, I64(1)
        adds = b.icmp_signed("!=", accumulate, I64(0))
        empty = b.or_(b.icmp_signed("<", m, one), b.icmp_signed("<", n, one))
        with b.if_then(empty):
            b.ret_void()
        # A column of C whose A lies transposed is a row of the transposed product.
        column = b.and_(b.icmp_signed("==", n, one), b.icmp_signed("==", c_rs, one))
        flipped = b.and_(column, b.icmp_signed("==", a_rs, one))
        m, n = b.select(flipped, n, m), b.select(flipped, m, n)
        ours, others = (a, a_rs, a_cs), (b_, b_cs, b_rs)
        a, a_rs, a_cs = (b.select(flipped, y, x) for x, y in zip(ours, others, strict=True))
        b_, b_cs, b_rs = (b.select(flipped, x, y) for x, y in zip(ours, others, strict=True))
        with b.if_then(self.is_inner((m, n, k), (a_cs, b_rs))):
            self.inner_products((m, n, k), (a, a_rs), (b_, b_cs), adds, (c, c_rs))
            b.ret_void()
        self.blocks((m, n, k), (a, a_rs, a_cs), (b_, b_rs, b_cs), adds, (c, c_rs), scratch)
        b.ret_void()

    def is_inner(self, sizes: tuple[Value, Value, Value], steps: tuple[Value, Value]) -> Value:
        """Whether sums of vectors along k are faster than a copy of B with vectors along n.

        Adding up the lanes of one vector takes as long as 9/2 multiplications of vectors, laying
        out one element of B as long as one; and lanes beyond n are multiplied in vain.
        """
        b, (m, n, k), one = self.b, sizes, I64(1)
        along = b.and_(*(b.icmp_signed("==", step, one) for step in steps))
        padded = b.mul(self.quotient(n, I64(self.lanes)), I64(self.lanes))
        summing = b.mul(b.mul(m, n), I64(9 * self.lanes))
        laying = b.mul(b.mul(k, n), I64(2 * self.lanes))
        wasted = b.mul(b.mul(k, m), b.mul(b.sub(padded, n), I64(2)))
        cheaper = b.icmp_signed("<", summing, b.add(laying, wasted))
        return b.and_(along, b.or_(cheaper, b.icmp_signed("==", n, one)))

    def inner_products(
        self,
        sizes: tuple[Value, Value, Value],
        left: tuple[Value, Value],
        right: tuple[Value, Value],
        adds: Value,
        out: tuple[Value, Value],
    ) -> None:
        """All of C by tiles of inner products: stretches of k, blocks of columns."""
        b, (m, n, k), (a, a_rs), (b_, b_cs), (c, c_rs) = self.b, sizes, left, right, out
        columns = self.cut(n, GEMM_BYTES // (INNER_DEPTH * self.size))
        with self.depths(k, I64(INNER_DEPTH), adds) as (start, depth, further):
            x, y = self.at(a, start), self.at(b_, start)
            with self.pieces(columns) as (_, j, count):
                block, target = self.at(y, b.mul(j, b_cs)), self.at(c, j)
                b.call(self.inner, [m, count, depth, x, a_rs, block, b_cs, further, target, c_rs])

    @contextmanager
    def depths(self, k: Value, most: Value, adds: Value) -> Iterator[tuple[Value, Value, Value]]:
        """Stretches of k: where one starts, how long it is, whether it adds to what C holds."""
        with self.pieces(self.cut(k, most)) as (step, start, depth):
            yield start, depth, self.b.or_(adds, self.b.icmp_signed(">", step, I64(0)))

    def blocks(
        self,
        sizes: tuple[Value, Value, Value],
        left: Matrix,
        right: Matrix,
        adds: Value,
        out: tuple[Value, Value],
        scratch: Value,
    ) -> None:
        """Blocks of B, each small enough for a cache, and all rows of A times each."""
        b, lanes, (m, n, k) = self.b, I64(self.lanes), sizes
        (a, a_rs, a_cs), (b_, b_rs, b_cs), (c, c_rs) = left, right, out
        few = b.icmp_signed("<=", m, I64(FEW_ROWS))
        near = b.or_(few, b.icmp_signed("<=", n, I64(NEAR_COLUMNS)))
        packs = b.or_(b.icmp_signed("!=", b_cs, I64(1)), b.not_(near))
        pack_a = b.and_(packs, b.icmp_signed("!=", a_cs, I64(1)))
        vectors = self.quotient(n, lanes)
        usual = self.panel_vectors(m)
        block_vectors = I64(GEMM_BYTES // (GEMM_DEPTH * self.size * self.lanes))
        packed_a = self.at(scratch, b.mul(block_vectors, self.stream(I64(GEMM_DEPTH))))
        deepest = b.select(packs, I64(GEMM_DEPTH), I64(NEAR_DEPTH))
        kinds = self.cut(vectors, block_vectors), self.panels(vectors, usual)
        blocks = Cut(*(b.select(packs, *pair) for pair in zip(*kinds, strict=True)))
        with self.depths(k, deepest, adds) as (start, depth, further):
            x = self.at(a, b.mul(start, a_cs))
            with self.pieces(blocks) as (_, v, count):
                j = b.mul(v, lanes)
                columns = self.smaller(b.mul(count, lanes), b.sub(n, j))
                y = self.at(b_, b.mul(start, b_rs), b.mul(j, b_cs))
                with b.if_then(packs):
                    b.call(self.pack_b, [scratch, y, columns, depth, b_rs, b_cs])
                packed, there = (scratch, lanes, self.stream(depth)), (y, b_rs, lanes)
                block = [b.select(packs, *pair) for pair in zip(packed, there, strict=True)]
                operands = [x, a_rs, a_cs, pack_a, packed_a, *block]
                wide = b.icmp_signed("==", count, I64(VECTORS[TALLEST] + 1))
                wide = b.and_(wide, b.icmp_signed("<", usual, count))
                tile = b.select(wide, I64(WIDE_ROWS), I64(TALLEST)), b.select(wide, count, usual)
                rest = [*tile, further, self.at(c, j), c_rs]
                b.call(self.sweep, [m, columns, depth, *operands, *rest])

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
