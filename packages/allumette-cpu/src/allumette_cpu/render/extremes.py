"""Both extremes of many floats, from three extremes of the integers with the same bits.

As signed integers, floats without a sign are in order, and above all that have one, which are in
the opposite order; as unsigned integers, those with a sign are above. So the extremes are where

    signed       the largest is   that of floats without a sign, if there is one
    signed       the smallest is  the one nearest to zero of those with a sign, if there is one
    unsigned     the largest is   the one farthest from zero of those with a sign, if there is one

with NaN beyond infinity, and -0 below +0. Each takes one instruction, and none waits for another
one; an extreme of floats takes six which do, for NaN and for the signs of zeros.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from llvmlite import ir

from ..scalars import Value, intrinsic, llvm_type

DType = np.dtype[Any]
NAMES = ("smax", "smin", "umax")


def bits_of(builder: Any, x: Value, dtype: DType) -> list[Value]:
    """What one float has to say about the three."""
    return [builder.bitcast(x, integer(dtype))] * len(NAMES)


def further(builder: Any, a: Sequence[Value], b: Sequence[Value]) -> list[Value]:
    """The three of all floats that `a` or `b` are of."""
    return [intrinsic(builder, *each) for each in zip(NAMES, a, b, strict=True)]


def extreme_of(builder: Any, fold: str, three: Sequence[Value], dtype: DType) -> Value:
    """The largest or the smallest float; NaN if one is."""
    highest, lowest, farthest = three
    kind = integer(dtype)
    zero, sign = ir.Constant(kind, 0), ir.Constant(kind, 1 << kind.width - 1)
    infinity = ir.Constant(kind, int(np.array(np.inf, dtype).view(f"u{dtype.itemsize}")))
    nan = ir.Constant(kind, int(np.array(np.nan, dtype).view(f"u{dtype.itemsize}")))
    if fold == "max":
        number = builder.select(builder.icmp_signed(">=", highest, zero), highest, lowest)
    else:
        number = builder.select(builder.icmp_signed("<", farthest, zero), farthest, lowest)
    beyond = builder.icmp_signed(">", highest, infinity)
    below = builder.icmp_unsigned(">", farthest, builder.or_(infinity, sign))
    number = builder.select(builder.or_(beyond, below), nan, number)
    return builder.bitcast(number, llvm_type(dtype))


def integer(dtype: DType) -> Any:
    """The integer type with as many bits."""
    return ir.IntType(8 * dtype.itemsize)
