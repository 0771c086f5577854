"""Single operations on each library: what `operations_table.py` runs.

A library is torch, torch-compile, jax, or a device of ours. Inputs are the same float32 arrays.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from side_by_side import Job

Namespace = Any  # al, torch or jax.numpy: they share most names
Operation = tuple[str, list[Any], Callable[..., Any]]
SIZES = (1000, 10**6, 10**7)
CONVOLUTIONS = ((128, 28, 1, 6, 5), (128, 12, 6, 16, 5), (32, 32, 16, 32, 3), (8, 56, 64, 64, 3))


def chain(xp: Namespace, x: Any, y: Any, length: int) -> Any:
    """So many elementwise operations."""
    steps = (
        *(lambda v: v * y, lambda v: v + y, lambda v: xp.exp(-v), lambda v: v + 1.0),
        *(lambda v: y / v, lambda v: xp.tanh(v), lambda v: v * v, lambda v: v - y),
    )
    for step in steps[:length]:
        x = step(x)
    return x


def softmax(xp: Namespace, x: Any) -> Any:
    """Along the last axis."""
    e = xp.exp(x - along(xp, "max", x, 1)[:, None])
    return e / along(xp, "sum", e, 1)[:, None]


def layer_norm(xp: Namespace, x: Any) -> Any:
    """Along the last axis."""
    centred = x - along(xp, "mean", x, 1)[:, None]
    return centred / xp.sqrt(along(xp, "mean", centred * centred, 1)[:, None] + 1e-5)


def along(xp: Namespace, name: str, x: Any, axis: int) -> Any:
    """A reduction, under the name it has everywhere."""
    if xp.__name__ == "torch" and name == "max":
        name = "amax"
    return getattr(xp, name)(x, axis)


def cumsum(xp: Namespace, x: Any) -> Any:
    """The running sum of a vector."""
    return xp.cumulative_sum(x, axis=0) if hasattr(xp, "cumulative_sum") else xp.cumsum(x, 0)


def sort(xp: Namespace, x: Any) -> Any:
    """The values alone."""
    return xp.sort(x)[0] if xp.__name__ == "torch" else xp.sort(x)


def scatter_add(xp: Namespace, x: Any, index: Any, values: Any) -> Any:
    """x with values[i] added at index[i]."""
    if xp.__name__ == "torch":
        return x.index_add(0, index, values)
    return x.at[index].add(values) if hasattr(x, "at") else xp.index_add(x, index, values)


def conv(xp: Namespace, x: Any, w: Any) -> Any:
    """A convolution over two axes, unpadded; channels before them."""
    if xp.__name__ == "torch":
        return xp.nn.functional.conv2d(x, w)
    if xp.__name__ == "jax.numpy":
        from jax import lax

        return lax.conv(x, w, (1, 1), "VALID")
    return xp.conv(x, w)


def operations(xp: Namespace) -> Iterator[Operation]:
    """(name, arguments, function)"""
    rng = np.random.default_rng(0)

    def floats(*shape: int) -> Any:
        return rng.random(shape, dtype=np.float32)

    for n in SIZES:
        for length in (1, 3, 8):
            yield (
                f"chain of {length}, {n}",
                [floats(n), floats(n)],
                (lambda x, y, k=length: chain(xp, x, y, k)),
            )
        yield f"cumsum, {n}", [floats(n)], lambda x: cumsum(xp, x)
        yield f"sort, {n}", [floats(n)], lambda x: sort(xp, x)
        index = rng.integers(0, n, n).astype(np.int32)
        yield f"gather, {n}", [floats(n), index], lambda x, i: x[i]
        yield (
            f"scatter-add, {n}",
            [floats(n), index, floats(n)],
            (lambda x, i, v: scatter_add(xp, x, i, v)),
        )
        side = round(n**0.5)
        for axis in (0, 1):
            for name in ("sum", "max"):
                yield (
                    f"{name} over axis {axis}, {side} x {side}",
                    [floats(side, side)],
                    (lambda x, f=name, a=axis: along(xp, f, x, a)),
                )
    for n in (64, 128, 256, 512, 1024, 2048):
        yield f"matmul, {n}", [floats(n, n), floats(n, n)], lambda x, y: x @ y
    for batch, size, channels, filters, window in CONVOLUTIONS:
        yield (
            f"conv, {batch} x {channels} x {size}^2 by {filters} of {window}^2",
            [floats(batch, channels, size, size), floats(filters, channels, window, window)],
            (lambda x, w: conv(xp, x, w)),
        )
    for n in (64, 256, 1024, 4096):
        rows = 2**22 // n
        yield f"softmax, {rows} x {n}", [floats(rows, n)], lambda x: softmax(xp, x)
        yield f"layer norm, {rows} x {n}", [floats(rows, n)], lambda x: layer_norm(xp, x)


def library(name: str) -> tuple[Namespace, Callable[..., Any], Callable[[Any], Any], Any]:
    """The namespace, its jit, how to give it an array, and how to wait for a result."""
    if name.startswith("torch"):
        import torch

        compile_ = torch.compile if name == "torch-compile" else lambda f: f
        return torch, compile_, torch.tensor, lambda out: None
    if name == "jax":
        import jax
        import jax.numpy as jnp

        return jnp, jax.jit, jnp.asarray, lambda out: out.block_until_ready()
    import allumette_core as al

    return al, al.jit, lambda x: al.tensor(x, device=name), lambda out: None


def jobs(name: str, wanted: str = "") -> Iterator[Job]:
    """A call of every operation whose name contains `wanted`."""
    xp, jit, give, wait = library(name)
    for title, arrays, function in operations(xp):
        if wanted in title:
            call = partial(jit(function), *(give(x) for x in arrays))

            def run(number: int, call: Callable[[], Any] = call) -> float:
                for _ in range(number):
                    wait(call())
                return 0.0

            run(2)
            yield Job(title, run)
