"""take, take_along_axis, put_along_axis, scatter and index_add against NumPy."""

from typing import Any

import allumette_core as al
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import ALL, FLOATS, INTEGERS, Array, assert_same, fill, with_axis

often = settings(max_examples=60)
GATHERING = ["take", "take_along_axis"]


def indices_into(
    data: st.DataObject, size: int, shape: tuple[int, ...], dtype: Any = "int32"
) -> Array:
    generator = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    return generator.integers(-size, size, shape).astype(dtype)


@given(data=st.data(), drawn=with_axis(ALL), lazy=st.booleans())
@often
def test_take(data: st.DataObject, drawn: tuple[Array, int], lazy: bool) -> None:
    x, axis = drawn
    shape = data.draw(st.sampled_from([(), (0,), (3,), (2, 3)])) if x.shape[axis] else (0,)
    index = indices_into(data, x.shape[axis] or 1, shape)
    given_index = al.asarray(index) if lazy else index
    assert_same(al.take(x, given_index, axis=axis), np.take(x, index, axis=axis))
    if x.size:
        flat = indices_into(data, x.size, (4,))
        assert_same(al.take(x, flat), np.take(x, flat))


@given(data=st.data(), drawn=with_axis(ALL), lazy=st.booleans())
@often
def test_take_along_axis(data: st.DataObject, drawn: tuple[Array, int], lazy: bool) -> None:
    x, axis = drawn
    count = data.draw(st.integers(0, 4)) if x.shape[axis] else 0
    keep = data.draw(st.booleans())
    shape = [n if keep else data.draw(st.sampled_from([1, n])) for n in x.shape]
    shape[axis] = count
    index = indices_into(data, x.shape[axis] or 1, tuple(shape))
    wanted = np.take_along_axis(x, index, axis=axis)
    assert_same(al.take_along_axis(x, al.asarray(index) if lazy else index, axis=axis), wanted)


@given(data=st.data(), drawn=with_axis(ALL))
@often
def test_put_along_axis(data: st.DataObject, drawn: tuple[Array, int]) -> None:
    x, axis = drawn
    generator = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    order = generator.random(x.shape).argsort(axis=axis)
    values = fill(generator, x.shape, x.dtype)
    wanted = x.copy()
    np.put_along_axis(wanted, order, values, axis)
    assert_same(al.put_along_axis(x, order, values, axis=axis), wanted)
    assert_same(al.put_along_axis(x, al.asarray(order), values, axis=axis), wanted)


@given(data=st.data(), drawn=with_axis([*INTEGERS, "float64"]), lazy=st.booleans())
@often
def test_index_add_adds_up_equal_indices(
    data: st.DataObject, drawn: tuple[Array, int], lazy: bool
) -> None:
    x, axis = drawn
    x = np.nan_to_num(x, nan=1, posinf=2, neginf=3) % 16  # so that no order of adding matters
    shape = data.draw(st.sampled_from([(), (0,), (3,), (2, 3)])) if x.shape[axis] else (0,)
    index = indices_into(data, x.shape[axis] or 1, shape)
    place = axis % x.ndim
    wide = x.shape[:place] + shape + x.shape[place + 1 :]
    updates = np.ones(wide, x.dtype) * 3
    wanted = x.copy()
    where: list[Any] = [slice(None)] * place + [index]
    np.add.at(wanted, tuple(where), updates)
    given_index = al.asarray(index) if lazy else index
    assert_same(al.index_add(x, given_index, updates, axis=axis), wanted, signed_zeros=False)


@pytest.mark.parametrize("dtype", ["int32", "float16", "float64"])
def test_many_rows_are_added_up(dtype: Any) -> None:
    generator = np.random.default_rng(0)
    index = generator.integers(-9, 12, (40, 5)).astype(np.int32)
    rows = generator.integers(0, 4, (2, 40, 5, 3)).astype(dtype)
    wanted = np.ones((2, 9, 3), dtype)
    inside = index < 9
    np.add.at(wanted, (slice(None), index[inside]), rows[:, inside])
    assert_same(al.index_add(np.ones((2, 9, 3), dtype), al.asarray(index), rows, axis=1), wanted)


def test_scatter_sets_and_drops() -> None:
    x = np.zeros((2, 3), np.float32)
    out = al.scatter(x, al.tensor([0, 5, -1, -7]), [[1.0, 2, 3, 4], [5, 6, 7, 8]], axis=1)
    assert out.tolist() == [[1, 0, 3], [5, 0, 7]]
    assert al.scatter([1, 2, 3], 1, 9).tolist() == [1, 9, 3]
    assert al.put_along_axis(x, al.tensor([[9], [-9]]), 1).tolist() == x.tolist()
    added = al.put_along_axis([[1, 1]], [[0, 0, 1]], [[1, 2, 3]], mode="add")
    assert added.tolist() == [[4, 4]]


def test_booleans_are_set_and_not_added() -> None:
    assert al.scatter([True, True], [1], [False]).tolist() == [True, False]
    with pytest.raises(al.DTypeError, match="numbers, got bool"):
        al.index_add([True, True], [1], [True])


@pytest.mark.parametrize("dtype", FLOATS)
def test_adding_up_keeps_its_accuracy(dtype: Any) -> None:
    got = al.index_add(np.zeros(1, dtype), np.zeros(4000, int), np.full(4000, 0.1, dtype))
    assert got.dtype == dtype
    tolerance = 1e-3 if dtype == np.float16 else 1e-4  # as many roundings as updates
    assert got.item() == pytest.approx(float(np.full(4000, 0.1, dtype).sum(dtype="f8")), tolerance)


@pytest.mark.parametrize("name", GATHERING)
def test_refusals(name: str) -> None:
    function = getattr(al, name)
    with pytest.raises(al.IndexingError, match="out of bounds"):
        function([[1, 2]], [[2]], axis=1)
    with pytest.raises(al.IndexingError, match="axis 2"):
        function([[1, 2]], [[0]], axis=2)
    with pytest.raises(al.DTypeError, match="integers"):
        function([[1, 2]], [[0.5]], axis=1)
    with pytest.raises(al.DTypeError, match="integers"):
        function([[1, 2]], al.tensor([[0.5]]), axis=1)


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(al.ShapeError, match="rank"):
        al.take_along_axis([[1, 2]], [0])
    with pytest.raises(al.ShapeError, match="take_along_axis"):
        al.take_along_axis(np.zeros((2, 3)), np.zeros((3, 1), int))
    with pytest.raises(al.ShapeError, match="broadcast"):
        al.scatter([1, 2, 3], [0, 1], [1, 2, 3])
    with pytest.raises(al.ArgumentError, match="'set' or 'add'"):
        al.scatter([1], [0], [1], mode="max")
    with pytest.raises(al.DTypeError, match="cannot hold"):
        al.index_add([1, 2], [0], [0.5])


def test_derivatives() -> None:
    generator = np.random.default_rng(0)
    x = al.asarray(generator.normal(size=(2, 4)))
    repeated = [[0, 0, 3], [1, 1, 1]]
    al.check_grads(lambda x: al.square(al.take(x, [1, 1, -1], axis=1)), [x])
    al.check_grads(lambda x: al.square(al.take_along_axis(x, repeated)), [x])
    al.check_grads(lambda x: al.square(al.take_along_axis(x, al.tensor(repeated))), [x])
    for mode in ("set", "add"):
        u = al.asarray(generator.normal(size=(2, 3)))
        al.check_grads(
            lambda x, u, m=mode: al.square(al.scatter(x, [0, 2, 0], u, axis=1, mode=m)), [x, u]
        )
        al.check_grads(
            lambda x, u, m=mode: al.square(al.put_along_axis(x, repeated, u, mode=m)), [x, u]
        )
