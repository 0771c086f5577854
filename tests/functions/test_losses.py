"""Losses against float64 formulas, at certainty and with huge logits, and their derivatives."""

from typing import Any

import allumette_core as al
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import FLOATS, Array

often = settings(max_examples=40)


def drawn(data: st.DataObject, shape: tuple[int, ...], scale: float = 3) -> Array:
    generator = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    return generator.normal(size=shape) * scale


def reduced(losses: Array, reduction: str) -> Any:
    return {"mean": np.mean, "sum": np.sum, "none": np.asarray}[reduction](losses)


REDUCTIONS = st.sampled_from(["mean", "sum", "none"])
shapes = st.sampled_from([(3,), (2, 4), (1,), ()])


@given(data=st.data(), shape=shapes, reduction=REDUCTIONS)
@often
def test_mse(data: st.DataObject, shape: tuple[int, ...], reduction: str) -> None:
    x, y = drawn(data, shape), drawn(data, shape)
    got = al.mse(x, y, reduction=reduction)
    np.testing.assert_allclose(got.numpy(), reduced((x - y) ** 2, reduction), rtol=1e-12)


@given(data=st.data(), shape=shapes, reduction=REDUCTIONS)
@often
def test_binary_cross_entropy(data: st.DataObject, shape: tuple[int, ...], reduction: str) -> None:
    z = drawn(data, shape)
    y = np.clip(drawn(data, shape), 0, 1)
    p = 1 / (1 + np.exp(-z))
    wanted = reduced(-(y * np.log(p) + (1 - y) * np.log1p(-p)), reduction)
    by_p = al.binary_cross_entropy(p, y, reduction=reduction)
    by_z = al.binary_cross_entropy_with_logits(z, y, reduction=reduction)
    np.testing.assert_allclose(by_p.numpy(), wanted, rtol=1e-9)
    np.testing.assert_allclose(by_z.numpy(), wanted, rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize("dtype", FLOATS)
def test_certain_predictions(dtype: Any) -> None:
    p, y = np.array([0, 1, 0, 1], dtype), np.array([0, 1, 1, 0], dtype)
    got = al.binary_cross_entropy(p, y, reduction="none")
    assert got.dtype == dtype
    assert got.tolist() == [0, 0, np.inf, np.inf]
    slope = al.grad(lambda p: al.binary_cross_entropy(p, y, reduction="sum"))(al.asarray(p))
    assert np.isfinite(slope.numpy()[:2]).all()


@pytest.mark.parametrize("dtype", FLOATS)
def test_huge_logits(dtype: Any) -> None:
    z = np.array([1e4, -1e4, 1e4, -1e4, 0.0, -0.0], dtype)
    y = np.array([1, 0, 0, 1, 1, 0], dtype)
    got = al.binary_cross_entropy_with_logits(z, y, reduction="none")
    np.testing.assert_allclose(got.numpy(), [0, 0, 1e4, 1e4, np.log(2), np.log(2)], rtol=1e-3)

    def total(z: al.Tensor) -> al.Tensor:
        return al.binary_cross_entropy_with_logits(z, y, reduction="sum")

    slope = al.grad(total)(al.asarray(z))
    assert slope.tolist() == [0, 0, 1, -1, -0.5, 0.5]
    curve = al.grad(lambda z: al.grad(total)(z).sum())(al.asarray(z))
    assert curve.tolist() == [0, 0, 0, 0, 0.25, 0.25]


@given(data=st.data(), axis=st.integers(-3, 2), reduction=REDUCTIONS)
@often
def test_cross_entropy(data: st.DataObject, axis: int, reduction: str) -> None:
    shape = (2, 3, 4)
    z = drawn(data, shape)
    logs = z - z.max(axis=axis, keepdims=True)
    logs = logs - np.log(np.exp(logs).sum(axis=axis, keepdims=True))
    rest = list(shape)
    classes = rest.pop(axis)
    seed = data.draw(st.integers(0, 2**32 - 1))
    labels = np.random.default_rng(seed).integers(0, classes, rest)
    taken = np.take_along_axis(logs, np.expand_dims(labels, axis), axis=axis).squeeze(axis)
    got = al.cross_entropy(z, labels, axis=axis, reduction=reduction)
    np.testing.assert_allclose(got.numpy(), reduced(-taken, reduction), rtol=1e-9)
    p = np.abs(drawn(data, shape))
    got = al.cross_entropy(z, p, axis=axis, reduction=reduction)
    np.testing.assert_allclose(got.numpy(), reduced(-(p * logs).sum(axis), reduction), rtol=1e-9)


def test_cross_entropy_with_masked_and_huge_logits() -> None:
    z = al.tensor([[-np.inf, 0.0], [1e30, -1e30], [0.0, 0.0]])
    by_label = al.cross_entropy(z, [1, 0, 0], reduction="none")
    assert by_label.tolist() == pytest.approx([0, 0, np.log(2)])
    by_chance = al.cross_entropy(z, [[0.0, 1.0], [1.0, 0.0], [1.0, 0.0]], reduction="none")
    assert by_chance.tolist() == pytest.approx([0, 0, np.log(2)])
    slope = al.grad(lambda z: al.cross_entropy(z, [1, 0, 0], reduction="sum"))(z)
    assert slope.tolist() == [[0, 0], [0, 0], [-0.5, 0.5]]
    assert al.cross_entropy(al.tensor([[0.0, 1e4]]), [0]).item() == 1e4


def test_a_label_that_is_no_class_costs_nothing() -> None:
    assert al.cross_entropy([[1.0, 2.0]] * 2, [-100, 2], reduction="none").tolist() == [0, 0]


def test_derivatives() -> None:
    generator = np.random.default_rng(0)
    x, y = (al.asarray(generator.normal(size=(2, 3))) for _ in range(2))
    labels = [2, 0]
    p = al.sigmoid(x)
    chance = al.softmax(y)
    al.check_grads(al.mse, [x, y])
    al.check_grads(lambda x: al.cross_entropy(x, labels), [x])
    al.check_grads(al.cross_entropy, [x, chance])
    al.check_grads(al.binary_cross_entropy, [p, chance])
    al.check_grads(al.binary_cross_entropy_with_logits, [x, chance])


@pytest.mark.parametrize("loss", [
    al.mse, al.binary_cross_entropy, al.binary_cross_entropy_with_logits, al.cross_entropy,
])  # fmt: skip
def test_refusals(loss: Any) -> None:
    with pytest.raises(al.ShapeError, match=loss.__name__):
        loss(al.zeros((3, 2)), al.zeros((3,)))
    with pytest.raises(al.ArgumentError, match=f"{loss.__name__}: reduction"):
        loss(al.zeros((3, 2)), al.zeros((3, 2)), reduction="max")
    with pytest.raises(al.ShapeError, match="int32"):
        al.cross_entropy(al.zeros((3, 2)), al.zeros((2,), dtype="int32"))
