"""The value of one term: every elementwise primitive in every dtype, as straight-line LLVM code."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from allumette_core import primitives as P
from allumette_core.primitives import Primitive
from llvmlite import ir

from ..scalars import F16, F32, Scalars, Value, intrinsic, llvm_type
from .casts import convert, number

DType = np.dtype[Any]
Rule = Callable[["Scalar", Sequence[Value]], Value]


class Scalar:
    """Where and in which type a term is computed: what a rule writes its code with."""

    def __init__(self, builder: Any, dtype: DType, result: DType, params: tuple[Any, ...]) -> None:
        self.b = builder
        self.dtype = dtype  # of the operands
        self.result = result
        self.params = params
        self.type = llvm_type(dtype)

    @property
    def floating(self) -> bool:
        return self.dtype.kind == "f"

    @property
    def signed(self) -> bool:
        return self.dtype.kind == "i"

    def const(self, value: float) -> Value:
        return number(value, self.dtype)

    def compare(self, sign: str, a: Value, b: Value) -> Value:
        """a `sign` b, False if either is NaN (for `!=`: True)."""
        if self.floating:
            ordered = self.b.fcmp_unordered if sign == "!=" else self.b.fcmp_ordered
            return ordered(sign, a, b)
        return (self.b.icmp_signed if self.signed else self.b.icmp_unsigned)(sign, a, b)

    def call(self, name: str, *operands: Value) -> Value:
        return intrinsic(self.b, name, *operands)


def compute(
    builder: Any, primitive: Primitive, operands: Sequence[Value], dtypes: Sequence[DType],
    result: DType, params: tuple[Any, ...],
) -> Value:  # fmt: skip
    """The value of `primitive`, whose operands have `dtypes`."""
    dtype = dtypes[-1] if dtypes else result
    return RULES[primitive](Scalar(builder, dtype, result, params), operands)


# ---- arithmetic


def _float_or_int(name: str) -> Rule:
    def rule(s: Scalar, x: Sequence[Value]) -> Value:
        return getattr(s.b, f"f{name}" if s.floating else name)(*x)

    return rule


def _abs(s: Scalar, x: Sequence[Value]) -> Value:
    if s.floating:
        return s.call("fabs", *x)
    return s.b.select(s.compare("<", x[0], s.const(0)), s.b.neg(x[0]), x[0]) if s.signed else x[0]


def _sign(s: Scalar, x: Sequence[Value]) -> Value:
    (a,), zero = x, s.const(0)
    below = s.const(-1) if s.dtype.kind != "u" else zero
    out = s.b.select(
        s.compare(">", a, zero), s.const(1), s.b.select(s.compare("<", a, zero), below, zero)
    )
    return s.b.select(s.compare("!=", a, a), a, out) if s.floating else out


def _named(name: str) -> Rule:
    return lambda s, x: s.call(name, *x)


def _extreme(sign: str) -> Rule:
    def rule(s: Scalar, x: Sequence[Value]) -> Value:
        a, b = x
        first = s.compare(sign, a, b)
        if s.floating:  # NaN if either is
            first = s.b.or_(first, s.b.fcmp_unordered("uno", a, a))
        return s.b.select(first, a, b)

    return rule


def _divisor(s: Scalar, a: Value, b: Value) -> tuple[Value, Value]:
    """Whether integer division is defined, and a divisor with which it is."""
    bad = s.compare("==", b, s.const(0))
    one = s.const(1)
    if s.signed:  # the least number by -1 does not fit: negate instead
        bad_or_negating = s.b.or_(bad, s.compare("==", b, s.const(-1)))
        return bad, s.b.select(bad_or_negating, one, b)
    return bad, s.b.select(bad, one, b)


def _floordiv(s: Scalar, x: Sequence[Value]) -> Value:
    a, b = x
    if s.floating:
        return _float_divmod(s, a, b)[0]
    bad, safe = _divisor(s, a, b)
    if not s.signed:
        return s.b.select(bad, s.const(0), s.b.udiv(a, safe))
    q = s.b.sdiv(a, safe)
    r = s.b.sub(a, s.b.mul(q, safe))
    down = s.b.and_(s.compare("!=", r, s.const(0)), s.compare("<", s.b.xor(r, safe), s.const(0)))
    q = s.b.select(down, s.b.sub(q, s.const(1)), q)
    q = s.b.select(s.compare("==", b, s.const(-1)), s.b.neg(a), q)
    return s.b.select(bad, s.const(0), q)


def _mod(s: Scalar, x: Sequence[Value]) -> Value:
    a, b = x
    if s.floating:
        return _float_divmod(s, a, b)[1]
    bad, safe = _divisor(s, a, b)
    zero = s.const(0)
    if not s.signed:
        return s.b.select(bad, zero, s.b.urem(a, safe))
    r = s.b.srem(a, safe)
    other = s.b.and_(s.compare("!=", r, zero), s.compare("<", s.b.xor(r, safe), zero))
    return s.b.select(bad, zero, s.b.select(other, s.b.add(r, safe), r))


def _float_divmod(s: Scalar, a: Value, b: Value) -> tuple[Value, Value]:
    """Quotient rounded down and remainder with the divisor's sign, as Python has them."""
    zero = s.const(0.0)
    r = s.b.frem(a, b)
    q = s.b.fdiv(s.b.fsub(a, r), b)
    nonzero = s.compare("!=", r, zero)
    flip = s.b.and_(nonzero, s.b.xor(s.compare("<", b, zero), s.compare("<", r, zero)))
    mod = s.b.select(flip, s.b.fadd(r, b), s.b.select(nonzero, r, s.call("copysign", zero, b)))
    q = s.b.select(flip, s.b.fsub(q, s.const(1.0)), q)
    down = s.call("floor", q)
    near = s.b.select(
        s.compare(">", s.b.fsub(q, down), s.const(0.5)), s.b.fadd(down, s.const(1.0)), down
    )
    quotient = s.b.fdiv(a, b)
    near = s.b.select(s.compare("!=", q, zero), near, s.call("copysign", zero, quotient))
    by_zero = s.compare("==", b, zero)
    return s.b.select(by_zero, quotient, near), s.b.select(by_zero, r, mod)


def _int_pow(s: Scalar, x: Sequence[Value]) -> Value:
    """By squaring; a negative exponent gives the exact result rounded towards zero."""
    base, exponent = x
    out, one, zero = s.const(1), s.const(1), s.const(0)
    power = base
    bits = 8 * s.dtype.itemsize - (1 if s.signed else 0)
    for bit in range(bits):
        taken = s.b.and_(s.b.lshr(exponent, s.const(bit)), one)
        out = s.b.select(s.compare("!=", taken, zero), s.b.mul(out, power), out)
        power = s.b.mul(power, power)
    if not s.signed:
        return out
    odd = s.compare("!=", s.b.and_(exponent, one), zero)
    minus = s.b.select(odd, s.const(-1), one)
    unit = s.b.select(s.compare("==", base, s.const(-1)), minus, zero)
    inverse = s.b.select(s.compare("==", base, one), one, unit)
    return s.b.select(s.compare("<", exponent, zero), inverse, out)


# ---- bits


def _invert(s: Scalar, x: Sequence[Value]) -> Value:
    return s.b.xor(x[0], ir.Constant(s.type, -1))


def _shift_left(s: Scalar, x: Sequence[Value]) -> Value:
    a, n = x
    inside = s.b.icmp_unsigned("<", n, s.const(8 * s.dtype.itemsize))
    return s.b.select(inside, s.b.shl(a, s.b.select(inside, n, s.const(0))), s.const(0))


def _shift_right(s: Scalar, x: Sequence[Value]) -> Value:
    a, n = x
    last = s.const(8 * s.dtype.itemsize - 1)
    inside = s.b.icmp_unsigned("<=", n, last)
    if s.signed:
        return s.b.ashr(a, s.b.select(inside, n, last))
    return s.b.select(inside, s.b.lshr(a, s.b.select(inside, n, s.const(0))), s.const(0))


def _compare(sign: str) -> Rule:
    return lambda s, x: s.compare(sign, *x)


def _where(s: Scalar, x: Sequence[Value]) -> Value:
    return s.b.select(*x)


def _bitcast(s: Scalar, x: Sequence[Value]) -> Value:
    (to,) = s.params
    value = s.b.zext(x[0], ir.IntType(8)) if s.dtype.kind == "b" else x[0]
    if to.kind == "b":
        return s.b.icmp_unsigned("!=", value, ir.Constant(ir.IntType(8), 0))
    return s.b.bitcast(value, llvm_type(to))


# ---- casts


def _cast(s: Scalar, x: Sequence[Value]) -> Value:
    return convert(s.b, x[0], s.dtype, s.params[0])


# ---- transcendental functions and random bits


def _transcendental(primitive: Primitive) -> Rule:
    def rule(s: Scalar, x: Sequence[Value]) -> Value:
        from ..mathlib import MATH

        if primitive is P.pow_ and not s.floating:
            return _int_pow(s, x)
        if s.dtype.itemsize != 2:
            return MATH[primitive](Scalars(s.b, s.dtype), *x)
        wide = [s.b.fpext(v, F32) for v in x]
        return s.b.fptrunc(MATH[primitive](Scalars(s.b, "float32"), *wide), F16)

    return rule


_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))


def _random_bits(s: Scalar, x: Sequence[Value]) -> Value:
    """Threefry-2x32, 20 rounds, of a 64-bit counter; operands: counter and two words of key."""
    word = ir.IntType(32)
    counter, k0, k1 = x
    k2 = s.b.xor(s.b.xor(k0, k1), ir.Constant(word, 0x1BD11BDA))
    schedule = (k0, k1, k2)
    high = s.b.trunc(s.b.lshr(counter, ir.Constant(counter.type, 32)), word)
    a, b = s.b.add(high, k0), s.b.add(s.b.trunc(counter, word), k1)
    for group in range(5):
        for rotation in _ROTATIONS[group % 2]:
            a = s.b.add(a, b)
            turned = s.b.or_(
                s.b.shl(b, ir.Constant(word, rotation)),
                s.b.lshr(b, ir.Constant(word, 32 - rotation)),
            )
            b = s.b.xor(turned, a)
        a = s.b.add(a, schedule[(group + 1) % 3])
        b = s.b.add(b, s.b.add(schedule[(group + 2) % 3], ir.Constant(word, group + 1)))
    if s.result.itemsize == 4:
        return s.b.xor(a, b)
    wide = ir.IntType(64)
    return s.b.or_(s.b.shl(s.b.zext(a, wide), ir.Constant(wide, 32)), s.b.zext(b, wide))


def _neg(s: Scalar, x: Sequence[Value]) -> Value:
    return s.b.fneg(x[0]) if s.floating else s.b.neg(x[0])


TRANSCENDENTAL = (
    P.exp, P.expm1, P.log, P.log1p, P.sin, P.cos, P.tan, P.asin, P.acos, P.atan, P.sinh, P.cosh,
    P.tanh, P.asinh, P.acosh, P.atanh, P.erf, P.logistic, P.pow_, P.atan2,
)  # fmt: skip

RULES: dict[Primitive, Rule] = {
    P.neg: _neg, P.abs_: _abs, P.sign: _sign, P.floor: _named("floor"), P.ceil: _named("ceil"),
    P.round_: _named("rint"), P.sqrt: _named("sqrt"), P.invert: _invert,
    P.add: _float_or_int("add"), P.sub: _float_or_int("sub"), P.mul: _float_or_int("mul"),
    P.div: lambda s, x: s.b.fdiv(*x), P.floordiv: _floordiv, P.mod: _mod,
    P.maximum: _extreme(">="), P.minimum: _extreme("<="),
    P.bit_and: lambda s, x: s.b.and_(*x), P.bit_or: lambda s, x: s.b.or_(*x),
    P.bit_xor: lambda s, x: s.b.xor(*x), P.shift_left: _shift_left, P.shift_right: _shift_right,
    P.eq: _compare("=="), P.ne: _compare("!="), P.lt: _compare("<"), P.le: _compare("<="),
    P.where: _where, P.cast: _cast, P.bitcast: _bitcast, P.alias: lambda s, x: x[0],
    P.random_bits: _random_bits, **{p: _transcendental(p) for p in TRANSCENDENTAL},
}  # fmt: skip
