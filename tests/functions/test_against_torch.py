"""Values and gradients of networks' building blocks against PyTorch's, where it is installed."""

from collections.abc import Callable
from typing import Any

import allumette_core as al
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is an optional oracle; it is not installed")
nn = torch.nn.functional

GENERATOR = np.random.default_rng(0)


def normal(*shape: int) -> Any:
    return GENERATOR.normal(size=shape)


def softmaxed(*shape: int) -> Any:
    x = np.exp(normal(*shape))
    return x / x.sum(-1, keepdims=True)


IMAGE, VOLUME, ROW = normal(2, 4, 7, 6), normal(1, 2, 4, 5, 4), normal(2, 3, 9)
LABELS = np.array([2, 0, 1])

CASES: dict[str, tuple[Callable[..., Any], Callable[..., Any], list[Any]]] = {
    "conv2d": (
        lambda x, w, b: al.conv(x, w, b, stride=2, padding=(1, 2), dilation=(1, 2), groups=2),
        lambda x, w, b: nn.conv2d(x, w, b, stride=2, padding=(1, 2), dilation=(1, 2), groups=2),
        [IMAGE, normal(6, 2, 3, 2), normal(6)],
    ),
    "conv1d same": (
        lambda x, w: al.conv(x, w, padding="same"),
        lambda x, w: nn.conv1d(x, w, padding="same"),
        [ROW, normal(2, 3, 4)],
    ),
    "conv3d": (al.conv, nn.conv3d, [VOLUME, normal(3, 2, 2, 3, 2)]),
    "conv_transpose2d": (
        lambda x, w, b: al.conv_transpose(
            x, w, b, stride=(3, 2), padding=1, output_padding=(2, 1), dilation=2, groups=2
        ),
        lambda x, w, b: nn.conv_transpose2d(
            x, w, b, stride=(3, 2), padding=1, output_padding=(2, 1), dilation=2, groups=2
        ),
        [IMAGE, normal(4, 3, 3, 2), normal(6)],
    ),
    "max_pool2d": (
        lambda x: al.max_pool(x, 3, stride=2, padding=1, dilation=1),
        lambda x: nn.max_pool2d(x, 3, stride=2, padding=1, dilation=1),
        [IMAGE],
    ),
    "avg_pool2d": (
        lambda x: al.avg_pool(x, (2, 3), padding=1),
        lambda x: nn.avg_pool2d(x, (2, 3), padding=1),
        [IMAGE],
    ),
    "avg_pool2d without padding": (
        lambda x: al.avg_pool(x, 2, padding=1, count_padding=False),
        lambda x: nn.avg_pool2d(x, 2, padding=1, count_include_pad=False),
        [IMAGE],
    ),
    "gelu": (al.gelu, nn.gelu, [ROW]),
    "gelu tanh": (
        lambda x: al.gelu(x, approximate="tanh"), lambda x: nn.gelu(x, approximate="tanh"), [ROW],
    ),
    "silu": (al.silu, nn.silu, [ROW]),
    "elu": (lambda x: al.elu(x, 0.5), lambda x: nn.elu(x, 0.5), [ROW]),
    "leaky_relu": (al.leaky_relu, nn.leaky_relu, [ROW]),
    "softplus": (al.softplus, nn.softplus, [ROW]),
    "log_sigmoid": (al.log_sigmoid, nn.logsigmoid, [ROW]),
    "softmax": (lambda x: al.softmax(x, axis=1), lambda x: nn.softmax(x, dim=1), [ROW]),
    "log_softmax": (lambda x: al.log_softmax(x, axis=1), lambda x: nn.log_softmax(x, 1), [ROW]),
    "layer_norm": (al.layer_norm, lambda x, w, b: nn.layer_norm(x, (9,), w, b),
                   [ROW, normal(9), normal(9)]),
    "mse": (al.mse, nn.mse_loss, [ROW, normal(2, 3, 9)]),
    "cross_entropy of labels": (
        lambda x: al.cross_entropy(x, LABELS), lambda x: nn.cross_entropy(x, torch.tensor(LABELS)),
        [normal(3, 4)],
    ),
    "cross_entropy of probabilities": (
        al.cross_entropy, nn.cross_entropy, [normal(3, 4), softmaxed(3, 4)],
    ),
    "binary_cross_entropy": (
        al.binary_cross_entropy, nn.binary_cross_entropy, [softmaxed(3, 4), softmaxed(3, 4)],
    ),
    "binary_cross_entropy_with_logits": (
        al.binary_cross_entropy_with_logits, nn.binary_cross_entropy_with_logits,
        [normal(3, 4), softmaxed(3, 4)],
    ),
    "attention": (
        al.scaled_dot_product_attention, nn.scaled_dot_product_attention,
        [normal(2, 3, 4), normal(2, 5, 4), normal(2, 5, 2)],
    ),
    "causal attention": (
        lambda q, k, v: al.scaled_dot_product_attention(q, k, v, causal=True),
        lambda q, k, v: nn.scaled_dot_product_attention(q, k, v, is_causal=True),
        [normal(2, 4, 4), normal(2, 4, 4), normal(2, 4, 2)],
    ),
    "einsum": (
        lambda a, b, c: al.einsum("bij,bjk,kl->bil", a, b, c),
        lambda a, b, c: torch.einsum("bij,bjk,kl->bil", a, b, c),
        [normal(2, 3, 4), normal(2, 4, 2), normal(2, 3)],
    ),
    "sort": (lambda x: al.sort(x, axis=1), lambda x: torch.sort(x, dim=1)[0], [ROW]),
    "topk": (lambda x: al.topk(x, 4)[0], lambda x: torch.topk(x, 4)[0], [ROW]),
    "index_add": (
        lambda x, u: al.index_add(x, [0, 2, 0], u, axis=1),
        lambda x, u: torch.index_add(x, 1, torch.tensor([0, 2, 0]), u), [ROW, normal(2, 3, 9)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_values_and_gradients(name: str) -> None:
    ours, theirs, arrays = CASES[name]
    wanted_inputs = [torch.tensor(x, requires_grad=True) for x in arrays]
    wanted = theirs(*wanted_inputs)
    weight = np.random.default_rng(1).normal(size=tuple(wanted.shape))
    (wanted * torch.tensor(weight)).sum().backward()
    inputs = [al.asarray(x) for x in arrays]
    np.testing.assert_allclose(ours(*inputs).numpy(), wanted.detach().numpy(), atol=1e-10)
    every = tuple(range(len(inputs)))
    grads = al.grad(lambda *xs: (ours(*xs) * weight).sum(), argnums=every)(*inputs)
    for got, expected in zip(grads, wanted_inputs, strict=True):
        np.testing.assert_allclose(got.numpy(), expected.grad.numpy(), atol=1e-10)
