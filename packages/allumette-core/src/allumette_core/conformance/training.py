"""Training parity: the same few steps on the backend and on the reference give the same losses."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .. import functions as F
from ..autodiff.transforms import value_and_grad
from ..jit import jit
from ..tensor import Tensor
from . import scripts
from .check import Fault
from .level3 import REFERENCE
from .subject import Subject
from .values import Array, Generator

Parameters = list[Tensor]
_STEPS = 12


def _perceptron(parameters: Parameters, x: Tensor, y: Tensor) -> Tensor:
    """Two layers, relu, squared error; whole batch."""
    w, b, v, c = parameters
    made = F.matmul(F.relu(F.matmul(x, w) + b), v) + c
    return F.mean((made - y) * (made - y))


def _logistic(parameters: Parameters, x: Tensor, y: Tensor) -> Tensor:
    """One hidden layer, tanh, cross-entropy of a sigmoid."""
    w, b, v, c = parameters
    p = F.sigmoid(F.matmul(F.tanh(F.matmul(x, w) + b), v) + c)
    return -F.mean(y * F.log(p + 1e-6) + (1 - y) * F.log(1 - p + 1e-6))


def _softmax(parameters: Parameters, x: Tensor, y: Tensor) -> Tensor:
    """Reductions along the other axis: a log-softmax over hidden units, then a linear layer."""
    w, b, v, c = parameters
    hidden = F.matmul(x, w) + b
    top = F.max(hidden, axis=1, keepdims=True)
    scores = hidden - top - F.log(F.sum(F.exp(hidden - top), axis=1, keepdims=True))
    return F.mean(F.abs(F.matmul(scores, v) + c - y))


RECIPES: Mapping[str, tuple[Callable[[Parameters, Tensor, Tensor], Tensor], float]] = {
    "perceptron": (_perceptron, 0.02), "logistic": (_logistic, 0.2), "softmax": (_softmax, 0.002),
}  # fmt: skip
"""A loss, and how far a step goes down its slope."""


def parity(name: str, subject: Subject) -> None:
    """Fault unless every loss agrees to 1e-3 with that of the reference in float64; those fall."""
    data = _data(subject.rng("training", name))
    got = losses(name, data, subject.device, "float32")
    wanted = losses(name, data, REFERENCE, "float64")
    if not np.allclose(got, wanted, rtol=1e-3, atol=1e-5):
        raise Fault(f"the losses of {name} are {got}, those of the reference {wanted}")


def script(name: str, subject: Subject) -> str:
    """What shows that it fails."""
    data = _data(subject.rng("training", name))
    wanted = losses(name, data, REFERENCE, "float64")
    return scripts.training(*RECIPES[name], data, subject.device, wanted)


def _data(rng: Generator) -> list[Array]:
    x = rng.standard_normal((257, 2))
    y = (x[:, :1] * x[:, 1:] > 0).astype(float)
    shapes = ((2, 16), (16,), (16, 1), (1,))
    return [x, y, *(rng.standard_normal(s) * 0.5 for s in shapes)]


def losses(name: str, data: list[Array], device: str, dtype: str) -> list[float]:
    """The loss before each step of gradient descent, jitted, in minibatches that differ in size."""
    x, y, *parameters = (F.asarray(a.astype(dtype), device=device) for a in data)
    loss_of, rate = RECIPES[name]

    @jit
    def step(parameters: Parameters, x: Tensor, y: Tensor) -> Any:
        loss, gradients = value_and_grad(loss_of)(parameters, x, y)
        return loss, [p - rate * g for p, g in zip(parameters, gradients, strict=True)]

    found = []
    for turn in range(_STEPS):
        part = slice(0, 257) if turn % 3 else slice(100, 229)  # all, but for every third
        loss, parameters = step(parameters, x[part], y[part])
        found.append(float(loss))
    return found
