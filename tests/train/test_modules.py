"""Layers: what they compute, how they are drawn, and that they are trees."""

import allumette_core as al
import numpy as np
import pytest
from allumette_train import MLP, Linear
from hypothesis import given
from hypothesis import strategies as st


def key(seed: int = 0) -> al.Tensor:
    return al.random.key(seed, device="numpy")


def test_linear() -> None:
    layer = Linear(al.tensor([[1.0, 2.0], [3.0, 4.0]]), al.tensor([10.0, 20.0]))
    assert layer(al.tensor([[1.0, 1.0], [0.0, 2.0]])).tolist() == [[14, 26], [16, 28]]


@given(st.lists(st.integers(1, 5), min_size=2, max_size=5), st.integers(0, 5))
def test_mlp_agrees_with_numpy(sizes: list[int], rows: int) -> None:
    network = MLP.init(key(), sizes)
    assert network.sizes == tuple(sizes)
    x = np.random.default_rng(0).normal(size=(rows, sizes[0])).astype(np.float32)
    h = x
    for i, layer in enumerate(network.layers):
        h = h @ np.asarray(layer.weight) + np.asarray(layer.bias)
        if i < len(sizes) - 2:
            h = np.maximum(h, 0)
    found = network(al.asarray(x, device="numpy"))
    assert found.shape == (rows, sizes[-1])
    assert np.asarray(found) == pytest.approx(h, rel=1e-5, abs=1e-5)


def test_a_network_is_a_tree() -> None:
    network = MLP.init(key(), (2, 3, 1))
    assert al.tree.names(network) == [
        "layers.0.weight",
        "layers.0.bias",
        "layers.1.weight",
        "layers.1.bias",
    ]
    doubled = al.tree.map(lambda leaf: leaf * 2, network)
    assert isinstance(doubled, MLP)
    assert doubled.layers[1].bias.tolist() == (network.layers[1].bias * 2).tolist()


def test_the_key_determines_the_weights() -> None:
    def weights(seed: int) -> list[object]:
        return [leaf.tolist() for leaf in al.tree.leaves(MLP.init(key(seed), (4, 5, 2)))]

    assert weights(0) == weights(0)
    assert weights(0) != weights(1)


def test_weights_are_spread_as_relu_needs_them() -> None:
    network = MLP.init(key(), (200, 300, 100))
    for layer, inputs in zip(network.layers, (200, 300), strict=True):
        weight, bias = np.asarray(layer.weight), np.asarray(layer.bias)
        assert weight.dtype == bias.dtype == np.float32
        assert weight.std() == pytest.approx(np.sqrt(2 / inputs), rel=0.02)
        assert abs(weight.mean()) < 0.002
        assert np.abs(bias).max() <= 1 / np.sqrt(inputs)
        assert len(np.unique(bias)) > 50
        bits = weight.ravel()[: len(bias)]
        assert abs(np.corrcoef(bits, bias)[0, 1]) < 0.3
    first, second = (np.asarray(layer.weight).ravel() for layer in network.layers)
    assert abs(np.corrcoef(first[:30000], second[:30000])[0, 1]) < 0.03


@pytest.mark.parametrize("sizes", [(), (3,), (2, 0, 1), (0, 1)])
def test_impossible_sizes(sizes: tuple[int, ...]) -> None:
    with pytest.raises(al.ArgumentError, match=r"sizes .* (need|must be at least 1)"):
        MLP.init(key(), sizes)
