"""Training steps of whole networks as compiled code, streamed over the batch, at awkward sizes."""

from collections.abc import Callable
from typing import Any

import allumette_core as al
import numpy as np
import pytest
from allumette_cpu.render import sizes

from .rendering import native, reference, traced

Array = np.ndarray[Any, Any]
Tree = dict[str, Any]
SIZES = [0, 1, 2, 7, 128, 129, 1000]


def normal(*shape: int, seed: int = 0, scale: float = 0.3) -> Array:
    return (np.random.default_rng(seed).standard_normal(shape) * scale).astype("float32")


@pytest.fixture(params=[None, 1 << 13], ids=["chunks", "small chunks"], autouse=True)
def _chunk_bytes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sizes below, at, above and between multiples of a chunk: by way of what a chunk may take."""
    if request.param is not None:
        monkeypatch.setattr(sizes, "CHUNK_BYTES", request.param)


def agree(step: Callable[..., Any], *args: Any, tolerance: float = 2e-5) -> None:
    """Fail unless native code computes `step` as the reference does, on one thread and on two, and
    as if nothing streamed."""
    program, arrays = traced(step, *args)
    expected, got = reference(program, arrays), native(program, arrays)
    whole = native(program, arrays, streamed=False)
    again = native(program, arrays, 2)
    for wanted, found, same, alone in zip(expected, got, again, whole, strict=True):
        np.testing.assert_array_equal(found, same)
        largest = float(np.nanmax(np.abs(wanted), initial=1e-6))
        np.testing.assert_allclose(found, wanted, rtol=tolerance, atol=tolerance * largest)
        np.testing.assert_allclose(found, alone, rtol=1e-6, atol=1e-6 * largest)


def sgd(loss: Callable[..., Any]) -> Callable[..., Any]:
    """A step of gradient descent on the first argument of `loss`."""

    def step(parameters: Tree, *rest: Any) -> Any:
        value, gradients = al.value_and_grad(loss)(parameters, *rest)
        return value, al.tree.map(lambda p, g: p - 0.1 * g, parameters, gradients)

    return step


def adam(loss: Callable[..., Any]) -> Callable[..., Any]:
    """A step of Adam with the gradients clipped to a norm of 1."""

    def step(parameters: Tree, m: Tree, v: Tree, count: Any, *rest: Any) -> Any:
        value, grads = al.value_and_grad(loss)(parameters, *rest)
        norm = al.sqrt(sum(al.sum(g * g) for g in al.tree.leaves(grads)))
        grads = al.tree.map(lambda g: g * al.minimum(1.0, 1.0 / (norm + 1e-6)), grads)
        m = al.tree.map(lambda a, g: 0.9 * a + 0.1 * g, m, grads)
        v = al.tree.map(lambda a, g: 0.99 * a + 0.01 * g * g, v, grads)
        rate = 0.01 * al.sqrt(1 - 0.99**count) / (1 - 0.9**count)
        new = al.tree.map(lambda p, a, b: p - rate * a / (al.sqrt(b) + 1e-8), parameters, m, v)
        return value, new, m, v

    return step


def mlp(parameters: Tree, x: Any) -> Any:
    h = al.relu(x @ parameters["w1"] + parameters["b1"])
    return al.relu(h @ parameters["w2"] + parameters["b2"]) @ parameters["w3"] + parameters["b3"]


def mlp_parameters(inputs: int, hidden: int, outputs: int) -> Tree:
    sizes = {"1": (inputs, hidden), "2": (hidden, hidden), "3": (hidden, outputs)}
    weights = {f"w{k}": normal(*s, seed=int(k)) for k, s in sizes.items()}
    return weights | {f"b{k}": normal(s[1], seed=9) for k, s in sizes.items()}


@pytest.mark.parametrize("rows", SIZES[1:])
def test_binary_classifier(rows: int) -> None:
    def loss(p: Tree, x: Any, y: Any) -> Any:
        return al.binary_cross_entropy(al.sigmoid(mlp(p, x))[:, 0], y)

    labels = (normal(rows, seed=4) > 0).astype("float32")
    agree(sgd(loss), mlp_parameters(2, 50, 1), normal(rows, 2), labels)


@pytest.mark.parametrize("rows", [1, 7, 129, 1000])
def test_softmax_cross_entropy_with_dropout_and_adam(rows: int) -> None:
    def loss(p: Tree, x: Any, y: Any, key: Any) -> Any:
        h = al.dropout(al.relu(x @ p["w1"] + p["b1"]), 0.3, key)
        return al.cross_entropy(h @ p["w3"] + p["b3"], y)

    p = mlp_parameters(20, 32, 10)
    p = {k: p[k] for k in ("w1", "b1", "w3", "b3")}
    zeros = {k: np.zeros_like(a) for k, a in p.items()}
    labels = np.random.default_rng(1).integers(0, 10, rows).astype("int32")
    key = np.array([1, 2], "uint32")
    agree(adam(loss), p, zeros, zeros, np.float32(1), normal(rows, 20), labels, key)


@pytest.mark.parametrize("rows", [2, 7, 129, 1000])
def test_batch_norm_in_phases(rows: int) -> None:
    def loss(p: Tree, x: Any, y: Any) -> Any:
        h = x @ p["w1"] + p["b1"]
        centred = h - al.mean(h, axis=0)
        h = centred / al.sqrt(al.mean(centred * centred, axis=0) + 1e-3) * p["b2"]
        return al.cross_entropy(al.relu(h) @ p["w3"] + p["b3"], y)

    p = mlp_parameters(20, 32, 10)
    del p["w2"]
    labels = np.random.default_rng(1).integers(0, 10, rows).astype("int32")
    agree(sgd(loss), p, normal(rows, 20), labels, tolerance=1e-4)


@pytest.mark.parametrize("rows", [1, 3, 40])
def test_convolutional_network(rows: int) -> None:
    def loss(p: Tree, x: Any, y: Any) -> Any:
        h = al.max_pool(al.relu(al.conv(x, p["c1"], p["d1"], padding=2)), 2)
        h = al.max_pool(al.relu(al.conv(h, p["c2"], p["d2"])), 2)
        h = al.relu(al.reshape(h, (h.shape[0], -1)) @ p["w1"] + p["b1"])
        return al.cross_entropy(h @ p["w3"] + p["b3"], y)

    p = mlp_parameters(16 * 9, 20, 10)
    p = {k: p[k] for k in ("w1", "b1", "w3", "b3")}
    p |= {"c1": normal(6, 1, 5, 5), "d1": normal(6), "c2": normal(16, 6, 3, 3), "d2": normal(16)}
    labels = np.random.default_rng(1).integers(0, 10, rows).astype("int32")
    agree(sgd(loss), p, normal(rows, 1, 16, 16), labels, tolerance=1e-4)


def block(p: Tree, x: Any, heads: int) -> Any:
    """A pre-norm transformer block."""
    batch, length, width = x.shape

    def split(y: Any) -> Any:
        return al.permute_dims(al.reshape(y, (batch, length, heads, width // heads)), (0, 2, 1, 3))

    h = al.layer_norm(x, p["g1"], p["s1"])
    q, k, v = (split(h @ p[name]) for name in ("q", "k", "v"))
    attended = al.scaled_dot_product_attention(q, k, v, causal=True)
    joined = al.reshape(al.permute_dims(attended, (0, 2, 1, 3)), (batch, length, width))
    x = x + joined @ p["o"]
    h = al.layer_norm(x, p["g2"], p["s2"])
    return x + al.gelu(h @ p["up"]) @ p["down"]


def block_parameters(width: int) -> Tree:
    p: Tree = {k: normal(width, width, seed=i) for i, k in enumerate("qkvo")}
    p |= {"up": normal(width, 4 * width), "down": normal(4 * width, width)}
    return p | {k: 1 + normal(width, seed=ord(k[0])) for k in ("g1", "s1", "g2", "s2")}


@pytest.mark.parametrize("rows", [1, 2, 9])
def test_transformer_block(rows: int) -> None:
    def loss(p: Tree, tokens: Any, y: Any) -> Any:
        x = al.embedding(p["embed"], tokens) + p["place"]
        logits = block(p["block"], x, 4) @ p["head"]
        return al.cross_entropy(logits, y)

    p = {"embed": normal(30, 16), "place": normal(12, 16), "head": normal(16, 30)}
    tokens = np.random.default_rng(3).integers(0, 30, (rows, 13)).astype("int32")
    agree(
        sgd(loss),
        p | {"block": block_parameters(16)},
        tokens[:, :-1],
        tokens[:, 1:],
        tolerance=1e-4,
    )


def test_columns_of_a_chunk_are_put_in_order_where_rows_run_together() -> None:
    def step(x: Any, w: Any, v: Any) -> Any:
        h = al.tanh(x)
        return ((h @ w) ** 2).sum(), al.exp(h.reshape(-1) * v).sum()

    rows = 3000
    agree(step, normal(rows, 8), normal(8, 5), normal(rows * 8))


PERMUTED: dict[str, Callable[..., Any]] = {
    "alone": lambda x, w: al.einsum("bik,kj->jbi", x, w),
    "batched": lambda x, w: al.einsum("bik,kj->bji", x, w),
    "also read": lambda x, w: (y := al.einsum("bik,kj->jbi", x, w), al.exp(y).sum(axis=1)),
    "also read before": lambda x, w: (y := x @ w, al.permute_dims(y, (2, 0, 1)))[1] + 0.0 * y.sum(),
    "batch last": lambda x, w: al.einsum("bik,bjk->ijb", x, x),
    "twice": lambda x, w: [al.permute_dims(x @ w, axes) for axes in ((1, 0, 2), (2, 1, 0))],
    "summed": lambda x, w: al.permute_dims(al.einsum("bik,bij->kj", x, x @ w), (1, 0)),
}


@pytest.mark.parametrize("rows", [1, 7, 300])
@pytest.mark.parametrize("name", PERMUTED)
def test_a_product_is_written_where_its_axes_are_wanted(name: str, rows: int) -> None:
    agree(PERMUTED[name], normal(rows, 12, 20), normal(20, 9, seed=1))


@pytest.mark.parametrize("shape", [(5, 7, 6), (7, 40, 50), (33, 5, 3), (129, 300, 8)])
def test_the_gradients_of_a_product_alone(shape: tuple[int, int, int]) -> None:
    """That of its right side is written as the transpose of what is computed, row by row."""
    m, k, n = shape
    agree(lambda a, b, g: al.vjp(al.matmul, a, b)[1](g), normal(m, k), normal(k, n), normal(m, n))
