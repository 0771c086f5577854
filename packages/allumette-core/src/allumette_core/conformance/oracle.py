"""What each primitive should give, in higher precision: NumPy's longdouble, and Python's integers.

Written apart from the reference backend wherever a second way exists, because the reference is
under test too. What only moves elements is taken from the reference.
"""

import operator
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from ..backend.reference import KERNELS
from ..backend.spec import Capabilities
from ..dtypes import DType
from ..primitives import PRIMITIVES, Kind
from ..shapes import Shape
from . import oracle_moves as moves
from .case import Case
from .judge import WIDE, Expected, rounded
from .tolerance import SCALED, SIGNED_ZERO, ulps
from .values import Array


def expected(case: Case, declared: Capabilities | None = None) -> Expected:
    """What `case` should give, and how far off it may be under what is `declared`."""
    declared = declared or Capabilities()
    operands, name = case.operands(), case.primitive.name
    shape, dtype = case.primitive.infer(operands, case.params)
    with np.errstate(all="ignore"):
        value = _value(name, operands, case.params, dtype)
        scale = _scale(name, operands, case.params) if dtype.kind == "f" else None
    terms = _terms(case, operands, shape)
    return Expected(
        np.broadcast_to(value, shape),
        dtype,
        min(ulps(name, dtype, terms), declared.max_ulp.get(name, np.inf)),
        scale,
        name in SIGNED_ZERO,
        declared.subnormals,
    )


def _terms(case: Case, operands: list[Array], shape: Shape) -> int:
    """How many elements go into one element of the result."""
    if case.primitive.kind is Kind.SCAN:
        return int(operands[0].shape[case.params[0]])
    sizes = [x.size for x in operands]
    return max(sizes, default=1) // max(int(np.prod(shape)), 1)


def _value(name: str, operands: list[Array], params: tuple[Any, ...], dtype: DType) -> Array:
    kinds = {x.dtype.kind for x in operands}
    if name in _ANY:
        return np.asarray(_ANY[name](*operands, *params))
    if "f" in kinds and name in _WIDE:
        return np.asarray(_WIDE[name](*map(_wide, operands), *params))
    if "f" not in kinds and name in _EXACT:
        function = np.frompyfunc(partial(_wrapped, _EXACT[name], dtype), len(operands), 1)
        found = function(*(x.astype(object) for x in operands))
        return np.asarray(found).astype(dtype)
    return np.asarray(KERNELS[PRIMITIVES[name]](*operands, *params))


def _wide(x: Array) -> Array:
    return x.astype(WIDE) if x.dtype.kind == "f" else x


def _wrapped(function: Callable[..., Any], dtype: DType, *operands: int) -> Any:
    """An exact result, brought into the range of `dtype` as two's complement does."""
    found = function(*operands, bits=dtype.itemsize * 8)
    if dtype.kind == "b":
        return bool(found)
    bits = dtype.itemsize * 8
    low = found & ((1 << bits) - 1)
    return low - (1 << bits) if dtype.kind == "i" and low >> (bits - 1) else low


def _scale(name: str, operands: list[Array], params: tuple[Any, ...]) -> Array | None:
    """The sum of the magnitudes that were added up into each element."""
    if name not in SCALED:
        return None
    parts = [np.nan_to_num(np.abs(_wide(x))) if x.dtype.kind == "f" else x for x in operands]
    return np.asarray(_WIDE[name](*parts, *params))


# ---- floating-point ----------------------------------------------------------------------------

_TWO_OVER_SQRT_PI = 2 / np.sqrt(WIDE(4) * np.arctan(WIDE(1)))


def _erf(x: Array) -> Array:
    """2/sqrt(pi) x exp(-x²) Σ (2x²)ⁿ/(2n+1)!!: no term is negative, so nothing cancels."""
    inside = np.clip(np.nan_to_num(x), -7, 7)
    term = inside.copy()
    total = inside.copy()
    for n in range(1, 220):
        term = term * (2 * inside * inside) / (2 * n + 1)
        total = total + term
    made = _TWO_OVER_SQRT_PI * np.exp(-inside * inside) * total
    return np.where(np.isnan(x), x, np.where(np.abs(x) > 7, np.sign(x), made))


def _logistic(x: Array) -> Array:
    small = np.exp(-np.abs(x))
    return np.where(x < 0, small / (1 + small), np.where(np.isnan(x), x, 1 / (1 + small)))


def _sign(x: Array) -> Array:
    return np.where(np.isnan(x), x, (x > 0).astype(WIDE) - (x < 0).astype(WIDE))


def _fold_up(function: Any) -> Callable[[Array, Shape], Array]:
    return lambda x, axes: function(x, axis=axes)


def _accumulate(function: np.ufunc) -> Callable[[Array, int], Array]:
    return lambda x, axis: function.accumulate(x, axis=axis)


_WIDE: Mapping[str, Callable[..., Any]] = {
    "neg": lambda x: -x, "abs": np.abs, "sign": _sign, "floor": np.floor, "ceil": np.ceil,
    "round": np.rint, "sqrt": np.sqrt, "exp": np.exp, "expm1": np.expm1, "log": np.log,
    "log1p": np.log1p, "sin": np.sin, "cos": np.cos, "tan": np.tan, "asin": np.arcsin,
    "acos": np.arccos, "atan": np.arctan, "sinh": np.sinh, "cosh": np.cosh, "tanh": np.tanh,
    "asinh": np.arcsinh, "acosh": np.arccosh, "atanh": np.arctanh, "erf": _erf,
    "logistic": _logistic, "add": operator.add, "sub": operator.sub, "mul": operator.mul,
    "div": operator.truediv, "floordiv": np.floor_divide, "mod": np.remainder, "pow": np.power,
    "atan2": np.arctan2, "maximum": np.maximum, "minimum": np.minimum,
    "sum": _fold_up(np.sum), "prod": _fold_up(np.prod), "max": _fold_up(np.max),
    "min": _fold_up(np.min), "cumsum": _accumulate(np.add), "cumprod": _accumulate(np.multiply),
    "cummax": _accumulate(np.maximum), "cummin": _accumulate(np.minimum),
    "dot_general": moves.dot_general, "fold": moves.fold, "scatter": moves.scatter,
}  # fmt: skip


# ---- integers and booleans, in Python ----------------------------------------------------------


def _int_pow(x: int, y: int, bits: int) -> int:
    if y >= 0:
        return pow(x, y, 1 << bits)
    return {1: 1, -1: 1 - 2 * (y % 2)}.get(x, 0)


_EXACT: Mapping[str, Callable[..., Any]] = {
    "neg": lambda x, bits: -x, "abs": lambda x, bits: abs(x),
    "sign": lambda x, bits: (x > 0) - (x < 0),
    "add": lambda x, y, bits: x + y, "sub": lambda x, y, bits: x - y,
    "mul": lambda x, y, bits: x * y, "floordiv": lambda x, y, bits: x // y if y else 0,
    "mod": lambda x, y, bits: x % y if y else 0, "pow": _int_pow,
    "maximum": lambda x, y, bits: max(x, y), "minimum": lambda x, y, bits: min(x, y),
    "bit_and": lambda x, y, bits: x & y, "bit_or": lambda x, y, bits: x | y,
    "bit_xor": lambda x, y, bits: x ^ y, "shift_left": lambda x, y, bits: x << y,
    "shift_right": lambda x, y, bits: x >> y,
}  # fmt: skip


# ---- whatever the dtype ------------------------------------------------------------------------


def _cast(x: Array, dtype: DType) -> Array:
    if dtype.kind == "b":
        return np.not_equal(x, 0)
    if dtype.kind == "f":
        return rounded(x, dtype).astype(WIDE)
    if x.dtype.kind != "f":
        return x.astype(dtype)
    ends = np.iinfo(dtype)
    found = [
        0 if np.isnan(v) else max(ends.min, min(ends.max, int(v))) if np.isfinite(v)
        else (ends.max if v > 0 else ends.min)
        for v in x.reshape(-1).tolist()
    ]  # fmt: skip
    return np.array(found, dtype).reshape(x.shape)


def _invert(x: Array) -> Array:
    return np.asarray(~x)


_ANY: Mapping[str, Callable[..., Any]] = {
    "eq": operator.eq, "ne": operator.ne, "lt": operator.lt, "le": operator.le,
    "invert": _invert, "cast": _cast, "gather": moves.gather, "random_bits": moves.random_bits,
    "iota": lambda size, dtype: np.array(range(size), object).astype(dtype),
    "argmax": partial(moves.arg, operator.gt), "argmin": partial(moves.arg, operator.lt),
}  # fmt: skip
