"""Products of matrices through the runtime's `gemm`, on memory, by strides."""

from contextlib import ExitStack
from typing import TYPE_CHECKING

from allumette_core.compiler.schedule import Contract, Dim
from llvmlite import ir

from ..scalars import I64, Value, memory_type
from .emit import POINTER, constant

if TYPE_CHECKING:
    from .phases import Frame

_SIZES, _MATRIX = [I64] * 3, [POINTER, I64, I64]
_GEMM = ir.FunctionType(ir.VoidType(), [*_SIZES, *_MATRIX, *_MATRIX, I64, POINTER, I64, POINTER])


def write(frame: "Frame", product: Contract) -> None:
    """Append the products of `product` to the function of `frame`."""
    _Writer(frame, product).write()


class _Writer:
    def __init__(self, frame: "Frame", product: Contract) -> None:
        self.frame, self.emit, self.product = frame, frame.emit, product
        self.values = {"lhs": product.lhs, "rhs": product.rhs, "out": product.out}
        dims = (*product.batch, product.m, product.n, product.k)
        self.rows = next((dim for dim in dims if dim.rows), None)
        self.kind = memory_type(frame.dtype(product.out))

    def write(self) -> None:
        offsets = zip(self.values, self.product.offsets, strict=True)
        pointers = {side: self._start(side, offset) for side, offset in offsets}
        with ExitStack() as stack:
            for dim in self.product.batch:
                index = stack.enter_context(self.emit.loop(self._size(dim)))
                for side in pointers:
                    if getattr(dim, side):
                        step = self.emit.mul_by(index, self._step(dim, side))
                        pointers[side] = self.emit.at(pointers[side], step, self.kind)
            self._gemm(pointers["lhs"], pointers["rhs"], pointers["out"])

    def _gemm(self, lhs: Value, rhs: Value, out: Value) -> None:
        m, n, k = self.product.m, self.product.n, self.product.k
        a = (lhs, self._step(m, "lhs"), self._step(k, "lhs"))
        b = (rhs, self._step(k, "rhs"), self._step(n, "rhs"))
        if n.out != 1 and n.size > 1:  # the columns of the result are contiguous: out' = rhs' lhs'
            a, b = (rhs, b[2], b[1]), (lhs, a[2], a[1])
            m, n = n, m
        name = f"gemm_f{8 * self.frame.dtype(self.product.out).itemsize}"
        accumulate = constant(int(self.product.accumulate))
        arguments = [
            self._size(m), self._size(n), self._size(k), *a, *b, accumulate, out,
            self._step(m, "out"), self.frame.gemm_memory(),
        ]  # fmt: skip
        self.emit.builder.call(self.emit.pointer(("fn", name), _GEMM.as_pointer()), arguments)

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
