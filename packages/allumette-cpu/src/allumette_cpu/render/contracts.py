"""Products of matrices through the runtime's `gemm`, on memory, by strides: nothing is copied."""

from contextlib import ExitStack
from typing import TYPE_CHECKING

from allumette_core.compiler.schedule import Contract, Dim, Place
from llvmlite import ir

from ..plan import GEMM_SCRATCH, scratch_stride
from ..scalars import I8, Value, memory_type
from .emit import POINTER, constant

if TYPE_CHECKING:
    from .phases import Frame

_INT = ir.IntType(64)
_GEMM = ir.FunctionType(
    ir.VoidType(),
    [_INT] * 3 + [POINTER, _INT, _INT] * 2 + [_INT, POINTER, _INT, POINTER],
)


def write(frame: "Frame", product: Contract) -> None:
    """Append the calls of `gemm` for `product` to the function of `frame`."""
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
    left, right = (m, lhs, m.lhs, k.lhs), (n, rhs, k.rhs, n.rhs)
    to_row = m.out
    if n.out != 1 and n.size != 1:  # out' = rhs' @ lhs' has contiguous rows
        left, right = (n, rhs, n.rhs, k.rhs), (m, lhs, k.lhs, m.lhs)
        to_row = n.out
    emit, integer = frame.emit, constant
    (rows, a, *a_steps), (columns, b, *b_steps) = left, right
    double = frame.dtype(product.out).itemsize == 8
    function = emit.pointer(("fn", "gemm_f64" if double else "gemm_f32"), _GEMM.as_pointer())
    arguments = [_size(frame, rows), _size(frame, columns), _size(frame, k)]
    arguments += [a, *map(integer, a_steps), b, *map(integer, b_steps)]
    arguments += [integer(int(product.accumulate)), out, integer(to_row), _packing(frame)]
    emit.builder.call(function, arguments)


def _packing(frame: "Frame") -> Value:
    """The thread's memory for packed operands."""
    base = frame.emit.pointer(("scratch", GEMM_SCRATCH))
    step = frame.emit.setup.mul(frame.emit.thread, constant(scratch_stride(GEMM_SCRATCH)))
    return frame.emit.setup.gep(base, [step], source_etype=I8)
