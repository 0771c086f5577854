"""Straight-line arithmetic on one value of a floating-point type, as LLVM instructions.

`Scalars` is what the transcendental functions are written against: ordinary-looking Python that
appends instructions to a function being built. There are no branches (choose with `select`), so
a loop around such code always vectorises, and no fast-math flags: NaN, infinities, signed zeros
and subnormals are those of IEEE 754. Steps that may be fused say so with `fma`.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from llvmlite import ir

Value = Any  # an llvmlite value; the package has no types

F16, F32, F64 = ir.HalfType(), ir.FloatType(), ir.DoubleType()
I1, I8, I64 = ir.IntType(1), ir.IntType(8), ir.IntType(64)
_FLOATS = {"float16": F16, "float32": F32, "float64": F64}


def llvm_type(dtype: np.dtype[Any]) -> Any:
    """The type that a value of `dtype` has in a register; a bool is one bit there."""
    if dtype.kind == "b":
        return I1
    return _FLOATS.get(dtype.name) or ir.IntType(8 * dtype.itemsize)


def memory_type(dtype: np.dtype[Any]) -> Any:
    """The type that a value of `dtype` has in memory; a bool is one byte there."""
    return I8 if dtype.kind == "b" else llvm_type(dtype)


def intrinsic(builder: Any, name: str, *operands: Value) -> Value:
    """Call `llvm.<name>` on operands that all have the type of its result."""
    kind = operands[0].type
    function = builder.module.declare_intrinsic(
        f"llvm.{name}", [kind], ir.FunctionType(kind, [kind] * len(operands))
    )
    return builder.call(function, operands)


class Scalars:
    """The operations of `dtype` (float32 or float64), each appending to `builder`."""

    def __init__(self, builder: Any, dtype: np.dtype[Any] | str) -> None:
        self.builder = builder
        self.dtype = np.dtype(dtype)
        self.float = llvm_type(self.dtype)
        self.width = 8 * self.dtype.itemsize
        self.int = ir.IntType(self.width)
        self.fma = self._intrinsic("fma")  # x * y + z, rounded once
        self.sqrt = self._intrinsic("sqrt")
        self.abs = self._intrinsic("fabs")
        self.rint = self._intrinsic("rint")  # to the nearest integer, half to even
        self.floor = self._intrinsic("floor")
        self.ceil = self._intrinsic("ceil")
        self.trunc = self._intrinsic("trunc")
        self.copysign = self._intrinsic("copysign")
        self.add, self.sub = builder.fadd, builder.fsub
        self.mul, self.div, self.neg = builder.fmul, builder.fdiv, builder.fneg
        self.iadd, self.isub, self.imul = builder.add, builder.sub, builder.mul
        self.iand, self.ior, self.ixor = builder.and_, builder.or_, builder.xor
        self.ishl, self.lshr, self.ashr = builder.shl, builder.lshr, builder.ashr
        self.and_, self.or_, self.not_ = builder.and_, builder.or_, builder.not_
        self.select = builder.select

    def _intrinsic(self, name: str) -> Any:
        return lambda *operands: intrinsic(self.builder, name, *operands)

    def const(self, value: float) -> Value:
        """The nearest number of this type."""
        return ir.Constant(self.float, float(self.dtype.type(value)))

    def iconst(self, value: int) -> Value:
        """An integer of the same width, of which `value` may be the unsigned reading."""
        return ir.Constant(self.int, value)

    def lt(self, x: Value, y: Value) -> Value:
        return self.builder.fcmp_ordered("<", x, y)

    def le(self, x: Value, y: Value) -> Value:
        return self.builder.fcmp_ordered("<=", x, y)

    def gt(self, x: Value, y: Value) -> Value:
        return self.builder.fcmp_ordered(">", x, y)

    def ge(self, x: Value, y: Value) -> Value:
        return self.builder.fcmp_ordered(">=", x, y)

    def eq(self, x: Value, y: Value) -> Value:
        return self.builder.fcmp_ordered("==", x, y)

    def ne(self, x: Value, y: Value) -> Value:
        return self.builder.fcmp_unordered("!=", x, y)

    def isnan(self, x: Value) -> Value:
        return self.builder.fcmp_unordered("uno", x, x)

    def ieq(self, x: Value, y: Value) -> Value:
        return self.builder.icmp_signed("==", x, y)

    def ilt(self, x: Value, y: Value) -> Value:
        return self.builder.icmp_signed("<", x, y)

    def bits(self, x: Value) -> Value:
        """The bits of a float as an integer."""
        return self.builder.bitcast(x, self.int)

    def float_of_bits(self, x: Value) -> Value:
        """The float that has these bits."""
        return self.builder.bitcast(x, self.float)

    def to_float(self, x: Value) -> Value:
        """A signed integer as the nearest float."""
        return self.builder.sitofp(x, self.float)

    def polynomial(self, x: Value, coefficients: Sequence[float]) -> Value:
        """`c[0] + c[1] x + c[2] x^2 ...` by Horner's rule in x^2, each step one fma, of pairs
        `c[n] + c[n + 1] x`: half as long a chain of steps that wait for each other."""
        constants = [self.const(c) for c in coefficients]
        terms = [self.fma(x, b, a) for a, b in zip(constants[::2], constants[1::2], strict=False)]
        terms += constants[2 * len(terms) :]  # one that is left over
        square = self.mul(x, x)
        out = terms.pop()
        for term in reversed(terms):
            out = self.fma(out, square, term)
        return out
