"""Reductions and scans: values, dtypes, axes, no elements, and how rounding errors grow."""

import math
from typing import Any

import allumette_core as al
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
    Array,
    arrays,
    assert_same,
    with_axes,
    with_axis,
)

WIDE = np.longdouble
quickly = settings(max_examples=35)
few = settings(max_examples=20)
Axes = int | tuple[int, ...] | None


def _summed_dtype(dtype: Any) -> Any:
    if dtype.kind == "f" or dtype.itemsize >= 4:
        return dtype
    return np.dtype("uint32" if dtype.kind == "u" else "int32")


def _close(got: Any, exact: Array, scale: Any, dtype: Any, factor: float = 8) -> None:
    """Equal dtype, shape, NaN and infinities; and the error is small beside `scale`."""
    actual = np.asarray(got)
    assert actual.dtype == dtype
    assert actual.shape == np.shape(exact)
    with np.errstate(all="ignore"):
        expected = np.asarray(exact).astype(dtype)
        bound = factor * float(np.finfo(dtype).eps) * np.asarray(scale) + np.finfo(dtype).tiny
        near = np.abs(actual - np.asarray(exact)) <= bound
        same = (actual == expected) | (np.isnan(actual) & np.isnan(expected))
        # What overflows on the way depends on the order, which is nobody's promise.
        overflow = ~np.isfinite(actual) & (np.asarray(scale) * 2 > np.finfo(dtype).max)
    assert np.all(near | same | overflow), (actual, expected)


@given(case=with_axes([BOOL, *INTEGERS]), keepdims=st.booleans())
@quickly
def test_sums_and_products_of_integers(case: tuple[Array, Axes], keepdims: bool) -> None:
    x, axis = case
    dtype = _summed_dtype(x.dtype)
    for name, function in (("sum", np.sum), ("prod", np.prod)):
        expected = np.asarray(function(x, axis=axis, dtype=dtype, keepdims=keepdims))
        assert_same(getattr(al, name)(x, axis=axis, keepdims=keepdims), expected)


@given(case=with_axes(FLOATS), keepdims=st.booleans())
@quickly
def test_sums_of_floats(case: tuple[Array, Axes], keepdims: bool) -> None:
    x, axis = case
    with np.errstate(all="ignore"):
        exact = np.sum(x.astype(WIDE), axis=axis, keepdims=keepdims)
        scale = np.sum(np.abs(x.astype(WIDE)), axis=axis, keepdims=keepdims)
    _close(al.sum(x, axis=axis, keepdims=keepdims), exact, scale, x.dtype)


@given(case=with_axes(FLOATS), keepdims=st.booleans())
@quickly
def test_products_of_floats(case: tuple[Array, Axes], keepdims: bool) -> None:
    x, axis = case
    with np.errstate(all="ignore"):
        x = np.where(np.isfinite(x), np.clip(x, -3, 3), x).astype(x.dtype)
        exact = np.prod(x.astype(WIDE), axis=axis, keepdims=keepdims)
    _close(al.prod(x, axis=axis, keepdims=keepdims), exact, np.abs(exact), x.dtype, 200)


@given(case=with_axes(ALL), dtype=st.sampled_from(NUMBERS))
@few
def test_sums_in_another_dtype(case: tuple[Array, Axes], dtype: Any) -> None:
    x, axis = case
    got = al.sum(x, axis=axis, dtype=dtype)
    assert_same(got, np.asarray(al.sum(al.astype(x, dtype), axis=axis).astype(dtype)))


@pytest.mark.parametrize("dtype", FLOATS)
def test_many_floats_are_summed_accurately(dtype: Any) -> None:
    x = np.full((50_000, 3), 0.1, dtype)
    exact = x.astype(WIDE).sum(0)
    for axis, value in ((0, x), (1, np.ascontiguousarray(x.T))):
        got = al.sum(value, axis=axis).numpy().astype(WIDE)
        assert np.abs(got / exact - 1).max() < max(1e-6, float(np.finfo(dtype).eps))


def test_float16_is_summed_in_float32_before_it_is_rounded() -> None:
    x = np.full(4096, 30, np.float16)
    assert al.mean(x).item() == 30.0
    assert al.var(x).item() == 0.0
    assert al.sum(x).item() == math.inf
    ones = np.ones(4096, np.float16)
    assert al.sum(ones).item() == 4096.0
    assert al.cumulative_sum(ones)[-1].item() == 4096.0


@given(case=with_axes([BOOL, *NUMBERS]), keepdims=st.booleans())
@quickly
def test_means(case: tuple[Array, Axes], keepdims: bool) -> None:
    x, axis = case
    dtype = x.dtype if x.dtype.kind == "f" else np.dtype("float32")
    wide = x.astype(dtype).astype(WIDE)
    with np.errstate(all="ignore"):
        exact = np.sum(wide, axis=axis, keepdims=keepdims)
        count = x.size // max(exact.size, 1) if exact.size else 1
        scale = np.sum(np.abs(wide), axis=axis, keepdims=keepdims)
        exact = exact / count
    _close(al.mean(x, axis=axis, keepdims=keepdims), exact, scale, dtype)


@given(case=with_axes(FLOATS), keepdims=st.booleans(), correction=st.sampled_from([0, 1, 0.5]))
@quickly
def test_variances(case: tuple[Array, Axes], keepdims: bool, correction: float) -> None:
    x, axis = case
    x = np.clip(x, -100, 100)
    wide = x.astype(WIDE)
    count = np.sum(np.ones_like(wide), axis=axis, keepdims=True)
    with np.errstate(all="ignore"):
        distance = wide - np.sum(wide, axis=axis, keepdims=True) / count
        number = np.sum(np.ones_like(wide), axis=axis, keepdims=keepdims)
        squares = np.sum(distance**2, axis=axis, keepdims=keepdims)
        exact = squares / np.maximum(number - correction, 0)
    scale = 10_000.0 * 2 * max(x.size, 1)
    _close(al.var(x, axis, correction, keepdims), exact, scale, x.dtype)
    _close(al.std(x, axis, correction, keepdims), np.sqrt(exact), scale, x.dtype)


@pytest.mark.parametrize("dtype", FLOATS)
def test_variances_of_what_lies_far_from_zero(dtype: Any) -> None:
    x = np.array([1000, 1001, 1002, 1003], dtype)
    assert al.var(x).item() == 1.25
    assert al.std(x, correction=1).item() == pytest.approx(math.sqrt(5 / 3), rel=1e-3)


@given(case=with_axes(ALL), keepdims=st.booleans())
@quickly
def test_extremes(case: tuple[Array, Axes], keepdims: bool) -> None:
    x, axis = case
    axes = range(x.ndim) if axis is None else (axis,) if isinstance(axis, int) else axis
    for name, function in (("max", np.max), ("min", np.min)):
        mine = getattr(al, name)
        if any(x.shape[a] == 0 for a in axes):
            with pytest.raises(al.ShapeError, match=f"{name}: axis . of shape .* has no elements"):
                mine(x, axis=axis, keepdims=keepdims)
            continue
        expected = np.asarray(function(x, axis=axis, keepdims=keepdims))
        assert_same(mine(x, axis=axis, keepdims=keepdims), expected, signed_zeros=False)


@given(case=with_axes(ALL), keepdims=st.booleans())
@quickly
def test_tests_and_counts(case: tuple[Array, Axes], keepdims: bool) -> None:
    x, axis = case
    for name in ("any", "all"):
        expected = np.asarray(getattr(np, name)(x, axis=axis, keepdims=keepdims))
        assert_same(getattr(al, name)(x, axis=axis, keepdims=keepdims), expected)
    count = np.asarray(np.count_nonzero(x, axis=axis, keepdims=keepdims)).astype(np.int32)
    assert_same(al.count_nonzero(x, axis=axis, keepdims=keepdims), count)


@given(case=with_axis(ALL), keepdims=st.booleans(), flat=st.booleans())
@quickly
def test_places_of_extremes(case: tuple[Array, int], keepdims: bool, flat: bool) -> None:
    x, axis = case
    chosen = None if flat else axis
    for name in ("argmax", "argmin"):
        mine = getattr(al, name)
        if (x.size if flat else x.shape[axis]) == 0:
            with pytest.raises(al.ShapeError, match=f"{name}: axis .* has no elements"):
                mine(x, chosen, keepdims)
            continue
        expected = np.asarray(getattr(np, name)(x, axis=chosen, keepdims=keepdims))
        assert_same(mine(x, chosen, keepdims), expected.astype(np.int32))


def test_the_first_of_equals_and_the_first_nan_win() -> None:
    assert al.argmax([1.0, 3.0, 3.0]).item() == 1
    assert al.argmin([0.0, -0.0, 1.0]).item() == 0
    assert al.argmax([1.0, math.nan, math.inf, math.nan]).item() == 1
    assert al.argmax(al.tensor(5.0)).item() == 0


# ---- sums of functions ---------------------------------------------------------------------------


@given(case=with_axes(FLOATS), keepdims=st.booleans())
@quickly
def test_logsumexp(case: tuple[Array, Axes], keepdims: bool) -> None:
    x, axis = case
    axes = tuple(range(x.ndim)) if axis is None else axis
    with np.errstate(all="ignore"):
        exact = np.logaddexp.reduce(x.astype(WIDE), axis=axes, keepdims=keepdims)
        scale = 1 + np.max(np.abs(np.where(np.isfinite(x), x, 0)), initial=0)
    _close(al.logsumexp(x, axis, keepdims), exact, scale, x.dtype, 16)


@pytest.mark.parametrize("dtype", FLOATS)
def test_logsumexp_of_rows_without_finite_values(dtype: Any) -> None:
    inf = math.inf
    rows = np.array([[-inf, -inf], [inf, 0], [inf, -inf], [math.nan, 0], [0, -inf]], dtype)
    got = al.logsumexp(rows, axis=1).tolist()
    assert got[:3] == [-inf, inf, inf]
    assert math.isnan(got[3])
    assert got[4] == 0.0
    assert al.logsumexp(np.zeros((2, 0), dtype), axis=1).tolist() == [-inf, -inf]


@pytest.mark.parametrize("order", [0, 0.5, 1, 2, 3, math.inf, -math.inf, -1])
@given(case=with_axes(FLOATS))
@settings(max_examples=15)
def test_norms(order: float, case: tuple[Array, Axes]) -> None:
    x, axis = case
    x = np.clip(np.where(x == 0, 0.5 * (order < 0), x), -50, 50).astype(x.dtype)
    x = np.where(np.abs(x) < 1e-3, 0.25, x).astype(x.dtype)
    axes = tuple(range(x.ndim)) if axis is None else (axis,) if isinstance(axis, int) else axis
    if math.isinf(order) and any(x.shape[a] == 0 for a in axes):
        return
    with np.errstate(all="ignore"):
        size = np.abs(x.astype(WIDE))
        exact = {
            0: lambda: (size != 0).sum(axes).astype(WIDE),
            math.inf: lambda: size.max(axes),
            -math.inf: lambda: size.min(axes),
        }.get(order, lambda: (size**order).sum(axes) ** (WIDE(1) / order))()
    _close(al.vector_norm(x, axis=axis, ord=order), exact, np.abs(exact), x.dtype, 64)


def test_a_norm_of_no_order_is_refused() -> None:
    with pytest.raises(al.ArgumentError, match="vector_norm: ord must be a number, got nan"):
        al.vector_norm([1.0], ord=math.nan)


def test_slopes_are_zero_where_a_root_is_taken_of_nothing() -> None:
    equal = al.tensor([2.0, 2.0])
    assert al.grad(al.std)(equal).tolist() == [0.0, 0.0]
    assert al.grad(al.vector_norm)(al.zeros(3)).tolist() == [0.0, 0.0, 0.0]
    assert al.grad(lambda x: al.hypot(x, 0.0))(al.tensor(0.0)).item() == 0.0
    empty = al.full(2, -math.inf)
    assert al.grad(al.logsumexp)(empty).tolist() == [0.0, 0.0]


# ---- scans ---------------------------------------------------------------------------------------


@given(case=with_axis([BOOL, *INTEGERS]), initial=st.booleans(), flat=st.booleans())
@quickly
def test_scans_of_integers(case: tuple[Array, int], initial: bool, flat: bool) -> None:
    x, axis = case
    dtype = _summed_dtype(x.dtype)
    chosen, base = (None, x.reshape(-1)) if flat else (axis, x)
    place = 0 if flat else axis
    for name, ufunc, start in (("cumulative_sum", np.add, 0), ("cumulative_prod", np.multiply, 1)):
        expected = ufunc.accumulate(base.astype(dtype), axis=place, dtype=dtype)
        if initial:
            first = np.full_like(np.take(base, [], axis=place), start, dtype=dtype)
            shape = list(first.shape)
            shape[place] = 1
            expected = np.concatenate([np.full(shape, start, dtype), expected], place)
        assert_same(getattr(al, name)(x, axis=chosen, include_initial=initial), expected)


@given(case=with_axis(FLOATS))
@quickly
def test_scans_of_floats(case: tuple[Array, int]) -> None:
    x, axis = case
    with np.errstate(all="ignore"):
        wide = x.astype(WIDE)
        scale = np.cumsum(np.abs(wide), axis=axis)
        _close(al.cumulative_sum(x, axis=axis), np.cumsum(wide, axis=axis), scale, x.dtype)
        x = np.clip(x, -3, 3)
        exact = np.cumprod(x.astype(WIDE), axis=axis)
    _close(al.cumulative_prod(x, axis=axis), exact, np.abs(exact), x.dtype, 64)


@given(case=with_axis(ALL))
@quickly
def test_running_extremes(case: tuple[Array, int]) -> None:
    x, axis = case
    assert_same(al.cummax(x, axis), np.maximum.accumulate(x, axis=axis), signed_zeros=False)
    assert_same(al.cummin(x, axis), np.minimum.accumulate(x, axis=axis), signed_zeros=False)


@given(x=arrays(ALL))
@few
def test_scans_flatten_without_an_axis(x: Array) -> None:
    assert_same(al.cummax(x), np.maximum.accumulate(x.reshape(-1)), signed_zeros=False)


# ---- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["sum", "prod", "mean", "var", "max", "any", "argmax", "logsumexp"]
)
def test_axes_that_do_not_exist(name: str) -> None:
    with pytest.raises(al.IndexingError, match=f"{name}: axis 2 is out of range for rank 2"):
        getattr(al, name)(al.zeros((2, 3)), axis=2)


def test_an_axis_named_twice() -> None:
    with pytest.raises(al.ShapeError, match=r"sum: axis named twice in \(0, -2\)"):
        al.sum(al.zeros((2, 3)), axis=(0, -2))


@pytest.mark.parametrize("name", ["cumulative_sum", "cumulative_prod", "cummax", "cummin"])
def test_scans_along_axes_that_do_not_exist(name: str) -> None:
    with pytest.raises(al.IndexingError, match=f"{name}: axis -3 is out of range for rank 2"):
        getattr(al, name)(al.zeros((2, 3)), axis=-3)
