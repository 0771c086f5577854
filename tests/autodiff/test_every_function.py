"""Every public function: derivatives against central differences, float32 against float64."""

import allumette_core as al
import numpy as np
import pytest
from public_functions import SMOOTH, WITHOUT


@pytest.fixture(autouse=True)
def on_numpy(monkeypatch):
    monkeypatch.setenv("ALLUMETTE_BACKEND", "numpy")


def tensors(name, dtype):
    return [al.tensor(np.asarray(v, dtype)) for v in SMOOTH[name][1:]]


def test_the_lists_are_complete():
    without = {name for names in WITHOUT.values() for name in names.split()}
    assert set(al.functions.__all__) == set(SMOOTH) | without
    assert not set(SMOOTH) & without


@pytest.mark.parametrize("name", SMOOTH)
def test_derivatives(name):
    al.check_grads(SMOOTH[name][0], tensors(name, "float64"), order=2)


def value_and_gradients(name, dtype):
    function, args = SMOOTH[name][0], tensors(name, dtype)

    def weighted(*args):
        out = function(*args)
        weights = np.cos(np.arange(out.size)).reshape(out.shape).astype(dtype)
        return al.sum(out * weights), out

    gradients, out = al.grad(weighted, argnums=tuple(range(len(args))), has_aux=True)(*args)
    return [np.asarray(v) for v in (out, *gradients)]


@pytest.mark.parametrize("name", SMOOTH)
def test_float32_against_float64(name):
    for got, exact in zip(
        value_and_gradients(name, "float32"), value_and_gradients(name, "float64"), strict=True
    ):
        assert got.dtype == np.float32
        scale = np.max(np.abs(exact), initial=1.0)
        np.testing.assert_allclose(got, exact, rtol=2e-5, atol=2e-6 * scale)


@pytest.mark.parametrize("name", SMOOTH)
def test_jitted_is_the_same(name):
    function, args = SMOOTH[name][0], tensors(name, "float32")
    np.testing.assert_array_equal(np.asarray(al.jit(function)(*args)), np.asarray(function(*args)))
