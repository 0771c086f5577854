"""Shape rules against NumPy's, and the refusals of shapes that do not fit."""

import numpy as np
import pytest
from allumette_core import shapes
from allumette_core.errors import IndexingError, ShapeError
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from strategies import shapes as some_shapes

often = settings(max_examples=70)
sizes = st.lists(st.sampled_from([0, 1, 1, 2, 3]), max_size=4).map(tuple)
Shape = tuple[int, ...]


@given(a=sizes, b=sizes)
@often
def test_broadcast_is_numpys(a: Shape, b: Shape) -> None:
    try:
        expected = np.broadcast_shapes(a, b)
    except ValueError:
        with pytest.raises(ShapeError, match=r"add: shapes .* do not broadcast: axis -"):
            shapes.broadcast("add", a, b)
        return
    assert shapes.broadcast("add", a, b) == expected


@given(shape=some_shapes(), target=some_shapes())
@often
def test_broadcast_to_is_numpys(shape: Shape, target: Shape) -> None:
    try:
        expected = np.broadcast_to(np.zeros(shape), target).shape
    except ValueError:
        with pytest.raises(ShapeError, match="broadcast_to: shape"):
            shapes.broadcast_to(shape, target)
        return
    assert shapes.broadcast_to(shape, target) == expected


@given(shape=some_shapes(), data=st.data())
@often
def test_slices_have_numpys_sizes(shape: Shape, data: st.DataObject) -> None:
    bounds = [
        (data.draw(st.integers(0, n)), data.draw(st.integers(0, n)), data.draw(st.integers(1, 4)))
        for n in shape
    ]
    starts, stops, steps = zip(*bounds, strict=True) if bounds else ((), (), ())
    expected = np.zeros(shape)[tuple(slice(*b) for b in bounds)].shape
    assert shapes.slice_(shape, starts, stops, steps) == expected


@given(shape=some_shapes(4), data=st.data())
@often
def test_pads_have_numpys_sizes(shape: Shape, data: st.DataObject) -> None:
    widths = [data.draw(st.tuples(st.integers(0, 2), st.integers(0, 2))) for _ in shape]
    lo, hi = (tuple(w[i] for w in widths) for i in (0, 1))
    assert (
        shapes.pad(shape, lo, hi, (0,) * len(shape)) == np.pad(np.zeros(shape), widths or 0).shape
    )


def test_interior_padding_lies_between_neighbours_only() -> None:
    assert [shapes.pad((n,), (0,), (0,), (2,)) for n in range(4)] == [(0,), (1,), (4,), (7,)]
    with pytest.raises(ShapeError, match="pad: widths must not be negative"):
        shapes.pad((3,), (-1,), (0,), (0,))


@given(shape=some_shapes(4), data=st.data())
@often
def test_reductions_have_numpys_shape(shape: Shape, data: st.DataObject) -> None:
    axes = data.draw(st.lists(st.integers(-4, 4), max_size=3))
    try:
        expected = np.sum(np.zeros(shape), axis=tuple(axes)).shape
    except (ValueError, np.exceptions.AxisError):
        with pytest.raises((ShapeError, IndexingError), match="sum: axis"):
            shapes.normalize_axes("sum", axes, len(shape))
        return
    normal = shapes.normalize_axes("sum", axes, len(shape))
    assert list(normal) == sorted(normal)
    assert shapes.reduce(shape, normal) == expected


@given(
    drawn=hnp.mutually_broadcastable_shapes(signature="(m,k),(k,n)->(m,n)", max_dims=2, max_side=3)
)
@often
def test_matrix_products_have_numpys_shape(drawn: hnp.BroadcastableShapes) -> None:
    a, b = drawn.input_shapes
    assume(len(a) == len(b) and a[:-2] == b[:-2])
    n = len(a) - 2
    batch = tuple(range(n))
    got = shapes.dot_general(a, b, (n + 1,), (n,), batch, batch)
    assert got == np.matmul(np.zeros(a), np.zeros(b)).shape


def test_dot_general_names_what_differs() -> None:
    with pytest.raises(ShapeError, match=r"\(2, 3\) and \(4, 5\): contracted .* 3 and 4"):
        shapes.dot_general((2, 3), (4, 5), (1,), (0,), (), ())
    with pytest.raises(ShapeError, match="batch axes 0 and 0 have sizes 2 and 3"):
        shapes.dot_general((2, 3), (3, 3), (1,), (1,), (0,), (0,))


@pytest.mark.parametrize(
    ("size", "window", "stride", "dilation"),
    [(5, 2, 1, 1), (5, 5, 9, 1), (9, 3, 2, 4), (1, 1, 1, 7)],
)
def test_windows_and_their_fold(size: int, window: int, stride: int, dilation: int) -> None:
    shape, params = (2, size), ((1,), (window,), (stride,), (dilation,))
    starts = range(0, size - (window - 1) * dilation, stride)
    assert shapes.windows(shape, *params) == (2, len(starts), window)
    assert shapes.fold((2, len(starts), window), *params, shape) == shape
    with pytest.raises(ShapeError, match=r"fold: windows of shape \(2, 99, 1\) do not add up"):
        shapes.fold((2, 99, 1), *params, shape)


def test_windows_refuse_what_does_not_fit() -> None:
    with pytest.raises(ShapeError, match=r"spans 5 elements, but axis 0 .* has 4; pad"):
        shapes.windows((4,), (0,), (3,), (1,), (2,))
    with pytest.raises(ShapeError, match="must be at least 1"):
        shapes.windows((4,), (0,), (0,), (1,), (1,))


@pytest.mark.parametrize("rank", [0, 1, 31, 32])
def test_ranks_up_to_32(rank: int) -> None:
    assert shapes.checked_rank("zeros", (1,) * rank) == (1,) * rank


def test_rank_33_and_negative_sizes_are_refused() -> None:
    with pytest.raises(ShapeError, match="zeros: rank 33 is above the limit of 32 axes"):
        shapes.checked_rank("zeros", (1,) * 33)
    with pytest.raises(ShapeError, match=r"zeros: shape \(2, -3\) has a negative size"):
        shapes.checked_rank("zeros", (2, -3))


@pytest.mark.parametrize(("axis", "rank"), [(0, 0), (2, 2), (-3, 2)])
def test_axes_that_do_not_exist(axis: int, rank: int) -> None:
    with pytest.raises(IndexingError, match=f"flip: axis {axis} is out of range for rank {rank}"):
        shapes.normalize_axis("flip", axis, rank)
