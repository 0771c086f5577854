"""Functions of float16, compiled: none asks for a library function that is not there."""

import allumette_core as al
import numpy as np
import pytest

UNARY = (
    "acos acosh asin asinh atan atanh cos cosh erf exp expm1 log log1p sigmoid sin sinh sqrt tan "
    "tanh"
).split()
VALUES = np.float16([0.0, -0.0, 0.5, -0.75, 1.0, 3.0, np.inf, np.nan])


@pytest.fixture(autouse=True)
def compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLUMETTE_CPU_COMPILE", "always")


@pytest.mark.parametrize("name", UNARY)
def test_unary(name: str) -> None:
    function = getattr(al, name)
    got = np.asarray(function(al.tensor(VALUES, device="seq")))
    wanted = np.asarray(function(al.tensor(VALUES, device="numpy")))
    np.testing.assert_allclose(got, wanted, rtol=2e-3)
    numbers = ~np.isnan(wanted)
    np.testing.assert_array_equal(np.signbit(got)[numbers], np.signbit(wanted)[numbers])


@pytest.mark.parametrize("sizes", [(8, 8), (3, 5), (5, 1), (1, 1)])
def test_atan2(sizes: tuple[int, int]) -> None:
    y, x = VALUES[: sizes[0], None], VALUES[None, : sizes[1]]
    function = al.jit(lambda y, x: al.atan2(y, x))
    got = function(al.tensor(y, device="seq"), al.tensor(x, device="seq"))
    np.testing.assert_allclose(np.asarray(got), np.arctan2(y, x), rtol=2e-3)


def test_a_wrong_number_of_buffers_is_refused() -> None:
    f = al.jit(lambda a, b: a + b)
    a = al.tensor(VALUES, device="seq")
    f(a, a)
    with pytest.raises(ValueError, match="2 inputs was given 1"):
        f.traces()[0].executable([a._node.buffer])
