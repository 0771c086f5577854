"""Copies of parts of matrices, laid out so that tiles read them one element after the other."""

from typing import Any, NamedTuple

from llvmlite import ir

from .vectors import I64, PTR, TALLEST, Code, Value

# Of a vector of columns: where it begins in B and in C; where it would begin for the lanes that
# belong to the next run; how many lanes are the first's, and from which to which are the next's.
PARTS = 7


class Piece(NamedTuple):
    """Lanes of a vector of columns that are together: where it would begin in B and in C, and which
    lanes they are; without a mask, all of them."""

    b: Value
    c: Value
    count: Value = None
    mask: Value = None


class Packing(Code):
    def packing(self) -> None:
        """Write the functions `pack_b` and `pack_a`."""
        self.pack_elements = self.packing_elements()
        self.pack_rows, self.pack_columns = self.packing_rows(), self.packing_columns()
        self.pack_b, self.pack_a = self.packing_b(), self.packing_a()
        self.pack_scattered = self.packing_scattered()

    def stream(self, depth: Value) -> Value:
        """Elements from a packed vector of columns of B to the next: a line of the cache between
        them, as powers of two would share sets of the cache."""
        return self.b.mul(self.b.add(depth, I64(1)), I64(self.lanes))

    def parts(self, columns: Value, number: Value) -> Value:
        """Where the parts of a vector of columns are in a table of them."""
        return self.b.gep(columns, [self.b.mul(number, I64(PARTS))], source_etype=I64)

    def column(self, columns: Value, number: Value) -> list[Value]:
        """The parts of a vector of columns."""
        b, place = self.b, self.parts(columns, number)
        places = (b.gep(place, [I64(i)], source_etype=I64) for i in range(PARTS))
        return [b.load(place, typ=I64) for place in places]

    def pieces_of(self, columns: Value, number: Value) -> list[Piece]:
        """A vector of columns that are those of two runs."""
        b0, c0, b1, c1, split, resume, live = self.column(columns, number)
        first = Piece(b0, c0, split, self.mask(split))
        if not self.masks:
            return [first]
        others = self.b.and_(self.mask(live), self.b.not_(self.mask(resume)))
        return [first, Piece(b1, c1, None, others)]

    def gathered(self, start: Value, side: str, pieces: list[Piece], all_lanes: bool) -> Value:
        """A vector of B or of C; with `all_lanes` as if it were one piece without an end."""
        if all_lanes:
            return self.load(self.at(start, getattr(pieces[0], side)))
        value = None
        for piece in pieces:
            value = self.load(self.at(start, getattr(piece, side)), piece.mask, value)
        return value

    # ---- B: one vector of columns after the other, each from the first row to the last -----------

    def packing_b(self) -> Any:
        """(target, x, columns, depth, x_depth, x_column): lanes beyond the last column are 0."""
        made = self.function("pack_b", [PTR, PTR, I64, I64, I64, I64])
        target, x, columns, depth, x_depth, x_column = made.args
        b, lanes = self.b, I64(self.lanes)
        whole = b.udiv(columns, lanes)
        by_rows, by_columns = (b.icmp_signed("==", s, I64(1)) for s in (x_column, x_depth))
        with b.if_then(by_rows):
            b.call(self.pack_rows, [target, x, columns, depth, x_depth])
            b.ret_void()
        done = b.select(by_columns, whole, I64(0))
        with self.loop(done) as v:
            source = self.at(x, b.mul(b.mul(v, lanes), x_column))
            place = self.at(target, b.mul(v, self.stream(depth)))
            b.call(self.pack_columns, [place, source, depth, x_column])
        with self.loop(b.sub(self.quotient(columns, lanes), done)) as further:
            v = b.add(done, further)
            j, place = b.mul(v, lanes), self.at(target, b.mul(v, self.stream(depth)))
            count = self.smaller(lanes, b.sub(columns, j))
            source = self.at(x, b.mul(j, x_column))
            b.call(self.pack_elements, [place, source, count, lanes, depth, x_depth, x_column])
        b.ret_void()
        return made

    def packing_rows(self) -> Any:
        """(target, x, columns, depth, x_depth): the columns are contiguous."""
        made = self.function("pack_rows", [PTR, PTR, I64, I64, I64])
        target, x, columns, depth, x_depth = made.args
        target.add_attribute("noalias")
        b, lanes = self.b, I64(self.lanes)
        whole, tail, stream = b.udiv(columns, lanes), b.urem(columns, lanes), self.stream(depth)
        mask = self.mask(tail)
        with self.loop(depth) as p:
            line, place = self.at(x, b.mul(p, x_depth)), self.at(target, b.mul(p, lanes))
            with self.loop(whole) as v:
                value = self.load(self.at(line, b.mul(v, lanes)))
                b.store(value, self.at(place, b.mul(v, stream)), align=self.size)
            with b.if_then(b.icmp_signed(">", tail, I64(0))):
                value = self.load(self.at(line, b.mul(whole, lanes)), mask)
                b.store(value, self.at(place, b.mul(whole, stream)), align=self.size)
        b.ret_void()
        return made

    def packing_columns(self) -> Any:
        """(target, x, depth, x_column): a vector of columns, each of which is contiguous."""
        made = self.function("pack_columns", [PTR, PTR, I64, I64])
        target, x, depth, x_column = made.args
        target.add_attribute("noalias")
        b, lanes = self.b, self.lanes
        starts = [self.at(x, b.mul(x_column, I64(i))) for i in range(lanes)]
        whole = b.and_(depth, I64(-lanes))
        with self.loop(whole, lanes) as p:
            columns = [self.load(self.at(start, p)) for start in starts]
            for i, row in enumerate(self.transposed(columns)):
                b.store(row, self.at(target, b.mul(b.add(p, I64(i)), I64(lanes))), align=self.size)
        place, rest = self.at(target, b.mul(whole, I64(lanes))), b.sub(depth, whole)
        arguments = [place, self.at(x, whole), I64(lanes), I64(lanes), rest, I64(1), x_column]
        b.call(self.pack_elements, arguments)
        b.ret_void()
        return made

    def transposed(self, vectors: list[Value]) -> list[Value]:
        """As many vectors as a vector has lanes, as a matrix, transposed: halves change places,
        then halves of halves."""
        lanes, distance = self.lanes, self.lanes // 2
        while distance:
            low = [n ^ distance ^ lanes if n & distance else n for n in range(lanes)]
            high = [n ^ distance for n in low]
            for i in range(lanes):
                if not i & distance:
                    x, y = vectors[i], vectors[i + distance]
                    vectors[i] = self.lanes_of(x, low, y)
                    vectors[i + distance] = self.lanes_of(x, high, y)
            distance //= 2
        return vectors

    def packing_elements(self) -> Any:
        """(target, x, count, width, depth, x_depth, x_element): [depth][width], of which `count`
        are copied and the others 0."""
        made = self.function("pack_elements", [PTR, PTR, I64, I64, I64, I64, I64])
        target, x, count, width, depth, x_depth, x_element = made.args
        target.add_attribute("noalias")
        b = self.b
        with self.loop(depth) as p:
            line, place = self.at(x, b.mul(p, x_depth)), self.at(target, b.mul(p, width))
            with self.loop(count) as i:
                value = b.load(self.at(line, b.mul(i, x_element)), typ=self.kind)
                b.store(value, self.at(place, i))
            with self.loop(b.sub(width, count)) as i:
                b.store(self.kind(0.0), self.at(place, b.add(count, i)))
        b.ret_void()
        return made

    def packing_scattered(self) -> Any:
        """(target, x, count, columns, depth, terms): as tables say where rows and vectors begin."""
        made = self.function("pack_scattered", [PTR, PTR, I64, PTR, I64, PTR])
        target, x, count, columns, depth, terms = made.args
        target.add_attribute("noalias")
        b, lanes = self.b, I64(self.lanes)
        with self.loop(count) as v:
            place = self.at(target, b.mul(v, self.stream(depth)))
            pieces = self.pieces_of(columns, v)
            whole = b.icmp_signed("==", pieces[0].count, lanes)
            with b.if_else(whole) as branches:
                for branch, all_lanes in zip(branches, (True, False), strict=True):
                    with branch, self.loop(depth) as p:
                        line = self.at(x, self.offset(terms, p))
                        value = self.gathered(line, "b", pieces, all_lanes)
                        b.store(value, self.at(place, b.mul(p, lanes)), align=self.size)
        b.ret_void()
        return made

    # ---- the rows of A that one tile has ---------------------------------------------------------

    def packing_a(self) -> Any:
        """(target, x, rows, depth, x_row, x_depth): [depth][TALLEST]"""
        made = self.function("pack_a", [PTR, PTR, I64, I64, I64, I64])
        target, x, rows, depth, x_row, x_depth = made.args
        b, tallest = self.b, I64(TALLEST)
        column = ir.VectorType(self.kind, TALLEST)
        whole = b.icmp_signed("==", rows, tallest)
        with b.if_else(b.and_(whole, b.icmp_signed("==", x_row, I64(1)))) as (fast, slow):
            with fast, self.loop(depth) as p:
                value = b.load(self.at(x, b.mul(p, x_depth)), align=self.size, typ=column)
                b.store(value, self.at(target, b.mul(p, tallest)), align=self.size)
            with slow:
                b.call(self.pack_elements, [target, x, rows, tallest, depth, x_depth, x_row])
        b.ret_void()
        return made
