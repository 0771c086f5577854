"""The largest of many floats, from extremes of the integers with the same bits; and the smallest.

As signed integers, floats without a sign are in order, and above all that have one, which are in
the opposite order. So the largest float is the largest integer, unless all have a sign: then it is
the smallest integer. -0 is below +0, and NaN beyond infinity: with a sign, it is the largest of the
unsigned integers. Each of the three extremes takes an instruction, and none waits for another one;
a maximum of floats takes six which do.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from llvmlite import ir

from ..scalars import Value, intrinsic, llvm_type

DType = np.dtype[Any]
NARROW = 32  # bits: the largest of longer unsigned integers takes several instructions


def parts_of(builder: Any, fold: str, x: Value, dtype: DType) -> list[Value]:
    """The extremes if x, or -x if the smallest float is wanted, is alone."""
    kind = ir.IntType(8 * dtype.itemsize)
    bits = builder.bitcast(x if fold == "max" else builder.fneg(x), kind)
    if kind.width <= NARROW:
        return [bits, bits, bits]
    return [bits, bits, builder.sext(builder.fcmp_unordered("uno", x, x), kind)]


def further(builder: Any, a: Sequence[Value], b: Sequence[Value]) -> list[Value]:
    """The extremes of all floats that `a` or `b` are of."""
    highs, lows, unsigned = zip(a, b, strict=True)
    found = [intrinsic(builder, "smax", *highs), intrinsic(builder, "smin", *lows)]
    if a[2].type.width > NARROW:  # all bits, or none
        return [*found, builder.or_(*unsigned)]
    return [*found, intrinsic(builder, "umax", *unsigned)]


def extreme_of(builder: Any, fold: str, parts: Sequence[Value], dtype: DType) -> Value:
    """The float; NaN if one is."""
    highest, lowest, unsigned = parts
    infinity = int(np.array(np.inf, dtype).view(f"u{dtype.itemsize}"))
    zero, top, end = (ir.Constant(highest.type, n) for n in (0, infinity, -1))
    signed = ir.Constant(highest.type, infinity | 1 << highest.type.width - 1)
    nan = builder.icmp_signed(">", highest, top)
    nan = builder.or_(nan, builder.icmp_unsigned(">", unsigned, signed))
    bits = builder.select(builder.icmp_signed("<", highest, zero), lowest, highest)
    number = builder.bitcast(builder.select(nan, end, bits), llvm_type(dtype))
    return number if fold == "max" else builder.fneg(number)
