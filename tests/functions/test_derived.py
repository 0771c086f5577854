"""Functions that compose: choice, logic, float classes, casts."""

import math
from typing import Any

import allumette_core as al
import numpy as np
import pytest
from hypothesis import given, settings
from strategies import ALL, FLOATS, NUMBERS, Array, arrays, assert_same, broadcastable

quickly = settings(max_examples=25)


def _expected_cast(x: Array, dtype: Any) -> Array:
    """Element by element, with Python's numbers."""
    target = np.dtype(dtype)
    if target.kind not in "iu" or x.dtype.kind != "f":
        with np.errstate(all="ignore"):
            return x.astype(target)
    ends = np.iinfo(target)

    def convert(value: float) -> int:
        if math.isnan(value):
            return 0
        if math.isinf(value):
            return ends.max if value > 0 else ends.min
        return min(max(int(value), ends.min), ends.max)

    values = [convert(value) for value in x.astype(np.float64).reshape(-1).tolist()]
    return np.array(values, target).reshape(x.shape)


@pytest.mark.parametrize("dtype", ALL)
@given(x=arrays(ALL))
@quickly
def test_casts(dtype: Any, x: Array) -> None:
    assert_same(al.astype(x, dtype), _expected_cast(x, dtype))


def test_a_cast_is_a_new_tensor_even_to_the_same_dtype() -> None:
    x = al.tensor([1.0, 2.0])
    y = x.astype(al.float32)
    y += 1
    assert x.tolist() == [1.0, 2.0]
    assert y.tolist() == [2.0, 3.0]


def test_unknown_dtypes_are_refused() -> None:
    with pytest.raises(al.DTypeError, match="complex64 is not supported; supported are bool, int8"):
        al.astype([1.0], "complex64")


@given(triple=broadcastable(ALL, count=3, same_dtype=False))
@quickly
def test_where_takes_any_condition(triple: tuple[Array, Array, Array]) -> None:
    condition, x, y = triple
    with np.errstate(all="ignore"):
        y = y.astype(x.dtype)
    assert_same(al.where(condition, x, y), np.where(condition, x, y))


def test_where_promotes_its_choices() -> None:
    got = al.where([True, False], np.array([1, 2], np.int8), np.array([3, 4], np.uint8))
    assert_same(got, np.array([1, 4], np.int16))
    assert al.where([True], 1, 2.5).dtype == np.float32


def test_where_names_shapes_that_do_not_broadcast() -> None:
    with pytest.raises(al.ShapeError, match=r"where: shapes \(3,\) and \(2,\) do not broadcast"):
        al.where([True, False, True], [1, 2], 0)


@given(triple=broadcastable(NUMBERS, count=3))
@quickly
def test_clip(triple: tuple[Array, Array, Array]) -> None:
    x, low, high = triple
    expected = np.minimum(np.maximum(x, low), high)
    assert_same(al.clip(x, low, high), expected, signed_zeros=False)
    assert_same(al.clip(x, min=low), np.maximum(x, low), signed_zeros=False)
    assert_same(al.clip(x, max=high), np.minimum(x, high), signed_zeros=False)
    assert_same(al.clip(x), x)


@pytest.mark.parametrize("name", ["isnan", "isinf", "isfinite"])
@given(x=arrays(ALL))
@quickly
def test_kinds_of_floats(name: str, x: Array) -> None:
    assert_same(getattr(al, name)(x), getattr(np, name)(x))


@given(x=arrays(ALL))
@quickly
def test_sign_bits(x: Array) -> None:
    assert_same(al.signbit(x), np.signbit(x) if x.dtype.kind == "f" else x.astype(object) < 0)


@pytest.mark.parametrize("name", ["logical_and", "logical_or", "logical_xor"])
@given(pair=broadcastable(ALL, same_dtype=False))
@quickly
def test_logic(name: str, pair: tuple[Array, Array]) -> None:
    assert_same(getattr(al, name)(*pair), getattr(np, name)(*pair))


@given(x=arrays(ALL))
@quickly
def test_logical_not(x: Array) -> None:
    assert_same(al.logical_not(x), np.logical_not(x))


@given(pair=broadcastable(FLOATS))
@quickly
def test_isclose(pair: tuple[Array, Array]) -> None:
    x, y = (a.astype(np.float64) for a in pair)
    with np.errstate(all="ignore"):
        assert_same(al.isclose(x, y), np.isclose(x, y))
        assert_same(al.isclose(x, y, equal_nan=True), np.isclose(x, y, equal_nan=True))
        assert_same(al.isclose(x, y, rtol=0.5), np.isclose(x, y, rtol=0.5))


@pytest.mark.parametrize("dtype", FLOATS)
def test_hypot_and_logaddexp_where_naive_formulas_fail(dtype: Any) -> None:
    big = np.finfo(dtype).max
    assert al.hypot(np.array([big], dtype), 0.0).tolist() == [float(big)]
    assert al.hypot(np.array([np.inf], dtype), math.nan).tolist() == [math.inf]
    tiny = np.finfo(dtype).tiny
    assert al.hypot(np.array([3 * tiny], dtype), float(4 * tiny)).tolist() == [float(5 * tiny)]
    low = np.array([-np.inf], dtype)
    assert al.logaddexp(low, low).tolist() == [-math.inf]
    assert al.logaddexp(-low, low).tolist() == [math.inf]
    assert al.logaddexp(np.array([big], dtype), float(big)).tolist() == [float(big)]
    small = np.asarray(al.logaddexp(np.array([0.0], dtype), -8.0)).item()
    assert small == pytest.approx(math.log1p(math.exp(-8)), rel=2 * float(np.finfo(dtype).eps))


@pytest.mark.parametrize("name", ["hypot", "logaddexp", "copysign", "atan2"])
def test_integers_in_pairs_become_float32(name: str) -> None:
    assert getattr(al, name)([1, 2], [3, 4]).dtype == np.float32


def test_stop_gradient_keeps_the_value() -> None:
    x = al.tensor([1.0, 2.0], requires_grad=True)
    assert not al.stop_gradient(x).requires_grad
    assert al.stop_gradient(x).tolist() == [1.0, 2.0]


def test_in_place_operators_keep_other_handles() -> None:
    x = al.tensor([1.0, 2.0])
    for other in (+x, al.positive(x), x.reshape(2), al.trunc(x), al.squeeze(x), al.clip(x)):
        other += 1
        assert x.tolist() == [1.0, 2.0]
        assert other.tolist() == [2.0, 3.0]
