"""Order: sorting and searching against NumPy's, stability, NaN, and derivatives with ties."""

from typing import Any

import allumette_core as al
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import ALL, FLOATS, Array, arrays, assert_same, with_axis

often = settings(max_examples=80)


def _key(value: Any) -> tuple[bool, Any]:
    return bool(np.isnan(value)), value


def stable_order(row: Array, descending: bool) -> Array:
    """Python's sort keeps equal elements in order, in reverse too."""
    order = sorted(range(len(row)), key=lambda i: _key(row[i]), reverse=descending)
    return np.array(order, np.int32)


@given(drawn=with_axis(ALL), descending=st.booleans())
@often
def test_sort_and_argsort_agree_with_a_stable_sort(
    drawn: tuple[Array, int], descending: bool
) -> None:
    x, axis = drawn
    if x.size == 0:
        wanted = np.zeros(x.shape, np.int32)
    else:
        wanted = np.apply_along_axis(stable_order, axis, x, descending)
    assert_same(al.argsort(x, axis=axis, descending=descending), wanted)
    picked = np.take_along_axis(x, wanted, axis=axis)
    assert_same(al.sort(x, axis=axis, descending=descending), picked)
    if not descending:
        assert_same(picked, np.sort(x, axis=axis, kind="stable"))


@given(data=st.data(), drawn=with_axis(ALL), largest=st.booleans())
@often
def test_topk_is_the_beginning_of_a_sort(
    data: st.DataObject, drawn: tuple[Array, int], largest: bool
) -> None:
    x, axis = drawn
    k = data.draw(st.integers(0, x.shape[axis]))
    values, indices = al.topk(x, k, axis=axis, largest=largest)
    head: list[Any] = [slice(None)] * x.ndim
    head[axis] = slice(0, k)
    assert_same(values, al.sort(x, axis=axis, descending=largest).numpy()[tuple(head)])
    assert_same(np.take_along_axis(x, indices.numpy(), axis=axis), values)


@given(data=st.data(), x=arrays(ALL, st.sampled_from([(0,), (1,), (2,), (7,), (13,), (64,)])))
@often
def test_searchsorted_is_numpys(data: st.DataObject, x: Array) -> None:
    ordered = np.sort(x)
    wanted = data.draw(arrays([x.dtype]))
    wanted = np.concatenate([wanted.reshape(-1), x[:3]]).reshape(-1, 1)
    for side in ("left", "right"):
        expected = np.searchsorted(ordered, wanted, side=side).astype(np.int32)
        assert_same(al.searchsorted(ordered, wanted, side=side), expected)


@given(x=arrays(ALL))
def test_unique_values_is_numpys(x: Array) -> None:
    assert_same(al.unique_values(x), np.unique(x, equal_nan=False), signed_zeros=False)


def test_refusals() -> None:
    with pytest.raises(al.IndexingError, match="axis 2"):
        al.sort([1, 2], axis=2)
    with pytest.raises(al.ShapeError, match="rank 0"):
        al.argsort(3)
    with pytest.raises(al.ArgumentError, match="k=3 of the 2"):
        al.topk([1, 2], 3)
    with pytest.raises(al.ArgumentError, match="side"):
        al.searchsorted([1], [1], side="middle")
    with pytest.raises(al.ShapeError, match="rank 1"):
        al.searchsorted([[1]], [1])
    with pytest.raises(al.TracingError, match="unique_values"):
        al.jit(al.unique_values)(al.ones(2))


@pytest.mark.parametrize("dtype", FLOATS)
def test_nan_comes_last_and_first(dtype: Any) -> None:
    x = np.array([np.nan, np.inf, -np.inf, 0], dtype)
    assert_same(al.sort(x), np.array([-np.inf, 0, np.inf, np.nan], dtype))
    assert_same(al.sort(x, descending=True), np.array([np.nan, np.inf, 0, -np.inf], dtype))


def test_derivatives_follow_the_elements() -> None:
    x = al.tensor([[3.0, 1.0, 2.0], [5.0, -1.0, 0.5]], dtype="float64")
    weights = al.tensor([1.0, 10.0, 100.0], dtype="float64")
    al.check_grads(lambda x: al.square(al.sort(x, axis=1)) * weights, [x])
    al.check_grads(lambda x: al.square(al.sort(x, axis=0, descending=True)), [x])
    al.check_grads(lambda x: al.square(al.topk(x, 2)[0]), [x])
    ties = al.tensor([2.0, 1.0, 2.0, 1.0])
    grads = al.grad(lambda x: (al.sort(x) * al.tensor([1.0, 2.0, 3.0, 4.0])).sum())(ties)
    assert grads.tolist() == [3, 1, 4, 2]


def test_sorting_is_traced() -> None:
    order = al.jit(lambda x: (al.sort(x), al.argsort(x, descending=True)))
    values, indices = order(al.tensor([2.0, 3.0, 1.0]))
    assert values.tolist() == [1, 2, 3]
    assert indices.tolist() == [1, 0, 2]
    found = al.jit(al.searchsorted)(al.tensor([1.0, 2.0]), al.tensor([1.5]))
    assert found.tolist() == [1]
