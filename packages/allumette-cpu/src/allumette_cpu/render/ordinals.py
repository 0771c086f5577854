"""Floats as signed integers in the same order: -0 is below +0, and NaN is the extreme of all.

The largest of these takes one instruction, where that of floats takes six which wait for each
other: for NaN, and for the signs of zeros.
"""

from typing import Any

import numpy as np
from llvmlite import ir

from ..scalars import Value, llvm_type

DType = np.dtype[Any]


def ordinal(builder: Any, fold: str, x: Value, dtype: DType) -> Value:
    """The integer of a float; that of NaN is the last one that `fold`, max or min, ends at."""
    kind, magnitude = _integers(dtype)
    bits = builder.bitcast(x, kind)
    sign = ir.Constant(kind, 1 << kind.width - 1)
    most = builder.and_(bits, magnitude) if fold == "max" else builder.or_(bits, sign)
    bits = builder.select(builder.fcmp_unordered("uno", x, x), most, bits)
    return _turned(builder, bits, dtype)


def float_of(builder: Any, number: Value, dtype: DType) -> Value:
    """The float of an integer."""
    return builder.bitcast(_turned(builder, number, dtype), llvm_type(dtype))


def _turned(builder: Any, bits: Value, dtype: DType) -> Value:
    """Negative numbers the other way round; it is its own inverse."""
    kind, magnitude = _integers(dtype)
    negative = builder.ashr(bits, ir.Constant(kind, kind.width - 1))
    return builder.xor(bits, builder.and_(negative, magnitude))


def _integers(dtype: DType) -> tuple[Any, Value]:
    kind = ir.IntType(8 * dtype.itemsize)
    return kind, ir.Constant(kind, (1 << kind.width - 1) - 1)
