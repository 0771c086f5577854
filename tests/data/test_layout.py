"""`Layout` held to NumPy: every view has the elements, and the strides, of NumPy's view."""

from typing import Any

import numpy as np
import pytest
from allumette_core.layout import Layout, contiguous_strides
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.lib.stride_tricks import as_strided, sliding_window_view
from strategies import SHAPES, Array, shapes

often = settings(max_examples=90)


def _read(layout: Layout, storage: Array) -> Array:
    """The elements that `layout` places in `storage`, found from its definition alone."""
    out = np.empty(layout.shape, storage.dtype)
    for index in np.ndindex(layout.shape):
        place = layout.offset + sum(i * s for i, s in zip(index, layout.strides, strict=True))
        assert 0 <= place < storage.size
        out[index] = storage[place]
    return out


def _start(shape: tuple[int, ...]) -> tuple[Layout, Array]:
    return Layout.contiguous(shape), np.arange(int(np.prod(shape, dtype=int))).reshape(shape)


@st.composite
def permutations(draw: st.DrawFn, rank: int) -> list[int]:
    return list(draw(st.permutations(range(rank))))


@st.composite
def views(draw: st.DrawFn) -> tuple[Layout, Array, Array]:
    """A layout made by a few steps, NumPy's view made by the same, and the storage of both."""
    layout, view = _start(draw(shapes(5)))
    storage = view.reshape(-1)
    for _ in range(draw(st.integers(0, 4))):
        layout, view = draw(st.sampled_from([_permuted, _flipped, _sliced, _broadcast, _windowed]))(
            draw, layout, view
        )
    return layout, view, storage


def _permuted(draw: st.DrawFn, layout: Layout, view: Array) -> tuple[Layout, Array]:
    axes = draw(permutations(view.ndim))
    return layout.permute(axes), view.transpose(axes)


def _flipped(draw: st.DrawFn, layout: Layout, view: Array) -> tuple[Layout, Array]:
    axes = tuple(i for i in range(view.ndim) if draw(st.booleans()))
    return layout.flip(axes), np.flip(view, axes)


def _sliced(draw: st.DrawFn, layout: Layout, view: Array) -> tuple[Layout, Array]:
    bounds = []
    for size in view.shape:
        start = draw(st.integers(0, size))
        bounds.append((start, draw(st.integers(start, size)), draw(st.integers(1, 3))))
    starts, stops, steps = zip(*bounds, strict=True) if bounds else ((), (), ())
    return layout.slice(starts, stops, steps), view[tuple(slice(*b) for b in bounds)]


def _broadcast(draw: st.DrawFn, layout: Layout, view: Array) -> tuple[Layout, Array]:
    sizes = [n if n != 1 else draw(st.sampled_from([1, 3])) for n in view.shape]
    shape = (*draw(st.sampled_from([(), (2,), (1, 2)])), *sizes)
    return layout.broadcast(shape), np.broadcast_to(view, shape)


def _windowed(draw: st.DrawFn, layout: Layout, view: Array) -> tuple[Layout, Array]:
    axes = [i for i, size in enumerate(view.shape) if size > 1]
    if not axes or view.ndim > 6:
        return layout, view
    axis = draw(st.sampled_from(axes))
    size, stride = draw(st.integers(1, 2)), draw(st.integers(1, 2))
    dilation = draw(st.integers(1, view.shape[axis] - 1))
    windows = sliding_window_view(view, (size - 1) * dilation + 1, axis)
    index: list[Any] = [slice(None)] * windows.ndim
    index[axis], index[-1] = slice(None, None, stride), slice(None, None, dilation)
    return layout.windows((axis,), (size,), (stride,), (dilation,)), windows[tuple(index)]


@given(case=views())
@often
def test_views_hold_the_elements_of_numpys_views(case: tuple[Layout, Array, Array]) -> None:
    layout, view, storage = case
    assert layout.shape == view.shape
    assert layout.size == view.size
    np.testing.assert_array_equal(_read(layout, storage), view)


@given(case=views())
@often
def test_contiguity_is_what_numpy_calls_it(case: tuple[Layout, Array, Array]) -> None:
    layout, view, _ = case
    if 0 not in view.strides:  # NumPy forgets the strides of axes it broadcasts to size 1
        assert layout.is_contiguous == view.flags.c_contiguous


@given(case=views(), data=st.data())
@often
def test_reshape_is_free_exactly_where_it_can_be(
    case: tuple[Layout, Array, Array], data: st.DataObject
) -> None:
    layout, view, storage = case
    shape = _another_shape(data, view.size)
    got = layout.reshape(shape)
    if got is not None:
        np.testing.assert_array_equal(_read(got, storage), view.reshape(shape))
    elif view.size:
        with pytest.raises((ValueError, AttributeError)):
            view.reshape(shape, copy=False)
    else:
        pytest.fail("without elements every reshape is free")


@given(case=views(), data=st.data())
@often
def test_reshape_finds_what_numpy_finds(
    case: tuple[Layout, Array, Array], data: st.DataObject
) -> None:
    """Whenever NumPy can reshape without a copy, so can a layout."""
    layout, view, _ = case
    strides = tuple(s * view.itemsize for s in layout.strides)
    same = as_strided(view, layout.shape, strides) if view.size else view
    shape = _another_shape(data, view.size)
    try:
        same.reshape(shape, copy=False)
    except ValueError:
        return
    assert layout.reshape(shape) is not None


def _another_shape(data: st.DataObject, size: int) -> tuple[int, ...]:
    shape, rest = [], size
    while rest > 1 and len(shape) < 5:
        shape.append(data.draw(st.sampled_from([d for d in range(1, rest + 1) if rest % d == 0])))
        rest //= shape[-1]
    return (*shape, rest)


@pytest.mark.parametrize("shape", SHAPES)
def test_contiguous_layouts(shape: tuple[int, ...]) -> None:
    layout, x = _start(shape)
    assert layout.is_contiguous
    assert layout.offset == 0
    assert layout.size == x.size
    if x.size:
        assert contiguous_strides(shape) == tuple(s // x.itemsize for s in x.strides)


def test_the_offset_does_not_matter_to_contiguity() -> None:
    rows = Layout.contiguous((4, 3)).slice((1, 0), (3, 3), (1, 1))
    assert rows == Layout((2, 3), (3, 1), 3)
    assert rows.is_contiguous
    assert not Layout.contiguous((4, 3)).slice((0, 1), (4, 3), (1, 1)).is_contiguous


@pytest.mark.parametrize("rank", [0, 1, 8, 31, 32])
def test_high_ranks(rank: int) -> None:
    shape = tuple(2 if i in (0, rank - 1) else 1 for i in range(rank))
    layout, x = _start(shape)
    backwards = layout.permute(range(rank)[::-1]).flip(range(rank))
    np.testing.assert_array_equal(_read(backwards, x.reshape(-1)), np.flip(x.T))
    assert layout.reshape((x.size,)) == Layout((x.size,), (1,))


@pytest.mark.parametrize(
    ("layout", "shape", "free"),
    [
        (Layout((4, 6), (6, 1)), (2, 2, 6), True),
        (Layout((4, 6), (1, 4)), (24,), False),
        (Layout((4, 6), (1, 4)), (2, 2, 6), True),
        (Layout((3, 1, 2), (2, 99, 1)), (6,), True),
        (Layout((3, 4), (0, 1)), (12,), False),
        (Layout((3, 4), (0, 0)), (12,), True),
        (Layout((5,), (-1,), 4), (5, 1), True),
        (Layout((6,), (-1,), 5), (2, 3), True),
        (Layout((), (), 7), (1, 1), True),
        (Layout((0, 3), (3, 1)), (7, 0), True),
    ],
)
def test_reshapes_by_hand(layout: Layout, shape: tuple[int, ...], free: bool) -> None:
    assert (layout.reshape(shape) is not None) == free
