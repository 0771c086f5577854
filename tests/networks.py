"""A training step of a small network, for the tests of several areas."""

from typing import Any

import allumette_core as al
import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def some(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)


def network(rows: int, hidden: int = 50) -> tuple[Any, ...]:
    sizes = ((2, hidden), (hidden, hidden), (hidden, 1))
    weights = [some(*size, seed=i + 1) for i, size in enumerate(sizes)]
    biases = [np.full(size[1], 0.1, np.float32) for size in sizes]
    x = some(rows, 2)
    return weights, biases, x, (x[:, 0] < 0.5).astype(np.float32)


def forward(w: Any, b: Any, x: Any) -> Any:
    h = al.relu(x @ w[0] + b[0])
    h = al.relu(h @ w[1] + b[1])
    return al.sigmoid(h @ w[2] + b[2]).reshape(-1)


def loss(w: Any, b: Any, x: Any, y: Any) -> Any:
    o = forward(w, b, x)
    return -al.sum(y * al.log(o) + (1 - y) * al.log(1 - o)) / max(len(x), 1)


def step(w: Any, b: Any, x: Any, y: Any) -> Any:
    value, (dw, db) = al.value_and_grad(loss, (0, 1))(w, b, x, y)
    new = [[p - 0.1 * g for p, g in zip(*pair, strict=True)] for pair in ((w, dw), (b, db))]
    return new, value
