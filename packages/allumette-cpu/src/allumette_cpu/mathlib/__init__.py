"""Transcendental functions for compiled kernels: straight-line code that every loop vectorises.

At most 4 units in the last place from the exact result, float32 and float64, over the whole range,
with the special values of C's library; the tests state the error of each. float16 goes through
float32.
"""

from collections.abc import Callable, Mapping

from allumette_core import primitives as P
from allumette_core.primitives import Primitive

from ..scalars import Value
from . import error_function, exponential, logarithm, trigonometric
from .numbers import Function, on_values

_FUNCTIONS: Mapping[Primitive, Function] = {
    P.exp: exponential.exp, P.expm1: exponential.expm1, P.logistic: exponential.logistic,
    P.tanh: exponential.tanh, P.sinh: exponential.sinh, P.cosh: exponential.cosh,
    P.log: logarithm.log, P.log1p: logarithm.log1p, P.asinh: logarithm.asinh,
    P.acosh: logarithm.acosh, P.atanh: logarithm.atanh, P.pow_: logarithm.power,
    P.sin: trigonometric.sin, P.cos: trigonometric.cos, P.tan: trigonometric.tan,
    P.asin: trigonometric.asin, P.acos: trigonometric.acos, P.atan: trigonometric.atan,
    P.atan2: trigonometric.atan2, P.erf: error_function.erf,
}  # fmt: skip
MATH: Mapping[Primitive, Callable[..., Value]] = {
    primitive: on_values(function) for primitive, function in _FUNCTIONS.items()
}
"""`f(b, x, ...)` appends the function to `b`, a `Scalars` of float32 or float64."""
