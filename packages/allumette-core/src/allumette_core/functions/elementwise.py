"""Functions of each element on its own that are one primitive: arithmetic, comparison, bits.

All of them broadcast as NumPy does and take tensors, arrays, lists and Python numbers, which are
weak: they take the dtype of the tensor they meet. Functions that need a float take integers and
booleans too, as float32. IEEE 754 holds throughout: `log(0)` is -inf, `1 / 0` is inf and NaN
comes out of whatever NaN goes into.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import expr
from .. import primitives as P
from ..convert import as_node, floating, pair
from ..expr import Node
from ..primitives import Primitive
from ..tensor import ArrayLike, Tensor

# fmt: off
__all__ = [
    "abs", "acos", "acosh", "add", "asin", "asinh", "atan", "atanh", "bitwise_and",
    "bitwise_invert", "bitwise_left_shift", "bitwise_or", "bitwise_right_shift", "bitwise_xor",
    "ceil", "cos", "cosh", "equal", "erf", "exp", "expm1", "floor", "floor_divide", "greater",
    "greater_equal", "less", "less_equal", "log", "log1p", "maximum", "minimum", "multiply",
    "negative", "not_equal", "pow", "remainder", "round", "sign", "sin", "sinh", "sqrt",
    "subtract", "tan", "tanh",
]
# fmt: on

Unary = Callable[[ArrayLike], Tensor]
Binary = Callable[[ArrayLike, ArrayLike], Tensor]


# ---- tables: one row a function ------------------------------------------------------------------


def _named(function: Any, name: str, summary: str, takes: str, example: str) -> Any:
    """Give a function made below its name, and a docstring with a runnable example."""
    call, _, result = example.partition(" -> ")
    function.__name__ = function.__qualname__ = name
    function.__doc__ = (
        f"{summary}\n\n{takes}\n\n"
        f">>> import allumette_core as al\n>>> al.{name}({call}).tolist()\n{result}\n"
    )
    return function


def _float(name: str, primitive: Primitive, summary: str, example: str) -> Unary:
    """A row for a function of one float."""

    def function(x: ArrayLike, /) -> Tensor:
        return Tensor(expr.apply(primitive, floating(x)))

    takes = (
        "Takes any shape. The result is of x's float dtype; integers and booleans are taken as\n"
        "float32."
    )
    made: Unary = _named(function, name, summary, takes, example)
    return made


def _unary(name: str, primitive: Primitive, summary: str, takes: str, example: str) -> Unary:
    """A row for a function of one operand that keeps its dtype."""

    def function(x: ArrayLike, /) -> Tensor:
        return Tensor(expr.apply(primitive, as_node(x, weak=True)))

    made: Unary = _named(function, name, summary, takes, example)
    return made


def _rounding(name: str, primitive: Primitive, summary: str, example: str) -> Unary:
    """A row for a way to round, which leaves integers and booleans as they are."""

    def function(x: ArrayLike, /) -> Tensor:
        node = as_node(x, weak=True)
        return Tensor(expr.apply(primitive, node) if node.dtype.kind == "f" else _copy(node))

    takes = "Takes any shape and dtype, and keeps both; integers are whole as they are."
    made: Unary = _named(function, name, summary, takes, example)
    return made


def _binary(
    name: str, primitive: Primitive, summary: str, takes: str, example: str, swap: bool = False
) -> Binary:
    """A row for a function of two operands, which are broadcast and promoted to one dtype."""

    def function(x: ArrayLike, y: ArrayLike, /) -> Tensor:
        a, b = pair(x, y)
        return Tensor(expr.apply(primitive, b, a) if swap else expr.apply(primitive, a, b))

    more = "\n\nRaises:\n    ShapeError: the shapes do not broadcast.\n    DTypeError: "
    takes += more + "the dtypes do not fit each other or the operation."
    made: Binary = _named(function, name, summary, takes, example)
    return made


def _copy(node: Node) -> Node:
    """The same value under a node of its own, so that every handle has one."""
    return expr.apply(P.alias, node, params=("copy",))


_NUMBERS = "Takes numbers of any shapes that broadcast; their dtypes promote to one."
_COMPARED = "Takes any dtypes, and shapes that broadcast. The result is bool; NaN equals nothing."
_BITS = "Takes integers or booleans, of shapes that broadcast; their dtypes promote to one."
_NUMBER = "Takes numbers of any shape, and keeps their dtype."

# fmt: off
exp = _float("exp", P.exp, "e to the power of x.", "[0.0] -> [1.0]")
expm1 = _float("expm1", P.expm1, "exp(x) - 1, accurate near 0.", "[0.0] -> [0.0]")
log = _float("log", P.log, "The natural logarithm of x; -inf at 0, NaN below.", "[1.0] -> [0.0]")
log1p = _float("log1p", P.log1p, "log(1 + x), accurate near 0.", "[0.0] -> [0.0]")
sqrt = _float("sqrt", P.sqrt, "The square root of x; NaN below 0.", "[4.0, 9.0] -> [2.0, 3.0]")
sin = _float("sin", P.sin, "The sine of x, in radians.", "[0.0] -> [0.0]")
cos = _float("cos", P.cos, "The cosine of x, in radians.", "[0.0] -> [1.0]")
tan = _float("tan", P.tan, "The tangent of x, in radians.", "[0.0] -> [0.0]")
asin = _float("asin", P.asin, "The angle in [-pi/2, pi/2] whose sine is x.", "[0.0] -> [0.0]")
acos = _float("acos", P.acos, "The angle in [0, pi] whose cosine is x.", "[1.0] -> [0.0]")
atan = _float("atan", P.atan, "The angle in [-pi/2, pi/2] whose tangent is x.", "[0.0] -> [0.0]")
sinh = _float("sinh", P.sinh, "The hyperbolic sine of x.", "[0.0] -> [0.0]")
cosh = _float("cosh", P.cosh, "The hyperbolic cosine of x.", "[0.0] -> [1.0]")
tanh = _float("tanh", P.tanh, "The hyperbolic tangent of x.", "[0.0] -> [0.0]")
asinh = _float("asinh", P.asinh, "The inverse of sinh.", "[0.0] -> [0.0]")
acosh = _float("acosh", P.acosh, "The inverse of cosh; NaN below 1.", "[1.0] -> [0.0]")
atanh = _float("atanh", P.atanh, "The inverse of tanh; infinite at -1 and 1.", "[0.0] -> [0.0]")
erf = _float("erf", P.erf, "The error function of x.", "[0.0] -> [0.0]")

floor = _rounding("floor", P.floor, "x rounded down.", "[1.5, -1.5] -> [1.0, -2.0]")
ceil = _rounding("ceil", P.ceil, "x rounded up.", "[1.5, -1.5] -> [2.0, -1.0]")
round = _rounding(
    "round", P.round_, "x to the nearest whole number, half to even.", "[0.5, 1.5] -> [0.0, 2.0]")

negative = _unary("negative", P.neg, "-x.", _NUMBER, "[1, -2] -> [-1, 2]")
abs = _unary("abs", P.abs_, "The magnitude of x.", _NUMBER, "[1, -2] -> [1, 2]")
sign = _unary("sign", P.sign, "-1, 0 or 1; NaN stays.", _NUMBER, "[-2.0, 0.0] -> [-1.0, 0.0]")
bitwise_invert = _unary(
    "bitwise_invert", P.invert, "Every bit of x flipped; the logical not of booleans.",
    "Takes integers or booleans of any shape, and keeps their dtype.", "[0, 5] -> [-1, -6]")

add = _binary("add", P.add, "x + y.", _NUMBERS, "[1, 2], 0.5 -> [1.5, 2.5]")
subtract = _binary("subtract", P.sub, "x - y.", _NUMBERS, "[1, 2], 2 -> [-1, 0]")
multiply = _binary("multiply", P.mul, "x * y.", _NUMBERS, "[1, 2], 3 -> [3, 6]")
floor_divide = _binary(
    "floor_divide", P.floordiv, "x / y rounded down; an integer by 0 gives 0.",
    _NUMBERS, "[7, -7], 2 -> [3, -4]")
remainder = _binary(
    "remainder", P.mod, "x modulo y, with the sign of y; an integer by 0 gives 0.",
    _NUMBERS, "[7, -7], 4 -> [3, 1]")
pow = _binary(
    "pow", P.pow_, "x to the power of y; an integer to a negative power is rounded towards 0.",
    _NUMBERS, "[2, 3], 2 -> [4, 9]")
maximum = _binary(
    "maximum", P.maximum, "The larger; NaN if either is.", _NUMBERS, "[1, 5], 3 -> [3, 5]")
minimum = _binary(
    "minimum", P.minimum, "The smaller; NaN if either is.", _NUMBERS, "[1, 5], 3 -> [1, 3]")

equal = _binary("equal", P.eq, "Whether x == y.", _COMPARED, "[1, 2], 2 -> [False, True]")
not_equal = _binary("not_equal", P.ne, "Whether x != y.", _COMPARED, "[1, 2], 2 -> [True, False]")
less = _binary("less", P.lt, "Whether x < y.", _COMPARED, "[1, 2], 2 -> [True, False]")
less_equal = _binary("less_equal", P.le, "Whether x <= y.", _COMPARED, "[2, 3], 2 -> [True, False]")
greater = _binary("greater", P.lt, "Whether x > y.", _COMPARED, "[2, 3], 2 -> [False, True]", True)
greater_equal = _binary(
    "greater_equal", P.le, "Whether x >= y.", _COMPARED, "[1, 2], 2 -> [False, True]", True)

bitwise_and = _binary("bitwise_and", P.bit_and, "The bits set in both.", _BITS, "[6], 3 -> [2]")
bitwise_or = _binary("bitwise_or", P.bit_or, "The bits set in either.", _BITS, "[6], 3 -> [7]")
bitwise_xor = _binary("bitwise_xor", P.bit_xor, "The bits set in one.", _BITS, "[6], 3 -> [5]")
bitwise_left_shift = _binary(
    "bitwise_left_shift", P.shift_left, "x * 2**y; 0 once every bit is shifted out.",
    _BITS, "[1, 3], 2 -> [4, 12]")
bitwise_right_shift = _binary(
    "bitwise_right_shift", P.shift_right, "x / 2**y rounded down.", _BITS, "[12, -1], 2 -> [3, -1]")
# fmt: on
