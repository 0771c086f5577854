"""Optimizers against the published algorithms written out in float64."""

import math
from typing import Any

import allumette_core as al
import numpy as np
import pytest
from allumette_train import SGD, Adam, AdamW, Optimizer

RNG = np.random.default_rng(0)
START = {"w": RNG.normal(size=(3, 2)), "b": RNG.normal(size=2)}
GRADIENTS = [
    {"w": RNG.normal(size=(3, 2)), "b": RNG.normal(size=2) * 10.0**k} for k in range(-4, 4)
]


def tensors(tree: Any) -> Any:
    return al.tree.map(lambda a: al.asarray(a, dtype=al.float64, device="numpy"), tree)


def run(optimizer: Optimizer) -> Any:
    parameters = tensors(START)
    state = optimizer.init(parameters)
    for gradients in GRADIENTS:
        parameters, state = optimizer.update(tensors(gradients), state, parameters)
    return parameters


def check(found: Any, expected: dict[str, Any], rel: float = 1e-12) -> None:
    for name, values in expected.items():
        assert np.asarray(found[name]) == pytest.approx(values, rel=rel)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_sgd(momentum: float) -> None:
    expected = {name: value.copy() for name, value in START.items()}
    velocity = {name: np.zeros_like(value) for name, value in START.items()}
    for gradients in GRADIENTS:
        for name in expected:
            velocity[name] = momentum * velocity[name] + gradients[name]
            expected[name] -= 0.05 * velocity[name]
    check(run(SGD(0.05, momentum)), expected)


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_adam(decay: float) -> None:
    rate, b1, b2, eps = 0.02, 0.8, 0.99, 1e-8
    expected = {name: value.copy() for name, value in START.items()}
    m = {name: np.zeros_like(value) for name, value in START.items()}
    v = {name: np.zeros_like(value) for name, value in START.items()}
    for t, gradients in enumerate(GRADIENTS, 1):
        for name, g in gradients.items():
            m[name] = b1 * m[name] + (1 - b1) * g
            v[name] = b2 * v[name] + (1 - b2) * g**2
            expected[name] *= 1 - rate * decay
            mean, square = m[name] / (1 - b1**t), v[name] / (1 - b2**t)
            expected[name] -= rate * mean / (np.sqrt(square) + eps)
    # The powers of the betas are float32 on purpose: one state for every dtype.
    check(run(Adam(rate, b1, b2, eps, decay)), expected, rel=1e-5)


def test_adamw_decays_by_default() -> None:
    assert AdamW().weight_decay == 0.01
    assert Adam().weight_decay == 0
    zero = al.tree.map(al.zeros_like, tensors(START))
    optimizer = AdamW(0.5)
    moved, _ = optimizer.update(zero, optimizer.init(tensors(START)), tensors(START))
    check(moved, {name: value * (1 - 0.5 * 0.01) for name, value in START.items()})


@pytest.mark.parametrize(
    ("optimizer", "slower"),
    [(SGD(0.1), SGD(0.025)), (SGD(0.1, 0.9), SGD(0.025, 0.9)), (AdamW(0.1), AdamW(0.025))],
)
def test_factor_multiplies_the_learning_rate(optimizer: Optimizer, slower: Optimizer) -> None:
    parameters, gradients = tensors(START), tensors(GRADIENTS[0])
    moved, _ = optimizer.update(gradients, optimizer.init(parameters), parameters, 0.25)
    expected, _ = slower.update(gradients, slower.init(parameters), parameters)
    check(moved, {name: np.asarray(value) for name, value in expected.items()})


@pytest.mark.parametrize("optimizer", [SGD(0.1), SGD(0.1, 0.9), Adam(0.1), AdamW(0.1)])
def test_minimises_a_quadratic_inside_jit(optimizer: Optimizer) -> None:
    def loss(p: Any) -> al.Tensor:
        return ((p["x"] - 3.0) ** 2).sum()

    def step(p: Any, state: Any) -> Any:
        return optimizer.update(al.grad(loss)(p), state, p)

    jitted = al.jit(step, donate_argnums=(0, 1))
    p = {"x": al.tensor([10.0, -5.0], device="numpy")}
    state = optimizer.init(p)
    for _ in range(400):
        p, state = jitted(p, state)
    assert p["x"].dtype == al.float32
    assert np.asarray(p["x"]) == pytest.approx([3.0, 3.0], abs=0.1)


def test_update_changes_nothing_that_it_is_given() -> None:
    parameters, optimizer = tensors(START), Adam(0.1)
    state = optimizer.init(parameters)
    optimizer.update(tensors(GRADIENTS[0]), state, parameters)
    check(parameters, START)
    assert not np.asarray(state.mean["w"]).any()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SGD(0), r"SGD: learning_rate=0 must be above 0"),
        (lambda: SGD(math.nan), r"SGD: learning_rate=nan"),
        (lambda: Adam(math.inf), r"Adam: learning_rate=inf"),
        (lambda: SGD(0.1, 1.0), r"SGD: momentum=1.0 must be at least 0 and below 1"),
        (lambda: Adam(beta1=-0.1), r"Adam: beta1=-0.1"),
        (lambda: Adam(beta2=1), r"Adam: beta2=1"),
        (lambda: AdamW(epsilon=0), r"AdamW: epsilon=0 must be above 0"),
        (lambda: AdamW(weight_decay=-1), r"weight_decay=-1 at least 0"),
    ],
)
def test_arguments_out_of_range(make: Any, message: str) -> None:
    with pytest.raises(al.ArgumentError, match=message):
        make()
