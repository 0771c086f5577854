"""Losses against float64 formulas, at ordinary values and where they are delicate."""

from typing import Any

import allumette_core as al
import numpy as np
import pytest
from allumette_train import binary_cross_entropy, binary_hits, cross_entropy, hits
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

LOGITS = st.floats(-50, 50, width=32) | st.sampled_from(
    [0.0, -0.0, 1.0, -1.0, 1e-40, -1e-40, 88.0, 1000.0, -1000.0, 1e37, -1e37]
)
ROWS = st.integers(1, 8)


def tensor(values: Any) -> al.Tensor:
    return al.asarray(values, device="numpy")


def sigmoid(z: Any) -> Any:
    return np.exp(-np.logaddexp(0, -z))


@given(st.data(), ROWS)
def test_binary_cross_entropy(data: st.DataObject, rows: int) -> None:
    z = data.draw(hnp.arrays(np.float32, rows, elements=LOGITS))
    y = data.draw(hnp.arrays(np.float32, rows, elements=st.sampled_from([0.0, 1.0])))
    wide = z.astype(np.float64)
    expected = np.mean(np.logaddexp(0, np.where(y == 1, -wide, wide)))
    loss = binary_cross_entropy(tensor(z), tensor(y))
    assert loss.item() == pytest.approx(expected, rel=1e-5, abs=1e-38)
    slope = al.grad(binary_cross_entropy)(tensor(z), tensor(y))
    assert np.asarray(slope) == pytest.approx((sigmoid(wide) - y) / rows, rel=1e-5, abs=1e-7)


def test_binary_cross_entropy_with_soft_targets() -> None:
    z, y = np.array([0.5, -2.0]), np.array([0.3, 0.9])
    p = sigmoid(z)
    expected = -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))
    assert binary_cross_entropy(tensor(z), tensor(y)).item() == pytest.approx(expected)


@pytest.mark.parametrize("z", [0.0, -0.0])
def test_slope_at_zero(z: float) -> None:
    slope = al.grad(binary_cross_entropy)(tensor([z]), tensor([1.0]))
    assert slope.tolist() == [-0.5]


@settings(max_examples=50)
@given(st.data(), ROWS, st.integers(1, 5))
def test_cross_entropy(data: st.DataObject, rows: int, classes: int) -> None:
    z = data.draw(hnp.arrays(np.float32, (rows, classes), elements=LOGITS))
    y = data.draw(hnp.arrays(np.int32, rows, elements=st.integers(0, classes - 1)))
    wide = z.astype(np.float64)
    shifted = wide - wide.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    expected = -log_p[np.arange(rows), y].mean()
    assert cross_entropy(tensor(z), tensor(y)).item() == pytest.approx(expected, rel=1e-5, abs=1e-6)
    slope = al.grad(cross_entropy)(tensor(z), tensor(y))
    wanted = (np.exp(log_p) - np.eye(classes)[y]) / rows
    assert np.asarray(slope) == pytest.approx(wanted, rel=1e-5, abs=1e-6)


def test_two_classes_agree_with_one_logit() -> None:
    z, y = np.array([0.3, -4.0, 2.0], np.float32), np.array([1, 0, 0], np.int32)
    both = np.stack([np.zeros_like(z), z], axis=1)
    one = binary_cross_entropy(tensor(z), tensor(y.astype(np.float32)))
    assert cross_entropy(tensor(both), tensor(y)).item() == pytest.approx(one.item(), rel=1e-6)


def test_derivatives_agree_with_differences() -> None:
    z = tensor(np.array([0.3, -4.0, 2.0, 1e-3]))
    al.check_grads(lambda v: binary_cross_entropy(v, tensor([1.0, 0.0, 0.0, 1.0])), (z,), order=2)
    al.check_grads(
        lambda v: cross_entropy(v.reshape(2, 2), tensor(np.array([1, 0]))), (z,), order=2
    )


def test_probability_of_another_class_may_underflow() -> None:
    z = tensor(np.array([[3e38, -3e38]], np.float32))
    assert cross_entropy(z, tensor(np.array([0]))).item() == 0
    assert al.grad(cross_entropy)(z, tensor(np.array([0]))).tolist() == [[0, 0]]


def test_hits() -> None:
    assert binary_hits(tensor([3.0, -1.0, 0.0, 2.0]), tensor([1.0, 0.0, 1.0, 0.0])).item() == 2
    logits = tensor([[1.0, 2.0, 0.0], [5.0, 1.0, 1.0], [0.0, 0.0, 1.0]])
    assert hits(logits, tensor(np.array([1, 0, 1]))).item() == 2


def test_shapes_that_do_not_fit() -> None:
    with pytest.raises(al.ShapeError, match=r"logits \(2, 1\) and targets \(2,\) differ"):
        binary_cross_entropy(al.zeros((2, 1)), al.zeros(2))
    with pytest.raises(al.ShapeError, match=r"logits \(2, 3\) and labels \(3,\) do not fit"):
        cross_entropy(al.zeros((2, 3)), al.zeros(3))
