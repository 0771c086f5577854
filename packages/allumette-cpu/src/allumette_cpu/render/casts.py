"""Constants, and one dtype made another."""

from typing import Any

import numpy as np
from llvmlite import ir

from ..scalars import F16, F32, F64, Value, intrinsic, llvm_type

DType = np.dtype[Any]


def number(value: Any, dtype: DType) -> Value:
    """A constant of `dtype`."""
    exact = dtype.type(value).item()
    if dtype.kind == "f":
        exact = float(exact)
    return ir.Constant(llvm_type(dtype), int(exact) if dtype.kind in "biu" else exact)


def convert(b: Any, x: Value, source: DType, to: DType) -> Value:
    """x as a `to`: a float goes to an integer towards zero, NaN to 0, overflow to the ends."""
    if source == to:
        return x
    kind = llvm_type(to)
    if to.kind == "b":
        zero = number(0, source)
        return (
            b.fcmp_unordered("!=", x, zero) if source.kind == "f" else b.icmp_signed("!=", x, zero)
        )
    if source.kind == "f":
        return _float_to_float(b, x, source, to) if to.kind == "f" else _saturate(b, x, to)
    if to.kind == "f":
        made = (
            F32 if to.itemsize == 2 else kind
        )  # what a half cannot hold is infinite in both steps
        x = b.sitofp(x, made) if source.kind == "i" else b.uitofp(x, made)
        return b.fptrunc(x, kind) if made is not kind else x
    if source.kind == "b" or source.itemsize < to.itemsize:
        return (b.sext if source.kind == "i" else b.zext)(x, kind)
    return x if source.itemsize == to.itemsize else b.trunc(x, kind)


def _saturate(b: Any, x: Value, to: DType) -> Value:
    """Written out, as LLVM's own conversion takes one number at a time."""
    if x.type == F16:  # which has no number for the ends of integers
        x = b.fpext(x, F32)
    least, most = np.iinfo(to).min, np.iinfo(to).max
    low, over = (ir.Constant(x.type, float(end)) for end in (least, most + 1))
    inside = b.select(b.fcmp_ordered(">", x, low), x, low)
    inside = b.select(b.fcmp_ordered("<", inside, over), inside, low)
    made = (b.fptosi if to.kind == "i" else b.fptoui)(inside, llvm_type(to))
    made = b.select(b.fcmp_ordered(">=", x, over), number(most, to), made)
    return b.select(b.fcmp_unordered("uno", x, x), number(0, to), made)


def _float_to_float(b: Any, x: Value, source: DType, to: DType) -> Value:
    if source.itemsize < to.itemsize:
        return b.fpext(x, llvm_type(to))
    if source.itemsize == 8 and to.itemsize == 2:
        return b.fptrunc(_round_to_odd(b, x), F16)
    return b.fptrunc(x, llvm_type(to))


def _round_to_odd(b: Any, x: Value) -> Value:
    """A double as the float from which rounding to half gives what rounding once would."""
    near = b.fptrunc(x, F32)
    back = b.fpext(near, F64)
    int32 = ir.IntType(32)
    bits = b.bitcast(near, int32)
    magnitude, exact = intrinsic(b, "fabs", x), b.fcmp_unordered("ueq", back, x)
    too_far = b.fcmp_ordered(">", intrinsic(b, "fabs", back), magnitude)
    towards_zero = b.select(too_far, b.sub(bits, ir.Constant(int32, 1)), bits)
    odd = b.or_(towards_zero, ir.Constant(int32, 1))
    return b.bitcast(b.select(exact, bits, odd), F32)
