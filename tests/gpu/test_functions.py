"""A sample of public functions, and their gradients, against the reference."""

from collections.abc import Callable
from typing import Any

import allumette_core as al
import numpy as np
import pytest

SAMPLE: dict[str, Callable[[Any], Any]] = {
    "softmax": lambda x: al.softmax(x, axis=1),
    "log_softmax": lambda x: al.log_softmax(x, axis=0),
    "mean": lambda x: al.mean(x, axis=0),
    "var": lambda x: al.var(x, axis=1),
    "matmul": lambda x: x @ x.T,
    "max": lambda x: al.max(x, axis=1),
    "cumulative_sum": lambda x: al.cumulative_sum(x, axis=1),
    "take": lambda x: al.take(x, al.tensor([2, 0, 2], device=x.device), axis=0),
    "tanh": lambda x: al.tanh(x) * al.sigmoid(x),
    "sort": lambda x: al.sort(x, axis=1) ** 2,
    "concat": lambda x: al.concat([x, x * 2], axis=0),
    "slice": lambda x: x[1:, ::2] * x[:-1, 1::2],
    "prod": lambda x: al.prod(x, axis=1),
    "where": lambda x: al.where(x > 0, x, al.exp(x)),
    "erf": lambda x: al.erf(x) + al.log1p(al.abs(x)),
}


@pytest.mark.parametrize("name", SAMPLE)
def test_value_and_gradient(name: str) -> None:
    function = SAMPLE[name]
    x = np.random.default_rng(2).normal(size=(5, 6)).astype(np.float32)

    def scalar(t: Any) -> Any:
        y = function(t)
        return al.sum(y * y)

    found = {}
    for device in ("gpu", "numpy"):
        t = al.tensor(x, device=device)
        found[device] = (function(t).numpy(), al.grad(scalar)(t).numpy())
    for got, wanted in zip(found["gpu"], found["numpy"], strict=True):
        np.testing.assert_allclose(got, wanted, rtol=2e-5, atol=2e-5)


def test_convolution_and_pooling() -> None:
    rng = np.random.default_rng(4)
    image, kernel = rng.normal(size=(2, 3, 8, 8)), rng.normal(size=(4, 3, 3, 3))

    def loss(x: Any, w: Any) -> Any:
        return al.sum(al.max_pool(al.conv(x, w), 2) ** 2)

    found = {}
    for device in ("gpu", "numpy"):
        x, w = (al.tensor(a.astype(np.float32), device=device) for a in (image, kernel))
        found[device] = [g.numpy() for g in al.grad(loss, argnums=(0, 1))(x, w)]
    for got, wanted in zip(found["gpu"], found["numpy"], strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-4)


def test_random_numbers_are_those_of_the_reference() -> None:
    draws = [al.random.normal(al.random.key(3, device=d), (100,)).numpy() for d in ("gpu", "numpy")]
    np.testing.assert_allclose(*draws, rtol=1e-5, atol=1e-6)


def test_random_bits_are_those_of_the_reference() -> None:
    draws = [al.random.bits(al.random.key(3, device=d), (1000,)).numpy() for d in ("gpu", "numpy")]
    np.testing.assert_array_equal(*draws)


def test_nothing_of_a_step_runs_on_the_host() -> None:
    x = al.tensor(np.ones((4, 4), np.float32), device="gpu")
    with al.profile() as profile:
        al.evaluate(al.softmax(x @ x, axis=1))
    assert profile.total("native") > 0
    assert profile.total("fallback") == 0


def test_a_function_twice_in_a_kernel() -> None:
    """llvmpipe mistook the second of two that return early, one after the other."""
    x = np.array([[6.0, 5.9, 4.0, -6.0, 20.0, 0.5]], np.float32)
    twice = al.jit(lambda x: (al.erf(x), al.erf(x), (al.erf(x) + al.erf(x)) / 2))
    for got in twice(al.tensor(x, device="gpu")):
        np.testing.assert_allclose(got.numpy(), al.erf(al.tensor(x, device="numpy")), rtol=1e-6)
