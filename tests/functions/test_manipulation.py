"""Moving elements: every function against NumPy's, on every dtype and on awkward shapes."""

from typing import Any

import allumette_core as al
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view
from strategies import ALL, SHAPES, Array, arrays, assert_same, broadcastable, with_axes, with_axis

quickly = settings(max_examples=35)
Axes = int | tuple[int, ...] | None


@st.composite
def factorings(draw: st.DrawFn) -> tuple[Array, tuple[int, ...]]:
    """An array and another shape of as many elements, perhaps with a -1 in it."""
    x = draw(arrays(ALL))
    rest, shape = x.size, []
    while rest > 1 and len(shape) < 6:
        factor = draw(st.sampled_from([d for d in range(1, rest + 1) if rest % d == 0]))
        shape.append(factor)
        rest //= factor
    shape = [*shape, rest]
    if x.size and draw(st.booleans()):
        shape[draw(st.integers(0, len(shape) - 1))] = -1
    return x, tuple(shape)


@given(case=factorings())
@quickly
def test_reshape(case: tuple[Array, tuple[int, ...]]) -> None:
    x, shape = case
    assert_same(al.reshape(x, shape), x.reshape(shape))
    assert_same(al.tensor(x).reshape(*shape), x.reshape(shape))
    assert_same(al.tensor(x).reshape(list(shape)), x.reshape(shape))
    assert_same(al.tensor(x).flatten(), x.reshape(-1))


@pytest.mark.parametrize(
    ("shape", "target", "message"),
    [
        ((2, 3), (4,), r"reshape: shape \(2, 3\) has 6 elements, \(4,\) has 4"),
        ((2, 3), (-1, -1), r"only one size may be -1, got \(-1, -1\)"),
        ((2, 3), (-1, 4), r"no size in place of -1 in \(-1, 4\)"),
        ((0, 3), (0, -1), r"no size in place of -1 in \(0, -1\)"),
        ((4,), (-2, -2), "negative size"),
    ],
)
def test_reshape_refuses(shape: Any, target: Any, message: str) -> None:
    with pytest.raises(al.ShapeError, match=message):
        al.reshape(al.zeros(shape), target)


@given(x=arrays(ALL), seed=st.integers(0, 1000), negative=st.booleans())
@quickly
def test_permutations(x: Array, seed: int, negative: bool) -> None:
    order = np.random.default_rng(seed).permutation(x.ndim).tolist()
    if negative:
        order = [a - x.ndim for a in order]
    assert_same(al.permute_dims(x, order), x.transpose(order))
    assert_same(al.tensor(x).permute(*order), x.transpose(order))
    if x.ndim >= 2:
        a, b = order[:2]
        assert_same(al.swapaxes(x, a, b), np.swapaxes(x, a, b))
        assert_same(al.moveaxis(x, (a, b), (b, a)), np.moveaxis(x, (a, b), (b, a)))
        assert_same(al.moveaxis(x, a, b), np.moveaxis(x, a, b))
        assert_same(al.matrix_transpose(x), np.swapaxes(x, -1, -2))
        assert_same(al.tensor(x).mT, np.swapaxes(x, -1, -2))


def test_permutations_that_are_none() -> None:
    x = al.zeros((2, 3))
    with pytest.raises(al.ShapeError, match=r"\(0, 0\) is no permutation of the 2 axes"):
        al.permute_dims(x, (0, 0))
    with pytest.raises(al.IndexingError, match="permute_dims: axis 2 is out of range for rank 2"):
        al.permute_dims(x, (0, 2))
    with pytest.raises(al.ShapeError, match=r"matrix_transpose: needs rank 2 or more.*\(3,\)"):
        al.matrix_transpose(al.zeros(3))
    with pytest.raises(al.ShapeError, match=r"moveaxis: .* must name as many axes"):
        al.moveaxis(x, (0, 1), 0)
    with pytest.raises(al.ShapeError, match="T: needs rank 2"):
        _ = al.zeros(3).T


@given(x=arrays(ALL), data=st.data())
@quickly
def test_new_axes_and_their_removal(x: Array, data: st.DataObject) -> None:
    axis = data.draw(st.integers(-x.ndim - 1, x.ndim))
    wide = np.expand_dims(x, axis)
    assert_same(al.expand_dims(x, axis), wide)
    assert_same(al.squeeze(wide, axis), x)
    assert_same(al.squeeze(x), np.squeeze(x))
    places = data.draw(st.lists(st.integers(0, x.ndim + 1), min_size=2, max_size=2, unique=True))
    assert_same(al.expand_dims(x, places), np.expand_dims(x, tuple(places)))


def test_squeeze_refuses_other_sizes() -> None:
    with pytest.raises(al.ShapeError, match=r"squeeze: axis 1 of shape \(1, 3\) must have size 1"):
        al.squeeze(al.zeros((1, 3)), 1)
    with pytest.raises(al.IndexingError, match="expand_dims: axis 3 is out of range for rank 3"):
        al.expand_dims(al.zeros((1, 3)), 3)


@given(pair=broadcastable(ALL))
@quickly
def test_broadcasting(pair: tuple[Array, Array]) -> None:
    expected = np.broadcast_arrays(*pair)
    for got, wanted in zip(al.broadcast_arrays(*pair), expected, strict=True):
        assert_same(got, wanted)
    assert_same(al.broadcast_to(pair[0], expected[0].shape), expected[0])


@pytest.mark.parametrize("target", [(3,), (2,), (3, 2, 1), ()])
def test_broadcasting_refuses(target: tuple[int, ...]) -> None:
    with pytest.raises(al.ShapeError, match="broadcast_to: shape"):
        al.broadcast_to(al.zeros((2, 4)), target)


@given(case=with_axes(ALL))
@quickly
def test_flip(case: tuple[Array, Axes]) -> None:
    x, axis = case
    assert_same(al.flip(x, axis), np.flip(x, axis))


# ---- joining and splitting -----------------------------------------------------------------------


@given(case=with_axis(ALL), sizes=st.lists(st.integers(0, 3), min_size=1, max_size=4))
@quickly
def test_concat(case: tuple[Array, int], sizes: list[int]) -> None:
    x, axis = case
    count = x.shape[axis]
    parts = [np.take(x, range(min(n, count)), axis=axis) for n in sizes]
    assert_same(al.concat(parts, axis), np.concatenate(parts, axis))
    assert_same(al.concat(parts, None), np.concatenate(parts, None))
    assert_same(al.stack([x, x[...]], axis), np.stack([x, x], axis))


def test_joined_dtypes_promote() -> None:
    parts = [np.array([1], np.int8), np.array([2], np.uint8), np.array([True])]
    assert_same(al.concat(parts), np.array([1, 2, 1], np.int16))
    assert_same(al.stack([1, 2.5]), np.array([1, 2.5], np.float32))


@pytest.mark.parametrize(
    ("parts", "axis", "message"),
    [
        ([], 0, "concat: needs at least one array"),
        ([(2, 3), (3, 3)], 1, r"concat: shapes \(2, 3\) and \(3, 3\) differ outside axis 1"),
        ([(2,), (2, 2)], 0, r"one rank of at least 1, got shapes \[\(2,\), \(2, 2\)\]; stack"),
        ([(), ()], 0, "stack joins arrays along a new axis"),
    ],
)
def test_concat_refuses(parts: list[Any], axis: int, message: str) -> None:
    with pytest.raises(al.ShapeError, match=message):
        al.concat([al.zeros(shape) for shape in parts], axis)


def test_stack_refuses() -> None:
    with pytest.raises(al.ShapeError, match=r"stack: shapes \(2,\) and \(3,\) differ"):
        al.stack([al.zeros(2), al.zeros(3)])
    with pytest.raises(al.ShapeError, match="stack: needs at least one array"):
        al.stack([])


@given(case=with_axis(ALL), data=st.data())
@quickly
def test_split(case: tuple[Array, int], data: st.DataObject) -> None:
    x, axis = case
    size = x.shape[axis]
    cuts = data.draw(st.lists(st.integers(-6, 6), max_size=4))
    sections = data.draw(
        st.sampled_from([d for d in range(1, size + 1) if size % d == 0] or [1, 2])
    )
    for how in (cuts, sections):
        expected = np.split(x, how, axis)
        got = al.split(x, how, axis)
        assert len(got) == len(expected)
        for g, e in zip(got, expected, strict=True):
            assert_same(g, e)


@given(case=with_axis(ALL))
@quickly
def test_unstack_is_the_inverse_of_stack(case: tuple[Array, int]) -> None:
    x, axis = case
    parts = al.unstack(x, axis)
    assert len(parts) == x.shape[axis]
    for part, expected in zip(parts, np.moveaxis(x, axis, 0), strict=True):
        assert_same(part, expected)
    if parts:
        assert_same(al.stack(parts, axis), x)


@pytest.mark.parametrize("sections", [0, 2, -1])
def test_split_refuses_unequal_parts(sections: int) -> None:
    with pytest.raises(al.ShapeError, match=rf"split: axis 0 .* not divide into {sections} equal"):
        al.split(al.zeros(3), sections)


# ---- repeating and surrounding -------------------------------------------------------------------


@given(case=with_axis(ALL), shift=st.integers(-7, 7))
@quickly
def test_roll(case: tuple[Array, int], shift: int) -> None:
    x, axis = case
    assert_same(al.roll(x, shift, axis), np.roll(x, shift, axis))
    assert_same(al.roll(x, shift), np.roll(x, shift))
    assert_same(al.roll(x, (shift, 1), (axis, 0)), np.roll(x, (shift, 1), (axis, 0)))


@given(case=with_axis(ALL), count=st.integers(0, 3), seed=st.integers(0, 99))
@quickly
def test_repeat(case: tuple[Array, int], count: int, seed: int) -> None:
    x, axis = case
    assert_same(al.repeat(x, count, axis=axis), np.repeat(x, count, axis))
    assert_same(al.repeat(x, count), np.repeat(x, count))
    each = np.random.default_rng(seed).integers(0, 3, x.shape[axis]).tolist()
    assert_same(al.repeat(x, each, axis=axis), np.repeat(x, np.array(each, int), axis))


@given(x=arrays(ALL), counts=st.lists(st.integers(0, 3), max_size=4))
@quickly
def test_tile(x: Array, counts: list[int]) -> None:
    assert_same(al.tile(x, tuple(counts)), np.tile(x, counts))


def test_repetitions_that_are_refused() -> None:
    with pytest.raises(al.ArgumentError, match="repeat: repeats must not be negative, got -1"):
        al.repeat([1, 2], -1)
    with pytest.raises(al.ShapeError, match=r"repeat: axis 0 .* 2 elements, but .* shape \(3,\)"):
        al.repeat([1, 2], [1, 2, 3])
    with pytest.raises(al.ArgumentError, match="tile: repetitions must not be negative"):
        al.tile([1, 2], -1)
    with pytest.raises(al.ShapeError, match="roll: 2 shifts for 3 axes"):
        al.roll(al.zeros((1, 1, 1)), (1, 2), (0, 1, 2))


@given(x=arrays(ALL), data=st.data())
@quickly
def test_pad(x: Array, data: st.DataObject) -> None:
    width = st.integers(0, 3)
    pairs = [data.draw(st.tuples(width, width)) for _ in range(x.ndim)]
    options: list[Any] = [data.draw(width), data.draw(st.tuples(width, width))]
    for pad_width in [*options, pairs] if x.ndim else [0]:
        assert_same(al.pad(x, pad_width), np.pad(x, pad_width))
    if x.ndim:
        assert_same(al.pad(x, pairs, constant_values=True), np.pad(x, pairs, constant_values=True))


def test_pad_refuses() -> None:
    x = al.zeros((2, 3))
    with pytest.raises(al.ShapeError, match="pad: widths must not be negative"):
        al.pad(x, -1)
    with pytest.raises(al.ShapeError, match=r"does not fit shape \(2, 3\); .* 2 such pairs"):
        al.pad(x, ((1, 1), (1, 1), (1, 1)))
    with pytest.raises(al.ArgumentError, match="mode must be 'constant', got 'reflect'"):
        al.pad(x, 1, "reflect")


@given(x=arrays(ALL), data=st.data())
@quickly
def test_sliding_windows(x: Array, data: st.DataObject) -> None:
    axes = [a for a in range(x.ndim) if x.shape[a] > 0]
    axes = data.draw(st.lists(st.sampled_from(axes), unique=True)) if axes else []
    axes.sort()
    sizes, strides, dilations = [], [], []
    for axis in axes:
        sizes.append(data.draw(st.integers(1, min(3, x.shape[axis]))))
        strides.append(data.draw(st.integers(1, 3)))
        largest = (x.shape[axis] - 1) // (sizes[-1] - 1) if sizes[-1] > 1 else 3
        dilations.append(data.draw(st.integers(1, max(largest, 1))))
    spans = tuple((n - 1) * d + 1 for n, d in zip(sizes, dilations, strict=True))
    expected = sliding_window_view(x, spans, tuple(axes))
    index = [slice(None)] * expected.ndim
    for i, axis in enumerate(axes):
        index[axis] = slice(None, None, strides[i])
        index[x.ndim + i] = slice(None, None, dilations[i])
    got = al.sliding_windows(x, sizes, tuple(axes), stride=strides, dilation=dilations)
    assert_same(got, expected[tuple(index)])


def test_sliding_windows_refuse() -> None:
    with pytest.raises(al.ShapeError, match=r"a window of 3 .* spans 5 elements, but axis 0"):
        al.sliding_windows(al.zeros(4), 3, dilation=2)
    with pytest.raises(al.ShapeError, match="sizes, strides and dilations must be at least 1"):
        al.sliding_windows(al.zeros(4), 2, stride=0)
    with pytest.raises(al.ShapeError, match=r"sizes \(2, 2\) must have one number for each axis"):
        al.sliding_windows(al.zeros(4), (2, 2))


@pytest.mark.parametrize("shape", SHAPES)
def test_every_view_works_without_elements_and_at_rank_0(shape: tuple[int, ...]) -> None:
    x = np.arange(np.prod(shape, dtype=int), dtype=np.int32).reshape(shape)
    t = al.tensor(x)
    assert_same(t.reshape((1, *shape)), x.reshape((1, *shape)))
    assert_same(al.broadcast_to(t, (2, *shape)), np.broadcast_to(x, (2, *shape)))
    assert_same(al.flip(t), np.flip(x))
    assert_same(al.permute_dims(t, range(x.ndim)[::-1]), x.T)
    assert_same(al.concat([t, t], None), np.concatenate([x, x], None))
