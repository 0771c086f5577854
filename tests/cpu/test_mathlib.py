"""Transcendental functions of compiled kernels: ULPs, special values, vectorisation."""

import itertools
import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from allumette_cpu.plan import Call
from allumette_cpu.render import plan
from allumette_cpu.runtime import machine
from numpy.typing import NDArray

from .rendering import make, native, program_of

mp = pytest.importorskip("mpmath")
Array = NDArray[Any]

# The largest error measured, in units in the last place, over what `arguments` draws.
ULPS = {
    # float32, float64
    "exp": (1.0, 1.0), "expm1": (1.5, 2.0), "logistic": (2.5, 2.5), "tanh": (3.0, 3.0),
    "sinh": (2.5, 2.5), "cosh": (1.5, 1.5), "log": (1.0, 1.0), "log1p": (1.5, 1.5),
    "asinh": (0.51, 2.0), "acosh": (0.51, 3.0), "atanh": (0.51, 2.0), "sin": (0.51, 1.0),
    "cos": (0.51, 1.0), "tan": (0.51, 2.0), "asin": (0.51, 2.5), "acos": (0.51, 1.5),
    "atan": (0.51, 1.5), "erf": (1.0, 1.0), "pow": (0.51, 1.5), "atan2": (0.51, 2.0),
}  # fmt: skip
EXACT: dict[str, Callable[..., Any]] = {
    "logistic": lambda x: 1 / (1 + mp.exp(-x)),
    "pow": mp.power,
}
BINARY = ("pow", "atan2")


def compiled(name: str, dtype: str) -> Callable[..., Array]:
    """The function on arrays, as the CPU's renderer writes it."""

    def run(*arrays: Array) -> Array:
        arrays = tuple(x.astype(dtype) for x in arrays)
        return native(program_of(getattr(make, name), arrays), arrays)[0]

    return run


def arguments(dtype: str, seed: int) -> Array:
    """Numbers of every size, many of them where functions bend."""
    rng, word = np.random.default_rng(seed), np.dtype(dtype.replace("float", "uint"))
    bits = rng.integers(0, np.iinfo(word).max, 100, dtype=word, endpoint=True).view(dtype)
    parts = [
        *(bits, rng.normal(size=100), rng.normal(size=100) * 30, rng.uniform(-1.2, 1.2, 100)),
        *(rng.uniform(0, 3, 50), 10.0 ** rng.uniform(-12, 3, 50), rng.uniform(-745, 710, 50)),
        [0.5, 1, 2**-0.5, 2**0.5, math.pi / 4, math.pi / 2, math.pi, 1e22, 88.7, -87.5, 0.9999999],
    ]
    out = np.concatenate([np.asarray(part, dtype) for part in parts])
    return out[np.isfinite(out)]


def exact(name: str, *values: float) -> Any:
    reach = 1400 if name in ("sin", "cos", "tan") else 200
    with mp.workprec(reach):
        try:
            value = EXACT.get(name, getattr(mp, name, None))(*map(mp.mpf, values))
        except ZeroDivisionError:
            return mp.nan
        return mp.nan if isinstance(value, mp.mpc) else value


def ulps(got: float, wanted: Any, dtype: str) -> float:
    """How far `got` is from `wanted`, in units of the last place of `wanted`."""
    info = np.finfo(dtype)
    with mp.workprec(200):
        size = abs(wanted)
        largest = mp.mpf(float(info.max)) + mp.mpf(2) ** (info.maxexp - info.nmant - 2)
        if mp.isnan(wanted):
            return 0.0 if math.isnan(got) else math.inf
        if size >= largest:
            return 0.0 if math.isinf(got) else math.inf
        if not math.isfinite(got):
            return math.inf
        exponent = max(int(mp.floor(mp.log(size, 2))) if size else info.minexp, info.minexp)
        return float(abs(mp.mpf(float(got)) - wanted) / mp.mpf(2) ** (exponent - info.nmant))


# About where one entry takes over from another, and the number of float32 that is closest to a
# multiple of pi / 2.
@pytest.mark.parametrize("x", [2.0**54, 2.0**85, 2.0**116, 16367173 * 2.0**72, 1.5 * 2.0**127])
def test_large_single_angles_are_reduced_exactly(x: float) -> None:
    middle = np.float32(x)
    beside = [np.nextafter(middle, np.float32(to)) for to in (0, np.inf)]
    values = np.array([middle, *beside, -middle], np.float32)
    for name in ("sin", "cos", "tan"):
        for value, got in zip(values, compiled(name, "float32")(values), strict=True):
            error = ulps(got, exact(name, float(value)), "float32")
            assert error <= ULPS[name][0], (name, value, got)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", [n for n in ULPS if n not in BINARY])
def test_error_of_functions_of_one_number(name: str, dtype: str) -> None:
    x = arguments(dtype, 1)
    got = compiled(name, dtype)(x)
    errors = [ulps(g, exact(name, float(v)), dtype) for g, v in zip(got, x, strict=True)]
    worst = int(np.argmax(errors))
    bound = ULPS[name][dtype == "float64"]
    assert bound <= 4
    assert errors[worst] <= bound, f"{name}({x[worst]!r}) = {got[worst]!r}: {errors[worst]} ULP"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", BINARY)
def test_error_of_functions_of_two_numbers(name: str, dtype: str) -> None:
    x, y = arguments(dtype, 2), np.random.default_rng(3).permutation(arguments(dtype, 4))
    count = min(len(x), len(y))
    x, y = x[:count], y[:count]
    if name == "pow":
        near = np.random.default_rng(5).uniform(0.5, 2, count).astype(dtype)
        x = np.where(np.arange(count) % 2, np.abs(x), near)
    got = compiled(name, dtype)(x, y)
    errors = [
        ulps(g, exact(name, float(a), float(b)), dtype) for g, a, b in zip(got, x, y, strict=True)
    ]
    worst = int(np.argmax(errors))
    assert errors[worst] <= ULPS[name][dtype == "float64"], (x[worst], y[worst], got[worst])


# 5.3e307 is the number of float64 closest to a multiple of pi / 2.
@pytest.mark.parametrize("x", [6381956970095103.0 * 2.0**797, 1e22, 2.0**1023, 355.0, 3e15])
def test_large_angles_are_reduced_exactly(x: float) -> None:
    for name in ("sin", "cos", "tan"):
        (got,) = compiled(name, "float64")(np.array([x]))
        assert ulps(got, exact(name, x), "float64") <= ULPS[name][1], (name, got)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", [n for n in ULPS if n not in BINARY])
def test_special_values_are_those_of_c(name: str, dtype: str) -> None:
    tiny, large = np.finfo(dtype).smallest_subnormal, np.finfo(dtype).max
    x = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1, -1, tiny, -tiny, large, -large], dtype)
    library = {
        "logistic": lambda v: 1 / (1 + np.exp(-v)),
        "erf": np.vectorize(math.erf, otypes=[np.float64]),
        **{f"a{n}": getattr(np, f"arc{n}") for n in ("sin", "cos", "tan", "sinh", "cosh", "tanh")},
    }
    with np.errstate(all="ignore"):
        wanted = (library.get(name) or getattr(np, name))(x.astype(np.float64))
        if name in ("sin", "cos", "tan"):
            x, wanted = x[:9], wanted[:9]
        wanted = wanted.astype(dtype)
    got = compiled(name, dtype)(x)
    np.testing.assert_array_equal(np.isnan(got), np.isnan(wanted))
    numbers = ~np.isnan(wanted)
    np.testing.assert_array_equal(np.signbit(got[numbers]), np.signbit(wanted[numbers]))
    np.testing.assert_allclose(got, wanted, rtol=1e-6, atol=0)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", BINARY)
def test_special_pairs_are_those_of_c(name: str, dtype: str) -> None:
    values = [0.0, -0.0, 1.0, -1.0, 2.0, -2.0, 3.0, -3.0, 0.7, -0.7, math.inf, -math.inf, math.nan]

    def c(x: float, y: float) -> float:
        with np.errstate(all="ignore"):
            return float((np.power if name == "pow" else np.arctan2)(x, y))

    pairs = list(itertools.product(values, repeat=2))
    got = compiled(name, dtype)(*np.array(pairs).T)
    for (x, y), value in zip(pairs, got, strict=True):
        wanted = c(x, y)
        assert value == pytest.approx(wanted, rel=1e-6, nan_ok=True), (name, x, y)
        assert math.isnan(wanted) or np.signbit(value) == np.signbit(wanted), (name, x, y)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", list(ULPS))
def test_loops_are_vectorised(name: str, dtype: str) -> None:
    points = [np.ones(1000, dtype)] * (2 if name in BINARY else 1)
    (call,) = plan(program_of(getattr(make, name), points)).calls
    assert isinstance(call, Call)
    assert call.source is not None
    text = str(machine.optimised(call.source))
    assert re.search(r"store <\d+ x (float|double)>", text), f"{name} runs one number at a time"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_angles_of_the_smallest_points(dtype: str) -> None:
    """Products of subnormal numbers with what is below 1/2 are 0."""
    tiny = np.finfo(dtype).smallest_subnormal
    sides = np.array([0.0, -0.0, *(tiny * k for k in (1, -1, 2, 3, 10, 1e5)), 1.0], dtype)
    y, x = (a.ravel() for a in np.meshgrid(sides, sides))
    got = compiled("atan2", dtype)(y, x)
    wanted = np.arctan2(y, x)
    np.testing.assert_array_max_ulp(got, wanted, 3)
    np.testing.assert_array_equal(np.signbit(got), np.signbit(wanted))
