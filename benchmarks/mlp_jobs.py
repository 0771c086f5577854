"""The job of the table on each library: full-batch gradient descent of a 2-50-50-1 network.

relu, relu, sigmoid, mean binary cross-entropy, float32. Each function returns `step`, which runs
one iteration and returns its loss, and `read`, which waits for a loss and makes it a number.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from side_by_side import DEVICES, Job

HIDDEN, RATE = 50, 0.1
Step = tuple[Callable[[], Any], Callable[[Any], float]]
Arrays = list[Any]


def data(rows: int) -> tuple[Any, Any, Arrays, Arrays]:
    """Features (rows, 2), labels (rows,), and the layers' weights and biases."""
    rng = np.random.default_rng(0)
    x = rng.random((rows, 2), dtype=np.float32)
    y = (x[:, 0] < 0.5).astype(np.float32)
    shapes = [(2, HIDDEN), (HIDDEN, HIDDEN), (HIDDEN, 1)]
    w = [rng.random(shape, dtype=np.float32) - np.float32(0.5) for shape in shapes]
    b = [np.full(n, 0.1, np.float32) for n in (HIDDEN, HIDDEN, 1)]
    return x, y, w, b


def numpy_job(x: Any, y: Any, w: Arrays, b: Arrays) -> Step:
    def step() -> Any:
        a1 = x @ w[0] + b[0]
        h1 = np.maximum(a1, 0)
        a2 = h1 @ w[1] + b[1]
        h2 = np.maximum(a2, 0)
        o = 1 / (1 + np.exp(-((h2 @ w[2])[:, 0] + b[2])))
        loss = -np.mean(y * np.log(o) + (1 - y) * np.log(1 - o))
        d3 = ((o - y) / len(x))[:, None]
        d2 = (d3 @ w[2].T) * (a2 > 0)
        d1 = (d2 @ w[1].T) * (a1 > 0)
        for i, (h, d) in enumerate(((x, d1), (h1, d2), (h2, d3))):
            w[i] -= np.float32(RATE) * (h.T @ d)
            b[i] -= np.float32(RATE) * d.sum(0)
        return loss

    return step, float


def torch_job(x: Any, y: Any, w: Arrays, b: Arrays, compiled: bool = False) -> Step:
    import torch

    parameters = [torch.tensor(p, requires_grad=True) for p in w + b]
    x, y = torch.tensor(x), torch.tensor(y)

    def forward(x: Any, y: Any, w1: Any, w2: Any, w3: Any, b1: Any, b2: Any, b3: Any) -> Any:
        h = torch.relu(x @ w1 + b1)
        h = torch.relu(h @ w2 + b2)
        o = torch.sigmoid(h @ w3 + b3).view(-1)
        return torch.nn.functional.binary_cross_entropy(o, y)

    run = torch.compile(forward) if compiled else forward
    optimizer = torch.optim.SGD(parameters, lr=RATE)

    def step() -> Any:
        optimizer.zero_grad(set_to_none=True)
        loss = run(x, y, *parameters)
        loss.backward()
        optimizer.step()
        return loss

    return step, lambda loss: float(loss.item())


def jax_job(x: Any, y: Any, w: Arrays, b: Arrays) -> Step:
    import jax
    import jax.numpy as jnp

    def forward(parameters: Arrays, x: Any, y: Any) -> Any:
        w1, w2, w3, b1, b2, b3 = parameters
        h = jax.nn.relu(x @ w1 + b1)
        h = jax.nn.relu(h @ w2 + b2)
        o = jax.nn.sigmoid(h @ w3 + b3).reshape(-1)
        return -jnp.mean(y * jnp.log(o) + (1 - y) * jnp.log(1 - o))

    @jax.jit
    def update(parameters: Arrays, x: Any, y: Any) -> Any:
        loss, gradients = jax.value_and_grad(forward)(parameters, x, y)
        return [p - RATE * g for p, g in zip(parameters, gradients, strict=True)], loss

    state = [jnp.array(p) for p in w + b]
    x, y = jnp.array(x), jnp.array(y)

    def step() -> Any:
        nonlocal state
        state, loss = update(state, x, y)
        return loss

    return step, float


def allumette_job(x: Any, y: Any, w: Arrays, b: Arrays, device: str = "par") -> Step:
    import allumette_core as al

    def forward(parameters: Arrays, x: Any, y: Any) -> Any:
        w1, w2, w3, b1, b2, b3 = parameters
        h = al.relu(x @ w1 + b1)
        h = al.relu(h @ w2 + b2)
        o = al.sigmoid(h @ w3 + b3).reshape(-1)
        return -(y * al.log(o) + (1 - y) * al.log(1 - o)).mean()

    @al.jit
    def update(parameters: Arrays, x: Any, y: Any) -> Any:
        loss, gradients = al.value_and_grad(forward)(parameters, x, y)
        return [p - RATE * g for p, g in zip(parameters, gradients, strict=True)], loss

    state = [al.tensor(p, device=device) for p in w + b]
    x, y = al.tensor(x, device=device), al.tensor(y, device=device)

    def step() -> Any:
        nonlocal state
        state, loss = update(state, x, y)
        return loss

    return step, float


JOBS: dict[str, Callable[..., Step]] = {
    "numpy": numpy_job,
    "torch": torch_job,
    "torch-compile": partial(torch_job, compiled=True),
    "jax": jax_job,
    **{device: partial(allumette_job, device=device) for device in DEVICES},
}


def jobs(library: str, *sizes: str) -> Iterator[Job]:
    """An iteration on so many rows each, after four."""
    for rows in map(int, sizes):
        step, read = JOBS[library](*data(rows))
        losses = [read(step()) for _ in range(4)]

        def run(number: int, step: Any = step, read: Any = read) -> float:
            for _ in range(number):
                loss = step()
            return float(read(loss))

        yield Job(f"{rows:,}", run, losses[-1])


def measure(name: str, rows: int, iterations: int) -> dict[str, float]:
    """Seconds an iteration after four to warm up, and the last loss."""
    job = next(jobs(name, str(rows)))
    start = time.perf_counter()
    loss = job.run(iterations)
    return {"seconds": (time.perf_counter() - start) / iterations, "loss": loss}


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))
