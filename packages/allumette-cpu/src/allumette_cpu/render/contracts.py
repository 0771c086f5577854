"""Products of matrices through BLAS, on memory, by strides.

BLAS is column-major: a row-major out = lhs @ rhs is its out' = rhs' @ lhs'. An operand whose rows
are contiguous is read as it is, one whose columns are is read transposed; nothing is copied.
"""

from contextlib import ExitStack
from typing import TYPE_CHECKING, NamedTuple

from allumette_core.compiler.schedule import Contract, Dim, Place
from llvmlite import ir

from ..scalars import F32, F64, I8, Value, memory_type
from .emit import POINTER, constant

if TYPE_CHECKING:
    from .phases import Frame

INT = ir.IntType(32)
_GEMM = ir.FunctionType(ir.VoidType(), [POINTER] * 13)


class Matrix(NamedTuple):
    """A matrix as BLAS sees it: column-major, or to be transposed."""

    pointer: Value
    transposed: bool
    leading: Value  # elements from one column to the next


def write(frame: "Frame", product: Contract) -> None:
    """Append the BLAS calls of `product` to the function of `frame`."""
    emit, kind = frame.emit, memory_type(frame.dtype(product.out))
    sides = zip(("lhs", "rhs", "out"), product.offsets, strict=True)
    pointers = [_start(frame, product, side, offset) for side, offset in sides]
    with ExitStack() as stack:
        for dim in product.batch:
            index = stack.enter_context(emit.loop(_size(frame, dim)))
            steps = zip(pointers, (dim.lhs, dim.rhs, dim.out), strict=True)
            pointers = [emit.at(p, emit.mul(index, step), kind) if step else p for p, step in steps]
        _gemm(frame, product, *pointers)


def _size(frame: "Frame", dim: Dim) -> Value:
    return frame.emit.mul(frame.rows, dim.size) if dim.rows else constant(dim.size)


def _start(frame: "Frame", product: Contract, side: str, offset: int) -> Value:
    """The first element of the rows in hand."""
    value = getattr(product, side)
    at = constant(offset)
    dims = (*product.batch, product.m, product.n, product.k)
    step = sum(dim.size * getattr(dim, side) for dim in dims if dim.rows)
    if step and frame.place(value) is Place.WHOLE:
        at = frame.emit.add(at, frame.emit.mul(frame.first, step))
    return frame.emit.at(frame.base(value), at, memory_type(frame.dtype(value)))


def _gemm(frame: "Frame", product: Contract, lhs: Value, rhs: Value, out: Value) -> None:
    m, n, k = product.m, product.n, product.k
    sizes = {"m": _size(frame, m), "n": _size(frame, n), "k": _size(frame, k)}
    a = _matrix(frame, lhs, k.lhs, m.lhs, sizes["k"], sizes["m"])  # lhs' is k by m
    b = _matrix(frame, rhs, n.rhs, k.rhs, sizes["n"], sizes["k"])  # rhs' is n by k
    if n.out == 1 or (n.size == 1 and not n.rows and m.out != 1):  # out' is n by m, contiguous in n
        leading = frame.most(constant(m.out), sizes["n"])
        _call(frame, product, b, a, sizes["n"], sizes["m"], sizes["k"], out, leading)
    else:  # out itself is, column-major, m by n
        turned = [x._replace(transposed=not x.transposed) for x in (a, b)]
        leading = frame.most(constant(n.out), sizes["m"])
        _call(frame, product, *turned, sizes["m"], sizes["n"], sizes["k"], out, leading)


def _matrix(
    frame: "Frame", pointer: Value, step: int, leading: int, size: Value, columns: Value
) -> Matrix:
    """The matrix of `size` rows by `columns`, `step` from row to row, `leading` between columns."""
    if step == 1:
        return Matrix(pointer, False, frame.most(constant(leading), size))
    return Matrix(pointer, True, frame.most(constant(step), columns))


def _call(
    frame: "Frame", product: Contract, a: Matrix, b: Matrix, m: Value, n: Value, k: Value,
    out: Value, leading: Value,
) -> None:  # fmt: skip
    emit = frame.emit
    double = frame.dtype(product.out).itemsize == 8
    kind = F64 if double else F32

    def boxed(value: Value) -> Value:
        slot = emit.slot(value.type)
        emit.builder.store(value, slot)
        return slot

    def integer(value: Value) -> Value:
        return boxed(emit.builder.trunc(value, INT))

    def flag(matrix: Matrix) -> Value:
        return boxed(ir.Constant(I8, ord("T" if matrix.transposed else "N")))

    one, beta = ir.Constant(kind, 1.0), ir.Constant(kind, float(product.accumulate))
    arguments = [
        flag(a), flag(b), integer(m), integer(n), integer(k), boxed(one), a.pointer,
        integer(a.leading), b.pointer, integer(b.leading), boxed(beta), out, integer(leading),
    ]  # fmt: skip
    function = emit.pointer(("fn", "dgemm" if double else "sgemm"), _GEMM.as_pointer())
    emit.builder.call(function, arguments)
