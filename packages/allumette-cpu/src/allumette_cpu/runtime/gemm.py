"""Matrix products, C = A B or C += A B, as LLVM code for this processor's vectors.

A tile of C, a few rows by a few vectors, stays in registers while one column of A and one row of B after
the other are multiplied into it. Small products read both operands where they lie, which is where a
packing library spends its time; large ones are cut and packed into blocks that fit the caches
(Goto & van de Geijn, "Anatomy of high-performance matrix multiplication", 2008). The order of additions
depends on shapes and strides alone.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir

from ..plan import GEMM_DEPTH, GEMM_ROWS, GEMM_WIDTH

Value = Any
I1, I32, I64, PTR = ir.IntType(1), ir.IntType(32), ir.IntType(64), ir.PointerType()
VECTORS = {1: 8, 2: 6, 3: 4, 4: 3, 5: 2, 6: 2}  # rows of a tile: vectors in a row, all in registers
TALLEST = 6
GROUP = 4  # panels of B that are packed at once
WIDE_ROWS = 4  # the rows of a tile of three vectors
FEW_ROWS = 32  # up to so many, packing B is not worth its while
MANY_COLUMNS = 256  # from so many on, packing A is
NEAR_COLUMNS = 64  # up to so many, too
NEAR_DEPTH = 64  # so many rows of a panel of B, unpacked, stay in the first cache


def vector_bytes() -> int:
    """The width of the processor's vectors in bytes."""
    features = llvm.get_host_cpu_features()
    if features.get("avx512f") and features.get("avx512vl"):
        return 64
    return 32 if features.get("avx") else 16


def source(name: str) -> str:
    """The LLVM assembly of `gemm_f32` or `gemm_f64`.

    `gemm(m, n, k, a, a_rs, a_cs, b, b_rs, b_cs, accumulate, c, c_rs, scratch)`: strides of rows and
    columns count elements, the columns of C are contiguous, and `scratch` has GEMM_SCRATCH bytes.
    """
    module = ir.Module("gemm")
    kind, size = (ir.FloatType(), 4) if name == "f32" else (ir.DoubleType(), 8)
    _Gemm(module, name, kind, size).build()
    return str(module)


class _Gemm:
    def __init__(self, module: Any, name: str, kind: Any, size: int) -> None:
        self.module, self.name, self.kind, self.size = module, name, kind, size
        self.lanes = vector_bytes() // size
        self.vector = ir.VectorType(kind, self.lanes)

    def build(self) -> None:
        self.tiles = {
            (rows, vectors): self.tile(rows, vectors)
            for rows, most in VECTORS.items()
            for vectors in range(1, most + 1)
        }
        self.panels, self.pack = self.block(), self.packing()
        self.pack_rows = self.packing_rows()
        self.entry()

    # ---- pieces of code ------------------------------------------------------------------------

    def function(self, name: str, kinds: list[Any], *, public: bool = False) -> Any:
        full = f"{name}_{self.name}"
        made = ir.Function(self.module, ir.FunctionType(ir.VoidType(), kinds), full)
        if not public:
            made.linkage = "internal"
        self.b = ir.IRBuilder(made.append_basic_block("entry"))
        return made

    @contextmanager
    def loop(self, stop: Value, step: Value | int = 1) -> Iterator[Value]:
        """i = 0, step, 2 step ... below stop."""
        b = self.b
        before, head = b.block, b.append_basic_block("head")
        body, after = b.append_basic_block("body"), b.append_basic_block("after")
        b.branch(head)
        b.position_at_end(head)
        i = b.phi(I64)
        i.add_incoming(I64(0), before)
        b.cbranch(b.icmp_signed("<", i, stop), body, after)
        b.position_at_end(body)
        yield i
        i.add_incoming(b.add(i, step if isinstance(step, ir.Value) else I64(step)), b.block)
        b.branch(head)
        b.position_at_end(after)

    def at(self, pointer: Value, *offsets: Value) -> Value:
        for offset in offsets:
            pointer = self.b.gep(pointer, [offset], source_etype=self.kind)
        return pointer

    def smaller(self, x: Value, y: Value) -> Value:
        return self.b.select(self.b.icmp_signed("<", x, y), x, y)

    def quotient(self, x: Value, size: Value) -> Value:
        """x / size, rounded up, of positive numbers."""
        return self.b.udiv(self.b.sub(self.b.add(x, size), I64(1)), size)

    def call_vector(self, name: str, result: Any, *values: Value) -> Value:
        kind = ir.FunctionType(result, [value.type for value in values])
        found = self.module.globals.get(name) or ir.Function(self.module, kind, name)
        return self.b.call(found, values)

    def suffix(self) -> str:
        return f"v{self.lanes}{self.name}"

    def load(self, pointer: Value, mask: Value | None = None) -> Value:
        if mask is None:
            return self.b.load(pointer, align=self.size, typ=self.vector)
        zero = ir.Constant(self.vector, [0.0] * self.lanes)
        name = f"llvm.masked.load.{self.suffix()}.p0"
        return self.call_vector(name, self.vector, pointer, I32(self.size), mask, zero)

    def splat(self, value: Value, kind: Any) -> Value:
        b, lanes = self.b, self.lanes
        one = b.insert_element(ir.Constant(kind, ir.Undefined), value, I32(0))
        zeros = ir.Constant(ir.VectorType(I32, lanes), [0] * lanes)
        return b.shuffle_vector(one, ir.Constant(kind, ir.Undefined), zeros)

    def mask(self, count: Value) -> Value:
        """The first `count` lanes."""
        kind = ir.VectorType(ir.IntType(8 * self.size), self.lanes)
        limit = self.splat(self.b.trunc(count, kind.element) if self.size < 8 else count, kind)
        return self.b.icmp_unsigned("<", ir.Constant(kind, list(range(self.lanes))), limit)

    def fma(self, x: Value, y: Value, z: Value) -> Value:
        # Fused where the processor does it in one instruction.
        return self.call_vector(f"llvm.fmuladd.{self.suffix()}", self.vector, x, y, z)

    # ---- a tile --------------------------------------------------------------------------------

    def tile(self, rows: int, vectors: int) -> Any:
        """(k, a, a_rs, a_cs, b, b_rs, tail, accumulate, c, c_rs): `tail` lanes of the last vector."""
        kinds = [I64, PTR, I64, I64, PTR, I64, I64, I1, PTR, I64]
        made = self.function(f"tile_{rows}x{vectors}", kinds)
        k, a, a_rs, a_cs, b_, b_rs, tail, accumulate, c, c_rs = made.args
        b = self.b
        made.attributes.add("noinline")
        grid = [(i, j) for i in range(rows) for j in range(vectors)]
        zero = ir.Constant(self.vector, [0.0] * self.lanes)
        sums = {at: b.alloca(self.vector) for at in grid}
        for slot in sums.values():
            b.store(zero, slot)
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

        # Whole vectors reach into the next rows of B, and past its end in the last ones: not there.
        full = b.icmp_signed("==", tail, I64(self.lanes))
        wide = b.icmp_signed(">=", b_rs, I64(self.lanes))
        beyond = b.select(full, I64(0), b.select(wide, I64(1), I64(self.lanes)))
        beyond = b.select(b.icmp_signed("<", b_rs, I64(1)), k, self.smaller(beyond, k))
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

    def store_first(self, value: Value, place: Value, count: Value) -> None:
        """Store the first `count` lanes: halves, as masked stores take long on some processors."""
        b, lanes = self.b, value.type.count
        with b.if_else(b.icmp_signed("==", count, I64(lanes))) as (all_, some):
            with all_:
                b.store(value, place, align=self.size)
            with some:
                while lanes > 1:
                    lanes //= 2
                    low, high = (
                        b.shuffle_vector(
                            value,
                            ir.Constant(value.type, ir.Undefined),
                            ir.Constant(ir.VectorType(I32, lanes), list(range(at, at + lanes))),
                        )
                        for at in (0, lanes)
                    )
                    has = b.icmp_unsigned("!=", b.and_(count, I64(lanes)), I64(0))
                    with b.if_then(has):
                        b.store(low, place, align=self.size)
                    value = b.select(has, high, low)
                    place = b.select(has, self.at(place, I64(lanes)), place)

    # ---- a block: all tiles of C over one stretch of k --------------------------------------------

    def block(self) -> Any:
        """(m, n, k, a, a_tile, a_rs, a_cs, b, b_panel, b_rs, width, accumulate, c, c_rs)

        A tile's rows start `a_tile` elements after those of the tile before, or, if that is 0, where
        the rows of A do; the columns of B from j on start at `j * b_panel`.
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
            count = self.quotient(m, b.select(wide, I64(WIDE_ROWS), I64(TALLEST)))
            height, taller = b.udiv(m, count), b.urem(m, count)
            with self.loop(count) as t:
                rows = b.add(height, b.zext(b.icmp_signed("<", t, taller), I64))
                first = b.add(b.mul(t, height), self.smaller(t, taller))
                offset = b.select(in_place, b.mul(first, a_rs), b.mul(t, a_tile))
                arguments = [k, self.at(a, offset), a_rs, a_cs, panel, b_rs, tail, accumulate]
                arguments += [self.at(c, b.mul(first, c_rs), j), c_rs]
                self.dispatch(b.add(b.mul(rows, I64(16)), vectors), arguments)
        b.ret_void()
        return made

    def dispatch(self, selector: Value, arguments: list[Value]) -> None:
        b = self.b
        after = b.append_basic_block("done")
        switch = b.switch(selector, after)
        for (rows, vectors), tile in self.tiles.items():
            case = b.append_basic_block(f"case_{rows}x{vectors}")
            switch.add_case(I64(rows * 16 + vectors), case)
            b.position_at_end(case)
            b.call(tile, arguments)
            b.branch(after)
        b.position_at_end(after)

    # ---- packing -------------------------------------------------------------------------------

    def packing(self) -> Any:
        """(target, x, size, depth, x_size, x_depth, even, width): cut x along `size` into stretches
        of at most `width`, each laid out as [depth][width]: equally long as tiles of A are, or
        full as panels of B."""
        made = self.function("pack", [PTR, PTR, I64, I64, I64, I64, I1, I64])
        target, x, size, depth, x_size, x_depth, even, width = made.args
        target.add_attribute("noalias")
        b = self.b
        count = self.quotient(size, width)
        height, taller = b.udiv(size, count), b.urem(size, count)
        with self.loop(count) as t:
            longer = b.add(height, b.zext(b.icmp_signed("<", t, taller), I64))
            first = b.add(b.mul(t, height), self.smaller(t, taller))
            whole = b.mul(t, width)
            first = b.select(even, first, whole)
            length = b.select(even, longer, self.smaller(width, b.sub(size, whole)))
            source = self.at(x, b.mul(first, x_size))
            stretch = self.at(target, b.mul(whole, depth))
            vectors = VECTORS[TALLEST]
            is_full = b.icmp_signed("==", length, I64(vectors * self.lanes))
            is_row = b.and_(is_full, b.icmp_signed("==", x_size, I64(1)))
            with b.if_else(is_row) as (rows, elements):
                with rows, self.loop(depth) as p:
                    line, place = self.at(source, b.mul(p, x_depth)), self.at(stretch, b.mul(p, width))
                    for j in range(vectors):
                        at = I64(j * self.lanes)
                        b.store(self.load(self.at(line, at)), self.at(place, at), align=self.size)
                with elements, b.if_else(b.icmp_signed("==", x_depth, I64(1))) as (deep, flat):
                    with deep, self.loop(length) as i, self.loop(depth) as p:
                        self.copy(source, stretch, i, p, x_size, x_depth, width)
                    with flat, self.loop(depth) as p, self.loop(length) as i:
                        self.copy(source, stretch, i, p, x_size, x_depth, width)
        b.ret_void()
        return made

    def packing_rows(self) -> Any:
        """(target, x, groups, depth, x_depth): pack so many times GROUP panels of contiguous rows,
        reading several lines of the cache at a time."""
        made = self.function("pack_rows", [PTR, PTR, I64, I64, I64])
        target, x, groups, depth, x_depth = made.args
        target.add_attribute("noalias")
        b, width = self.b, VECTORS[TALLEST] * self.lanes
        with self.loop(groups) as g:
            source = self.at(x, b.mul(g, I64(GROUP * width)))
            panels = self.at(target, b.mul(b.mul(g, I64(GROUP * width)), depth))
            with self.loop(depth) as p:
                line = self.at(source, b.mul(p, x_depth))
                for panel in range(GROUP):
                    start = b.add(b.mul(depth, I64(panel * width)), b.mul(p, I64(width)))
                    for at in range(0, width, self.lanes):
                        value = self.load(self.at(line, I64(panel * width + at)))
                        b.store(value, self.at(panels, start, I64(at)), align=self.size)
        b.ret_void()
        return made

    def pack_b(
        self, target: Value, x: Value, columns: Value, depth: Value, right: tuple[Value, Value]
    ) -> None:
        """Pack the block of B that begins at x into panels."""
        b, width = self.b, I64(VECTORS[TALLEST] * self.lanes)
        many = b.mul(width, I64(GROUP))
        contiguous = b.icmp_signed("==", right[1], I64(1))
        groups = b.select(contiguous, b.udiv(columns, many), I64(0))
        b.call(self.pack_rows, [target, x, groups, depth, right[0]])
        done = b.mul(groups, many)
        rest = b.sub(columns, done)
        with b.if_then(b.icmp_signed(">", rest, I64(0))):
            place, source = self.at(target, b.mul(done, depth)), self.at(x, b.mul(done, right[1]))
            b.call(self.pack, [place, source, rest, depth, right[1], right[0], I1(0), width])

    def copy(self, source: Value, target: Value, i: Value, p: Value, *strides: Value) -> None:
        b, (x_size, x_depth, width) = self.b, strides
        value = b.load(self.at(source, b.mul(i, x_size), b.mul(p, x_depth)), typ=self.kind)
        b.store(value, self.at(target, b.mul(p, width), i))

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
    def depths(
        self, k: Value, most: int, adds: Value
    ) -> Iterator[tuple[Value, Value, Value]]:
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
