"""Products of matrices through the runtime's functions, on memory: by strides, or by tables."""

from collections.abc import Sequence
from contextlib import ExitStack
from functools import reduce
from math import prod
from typing import TYPE_CHECKING

from allumette_core.compiler.products import ONE
from allumette_core.compiler.schedule import Contract, Dim
from llvmlite import ir

from ..scalars import I1, I64, Value, memory_type
from .emit import POINTER, constant

if TYPE_CHECKING:
    from .phases import Frame

_OUT = [I64, POINTER, I64]
_MATRIX = [POINTER, I64, I64]
_KINDS = {
    "gemm": [I64] * 3 + _MATRIX * 2 + [*_OUT, POINTER],
    "gemm_columns": [I64] * 2
    + [*_MATRIX, POINTER, POINTER, I64, I64, POINTER, POINTER, I64, I64, *_OUT, POINTER],
    "gemm_terms": [I64] * 4 + [POINTER, I64, *[POINTER] * 4, *_OUT],
}


def write(frame: "Frame", product: Contract) -> None:
    """Append the products of `product` to the function of `frame`."""
    _Writer(frame, product).write()


class _Writer:
    def __init__(self, frame: "Frame", product: Contract) -> None:
        self.frame, self.emit, self.product = frame, frame.emit, product
        self.values = {"lhs": product.lhs, "rhs": product.rhs, "out": product.out}
        self.rows = next((dim for dim in product.dims if dim.rows), None)
        self.kind = memory_type(frame.dtype(product.out))
        self.adds = frame.later if product.accumulate else I1(0)

    def write(self) -> None:
        offsets = zip(self.values, self.product.offsets, strict=True)
        pointers = {side: self._start(side, offset) for side, offset in offsets}
        with ExitStack() as stack:
            for dim in self.product.batch:
                index = stack.enter_context(self.emit.loop(self._size(dim)))
                if self.product.accumulate and not dim.out:
                    further = self.emit.builder.icmp_signed(">", index, constant(0))
                    self.adds = self.emit.builder.or_(self.adds, further)
                for side in pointers:
                    if getattr(dim, side):
                        step = self.emit.mul_by(index, self._step(dim, side))
                        pointers[side] = self.emit.at(pointers[side], step, self.kind)
            forms = {None: self._strided, "columns": self._columns, "terms": self._terms}
            forms[self.product.runs](pointers["lhs"], pointers["rhs"], pointers["out"])

    def _strided(self, lhs: Value, rhs: Value, out: Value) -> None:
        m, n, k = self.product.m, self.product.n, self.product.k
        a = (lhs, self._step(m, "lhs"), self._step(k, "lhs"))
        b = (rhs, self._step(k, "rhs"), self._step(n, "rhs"))
        # Where it is the columns of the result that are contiguous: out' = rhs' lhs'.
        if n.out != 1 and (n.size > 1 or n.rows):
            a, b = (rhs, b[2], b[1]), (lhs, a[2], a[1])
            m, n = n, m
        sizes = [self._size(dim) for dim in (m, n, k)]
        self._call("gemm", [*sizes, *a, *b, *self._out(out, m), self.frame.gemm_memory()])

    def _columns(self, lhs: Value, rhs: Value, out: Value) -> None:
        """Columns are runs along n."""
        m, n, k, runs = self.product.m, self.product.n, self.product.k, self.product.columns
        terms = (*self.product.terms, k)
        count = prod(dim.size for dim in terms)
        nearest = (ONE, *runs)[-1]
        number = reduce(self.emit.mul_by, map(self._size, runs), constant(1))
        self._call(
            "gemm_columns",
            [
                self._size(m), constant(count), lhs, self._step(m, "lhs"), self._step(k, "lhs"),
                rhs, self._table(terms, "rhs"), number, self._size(n),
                self._table(runs, "rhs"), self._table(runs, "out"),
                self._step(nearest, "rhs"), self._size(nearest),
                *self._out(out, m), self.frame.gemm_memory(),
            ],
        )  # fmt: skip

    def _terms(self, lhs: Value, rhs: Value, out: Value) -> None:
        """Terms are runs along k."""
        m, n, k, runs = self.product.m, self.product.n, self.product.k, self.product.terms
        columns = (*self.product.columns, n)
        count = prod(dim.size for dim in columns)
        self._call(
            "gemm_terms",
            [
                self._size(m), constant(count), constant(prod(dim.size for dim in runs)),
                self._size(k), lhs, self._step(m, "lhs"), self._table(runs, "lhs"),
                rhs, self._table(columns, "rhs"), self._table(runs, "rhs"), *self._out(out, m),
            ],
        )  # fmt: skip

    def _out(self, out: Value, m: Dim) -> list[Value]:
        return [self.emit.builder.zext(self.adds, I64), out, self._step(m, "out")]

    def _call(self, function: str, arguments: list[Value]) -> None:
        name = f"{function}_f{8 * self.frame.dtype(self.product.out).itemsize}"
        kind = ir.FunctionType(ir.VoidType(), _KINDS[function]).as_pointer()
        self.emit.builder.call(self.emit.pointer(("fn", name), kind), arguments)

    def _table(self, dims: Sequence[Dim], side: str) -> Value:
        """Where the elements of one side are along `dims`, the last the fastest; along rows, for
        a whole chunk of them."""
        steps = [self._step(dim, side) for dim in dims]
        key = tuple((dim.size, str(step)) for dim, step in zip(dims, steps, strict=True))
        if key not in self.frame.tables:
            sizes = [dim.size * (self.frame.sizes.rows.chunk if dim.rows else 1) for dim in dims]
            room = self.emit.slot(I64, prod(sizes))
            table = self.emit.setup.bitcast(room, POINTER)
            with self.emit.once(), ExitStack() as stack:
                place, offset = constant(0), constant(0)
                for size, step in zip(sizes, steps, strict=True):
                    index = stack.enter_context(self.emit.loop(constant(size)))
                    place = self.emit.add(self.emit.mul(place, size), index)
                    offset = self.emit.add(offset, self.emit.mul_by(index, step))
                self.emit.store(offset, self.emit.at(table, place, I64))
            self.frame.tables[key] = table
        return self.frame.tables[key]

    def _size(self, dim: Dim) -> Value:
        return self.emit.mul(self.frame.rows, dim.size) if dim.rows else constant(dim.size)

    def _start(self, side: str, offset: int) -> Value:
        """The first element of the rows in hand."""
        value, at = self.values[side], self._number(offset, side)
        step = getattr(self.rows, side) if self.rows else 0
        if self.rows and step and self.frame.is_whole(value):
            at = self.emit.add(at, self.emit.mul(self.frame.first, self.rows.size * step))
        return self.emit.at(self.frame.base(value), at, self.kind)

    def _step(self, dim: Dim, side: str) -> Value:
        return self._number(getattr(dim, side), side)

    def _number(self, number: int, side: str) -> Value:
        """A stride or offset of one side, scaled to where its rows are."""
        if self.rows is None:
            return constant(number)
        entries = self.rows.size * self.frame.loop.phase.rows
        step = abs(getattr(self.rows, side))
        return self.frame.number(number, self.frame.is_whole(self.values[side]), step, entries)
