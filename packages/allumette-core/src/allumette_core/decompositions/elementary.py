"""Elementwise primitives from arithmetic, comparison and choice; transcendental ones from exp, log,
sqrt, sin, cos and atan."""

import math
from collections.abc import Callable

import numpy as np

from .. import functions as F
from .. import primitives as P
from ..dtypes import DType, is_float
from ..primitives import Primitive
from ..tensor import Tensor

# ---- rounding, sign and order --------------------------------------------------------------------


def _neg(x: Tensor) -> Tensor:
    """x * -1, which in unsigned arithmetic is the largest number."""
    return x * (np.iinfo(x.dtype).max if x.dtype.kind == "u" else -1)


def _sub(a: Tensor, b: Tensor) -> Tensor:
    return a + -b


def _abs(x: Tensor) -> Tensor:
    positive = F.where(x < 0, -x, x)
    return F.where(x == 0, 0, positive) if is_float(x.dtype) else positive


def _sign(x: Tensor) -> Tensor:
    if x.dtype.kind == "u":
        return F.astype(x > 0, x.dtype)
    signed = F.where(x > 0, 1, F.where(x < 0, -1, 0))
    return F.where(x == x, F.astype(signed, x.dtype), x)


def _ceil(x: Tensor) -> Tensor:
    return -F.floor(-x)


def _round(x: Tensor) -> Tensor:
    below = F.floor(x)
    rest = x - below
    odd = below != 2 * F.floor(below * 0.5)
    nearest = F.where((rest > 0.5) | ((rest == 0.5) & odd), below + 1, below)
    return F.where(nearest == 0, x * 0, nearest)  # -0.3 goes to -0


def _maximum(a: Tensor, b: Tensor) -> Tensor:
    return F.where((a > b) | (a != a), a, b)


def _minimum(a: Tensor, b: Tensor) -> Tensor:
    return F.where((a < b) | (a != a), a, b)


def _invert(x: Tensor) -> Tensor:
    ones = {"b": True, "i": -1}.get(x.dtype.kind)
    return x ^ (np.iinfo(x.dtype).max if ones is None else ones)


# ---- exponentials and their kin ------------------------------------------------------------------


def _with_sign_of(x: Tensor, size: Tensor) -> Tensor:
    """`size` with the sign of x, where 0 and NaN give x itself."""
    return F.where((x == 0) | (x != x), x, F.where(x < 0, -size, size))


def _expm1(x: Tensor) -> Tensor:
    """Kahan's correction: the rounding error of u = exp(x) cancels in (u - 1) / log(u)."""
    u = F.exp(x)
    near = (u - 1) * (x / F.log(u))
    return F.where(u == 1, x, F.where((u == math.inf) | (u - 1 == -1), u - 1, near))


def _log1p(x: Tensor) -> Tensor:
    """Kahan's correction, as for expm1."""
    u = 1 + x
    near = F.log(u) * (x / (u - 1))
    return F.where(u == 1, x, F.where(u == math.inf, u, near))


def _logistic(x: Tensor) -> Tensor:
    small = F.exp(-F.abs(x))  # never overflows, so that large negative x keep their digits
    return F.where(x < 0, small, 1) / (1 + small)


def _tanh(x: Tensor) -> Tensor:
    one = float(np.finfo(x.dtype).nmant / 2)  # from here on the result is 1, or rounds to it
    t = F.expm1(2 * F.minimum(F.abs(x), one))
    return _with_sign_of(x, t / (t + 2))


def _sinh(x: Tensor) -> Tensor:
    a = F.abs(x)
    e, half = F.expm1(a), F.exp(a * 0.5)
    large = (0.5 * half) * half  # exp(a) / 2, which may be finite where exp(a) is not
    return _with_sign_of(x, F.where(a < 1, 0.5 * (e + e / (e + 1)), large - 0.25 / large))


def _cosh(x: Tensor) -> Tensor:
    half = F.exp(F.abs(x) * 0.5)
    large = (0.5 * half) * half
    return large + 0.25 / large


def _huge(dtype: DType) -> float:
    """From where on 1 is nothing beside the square."""
    return float(2.0 ** (np.finfo(dtype).nmant // 2 + 2))


def _asinh(x: Tensor) -> Tensor:
    a = F.abs(x)
    small = F.log1p(a + a * (a / (1 + F.sqrt(1 + a * a))))
    size = F.where(a > _huge(x.dtype), F.log(a) + math.log(2), small)
    return _with_sign_of(x, size)


def _acosh(x: Tensor) -> Tensor:
    above = x - 1
    small = F.log1p(above + F.sqrt(2 * above + above * above))
    inside = F.where(x > _huge(x.dtype), F.log(x) + math.log(2), small)
    return F.where(x < 1, math.nan, inside)


def _atanh(x: Tensor) -> Tensor:
    a = F.abs(x)
    return _with_sign_of(x, 0.5 * F.log1p(2 * a / (1 - a)))


# ---- angles --------------------------------------------------------------------------------------


def _tan(x: Tensor) -> Tensor:
    return F.sin(x) / F.cos(x)


def _asin(x: Tensor) -> Tensor:
    return F.atan2(x, F.sqrt((1 - x) * (1 + x)))


def _acos(x: Tensor) -> Tensor:
    return F.atan2(F.sqrt((1 - x) * (1 + x)), x)


def _atan2(y: Tensor, x: Tensor) -> Tensor:
    height, width = F.abs(y), F.abs(x)
    slope = F.where(height == width, 1, height / width)  # also where both are infinite
    angle = F.where((height == 0) & (width == 0), 0, F.atan(slope))
    angle = F.where(F.signbit(x), math.pi - angle, angle)
    return F.where((x != x) | (y != y), x + y, F.where(F.signbit(y), -angle, angle))


TABLE: dict[Primitive, Callable[..., Tensor]] = {
    P.neg: _neg,
    P.sub: _sub,
    P.abs_: _abs,
    P.sign: _sign,
    P.ceil: _ceil,
    P.round_: _round,
    P.maximum: _maximum,
    P.minimum: _minimum,
    P.invert: _invert,
    P.ne: lambda a, b: ~(a == b),
    P.le: lambda a, b: (a < b) | (a == b),
    P.expm1: _expm1,
    P.log1p: _log1p,
    P.logistic: _logistic,
    P.tanh: _tanh,
    P.sinh: _sinh,
    P.cosh: _cosh,
    P.asinh: _asinh,
    P.acosh: _acosh,
    P.atanh: _atanh,
    P.tan: _tan,
    P.asin: _asin,
    P.acos: _acos,
    P.atan2: _atan2,
    P.alias: lambda x, tag: x,
}
