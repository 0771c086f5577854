"""Operators on LLVM values, so that a function reads as its formula."""

from collections.abc import Callable, Sequence
from functools import wraps
from typing import TypeAlias

from llvmlite import ir

from ..scalars import Scalars, Value

Operand: TypeAlias = "Real | float"


class Real:
    """A float32 or float64; operators round once each, and a Python number is a constant."""

    __slots__ = ("b", "v")

    def __init__(self, b: Scalars, v: Value) -> None:
        self.b, self.v = b, v

    @property
    def single(self) -> bool:
        """Whether this is a float32."""
        return self.b.width == 32

    def const(self, value: float) -> "Real":
        """The nearest number of this type."""
        return Real(self.b, self.b.const(value))

    def _value(self, other: Operand) -> Value:
        return other.v if isinstance(other, Real) else self.b.const(other)

    def __add__(self, other: Operand) -> "Real":
        return Real(self.b, self.b.add(self.v, self._value(other)))

    def __sub__(self, other: Operand) -> "Real":
        return Real(self.b, self.b.sub(self.v, self._value(other)))

    def __mul__(self, other: Operand) -> "Real":
        return Real(self.b, self.b.mul(self.v, self._value(other)))

    def __truediv__(self, other: Operand) -> "Real":
        return Real(self.b, self.b.div(self.v, self._value(other)))

    def __rsub__(self, other: float) -> "Real":
        return self.const(other) - self

    def __rtruediv__(self, other: float) -> "Real":
        return self.const(other) / self

    __radd__, __rmul__ = __add__, __mul__

    def __neg__(self) -> "Real":
        return Real(self.b, self.b.neg(self.v))

    def __abs__(self) -> "Real":
        return Real(self.b, self.b.abs(self.v))

    def __lt__(self, other: Operand) -> "Truth":
        return Truth(self.b, self.b.lt(self.v, self._value(other)))

    def __le__(self, other: Operand) -> "Truth":
        return Truth(self.b, self.b.le(self.v, self._value(other)))

    def __gt__(self, other: Operand) -> "Truth":
        return Truth(self.b, self.b.gt(self.v, self._value(other)))

    def __ge__(self, other: Operand) -> "Truth":
        return Truth(self.b, self.b.ge(self.v, self._value(other)))

    def equals(self, other: Operand) -> "Truth":
        """Both are numbers and the same."""
        return Truth(self.b, self.b.eq(self.v, self._value(other)))

    def is_nan(self) -> "Truth":
        """Not a number."""
        return Truth(self.b, self.b.isnan(self.v))

    def fma(self, times: Operand, plus: Operand) -> "Real":
        """self * times + plus, rounded once."""
        return Real(self.b, self.b.fma(self.v, self._value(times), self._value(plus)))

    def sqrt(self) -> "Real":
        """The square root."""
        return Real(self.b, self.b.sqrt(self.v))

    def rint(self) -> "Real":
        """The nearest integer, half to even."""
        return Real(self.b, self.b.rint(self.v))

    def signed_as(self, other: "Real") -> "Real":
        """This magnitude with the sign of `other`."""
        return Real(self.b, self.b.copysign(self.v, other.v))

    def polynomial(self, coefficients: Sequence[float]) -> "Real":
        """`c[0] + c[1] x + c[2] x^2 ...`"""
        return Real(self.b, self.b.polynomial(self.v, coefficients))

    def bits(self) -> "Word":
        """The representation."""
        return Word(self.b, self.b.bits(self.v))

    def widened(self) -> "Real":
        """As a float64."""
        if not self.single:
            return self
        wide = Scalars(self.b.builder, "float64")
        return Real(wide, self.b.builder.fpext(self.v, wide.float))

    def narrowed(self, like: "Real") -> "Real":
        """Rounded to the type of `like`."""
        if not like.single:
            return self
        return Real(like.b, self.b.builder.fptrunc(self.v, like.b.float))


class Word:
    """An integer as wide as the float it belongs to."""

    __slots__ = ("b", "v")

    def __init__(self, b: Scalars, v: Value) -> None:
        self.b, self.v = b, v

    def _value(self, other: "Word | int") -> Value:
        return other.v if isinstance(other, Word) else self.b.iconst(other)

    def __add__(self, other: "Word | int") -> "Word":
        return Word(self.b, self.b.iadd(self.v, self._value(other)))

    def __sub__(self, other: "Word | int") -> "Word":
        return Word(self.b, self.b.isub(self.v, self._value(other)))

    def __and__(self, other: "Word | int") -> "Word":
        return Word(self.b, self.b.iand(self.v, self._value(other)))

    def __lshift__(self, count: int) -> "Word":
        return Word(self.b, self.b.ishl(self.v, self.b.iconst(count)))

    def __rshift__(self, count: int) -> "Word":
        """Keeps the sign."""
        return Word(self.b, self.b.ashr(self.v, self.b.iconst(count)))

    def __rsub__(self, other: int) -> "Word":
        return Word(self.b, self.b.isub(self.b.iconst(other), self.v))

    def at_most(self, bound: int) -> "Word":
        """The smaller of the two, as signed numbers."""
        limit = self.b.iconst(bound)
        return Word(self.b, self.b.select(self.b.ilt(self.v, limit), self.v, limit))

    def at_least(self, bound: int) -> "Word":
        """The larger of the two, as signed numbers."""
        limit = self.b.iconst(bound)
        return Word(self.b, self.b.select(self.b.ilt(self.v, limit), limit, self.v))

    def equals(self, other: int) -> "Truth":
        """The same number."""
        return Truth(self.b, self.b.ieq(self.v, self.b.iconst(other)))

    def real(self) -> Real:
        """The float of this value."""
        return Real(self.b, self.b.to_float(self.v))

    def as_real(self) -> Real:
        """The float that has these bits."""
        return Real(self.b, self.b.float_of_bits(self.v))

    def table(self, name: str, rows: Sequence[Sequence[float]], column: int) -> Real:
        """`rows[self][column]` of a table of constants; self must be in bounds."""
        builder, width = self.b.builder, len(rows[0])
        kind = ir.ArrayType(self.b.float, len(rows) * width)
        found = builder.module.globals.get(name)
        if found is None:
            found = ir.GlobalVariable(builder.module, kind, name)
            found.linkage, found.global_constant = "internal", True
            found.initializer = ir.Constant(kind, [value for row in rows for value in row])
        index = builder.add(builder.mul(self.v, self.v.type(width)), self.v.type(column))
        at = builder.gep(found, [index], source_etype=self.b.float)
        return Real(self.b, builder.load(at, typ=self.b.float))


class Truth:
    """A condition."""

    __slots__ = ("b", "v")

    def __init__(self, b: Scalars, v: Value) -> None:
        self.b, self.v = b, v

    def __and__(self, other: "Truth") -> "Truth":
        return Truth(self.b, self.b.and_(self.v, other.v))

    def __or__(self, other: "Truth") -> "Truth":
        return Truth(self.b, self.b.or_(self.v, other.v))

    def __invert__(self) -> "Truth":
        return Truth(self.b, self.b.not_(self.v))

    def choose(self, yes: Operand, no: Operand) -> Real:
        """`yes` where it holds, else `no`; both are computed."""
        yes, no = (x.v if isinstance(x, Real) else self.b.const(x) for x in (yes, no))
        return Real(self.b, self.b.select(self.v, yes, no))


Function: TypeAlias = Callable[..., Real]


def on_values(function: Function) -> Callable[..., Value]:
    """`function` as the renderer calls it: `f(b, x, ...)` on LLVM values of b's type."""

    @wraps(function)
    def call(b: Scalars, *values: Value) -> Value:
        return function(*[Real(b, value) for value in values]).v

    return call


def in_double(function: Function) -> Function:
    """`function` worked out in float64, and rounded at the end if it is asked for in float32."""

    @wraps(function)
    def wide(*xs: Real) -> Real:
        return function(*[x.widened() for x in xs]).narrowed(xs[0])

    return wide
