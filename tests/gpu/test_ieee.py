"""What drivers assume of numbers does not show: infinities and NaN are as IEEE 754 has them."""

from collections.abc import Callable
from typing import Any

import allumette_core as al
import numpy as np
import pytest

X = np.array([0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 3e38, 1e-30], np.float32)
CASES: dict[str, Callable[[Any], Any]] = {
    "x / 0": lambda x: x / 0,
    "0 / x": lambda x: 0 / x,
    "x / x": lambda x: x / x,
    "x / inf": lambda x: x / np.inf,
    "x - x": lambda x: x - x,
    "x + -x": lambda x: x + (-x),
    "0 - x": lambda x: 0.0 - x,
    "x + 0": lambda x: x + 0.0,
    "0 * x": lambda x: 0.0 * x,
    "inf * x": lambda x: np.inf * x,
    "nan * x": lambda x: np.nan * x,
    "inf - x": lambda x: np.inf - x,
    "(x * x) - (x * x)": lambda x: x * x - x * x,
    "(x + 1) - (x + 1)": lambda x: (x + 1) - (x + 1),
    "(x + x) - x": lambda x: (x + x) - x,
    "x - (x + x)": lambda x: x - (x + x),
    "(x + 1) < x": lambda x: (x + 1) < x,
    "2 * x - 3 * x": lambda x: 2 * x - 3 * x,
    "c * x - c * x": lambda x: 3e38 * x + -3e38 * x,
    "x * 1e30 * 1e-30": lambda x: x * 1e30 * 1e-30,
    "(x * x) / (x * x)": lambda x: (x * x) / (x * x),
    "x * (1 / x)": lambda x: x * (1 / x),
    "1 / (1 / x)": lambda x: 1 / (1 / x),
    "abs(x) / x": lambda x: al.abs(x) / x,
    "sqrt(x) * sqrt(x)": lambda x: al.sqrt(x) * al.sqrt(x),
    "exp(log(x))": lambda x: al.exp(al.log(x)),
    "x != x": lambda x: x != x,
    "x == x": lambda x: x == x,
    "x < x": lambda x: (x < x) | (x > x),
    "maximum": lambda x: al.maximum(x, 0.5),
    "minimum": lambda x: al.minimum(0.5, x),
    "clip": lambda x: al.clip(x, -0.5, 0.5),
    "sign": lambda x: al.sign(x),
    "where": lambda x: al.where(x > 0, x, 1 / x),
    "largest": lambda x: al.max(x[:6]) + al.max(x),
    "sum - sum": lambda x: al.sum(x * x) - al.sum(x * x),
    "x - mean": lambda x: x - al.mean(x),
    "softmax": lambda x: al.softmax(x / 0),
}


@pytest.mark.parametrize("jitted", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_special_numbers(name: str, jitted: bool) -> None:
    function = al.jit(CASES[name]) if jitted else CASES[name]
    with np.errstate(all="ignore"):
        got, wanted = (np.asarray(function(al.tensor(X, device=d))) for d in ("gpu", "numpy"))
    np.testing.assert_allclose(got, wanted, rtol=1e-5)
    known = ~np.isnan(wanted)
    np.testing.assert_array_equal(np.signbit(got)[known], np.signbit(wanted)[known])


def test_a_product_of_matrices_that_overflows_minus_itself() -> None:
    w = al.tensor(np.full((3, 3), 1e30, np.float32), device="gpu")
    assert np.isnan(al.jit(lambda w: al.sum(w @ w - w @ w))(w).item())


NUMBERS = np.array([0, 1, -1, 7, -7, 2**31 - 1, -(2**31)], np.int64)
INTEGERS: dict[str, Callable[[Any, Any], Any]] = {
    "floor_divide": lambda x, y: x // y,
    "remainder": lambda x, y: x % y,
    "left shift": lambda x, y: x << abs(y),
    "right shift": lambda x, y: x >> abs(y),
    "float": lambda x, y: x.astype(al.float32) * 1.5,
}


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64"])
@pytest.mark.parametrize("name", INTEGERS)
def test_integers_are_as_numpy_has_them(device: Any, name: str, dtype: str) -> None:
    """Divided by zero and by -1, shifted out, and cast to wider ones with their sign."""
    if dtype not in device.dtypes:
        pytest.skip(f"this adapter has no {dtype}")
    x, y = (a.astype(dtype).reshape(-1) for a in np.meshgrid(NUMBERS, NUMBERS))
    with np.errstate(all="ignore"):
        got, wanted = (
            np.asarray(INTEGERS[name](al.tensor(x, device=d), al.tensor(y, device=d)))
            for d in ("gpu", "numpy")
        )
    np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize("wide", ["int64", "uint64"])
def test_a_sign_is_extended_when_it_is_cast(device: Any, wide: str) -> None:
    if wide not in device.dtypes:
        pytest.skip(f"this adapter has no {wide}")
    x = NUMBERS.astype(np.int32)
    np.testing.assert_array_equal(al.tensor(x, device="gpu").astype(wide), x.astype(wide))
