"""Activations against exact formulas, softmax at the ends of the range, derivatives at joints."""

from collections.abc import Callable
from typing import Any

import allumette_core as al
import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import FLOATS, INTEGERS, Array, arrays, hot_values, with_axis

often = settings(max_examples=60)


def _gelu(x: Any) -> Any:
    return x * mpmath.ncdf(x)


def _gelu_tanh(x: Any) -> Any:
    inner = mpmath.sqrt(2 / mpmath.pi) * (x + mpmath.mpf("0.044715") * x**3)
    return x / 2 * (1 + mpmath.tanh(inner))


EXACT: dict[str, tuple[Callable[[Any], Any], Callable[[Any], al.Tensor]]] = {
    "sigmoid": (lambda x: 1 / (1 + mpmath.exp(-x)), al.sigmoid),
    "softplus": (lambda x: mpmath.log1p(mpmath.exp(x)), al.softplus),
    "log_sigmoid": (lambda x: -mpmath.log1p(mpmath.exp(-x)), al.log_sigmoid),
    "silu": (lambda x: x / (1 + mpmath.exp(-x)), al.silu),
    "elu": (lambda x: x if x > 0 else mpmath.expm1(x), al.elu),
    "elu of 2": (lambda x: x if x > 0 else 2 * mpmath.expm1(x), lambda x: al.elu(x, 2.0)),
    "leaky_relu": (lambda x: x if x > 0 else x / 4, lambda x: al.leaky_relu(x, 0.25)),
    "relu": (lambda x: max(x, 0), al.relu),
    "gelu": (_gelu, al.gelu),
    "gelu tanh": (_gelu_tanh, lambda x: al.gelu(x, approximate="tanh")),
}
ABSOLUTE = {"gelu", "gelu tanh"}  # what is 0 up to rounding below -5 is so relative to x


def points(dtype: Any) -> Array:
    values = np.concatenate([hot_values(dtype), np.linspace(-30, 30, 61).astype(dtype)])
    return values[np.isfinite(values)]


@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize("dtype", FLOATS)
def test_values(name: str, dtype: Any) -> None:
    exact, function = EXACT[name]
    x = points(dtype)
    if "gelu" in name:
        x = x[np.abs(x) < 1e3]  # the cube of the others overflows
    with mpmath.workdps(60):
        wanted = [float(exact(mpmath.mpf(float(v)))) for v in x]
    got = function(x).numpy()
    assert got.dtype == dtype
    eps, tiny = float(np.finfo(dtype).eps), float(np.finfo(dtype).smallest_subnormal)
    for value, result, expected in zip(x.tolist(), got.tolist(), wanted, strict=True):
        scale = abs(value) if name in ABSOLUTE else abs(expected)
        assert abs(result - expected) <= 8 * eps * scale + (2 + abs(value)) * tiny, value


@pytest.mark.parametrize("name", EXACT)
def test_nan_stays_and_nothing_else_becomes_nan_on_the_right(name: str) -> None:
    function = EXACT[name][1]
    out = function(np.array([np.nan, np.inf], np.float32))
    assert np.isnan(out[0].item())
    assert out[1].item() in (np.inf, 1.0, 0.0)


@pytest.mark.parametrize("name", EXACT)
def test_integers_are_floats_except_to_relu(name: str) -> None:
    for dtype in INTEGERS:
        out = EXACT[name][1](np.array([0, 2], dtype))
        assert out.dtype == (dtype if name == "relu" else np.float32)


JOINTS = {
    "relu": (al.relu, [0.0, 0.0]),
    "leaky_relu": (lambda x: al.leaky_relu(x, 0.25), [0.25, 0.0]),
    "elu": (al.elu, [1.0, 1.0]),
    "softplus": (al.softplus, [0.5, 0.25]),
    "log_sigmoid": (al.log_sigmoid, [0.5, -0.25]),
    "sigmoid": (al.sigmoid, [0.25, 0.0]),
    "silu": (al.silu, [0.5, 0.5]),
    "gelu": (al.gelu, [0.5, 2 / np.sqrt(2 * np.pi)]),
}


@pytest.mark.parametrize("name", JOINTS)
@pytest.mark.parametrize("zero", [0.0, -0.0])
def test_derivatives_at_0(name: str, zero: float) -> None:
    function, (first, second) = JOINTS[name]
    at = al.tensor(zero, dtype="float64")
    slope = al.grad(function)
    assert slope(at).item() == pytest.approx(first)
    assert al.grad(slope)(at).item() == pytest.approx(second)


@pytest.mark.parametrize("name", EXACT)
def test_derivatives(name: str) -> None:
    x = al.tensor([-20.0, -1.5, -0.3, 0.4, 2.5, 20.0], dtype="float64")
    al.check_grads(EXACT[name][1], [x])


@pytest.mark.parametrize("name", ["sigmoid", "softplus", "log_sigmoid", "elu", "relu", "silu"])
def test_derivatives_of_huge_numbers_are_finite(name: str) -> None:
    x = al.tensor([-1e30, 1e30, -500.0, 500.0])
    got = al.grad(lambda x: EXACT[name][1](x).sum())(x).numpy()
    assert np.isfinite(got).all()
    assert (np.abs(got) <= 1).all()


def test_gelu_knows_two_forms() -> None:
    with pytest.raises(al.ArgumentError, match="approximate"):
        al.gelu([0.0], approximate="sigmoid")


# ---- softmax -------------------------------------------------------------------------------------


def _log_softmax(x: Array, axis: Any) -> Array:
    with np.errstate(all="ignore"):
        shifted = x - x.max(axis=axis, keepdims=True)
        return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True)))


@given(drawn=with_axis(FLOATS))
@often
def test_softmax(drawn: tuple[Array, int]) -> None:
    x, axis = drawn
    if x.shape[axis] == 0:
        assert al.softmax(x, axis=axis).shape == x.shape
        return
    wanted = _log_softmax(x.astype(np.longdouble), axis)
    eps = float(np.finfo(x.dtype).eps)
    with np.errstate(all="ignore"):
        largest = np.abs(np.where(np.isfinite(x), x, 0)).max(initial=1)
        np.testing.assert_allclose(
            al.softmax(x, axis=axis).numpy(), np.exp(wanted).astype(x.dtype), rtol=0, atol=8 * eps
        )
        got, exact = al.log_softmax(x, axis=axis).numpy(), wanted.astype(x.dtype)
        same = (got == exact) | (np.isnan(got) & np.isnan(exact))
        overflow = ~np.isfinite(got) & (np.abs(exact) >= np.finfo(x.dtype).max / 2)
        near = np.abs(got - exact) <= 16 * eps * np.maximum(np.abs(exact), min(largest, 1e3))
    assert (same | overflow | near).all()


@pytest.mark.parametrize("function", [al.softmax, al.log_softmax])
@pytest.mark.parametrize("hot", [np.nan, np.inf])
def test_nan_and_infinity_give_nan_along_their_row_only(function: Any, hot: float) -> None:
    out = function(np.array([[hot, 1.0], [1.0, 1.0]])).numpy()
    assert np.isnan(out[0]).all()
    assert np.isfinite(out[1]).all()


def test_masked_and_huge_logits() -> None:
    x = al.tensor([[-np.inf, 0.0, 0.0], [3e38, -3e38, 3e38]])
    assert al.softmax(x).tolist() == [[0, 0.5, 0.5], [0.5, 0, 0.5]]
    assert al.log_softmax(x)[0, 0].item() == -np.inf
    assert np.isnan(al.softmax([-np.inf, -np.inf]).numpy()).all()
    grad = al.grad(lambda x: (al.softmax(x) * al.tensor([1.0, 2.0, 3.0])).sum())(x).numpy()
    assert np.isfinite(grad).all()
    assert grad[0, 0] == 0


@given(data=st.data(), x=arrays(["float64"], st.sampled_from([(2, 3, 2), (1, 4, 1), (5, 1, 2)])))
@settings(max_examples=15)
def test_softmax_over_several_axes(data: st.DataObject, x: Array) -> None:
    x = np.clip(np.nan_to_num(x), -50, 50)
    axes = data.draw(st.sampled_from([(0, 1), (1, 2), (0, 2), None, (0, 1, 2)]))
    got = al.softmax(x, axis=axes)
    assert got.shape == x.shape
    np.testing.assert_allclose(got.numpy().sum(axis=axes), 1)
    logs = al.log_softmax(x, axis=axes).numpy()
    np.testing.assert_allclose(logs, _log_softmax(x, axes), rtol=1e-12, atol=1e-12)


def test_derivatives_of_softmax() -> None:
    ties = al.tensor([[1.0, 1.0, 1.0], [0.0, 5.0, 5.0]], dtype="float64")
    weights = al.tensor([1.0, -2.0, 3.0], dtype="float64")
    al.check_grads(lambda x: al.softmax(x) * weights, [ties])
    al.check_grads(lambda x: al.log_softmax(x, axis=0), [ties])
