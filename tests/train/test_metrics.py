"""Counting hits, and what training relies on in the losses."""

from typing import Any

import allumette_core as al
import numpy as np
import pytest
from allumette_train import binary_hits, hits
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

LOGITS = st.floats(width=32) | st.sampled_from([0.0, -0.0, 1.0, -1.0, 1e-40, 3e38, np.inf, -np.inf])


def tensor(values: Any) -> al.Tensor:
    return al.asarray(values, device="numpy")


@settings(max_examples=50)
@given(st.data(), st.integers(0, 6))
def test_binary_hits(data: st.DataObject, rows: int) -> None:
    z = data.draw(hnp.arrays(np.float32, rows, elements=LOGITS))
    y = data.draw(hnp.arrays(np.float32, rows, elements=st.sampled_from([0.0, 1.0])))
    found = binary_hits(tensor(z), tensor(y))
    assert found.dtype == al.int32
    assert found.item() == sum(bool(a > 0) == bool(b) for a, b in zip(z, y, strict=True))


@settings(max_examples=50)
@given(st.data(), st.integers(1, 6), st.integers(1, 4))
def test_hits(data: st.DataObject, rows: int, classes: int) -> None:
    z = data.draw(hnp.arrays(np.float32, (rows, classes), elements=LOGITS))
    y = data.draw(hnp.arrays(np.int32, rows, elements=st.integers(0, classes - 1)))
    assert hits(tensor(z), tensor(y)).item() == (z.argmax(axis=1) == y).sum()


def test_shapes_that_do_not_fit() -> None:
    with pytest.raises(al.ShapeError, match=r"logits \(2, 1\) and targets \(2,\) differ"):
        binary_hits(al.zeros((2, 1)), al.zeros(2))
    with pytest.raises(al.ShapeError, match=r"logits \(2, 3\) and labels \(3,\) do not fit"):
        hits(al.zeros((2, 3)), al.zeros(3, dtype=al.int32))


@pytest.mark.parametrize("z", [0.0, -0.0])
def test_slope_of_the_binary_loss_at_zero(z: float) -> None:
    slope = al.grad(al.binary_cross_entropy_with_logits)(tensor([z]), tensor([1.0]))
    assert slope.tolist() == [-0.5]


def test_one_logit_agrees_with_two_classes() -> None:
    z, y = np.array([0.3, -4.0, 2.0, 100.0], np.float32), np.array([1, 0, 0, 1], np.int32)
    both = np.stack([np.zeros_like(z), z], axis=1)
    one = al.binary_cross_entropy_with_logits(tensor(z), tensor(y.astype(np.float32)))
    assert al.cross_entropy(tensor(both), tensor(y)).item() == pytest.approx(one.item(), rel=1e-6)


def test_classes_that_underflow_cost_nothing() -> None:
    z, y = tensor(np.array([[3e38, -3e38]], np.float32)), tensor(np.array([0], np.int32))
    assert al.cross_entropy(z, y).item() == 0
    assert al.grad(al.cross_entropy)(z, y).tolist() == [[0, 0]]
