"""Functions of one primitive: values against a wider type, dtypes, broadcasting, refusals."""

import math
from collections.abc import Callable
from typing import Any

import allumette_core as al
import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import (
    ALL,
    BOOL,
    FLOATS,
    INTEGERS,
    NUMBERS,
    SIGNED,
    Array,
    arrays,
    assert_same,
    assert_ulps,
    broadcastable,
    hot_values,
)

WIDE = np.longdouble
quickly = settings(max_examples=20)


def _erf(x: Array) -> Array:
    return np.vectorize(math.erf, otypes=[np.float64])(x.astype(np.float64))


TRANSCENDENTAL: dict[str, Callable[[Array], Array]] = {
    "exp": np.exp, "expm1": np.expm1, "exp2": np.exp2, "log": np.log, "log1p": np.log1p,
    "log2": np.log2, "log10": np.log10, "sqrt": np.sqrt, "sin": np.sin, "cos": np.cos,
    "tan": np.tan, "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan, "sinh": np.sinh,
    "cosh": np.cosh, "tanh": np.tanh, "asinh": np.arcsinh, "acosh": np.arccosh,
    "atanh": np.arctanh, "erf": _erf, "reciprocal": np.reciprocal,
}  # fmt: skip

SAME_DTYPE: dict[str, Callable[[Array], Array]] = {
    "floor": np.floor, "ceil": np.ceil, "trunc": np.trunc, "round": np.rint, "positive": np.copy,
}  # fmt: skip


@pytest.mark.parametrize("name", TRANSCENDENTAL)
@given(data=st.data())
@quickly
def test_functions_of_a_float_are_accurate(name: str, data: st.DataObject) -> None:
    x = data.draw(arrays(FLOATS))
    with np.errstate(all="ignore"):
        exact = TRANSCENDENTAL[name](x.astype(WIDE))
    assert_ulps(getattr(al, name)(x), exact, x.dtype, 4)


@pytest.mark.parametrize("name", TRANSCENDENTAL)
@given(x=arrays([BOOL, *INTEGERS]))
@settings(max_examples=6)
def test_functions_of_a_float_take_integers_as_float32(name: str, x: Array) -> None:
    with np.errstate(all="ignore"):
        exact = TRANSCENDENTAL[name](x.astype(np.float32).astype(WIDE))
    assert_ulps(getattr(al, name)(x), exact, np.float32, 4)


@pytest.mark.parametrize("name", ["exp", "log1p", "expm1", "erf", "tanh", "asinh", "sin"])
def test_float64_against_arbitrary_precision(name: str) -> None:
    points = [1e-300, -1e-9, 0.3, -0.7, 1.5, 3.0, 25.0, 700.0]
    x = np.array([p for p in points if name != "log1p" or p > -1])
    with mpmath.workdps(60):
        exact = [float(getattr(mpmath, name)(mpmath.mpf(p))) for p in x]
    assert_ulps(getattr(al, name)(x), np.array(exact), np.float64, 3)


@pytest.mark.parametrize("name", SAME_DTYPE)
@given(x=arrays(FLOATS))
@quickly
def test_rounding_is_exact_and_keeps_the_sign_of_zero(name: str, x: Array) -> None:
    assert_same(getattr(al, name)(x), SAME_DTYPE[name](x))


@pytest.mark.parametrize("name", SAME_DTYPE)
@given(x=arrays([BOOL, *INTEGERS]))
@settings(max_examples=6)
def test_rounding_leaves_integers_alone(name: str, x: Array) -> None:
    assert_same(getattr(al, name)(x), x)


@pytest.mark.parametrize(
    ("name", "function"),
    [("negative", np.negative), ("abs", np.abs), ("sign", np.sign), ("square", np.square)],
)
@given(x=arrays(NUMBERS))
def test_arithmetic_on_one_number(name: str, function: Callable[[Array], Array], x: Array) -> None:
    with np.errstate(all="ignore"):
        assert_same(getattr(al, name)(x), function(x), signed_zeros=name != "sign")


# ---- two operands --------------------------------------------------------------------------------


def _wrapped(function: Callable[[int, int], int], a: Array, b: Array) -> Array:
    """`function` of Python integers, brought back to the dtype as two's complement does."""
    bits, (left, right) = np.iinfo(a.dtype).bits, np.broadcast_arrays(a, b)
    out = np.empty(left.shape, object)
    for i, (x, y) in enumerate(zip(left.reshape(-1), right.reshape(-1), strict=True)):
        out.reshape(-1)[i] = function(int(x), int(y)) % 2**bits
    return out.astype(f"uint{bits}").view(a.dtype) if out.size else np.empty(out.shape, a.dtype)


def _power(x: int, y: int) -> int:
    if y < 0:
        return x ** (-y) if abs(x) == 1 else 0
    return pow(x, y, 2**64)


EXACT_ON_INTEGERS: dict[str, Callable[[int, int], int]] = {
    "add": lambda x, y: x + y,
    "subtract": lambda x, y: x - y,
    "multiply": lambda x, y: x * y,
    "floor_divide": lambda x, y: x // y if y else 0,
    "remainder": lambda x, y: x % y if y else 0,
    "pow": _power,
    "maximum": max,
    "minimum": min,
    "bitwise_and": lambda x, y: x & y,
    "bitwise_or": lambda x, y: x | y,
    "bitwise_xor": lambda x, y: x ^ y,
}


@pytest.mark.parametrize("name", EXACT_ON_INTEGERS)
@given(pair=broadcastable(INTEGERS))
@quickly
def test_integers_wrap_around(name: str, pair: tuple[Array, Array]) -> None:
    assert_same(getattr(al, name)(*pair), _wrapped(EXACT_ON_INTEGERS[name], *pair))


@pytest.mark.parametrize("left", [True, False])
@given(pair=broadcastable(INTEGERS))
@quickly
def test_shifts_by_any_number_of_bits(left: bool, pair: tuple[Array, Array]) -> None:
    x, y = pair
    bits = x.dtype.itemsize * 8
    y = np.abs(y) % (2 * bits) if y.dtype.kind == "i" else y % (2 * bits)
    y = y.astype(x.dtype)
    y = np.where(y < 0, 1, y)  # int8 has no 128
    function = al.bitwise_left_shift if left else al.bitwise_right_shift
    wanted = (lambda a, b: a << b) if left else (lambda a, b: a >> b)
    assert_same(function(x, y), _wrapped(wanted, x, y))


FLOAT_PAIRS: dict[str, Callable[[Array, Array], Array]] = {
    "add": np.add, "subtract": np.subtract, "multiply": np.multiply, "divide": np.divide,
    "pow": np.power, "atan2": np.arctan2, "hypot": np.hypot,
}  # fmt: skip


@pytest.mark.parametrize("name", FLOAT_PAIRS)
@given(pair=broadcastable(FLOATS))
@settings(max_examples=50)
def test_floats_in_pairs_are_accurate(name: str, pair: tuple[Array, Array]) -> None:
    x, y = pair
    with np.errstate(all="ignore"):
        exact = FLOAT_PAIRS[name](x.astype(WIDE), y.astype(WIDE))
    ulps = {"hypot": 4, "atan2": 4, "pow": 4}.get(name, 0.5)
    assert_ulps(getattr(al, name)(x, y), exact, x.dtype, ulps)


@given(pair=broadcastable(FLOATS))
@settings(max_examples=50)
def test_logaddexp_is_accurate_beside_its_operands(pair: tuple[Array, Array]) -> None:
    """Near 0 the sum cancels, which no formula in one precision survives."""
    x, y = pair
    got = np.asarray(al.logaddexp(x, y))
    with np.errstate(all="ignore"):
        exact = np.logaddexp(x.astype(WIDE), y.astype(WIDE))
        scale = np.minimum(np.maximum(np.abs(x), np.abs(y)), np.finfo(x.dtype).max / 2) + 1
        close = np.abs(got - exact) <= 4 * np.spacing(scale.astype(x.dtype))
        same = (got == exact.astype(x.dtype)) | (np.isnan(got) & np.isnan(exact))
    assert np.all(close | same)


@pytest.mark.parametrize(
    ("name", "function"),
    [("floor_divide", np.floor_divide), ("remainder", np.remainder), ("copysign", np.copysign)],
)
@given(pair=broadcastable(FLOATS))
@quickly
def test_floats_in_pairs_are_exact(name: str, function: Any, pair: tuple[Array, Array]) -> None:
    with np.errstate(all="ignore"):
        assert_same(getattr(al, name)(*pair), function(*pair))


@pytest.mark.parametrize(("name", "function"), [("maximum", np.maximum), ("minimum", np.minimum)])
@given(pair=broadcastable(ALL))
@quickly
def test_extremes_propagate_nan(name: str, function: Any, pair: tuple[Array, Array]) -> None:
    assert_same(getattr(al, name)(*pair), function(*pair), signed_zeros=False)


@pytest.mark.parametrize(
    "name", ["equal", "not_equal", "less", "less_equal", "greater", "greater_equal"]
)
@given(pair=broadcastable(ALL))
@quickly
def test_comparisons(name: str, pair: tuple[Array, Array]) -> None:
    assert_same(getattr(al, name)(*pair), getattr(np, name)(*pair))


@given(pair=broadcastable([BOOL]))
@quickly
def test_bits_of_booleans_are_logic(pair: tuple[Array, Array]) -> None:
    x, y = pair
    assert_same(al.tensor(x) & al.tensor(y), x & y)
    assert_same(al.tensor(x) | y, x | y)
    assert_same(x ^ al.tensor(y), x ^ y)
    assert_same(~al.tensor(x), ~x)


@given(x=arrays(INTEGERS))
@quickly
def test_bits_of_one_integer(x: Array) -> None:
    assert_same(al.bitwise_invert(x), ~x)


@given(pair=broadcastable([BOOL, *INTEGERS]))
@quickly
def test_division_of_integers_gives_float32(pair: tuple[Array, Array]) -> None:
    x, y = (a.astype(np.float32) for a in pair)
    with np.errstate(all="ignore"):
        assert_same(al.divide(*pair), x / y)


# ---- Python numbers, and what is refused ---------------------------------------------------------


@pytest.mark.parametrize("dtype", NUMBERS)
def test_a_python_number_takes_the_dtype_of_the_tensor(dtype: Any) -> None:
    x = al.tensor(np.array([1, 2], dtype))
    assert (x + 1).dtype == (1 + x).dtype == dtype
    assert (x * True).dtype == dtype
    assert (x * 0.5).dtype == (dtype if dtype.kind == "f" else np.float32)
    assert (x < 2).dtype == np.bool_


def test_python_numbers_alone_stay_weak() -> None:
    half = al.tensor(np.array([1.0], np.float16))
    assert (al.add(1.0, 2.0) * half).dtype == np.float16
    assert (al.sqrt(2) * half).dtype == np.float16
    assert (al.tensor(2.0) * half).dtype == np.float32


@pytest.mark.parametrize(("dtype", "number"), [("int8", 128), ("uint8", -1), ("uint16", 2**16)])
def test_a_number_that_does_not_fit_is_refused(dtype: str, number: int) -> None:
    with pytest.raises(al.DTypeError, match=f"{number} does not fit {dtype}"):
        al.tensor([1], dtype=dtype) + number


def test_uint64_with_a_signed_integer_is_refused() -> None:
    with pytest.raises(al.DTypeError, match="no integer dtype holds both uint64 and int8"):
        al.tensor([1], dtype="uint64") + al.tensor([1], dtype="int8")


def test_shapes_that_do_not_broadcast_are_named() -> None:
    with pytest.raises(al.ShapeError, match=r"add: shapes \(2, 3\) and \(4,\).* -1 .* 3 and 4"):
        al.zeros((2, 3)) + al.zeros(4)


@pytest.mark.parametrize("name", ["add", "negative", "floor_divide", "pow", "abs", "sign"])
def test_arithmetic_on_booleans_is_refused(name: str) -> None:
    function = getattr(al, name)
    x = al.tensor([True])
    with pytest.raises(al.DTypeError, match="takes numbers, got bool"):
        function(x) if name in ("negative", "abs", "sign") else function(x, x)


def test_bits_of_floats_are_refused() -> None:
    with pytest.raises(al.DTypeError, match="bit_and: takes booleans or integers, got float32"):
        al.tensor([1.0]) & al.tensor([1.0])


@pytest.mark.parametrize("value", ["a", None, object(), 1j])
def test_what_is_no_number_is_refused(value: Any) -> None:
    with pytest.raises(al.DTypeError, match="cannot make numbers of"):
        al.tensor([1.0]) + value


@pytest.mark.parametrize("dtype", FLOATS)
def test_hot_spots_really_are_in_the_strategy(dtype: Any) -> None:
    values = hot_values(dtype)
    assert np.isnan(values).any()
    assert np.isinf(values).sum() == 2
    assert ((values == 0) & np.signbit(values)).any()
    assert np.finfo(dtype).smallest_subnormal in values


def test_the_smallest_integer_stays_itself_when_negated() -> None:
    for dtype in SIGNED:
        lowest = np.iinfo(dtype).min
        assert al.negative(np.array([lowest], dtype)).tolist() == [lowest]
        assert al.abs(np.array([lowest], dtype)).tolist() == [lowest]


def test_documentation_tells_name_signature_and_example() -> None:
    import inspect

    assert al.exp.__name__ == "exp"
    assert str(inspect.signature(al.add)) == "(x: 'ArrayLike', y: 'ArrayLike', /) -> 'Tensor'"
    assert ">>> al.exp([0.0]).tolist()" in (al.exp.__doc__ or "")
