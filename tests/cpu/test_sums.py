"""Sums of float32 numbers are within 1e-6 of the exact ones, however many there are."""

from collections.abc import Callable

import allumette_core as al
import numpy as np
import pytest

from .rendering import Array, native, traced

MANY = 10**7


def uniform(*shape: int) -> Array:
    return np.random.default_rng(0).random(shape, dtype=np.float32)


def tenths(*shape: int) -> Array:
    """Rounding errors of equal numbers all have one sign."""
    return np.full(shape, 0.1, np.float32)


def check(x: Array, axis: int | tuple[int, ...] | None) -> None:
    """Fail unless the sum is exact to 1e-6, and the same on two threads."""
    program, arrays = traced(lambda t: al.sum(t, axis=axis), x)
    (got,), (again,) = native(program, arrays), native(program, arrays, 2)
    exact = np.sum(x, axis=axis, dtype=np.longdouble)
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, again)
    error = np.abs(got.astype(np.longdouble) - exact) / exact
    assert np.max(error) <= 1e-6, float(np.max(error))


@pytest.mark.parametrize("make", [uniform, tenths])
@pytest.mark.parametrize(
    "shape", [(MANY,), (MANY // 10, 10), (10, MANY // 10), (3163, 3163), (100, 1000, 100)]
)
def test_everything(make: Callable[..., Array], shape: tuple[int, ...]) -> None:
    check(make(*shape), None)


@pytest.mark.parametrize("make", [uniform, tenths])
@pytest.mark.parametrize(
    ("shape", "axis"),
    [
        ((MANY // 10, 10), 0), ((MANY // 10, 3), 0), ((10, MANY // 10), 1), ((3163, 3163), 0),
        ((3163, 3163), 1), ((50, 2000, 100), 1), ((2, 5000, 1000), 1), ((20000, 5, 100), (0, 2)),
        ((500, 20, 1000), (0, 2)), ((3, 100, 5, 100, 7), (1, 3)), ((20, 100, 5, 100, 7), (0, 1, 3)),
        ((500, 70_000, 2), 0),
    ],
)  # fmt: skip
def test_along_axes(
    make: Callable[..., Array], shape: tuple[int, ...], axis: int | tuple[int, ...]
) -> None:
    check(make(*shape), axis)


@pytest.mark.parametrize("axes", [(0, 1), (1, 0)])
def test_of_transposed_arrays_and_means(axes: tuple[int, int]) -> None:
    x = tenths(3000, 3001)
    program, arrays = traced(lambda t: al.mean(al.permute_dims(t, axes), axis=0) * 2, x)
    (got,) = native(program, arrays)
    np.testing.assert_allclose(got, np.float32(0.2), rtol=1e-6)


def test_beside_what_is_stored_and_other_folds() -> None:
    """Several turns of a loop are made one: every element is still stored."""
    x = uniform(1003, 77)

    def step(t: al.Tensor) -> list[al.Tensor]:
        doubled = t * 2
        return [doubled, al.sum(doubled, axis=0), al.max(doubled, axis=0), al.sum(doubled, axis=1)]

    program, arrays = traced(step, x)
    got = native(program, arrays)
    doubled = x * np.float32(2)
    np.testing.assert_array_equal(got[0], doubled)
    np.testing.assert_allclose(got[1], doubled.sum(0, dtype=np.float64), rtol=1e-6)
    np.testing.assert_array_equal(got[2], doubled.max(0))
    np.testing.assert_allclose(got[3], doubled.sum(1, dtype=np.float64), rtol=1e-6)


@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("axis", [0, 1, None])
def test_what_is_not_finite_comes_through(special: float, axis: int | None) -> None:
    x = tenths(700, 900)
    x[345, 678] = special
    program, arrays = traced(lambda t: al.sum(t, axis=axis), x)
    (got,) = native(program, arrays)
    np.testing.assert_array_equal(np.isfinite(got), np.isfinite(x.sum(axis)))
    wrong = got[~np.isfinite(got)]
    np.testing.assert_array_equal(wrong, np.full(wrong.shape, special, np.float32))


@pytest.mark.parametrize("special", [(np.nan, 1), (np.inf, 2), (-np.inf, 2), (np.inf, 0)])
@pytest.mark.parametrize("axis", [0, 1, None])
@pytest.mark.parametrize("kept", [True, False])
def test_sums_of_products(special: tuple[float, float], axis: int | None, kept: bool) -> None:
    """Products are rounded, or infinite, before they are added up: with fused operations a sum
    would be a number where a product overflows."""
    random = np.random.default_rng(0)
    x, y = (random.standard_normal((300, 170)).astype(np.float32) for _ in range(2))
    x[123, 45], y[123, 45] = special

    def step(x: al.Tensor, y: al.Tensor) -> list[al.Tensor]:
        product = x * y
        return [al.sum(product, axis=axis), *([product] if kept else [])]

    program, arrays = traced(step, x, y)
    got, *products = native(program, arrays)
    with np.errstate(invalid="ignore"):
        rounded = x * y
        exact = np.sum(rounded.astype(np.float64), axis=axis)
    np.testing.assert_allclose(got, exact, rtol=1e-6, atol=1e-4)
    for product in products:
        np.testing.assert_array_equal(product, rounded)


def test_a_product_that_overflows_makes_its_sum_infinite() -> None:
    """What would be 0 in all lanes, -3e38 + 4e38 - 1e38, if products were not rounded."""
    x = np.repeat(np.array([-3e38, 2e19, -1e38], np.float32), 64)
    y = np.repeat(np.array([1, 2e19, 1], np.float32), 64)
    program, arrays = traced(lambda x, y: al.sum(x * y), x, y)
    (got,) = native(program, arrays)
    assert not np.isfinite(got)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("shape", [(1,), (3,), (4, 1), (1, 5), (70,), (3, 40), (2, 2, 300)])
def test_sums_of_negative_zeros_are_those_of_numpy(shape: tuple[int, ...], dtype: str) -> None:
    x = np.full(shape, -0.0, dtype)
    axes = [None, *range(len(shape))]
    program, arrays = traced(lambda t: [al.sum(t, axis=axis) for axis in axes], x)
    for axis, got in zip(axes, native(program, arrays), strict=True):
        np.testing.assert_array_equal(np.signbit(got), np.signbit(np.sum(x, axis=axis)))
    program, arrays = traced(
        lambda t: [al.cumulative_sum(t, axis=axis) for axis in range(len(shape))], x
    )
    for axis, got in enumerate(native(program, arrays)):
        np.testing.assert_array_equal(np.signbit(got), np.signbit(np.cumsum(x, axis=axis)))
