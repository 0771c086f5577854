"""Copies parts of matrices to where tiles read them one element after the other."""

from typing import Any

from .vectors import I1, I64, PTR, TALLEST, VECTORS, Code, Value

GROUP = 4  # panels of B that are packed at once


class Packing(Code):
    pack: Any
    pack_rows: Any

    def packing(self) -> Any:
        """(target, x, size, depth, x_size, x_depth, even, width): cut x along `size` into stretches
        of at most `width`, each laid out as [depth][width]: equally long as tiles of A are, or
        full as panels of B."""
        made = self.function("pack", [PTR, PTR, I64, I64, I64, I64, I1, I64])
        target, x, size, depth, x_size, x_depth, even, width = made.args
        target.add_attribute("noalias")
        b = self.b
        with self.pieces(size, width) as (t, first, longer):
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
                    line, place = (
                        self.at(source, b.mul(p, x_depth)),
                        self.at(stretch, b.mul(p, width)),
                    )
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
