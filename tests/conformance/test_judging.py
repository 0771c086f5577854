"""What counts as right: ULP, NaN, infinities, signs of zero, and the oracle's own values."""

import mpmath
import numpy as np
import pytest
from allumette_core.conformance import oracle, oracle_moves
from allumette_core.conformance.case import Case
from allumette_core.conformance.judge import Expected, judge
from allumette_core.primitives import PRIMITIVES
from hypothesis import given
from hypothesis import strategies as st

F32 = np.dtype("float32")


def expecting(values: list[float], tolerance: float = 0.5, **more: bool) -> Expected:
    return Expected(np.array(values, np.longdouble), F32, tolerance, **more)


@given(st.floats(width=32, allow_nan=False, allow_infinity=False), st.integers(1, 5))
def test_neighbours_are_one_ulp_apart(value: float, steps: int) -> None:
    moved = np.float32(value)
    for _ in range(steps):
        moved = np.nextafter(moved, np.float32(np.inf))
    if np.isfinite(moved):
        found = judge(np.array([moved]), expecting([value], tolerance=6)).ulp
        assert steps / 2 <= found <= 2 * steps


@pytest.mark.parametrize(
    ("got", "wanted", "right"),
    [
        (np.nan, np.nan, True), (0.0, np.nan, False), (np.nan, 0.0, False),
        (np.inf, np.inf, True), (-np.inf, np.inf, False), (3e38, np.inf, False),
        (np.inf, 1e39, True), (np.inf, 3e38, False), (1e-45, 0.0, False), (1.0, 1.0, True),
    ],
)  # fmt: skip
def test_special_values(got: float, wanted: float, right: bool) -> None:
    assert (judge(np.array([got], "float32"), expecting([wanted])).problem == "") is right


def test_signs_of_zero_count_where_it_is_said() -> None:
    minus = np.array([-0.0], "float32")
    assert judge(minus, expecting([0.0])).problem == ""
    assert "sign of zero" in judge(minus, expecting([0.0], signed_zero=True)).problem


def test_subnormals_may_be_flushed_where_they_are_not_declared() -> None:
    flushed = np.array([0.0], "float32")
    assert judge(flushed, expecting([1e-40])).problem
    assert judge(flushed, expecting([1e-40], subnormals=False)).problem == ""


def test_cancellation_is_measured_at_the_size_of_what_was_added() -> None:
    wanted = Expected(np.longdouble([0.0]), F32, 1.0, scale=np.longdouble([1e6]))
    assert judge(np.array([0.03], "float32"), wanted).problem == ""
    assert judge(np.array([0.3], "float32"), wanted).problem


@pytest.mark.parametrize("got", [np.zeros((2, 1), "float32"), np.zeros(2, "float64")])
def test_shape_and_dtype_count(got: np.ndarray) -> None:
    assert judge(got, expecting([0.0, 0.0])).problem


_POINTS = [-30.0, -1.5, -1e-4, 1e-8, 0.1, 0.5, 0.9, 1.25, 4.5, 20.0]


@pytest.mark.parametrize("name", ["exp", "expm1", "sin", "tanh", "erf", "atan", "asinh"])
def test_the_oracle_agrees_with_mpmath(name: str) -> None:
    x = np.array(_POINTS)
    got = oracle.expected(Case(PRIMITIVES[name], (x,))).value
    with mpmath.workdps(40):
        for point, value in zip(_POINTS, got, strict=True):
            exact = getattr(mpmath, name)(mpmath.mpf(point))
            unit = mpmath.mpf(float(np.spacing(np.abs(float(exact)))))
            told = mpmath.mpf(float(value)) + mpmath.mpf(float(value - np.longdouble(float(value))))
            assert abs(told - exact) < 0.01 * unit, point


def test_threefry_gives_the_published_words() -> None:
    """From the known-answer tests of Random123."""
    ones = 2**32 - 1
    assert oracle_moves.threefry((0, 0), 0) == (0x6B200159, 0x99BA4EFE)
    assert oracle_moves.threefry((ones, ones), 2**64 - 1) == (0x1CB996FC, 0xBB002BE7)
    key, counter = (0x13198A2E, 0x03707344), 0x243F6A8885A308D3
    assert oracle_moves.threefry(key, counter) == (0xC4923A9C, 0x483DF7A0)
