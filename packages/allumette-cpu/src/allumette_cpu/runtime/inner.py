"""Products whose operands both lie along the axis that is summed over, C += A B', as LLVM code.

A tile of C is as many sums of vectors, each the products of a row of A and a row of B'; what is in
the lanes of a sum is added up at the end. Nothing is packed, and rows of any number of terms fill
whole vectors. Terms may come in runs, and columns lie anywhere: tables say where they begin.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from typing import Any

from ..plan import GEMM_BYTES
from .vectors import I1, I64, NULL, PTR, Code, Value, registers

COLUMNS = 4  # of a tile
# Its rows, and the terms that are added up before they reach C.
ROWS, INNER_DEPTH = (6, 1024) if registers() == 32 else (3, 512)
BLOCK_ROWS = 6  # of A, that stay in the first cache while all of B' passes


class Inner(Code):
    def inner(self) -> Any:
        """Write the function `inner`, which is returned, and what it calls."""
        self.inner_tiles = {
            (rows, columns): self.inner_tile(rows, columns)
            for rows in range(1, ROWS + 1)
            for columns in range(1, min(COLUMNS, self.lanes) + 1)
        }
        self.inner_block = self.inner_blocks()
        return self.stretches()

    def inner_tile(self, rows: int, columns: int) -> Any:
        """(runs, length, a, a_rs, a_runs, b, columns, b_runs, accumulate, c, c_rs)"""
        kinds = [I64, I64, PTR, I64, PTR, PTR, PTR, PTR, I1, PTR, I64]
        made = self.function(f"inner_{rows}x{columns}", kinds)
        runs, length, a, a_rs, a_runs, b_, begins, b_runs, accumulate, c, c_rs = made.args
        b = self.b
        made.attributes.add("noinline")
        left = [self.at(a, b.mul(a_rs, I64(i))) for i in range(rows)]
        right = [self.at(b_, self.offset(begins, I64(j))) for j in range(columns)]
        sums = [[b.alloca(self.vector) for _ in right] for _ in left]
        for slot in chain(*sums):
            b.store(self.zero(), slot)

        def multiply(p: Value, q: Value, mask: Value | None) -> None:
            columns_ = [self.load(self.at(start, q), mask) for start in right]
            for start, row in zip(left, sums, strict=True):
                x = self.load(self.at(start, p), mask)
                for y, slot in zip(columns_, row, strict=True):
                    b.store(self.fma(x, y, b.load(slot, typ=self.vector)), slot)

        whole = b.and_(length, I64(-self.lanes))
        tail = b.sub(length, whole)
        mask = self.mask(tail)
        with self.loop(runs) as run:
            p, q = self.offset(a_runs, run), self.offset(b_runs, run)
            with self.loop(whole, self.lanes) as i:
                multiply(b.add(p, i), b.add(q, i), None)
            with b.if_then(b.icmp_signed(">", tail, I64(0))):
                multiply(b.add(p, whole), b.add(q, whole), mask)
        for i, row in enumerate(sums):
            totals = self.across([b.load(slot, typ=self.vector) for slot in row])
            self.add_up(totals, columns, self.at(c, b.mul(c_rs, I64(i))), accumulate)
        b.ret_void()
        return made

    def across(self, vectors: list[Value]) -> Value:
        """The sum of each vector's lanes, one after another in the lanes of a short vector."""
        count = 1 << (len(vectors) - 1).bit_length()
        vectors = vectors + [self.zero()] * (count - len(vectors))
        while len(vectors) > 1:
            half = len(vectors) // 2
            pairs = zip(vectors[:half], vectors[half:], strict=True)
            vectors = [self.halves(x, y, half) for x, y in pairs]
        (total,) = vectors
        for lanes in _halved(self.lanes, count):
            low, high = (self.lanes_of(total, range(at, at + lanes)) for at in (0, lanes))
            total = self.b.fadd(low, high)
        return total

    def halves(self, x: Value, y: Value, distance: int) -> Value:
        """Lanes that are `distance` apart added: of x where they are even, else of y."""
        lanes = range(self.lanes)
        own = [lane + (self.lanes if lane & distance else 0) for lane in lanes]
        other = [lane ^ distance for lane in own]
        return self.b.fadd(self.lanes_of(x, own, y), self.lanes_of(x, other, y))

    def add_up(self, totals: Value, count: int, place: Value, accumulate: Value) -> None:
        """Store the first `count` lanes, added to what is there if `accumulate`."""
        b, first = self.b, 0
        while first < count:
            width = 1 << (count - first).bit_length() - 1
            part = self.lanes_of(totals, range(first, first + width))
            at = self.at(place, I64(first))
            before = b.block
            with b.if_then(accumulate):
                added = b.fadd(b.load(at, align=self.size, typ=part.type), part)
                adding = b.block
            value = b.phi(part.type)
            value.add_incoming(part, before)
            value.add_incoming(added, adding)
            b.store(value, at, align=self.size)
            first += width

    def inner_blocks(self) -> Any:
        """(m, n, runs, length, a, a_rs, a_runs, b, columns, b_runs, accumulate, c, c_rs)"""
        kinds = [I64, I64, I64, I64, PTR, I64, PTR, PTR, PTR, PTR, I1, PTR, I64]
        made = self.function("inner_block", kinds)
        m, n, runs, length, a, a_rs, a_runs, b_, begins, b_runs, accumulate, c, c_rs = made.args
        b = self.b
        columns_cut = self.cut(n, min(COLUMNS, self.lanes))
        with self.pieces(self.cut(m, BLOCK_ROWS)) as (_, top, height):
            left, target = self.at(a, b.mul(top, a_rs)), self.at(c, b.mul(top, c_rs))
            rows_cut = self.cut(height, ROWS)
            with self.pieces(columns_cut) as (_, j, columns):
                right = [b_, b.gep(begins, [j], source_etype=I64), b_runs]
                with self.pieces(rows_cut) as (_, i, rows):
                    arguments = [runs, length, self.at(left, b.mul(i, a_rs)), a_rs, a_runs, *right]
                    arguments += [accumulate, self.at(target, b.mul(i, c_rs), j), c_rs]
                    self.dispatch(self.inner_tiles, rows, columns, arguments)
        b.ret_void()
        return made

    def stretches(self) -> Any:
        """(m, n, runs, length, a, a_rs, a_runs, b, begins, b_cs, b_runs, accumulate, c, c_rs)

        Stretches of terms, blocks of columns. Column j of B begins at `begins[j]`, or j `b_cs` on
        if that is null.
        """
        kinds = [I64, I64, I64, I64, PTR, I64, PTR, PTR, PTR, I64, PTR, I1, PTR, I64]
        made = self.function("inner", kinds)
        m, n, runs, length, a, a_rs, a_runs, b_, begins, b_cs, b_runs, adds, c, c_rs = made.args
        b, most = self.b, GEMM_BYTES // (INNER_DEPTH * self.size)
        steps = self.room(most)
        given = b.icmp_unsigned("!=", begins, NULL)
        with self.terms_at_once(runs, length) as (run, count, start, depth, later):
            left = [self.at(a, start), a_rs, b.gep(a_runs, [run], source_etype=I64)]
            y, y_runs = self.at(b_, start), b.gep(b_runs, [run], source_etype=I64)
            with self.pieces(self.cut(n, most)) as (_, j, columns):
                with b.if_then(b.not_(given)), self.loop(columns) as i:
                    b.store(b.mul(b.add(j, i), b_cs), b.gep(steps, [i], source_etype=I64))
                there = b.select(given, b.gep(begins, [j], source_etype=I64), steps)
                operands = [count, depth, *left, y, there, y_runs]
                further = b.or_(adds, later)
                b.call(self.inner_block, [m, columns, *operands, further, self.at(c, j), c_rs])
        b.ret_void()
        return made

    @contextmanager
    def terms_at_once(
        self, runs: Value, length: Value
    ) -> Iterator[tuple[Value, Value, Value, Value, Value]]:
        """INNER_DEPTH terms or fewer: the first run and how many, where in each, how many, and
        whether there were others before."""
        b = self.b
        some = b.udiv(
            I64(INNER_DEPTH), b.select(b.icmp_signed("<", length, I64(1)), I64(1), length)
        )
        some = b.select(b.icmp_signed("<", some, I64(1)), I64(1), some)
        with (
            self.pieces(self.cut(runs, some)) as (step, run, count),
            self.pieces(self.cut(length, INNER_DEPTH)) as (part, start, depth),
        ):
            yield run, count, start, depth, b.icmp_signed(">", b.add(step, part), I64(0))


def _halved(lanes: int, count: int) -> list[int]:
    """lanes / 2, lanes / 4, ... count"""
    halves = []
    while lanes > count:
        lanes //= 2
        halves.append(lanes)
    return halves
