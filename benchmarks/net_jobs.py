"""Training steps of two networks on each library: what `nets_table.py` runs.

LeNet-5 (relu, max pooling) on a batch of 128 images of 28 x 28, with Adam; and a decoder of
characters, 4 layers of width 128 and 4 heads, on 32 windows of 64 characters, with AdamW. All is
float32; data and first weights are the same everywhere. Each network is a function of a namespace
of a dozen operations, which is all that differs between libraries; optimizers are PyTorch's own
there, and otherwise written out.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from side_by_side import DEVICES, Job

LAYERS, WIDTH, HEADS, WINDOW, WINDOWS, CHARACTERS = 4, 128, 4, 64, 32, 65
RATE, BETA1, BETA2, EPSILON = 1e-3, 0.9, 0.999, 1e-8
Arrays = list[Any]


class Network(NamedTuple):
    """A loss of (operations, parameters, x, y), arrays to start from, and how weights decay."""

    loss: Callable[..., Any]
    parameters: Arrays
    x: Any
    y: Any
    decay: float


def lenet() -> Network:
    rng = np.random.default_rng(0)
    shapes: list[tuple[int, ...]] = [(6, 1, 5, 5), (6, 1, 1), (16, 6, 5, 5), (16, 1, 1)]
    for before, after in ((256, 120), (120, 84), (84, 10)):
        shapes += [(before, after), (after,)]
    parameters = [(rng.standard_normal(s) * 0.1).astype(np.float32) for s in shapes]
    x = rng.random((128, 1, 28, 28), dtype=np.float32)
    return Network(lenet_loss, parameters, x, rng.integers(0, 10, 128).astype(np.int32), 0.0)


def lenet_loss(ops: Any, p: Arrays, x: Any, y: Any) -> Any:
    h = ops.pool(ops.relu(ops.conv(x, p[0]) + p[1]))
    h = ops.pool(ops.relu(ops.conv(h, p[2]) + p[3])).reshape(128, 256)
    h = ops.relu(h @ p[4] + p[5])
    h = ops.relu(h @ p[6] + p[7])
    return ops.cross_entropy(h @ p[8] + p[9], y)


def transformer() -> Network:
    rng = np.random.default_rng(0)

    def normal(*shape: int) -> Any:
        return (rng.standard_normal(shape) * 0.02).astype(np.float32)

    def norm() -> Arrays:
        return [np.ones(WIDTH, np.float32), np.zeros(WIDTH, np.float32)]

    parameters = [normal(CHARACTERS, WIDTH), normal(WINDOW, WIDTH)]
    for _ in range(LAYERS):
        parameters += [*norm(), normal(WIDTH, 3 * WIDTH), normal(WIDTH, WIDTH)]
        parameters += [*norm(), normal(WIDTH, 4 * WIDTH), normal(4 * WIDTH, WIDTH)]
    parameters += [*norm(), normal(WIDTH, CHARACTERS)]
    text = rng.integers(0, CHARACTERS, (WINDOWS, WINDOW + 1)).astype(np.int32)
    return Network(transformer_loss, parameters, text[:, :-1].copy(), text[:, 1:].copy(), 0.01)


def transformer_loss(ops: Any, p: Arrays, x: Any, y: Any) -> Any:
    h = ops.take(p[0], x) + p[1]
    for i in range(2, 2 + 8 * LAYERS, 8):
        h = h + attention(ops, ops.layer_norm(h, p[i], p[i + 1]), p[i + 2]) @ p[i + 3]
        h = h + ops.gelu(ops.layer_norm(h, p[i + 4], p[i + 5]) @ p[i + 6]) @ p[i + 7]
    logits = ops.layer_norm(h, p[-3], p[-2]) @ p[-1]
    return ops.cross_entropy(logits.reshape(-1, CHARACTERS), y.reshape(-1))


def attention(ops: Any, h: Any, weights: Any) -> Any:
    split = (h @ weights).reshape(WINDOWS, WINDOW, 3, HEADS, WIDTH // HEADS)
    q, k, v = (ops.permute(split[:, :, i], (0, 2, 1, 3)) for i in range(3))
    return ops.permute(ops.attention(q, k, v), (0, 2, 1, 3)).reshape(WINDOWS, WINDOW, WIDTH)


NETWORKS = {"lenet": lenet, "transformer": transformer}


# ---- libraries: a function that runs one step and returns its loss -------------------------------


def torch_step(network: Network, compiled: bool = False) -> Callable[[], Any]:
    import torch
    import torch.nn.functional as F

    class Operations:
        conv, relu, gelu, permute = F.conv2d, torch.relu, F.gelu, torch.permute
        cross_entropy = F.cross_entropy
        pool = partial(F.max_pool2d, kernel_size=2)
        attention = partial(F.scaled_dot_product_attention, is_causal=True)

        @staticmethod
        def take(table: Any, index: Any) -> Any:
            return F.embedding(index, table)

        @staticmethod
        def layer_norm(x: Any, weight: Any, bias: Any) -> Any:
            return F.layer_norm(x, (WIDTH,), weight, bias)

    parameters = [torch.tensor(p, requires_grad=True) for p in network.parameters]
    x, y = torch.tensor(network.x), torch.tensor(network.y.astype(np.int64))
    loss_of = partial(network.loss, Operations)
    run = torch.compile(loss_of) if compiled else loss_of
    settings = {"lr": RATE, "betas": (BETA1, BETA2), "eps": EPSILON}
    optimizer: Any = torch.optim.Adam(parameters, **settings)
    if network.decay:
        optimizer = torch.optim.AdamW(parameters, weight_decay=network.decay, **settings)

    def step() -> Any:
        optimizer.zero_grad(set_to_none=True)
        loss = run(parameters, x, y)
        loss.backward()
        optimizer.step()
        return loss

    return step


def update(xp: Any, gradient: Any, network: Network) -> Callable[..., Any]:
    """One step of Adam with decay, in the namespace of a library."""

    def adam(p: Arrays, m: Arrays, v: Arrays, count: Any, x: Any, y: Any) -> Any:
        loss, g = gradient(p, x, y)
        count = count + 1
        m = [BETA1 * a + (1 - BETA1) * b for a, b in zip(m, g, strict=True)]
        v = [BETA2 * a + (1 - BETA2) * b * b for a, b in zip(v, g, strict=True)]
        rate, scale = RATE / (1 - BETA1**count), 1 / (1 - BETA2**count)
        kept = 1 - RATE * network.decay
        moved = [
            a * kept - rate * b / (xp.sqrt(c * scale) + EPSILON)
            for a, b, c in zip(p, m, v, strict=True)
        ]
        return moved, m, v, count, loss

    return adam


def stateful(run: Callable[..., Any], give: Callable[[Any], Any], network: Network) -> Any:
    """`run` as a step that keeps the state."""
    zeros = [np.zeros_like(p) for p in network.parameters]
    state = [[give(a) for a in arrays] for arrays in (network.parameters, zeros, zeros)]
    state.append(give(np.float32(0)))
    x, y = give(network.x), give(network.y)

    def step() -> Any:
        *state[:], loss = run(*state, x, y)
        return loss

    return step


def jax_step(network: Network) -> Callable[[], Any]:
    import jax
    import jax.numpy as jnp

    class Operations:
        relu, permute = jax.nn.relu, jnp.transpose
        gelu = partial(jax.nn.gelu, approximate=False)

        @staticmethod
        def conv(x: Any, w: Any) -> Any:
            return jax.lax.conv_general_dilated(x, w, (1, 1), "VALID")

        @staticmethod
        def pool(x: Any) -> Any:
            window = (1, 1, 2, 2)
            return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, window, window, "VALID")

        @staticmethod
        def take(table: Any, index: Any) -> Any:
            return table[index]

        @staticmethod
        def layer_norm(x: Any, weight: Any, bias: Any) -> Any:
            centred = x - x.mean(-1, keepdims=True)
            variance = (centred * centred).mean(-1, keepdims=True)
            return centred / jnp.sqrt(variance + 1e-5) * weight + bias

        @staticmethod
        def attention(q: Any, k: Any, v: Any) -> Any:
            scores = q @ jnp.swapaxes(k, -1, -2) / np.sqrt(q.shape[-1]).astype(np.float32)
            causal = np.tril(np.ones((WINDOW, WINDOW), bool))
            return jax.nn.softmax(jnp.where(causal, scores, -jnp.inf)) @ v

        @staticmethod
        def cross_entropy(logits: Any, labels: Any) -> Any:
            return -jax.nn.log_softmax(logits)[jnp.arange(len(labels)), labels].mean()

    run = jax.jit(update(jnp, jax.value_and_grad(partial(network.loss, Operations)), network))
    return stateful(run, jnp.asarray, network)


def allumette_step(network: Network, device: str = "par") -> Callable[[], Any]:
    import allumette_core as al

    class Operations:
        conv, relu, gelu, permute = al.conv, al.relu, al.gelu, al.permute_dims
        cross_entropy, layer_norm = al.cross_entropy, al.layer_norm
        pool = partial(al.max_pool, size=2)
        attention = partial(al.scaled_dot_product_attention, causal=True)

        @staticmethod
        def take(table: Any, index: Any) -> Any:
            return al.take(table, index, axis=0)

    run = al.jit(update(al, al.value_and_grad(partial(network.loss, Operations)), network))
    return stateful(run, partial(al.tensor, device=device), network)


LIBRARIES: dict[str, Callable[[Network], Callable[[], Any]]] = {
    "torch": torch_step,
    "torch-compile": partial(torch_step, compiled=True),
    "jax": jax_step,
    **{device: partial(allumette_step, device=device) for device in DEVICES},
}


def jobs(library: str, *names: str) -> Iterator[Job]:
    """A step of each network, its loss read, after four: later losses part, since rounding decides
    which side of a kink a number falls on."""
    for name in names:
        step = LIBRARIES[library](NETWORKS[name]())
        losses = [float(step()) for _ in range(4)]

        def run(number: int, step: Callable[[], Any] = step) -> float:
            for _ in range(number):
                loss = float(step())
            return loss

        yield Job(name, run, losses[-1])
