"""Matrix products, C = A B or C += A B, as LLVM code for this processor's vectors.

A tile of C, a few rows by a few vectors, stays in registers while one column of A and one row of B
after the other are multiplied into it. Small products read both operands where they lie, which is
where a packing library spends its time; large ones are cut and packed into blocks that fit the
caches (Goto & van de Geijn, "Anatomy of high-performance matrix multiplication", 2008). The order
of additions depends on shapes and strides alone.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from llvmlite import ir

from ..plan import GEMM_DEPTH, GEMM_ROWS, GEMM_WIDTH
from .inner import DEPTH, Inner
from .packing import Packing
from .vectors import I1, I64, PTR, TALLEST, VECTORS, WIDE_ROWS, Value

FEW_ROWS = 128  # up to so many, packing B is not worth its while
MANY_COLUMNS = 256  # from so many on, packing A is
NEAR_COLUMNS = 64  # up to so many, too
NEAR_DEPTH = 64  # so many rows of a panel of B, unpacked, stay in the first cache


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
        self.tiles = {
            (rows, vectors): self.tile(rows, vectors)
            for rows, most in VECTORS.items()
            for vectors in range(1, most + 1)
        }
        self.inner = self.inner_block()
        self.panels, self.pack = self.block(), self.packing()
        self.pack_rows = self.packing_rows()
        self.entry()

    # ---- a tile --------------------------------------------------------------------------------

    def tile(self, rows: int, vectors: int) -> Any:
        """(k, a, a_rs, a_cs, b, b_rs, tail, accumulate, c, c_rs): `tail` lanes of the last one."""
        kinds = [I64, PTR, I64, I64, PTR, I64, I64, I1, PTR, I64]
        made = self.function(f"tile_{rows}x{vectors}", kinds)
        k, a, a_rs, a_cs, b_, b_rs, tail, accumulate, c, c_rs = made.args
        b = self.b
        made.attributes.add("noinline")
        grid = [(i, j) for i in range(rows) for j in range(vectors)]
        sums = {at: b.alloca(self.vector) for at in grid}
        for slot in sums.values():
            b.store(self.zero(), slot)
        starts = [self.at(a, b.mul(a_rs, I64(i))) for i in range(rows)]
        whole: list[Value | None] = [None] * (vectors - 1)

        def multiply(p: Value, last: Value | None) -> None:
            row = self.at(b_, b.mul(p, b_rs))
            places = [self.at(row, I64(j * self.lanes)) for j in range(vectors)]
            right = [self.load(*x) for x in zip(places, [*whole, last], strict=True)]
            column = b.mul(p, a_cs)
            for i in range(rows):
                x = self.splat(b.load(self.at(starts[i], column), typ=self.kind), self.vector)
                for j in range(vectors):
                    b.store(self.fma(x, right[j], b.load(sums[i, j], typ=self.vector)), sums[i, j])

        full = b.icmp_signed("==", tail, I64(self.lanes))
        beyond = b.select(full, I64(0), k if self.masked_loads else self.reaching(k, b_rs))
        safe = b.sub(k, beyond)
        with self.loop(safe) as p:
            multiply(p, None)
        mask = self.mask(tail)
        with self.loop(beyond) as p:
            multiply(b.add(safe, p), mask)
        masks = [*whole, mask]
        with b.if_then(accumulate):
            for i, j in grid:
                old = self.load(self.at(c, b.mul(c_rs, I64(i)), I64(j * self.lanes)), masks[j])
                b.store(b.fadd(old, b.load(sums[i, j], typ=self.vector)), sums[i, j])
        for i, j in grid:
            place = self.at(c, b.mul(c_rs, I64(i)), I64(j * self.lanes))
            value = b.load(sums[i, j], typ=self.vector)
            if j < vectors - 1:
                b.store(value, place, align=self.size)
            else:
                self.store_first(value, place, tail)
        b.ret_void()
        return made

    def reaching(self, k: Value, b_rs: Value) -> Value:
        """In how many of the last rows of B a whole vector may reach beyond the end of B: before
        them it reads from the rows that follow, which is faster than a part of its lanes."""
        b = self.b
        wide = b.icmp_signed(">=", b_rs, I64(self.lanes))
        last = self.smaller(b.select(wide, I64(1), I64(self.lanes)), k)
        return b.select(b.icmp_signed("<", b_rs, I64(1)), k, last)

    # ---- a block: all tiles of C over one stretch of k -------------------------------------------

    def block(self) -> Any:
        """(m, n, k, a, a_tile, a_rs, a_cs, b, b_panel, b_rs, width, accumulate, c, c_rs)

        A tile's rows start `a_tile` elements after those of the tile before, or, if that is 0,
        where the rows of A do; the columns of B from j on start at `j * b_panel`.
        """
        kinds = [I64, I64, I64, PTR, I64, I64, I64, PTR, I64, I64, I64, I1, PTR, I64]
        made = self.function("block", kinds)
        m, n, k, a, a_tile, a_rs, a_cs, b_, b_panel, b_rs, width, accumulate, c, c_rs = made.args
        b, lanes = self.b, I64(self.lanes)
        in_place = b.icmp_signed("==", a_tile, I64(0))
        # A short last panel joins the one before it: three vectors by four rows fill the registers.
        usual = b.icmp_signed("==", width, I64(VECTORS[TALLEST] * self.lanes))
        over = b.urem(n, width)
        joins = b.and_(b.icmp_signed(">", over, I64(0)), b.icmp_signed("<=", over, lanes))
        unpacked = b.and_(in_place, b.icmp_signed("==", b_panel, I64(1)))
        joins = b.and_(joins, b.and_(b.icmp_signed(">", n, width), b.and_(usual, unpacked)))
        whole, started = b.udiv(n, width), self.quotient(n, width)
        panels = b.select(joins, whole, started)
        with self.loop(panels) as q:
            j = b.mul(q, width)
            rest = b.sub(n, j)
            wide = b.and_(joins, b.icmp_signed("==", b.add(q, I64(1)), panels))
            columns = b.select(wide, rest, self.smaller(width, rest))
            vectors = self.quotient(columns, lanes)
            tail = b.sub(columns, b.mul(b.sub(vectors, I64(1)), lanes))
            panel = self.at(b_, b.mul(j, b_panel))
            with self.pieces(m, b.select(wide, I64(WIDE_ROWS), I64(TALLEST))) as (t, first, rows):
                offset = b.select(in_place, b.mul(first, a_rs), b.mul(t, a_tile))
                arguments = [k, self.at(a, offset), a_rs, a_cs, panel, b_rs, tail, accumulate]
                arguments += [self.at(c, b.mul(first, c_rs), j), c_rs]
                self.dispatch(self.tiles, rows, vectors, arguments)
        b.ret_void()
        return made

    # ---- the whole -----------------------------------------------------------------------------

    def entry(self) -> None:
        kinds = [I64, I64, I64, PTR, I64, I64, PTR, I64, I64, I64, PTR, I64, PTR]
        made = self.function("gemm", kinds, public=True)
        m, n, k, a, a_rs, a_cs, b_, b_rs, b_cs, accumulate, c, c_rs, scratch = made.args
        b = self.b
        adds = b.icmp_signed("!=", accumulate, I64(0))
        empty = b.or_(b.icmp_signed("<", m, I64(1)), b.icmp_signed("<", n, I64(1)))
        with b.if_then(empty):
            b.ret_void()
        # A column of C whose A lies transposed is a row of the transposed product.
        one = I64(1)
        column = b.and_(b.icmp_signed("==", n, one), b.icmp_signed("==", c_rs, one))
        flipped = b.and_(column, b.icmp_signed("==", a_rs, one))
        m, n = b.select(flipped, n, m), b.select(flipped, m, n)
        a, b_ = b.select(flipped, b_, a), b.select(flipped, a, b_)
        left = b.select(flipped, b_cs, a_rs), b.select(flipped, b_rs, a_cs)
        right = b.select(flipped, a_cs, b_rs), b.select(flipped, a_rs, b_cs)
        along = b.and_(b.icmp_signed("==", left[1], one), b.icmp_signed("==", right[0], one))
        # Fewer rows than terms are not worth laying B out otherwise, and a vector never is.
        few = b.or_(b.icmp_signed("<", m, k), b.icmp_signed("==", n, one))
        along = b.and_(along, few)
        with b.if_then(along):
            with self.depths(k, DEPTH, adds) as (start, depth, further):
                x, y = self.at(a, start), self.at(b_, start)
                b.call(self.inner, [m, n, depth, x, left[0], y, right[1], further, c, c_rs])
            b.ret_void()
        readable = b.icmp_signed("==", right[1], one)
        near = b.icmp_signed("<=", n, I64(NEAR_COLUMNS))
        few = b.icmp_signed("<=", m, I64(FEW_ROWS))
        in_place = b.and_(readable, b.or_(few, near))
        with b.if_else(in_place) as (direct, blocked):
            with direct:
                width = self.width(m)
                with self.depths(k, NEAR_DEPTH, adds) as (start, depth, further):
                    x = self.at(a, b.mul(start, left[1]))
                    y = self.at(b_, b.mul(start, right[0]))
                    rest = [y, one, right[0], width, further, c, c_rs]
                    b.call(self.panels, [m, n, depth, x, I64(0), *left, *rest])
            with blocked:
                self.blocked((m, n, k), a, left, b_, right, adds, c, c_rs, scratch)
        b.ret_void()

    def width(self, m: Value) -> Value:
        """The columns of a panel: as many vectors as the tallest tile leaves registers for."""
        b = self.b
        rows = self.quotient(m, self.quotient(m, I64(TALLEST)))
        width: Value = I64(VECTORS[TALLEST] * self.lanes)
        for height, vectors in VECTORS.items():
            is_height = b.icmp_signed("==", rows, I64(height))
            width = b.select(is_height, I64(vectors * self.lanes), width)
        return width

    @contextmanager
    def depths(self, k: Value, most: int, adds: Value) -> Iterator[tuple[Value, Value, Value]]:
        """Stretches of k: where one starts, how long it is, whether it adds to what C holds."""
        b = self.b
        steps = self.quotient(k, I64(most))
        steps = b.select(b.icmp_signed("<", steps, I64(1)), I64(1), steps)  # k = 0 clears C
        with self.loop(steps) as step:
            start = b.mul(step, I64(most))
            depth = self.smaller(I64(most), b.sub(k, start))
            yield start, depth, b.or_(adds, b.icmp_signed(">", step, I64(0)))

    def blocked(
        self,
        sizes: tuple[Value, Value, Value],
        a: Value,
        left: tuple[Value, Value],
        b_: Value,
        right: tuple[Value, Value],
        adds: Value,
        c: Value,
        c_rs: Value,
        scratch: Value,
    ) -> None:
        b, (m, n, k) = self.b, sizes
        width = I64(VECTORS[TALLEST] * self.lanes)
        packed_a = self.at(scratch, I64(GEMM_DEPTH * GEMM_WIDTH))
        many = b.icmp_signed(">", n, I64(MANY_COLUMNS))
        with self.depths(k, GEMM_DEPTH, adds) as (start, depth, further):
            with self.loop(n, GEMM_WIDTH) as j:
                columns = self.smaller(I64(GEMM_WIDTH), b.sub(n, j))
                corner = self.at(b_, b.mul(start, right[0]), b.mul(j, right[1]))
                self.pack_b(scratch, corner, columns, depth, right)
                with self.loop(m, GEMM_ROWS) as i:
                    rows = self.smaller(I64(GEMM_ROWS), b.sub(m, i))
                    corner = self.at(a, b.mul(i, left[0]), b.mul(start, left[1]))
                    with b.if_then(many):
                        sizes_a = rows, depth, left[0], left[1], I1(1), I64(TALLEST)
                        b.call(self.pack, [packed_a, corner, *sizes_a])
                    packed = packed_a, b.mul(depth, I64(TALLEST)), I64(1), I64(TALLEST)
                    where = [
                        b.select(many, *pair)
                        for pair in zip(packed, (corner, I64(0), *left), strict=True)
                    ]
                    rest = [scratch, depth, width, width, further]
                    target = self.at(c, b.mul(i, c_rs), j)
                    b.call(self.panels, [rows, columns, depth, *where, *rest, target, c_rs])
