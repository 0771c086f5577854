"""Brackets and assignment against NumPy's: basic, array and mask indices, and refusals."""

from typing import Any

import allumette_core as al
import numpy as np
import pytest
from allumette_core.expr import ancestors, pending
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from strategies import ALL, FLOATS, Array, arrays, assert_same, fill, shapes

often = settings(max_examples=60)
Index = Any


# ---- indices to draw -----------------------------------------------------------------------------


def basic(shape: tuple[int, ...]) -> st.SearchStrategy[Index]:
    return hnp.basic_indices(shape, allow_newaxis=True, allow_ellipsis=True, max_dims=10)


def _slices(size: int) -> st.SearchStrategy[slice]:
    end = st.none() | st.integers(-size - 2, size + 2)
    return st.builds(slice, end, end, st.none() | st.sampled_from([1, 2, 3, 7, -1, -2, -5]))


@st.composite
def advanced(draw: st.DrawFn, shape: tuple[int, ...]) -> tuple[Index, ...]:
    """An index with at least one array: integers, masks, and basic ones around them."""
    joint = draw(st.sampled_from([(), (1,), (3,), (2, 3), (0,)]))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    items: list[Index] = []
    axis = 0
    mask_count = None
    while axis < len(shape):
        size = shape[axis]
        kind = draw(st.sampled_from(["slice", "integer", "array", "array", "mask", "new", "rest"]))
        if kind == "rest":
            if Ellipsis in [i for i in items if i is Ellipsis]:
                continue
            items.append(Ellipsis)
            axis += draw(st.integers(0, len(shape) - axis))
        elif kind == "new":
            if len(items) > 6:
                continue
            items.append(None)
        elif kind == "slice" or size == 0:
            items.append(draw(_slices(size)))
            axis += 1
        elif kind == "integer":
            items.append(draw(st.sampled_from([int, np.int64]))(draw(st.integers(-size, size - 1))))
            axis += 1
        elif kind == "mask" and mask_count is None and joint in ((), (1,)):
            rank = draw(st.integers(1, len(shape) - axis))
            mask = generator.random(shape[axis : axis + rank]) < 0.5
            mask_count = int(mask.sum())
            items.append(mask)
            axis += rank
        else:
            own = joint[draw(st.integers(0, len(joint))) :]
            own = tuple(1 if draw(st.integers(0, 3)) == 0 else n for n in own)
            dtype = draw(st.sampled_from(["int8", "int32", "int64", "uint8"]))
            low = 0 if dtype == "uint8" else -size
            items.append(generator.integers(low, size, own).astype(dtype))
            axis += 1
    if draw(st.integers(0, 9)) == 0 and mask_count is None:
        items.insert(draw(st.integers(0, len(items))), True)
    return tuple(items)


def as_tensors(index: tuple[Index, ...]) -> tuple[Index, ...]:
    return tuple(al.asarray(i) if isinstance(i, np.ndarray) else i for i in index)


def numbered(shape: tuple[int, ...]) -> Array:
    return np.arange(np.prod(shape, dtype=int), dtype=np.float32).reshape(shape)


def node_names(t: al.Tensor) -> list[str]:
    nodes = ancestors([t._node], pending)
    return [node.primitive.name for node in nodes if node.primitive and node.inputs]


# ---- reading -------------------------------------------------------------------------------------


@given(data=st.data(), x=arrays())
@often
def test_basic_indexing_is_numpys(data: st.DataObject, x: Array) -> None:
    index = data.draw(basic(x.shape))
    assert_same(al.asarray(x)[index], x[index])


@given(data=st.data(), shape=shapes(5))
@settings(max_examples=120)
def test_array_indexing_is_numpys(data: st.DataObject, shape: tuple[int, ...]) -> None:
    index = data.draw(advanced(shape))
    x = numbered(shape)
    assert_same(al.asarray(x)[index], x[index])


@given(data=st.data(), shape=shapes(4))
@settings(max_examples=80)
def test_tensors_index_like_arrays(data: st.DataObject, shape: tuple[int, ...]) -> None:
    index = data.draw(advanced(shape))
    x = numbered(shape)
    assert_same(al.asarray(x)[as_tensors(index)], x[index])


@pytest.mark.parametrize("index", [
    [0, 2], [[0], [1]], ([0, 1], [1, 0]), [True, False, True], [], ([],), True, False, (), None,
    (slice(None), [1]), (0, [1, 2]), ([0, 1], slice(None), [1, 1]), ([0, 1], None, [1, 1]),
    (..., [0, 0, 1]), (0, ..., [1]), ([1], ..., [1], [1]), np.array(1), np.bool_(True),
    (slice(None), True), (slice(None), False, 0), (True, slice(None), [0, 1]), [[True] * 3] * 3,
])  # fmt: skip
def test_forms_of_an_index(index: Index) -> None:
    x = np.arange(27).reshape(3, 3, 3)
    assert_same(al.asarray(x)[index], x[index])


def test_a_scalar_tensor_is_an_index() -> None:
    x = al.arange(12).reshape(3, 4)
    assert x[al.tensor(1), al.tensor(-1)].item() == 7
    assert x[al.tensor(2)].tolist() == [8, 9, 10, 11]
    assert [x[i, 0].item() for i in range(3)] == [0, 4, 8]


@pytest.mark.parametrize("index", [[5, -4, 1], [-9, 2, 0], [3, -3, 2]])
def test_lazy_indices_out_of_bounds_read_the_nearest(index: list[int]) -> None:
    x = np.array([10, 20, 30])
    wrapped = [i + 3 if i < 0 else i for i in index]
    assert_same(al.asarray(x)[al.tensor(index)], x[np.clip(wrapped, 0, 2)])
    grid = np.arange(9).reshape(3, 3)
    got = al.asarray(grid)[al.tensor(index), al.tensor(index)]
    assert_same(got, grid[np.clip(wrapped, 0, 2), np.clip(wrapped, 0, 2)])


@pytest.mark.parametrize(("dtype", "size"), [("uint8", 300), ("int8", 200), ("uint64", 5)])
def test_narrow_and_unsigned_lazy_indices(dtype: str, size: int) -> None:
    x = np.arange(size)
    index = np.array([0, 3, 100], dtype)
    assert_same(al.asarray(x)[al.asarray(index)], np.take(x, index, mode="clip"))
    if dtype == "int8":
        assert al.asarray(x)[al.asarray(np.array([-1], "int8"))].tolist() == [size - 1]
    if dtype == "uint64":
        huge = al.asarray(np.array([2**64 - 1], "uint64"))
        assert al.asarray(x)[huge].tolist() == [4]
        pairs = al.asarray(np.arange(25).reshape(5, 5))[huge, huge]
        assert pairs.tolist() == [24]


def test_nothing_to_do_makes_no_nodes() -> None:
    x = al.zeros((3, 4))
    al.evaluate(x)
    assert node_names(x[1]) == ["slice", "reshape"]
    assert node_names(x[1:]) == ["slice"]
    assert node_names(x[:, None]) == ["reshape"]
    assert node_names(x[:]) == node_names(x[...]) == ["alias"]
    assert node_names(x[::-1]) == ["flip"]
    assert node_names(x[[0, 2]]) == ["gather"]


def test_a_whole_slice_does_not_alias() -> None:
    x = al.zeros(3)
    y = x[:]
    y += 1
    assert x.tolist() == [0, 0, 0]


# ---- assignment ----------------------------------------------------------------------------------


def assigned(x: Array, index: Index, value: Any) -> Array:
    out = x.copy()
    out[index] = value
    return out


@st.composite
def values_for(draw: st.DrawFn, x: Array, index: Index, lead: bool = False) -> Array:
    """An array that broadcasts to x[index], if `lead` with another axis in front at times."""
    shape = x[index].shape
    kept = shape[draw(st.integers(0, len(shape))) :]
    kept = tuple(1 if draw(st.integers(0, 3)) == 0 else n for n in kept)
    if lead and shape and len(kept) == len(shape) and draw(st.booleans()):
        kept = (1, *kept)
    return fill(np.random.default_rng(draw(st.integers(0, 2**32 - 1))), kept, x.dtype)


@given(data=st.data(), x=arrays())
@often
def test_basic_assignment_is_numpys(data: st.DataObject, x: Array) -> None:
    index = data.draw(basic(x.shape))
    value = data.draw(values_for(x, index, lead=True))
    t = al.asarray(x)
    t[index] = value
    assert_same(t, assigned(x, index, value))


def without_repeats(x: Array, index: Index) -> bool:
    picked = np.arange(x.size).reshape(x.shape)[index]
    return len(np.unique(picked)) == picked.size


@given(data=st.data(), shape=shapes(5), lazy=st.booleans())
@settings(max_examples=120)
def test_array_assignment_is_numpys(
    data: st.DataObject, shape: tuple[int, ...], lazy: bool
) -> None:
    index = data.draw(advanced(shape))
    x = numbered(shape)
    value = data.draw(values_for(x, index))
    if not without_repeats(x, index):  # then NumPy leaves the order open
        value = value.reshape(-1)[:1].reshape(()) if value.size else value
    t = al.asarray(x)
    t[as_tensors(index) if lazy else index] = value
    assert_same(t, assigned(x, index, value))


def test_the_last_of_equal_indices_wins() -> None:
    t = al.zeros(3)
    t[[1, 1, 2]] = [5.0, 6.0, 7.0]
    assert t.tolist() == [0, 6, 7]


def test_lazy_indices_out_of_bounds_write_nothing() -> None:
    t = al.zeros(3)
    t[al.tensor([3, -4, -1])] = [1.0, 2.0, 3.0]
    assert t.tolist() == [0, 0, 3]
    grid = al.zeros((2, 2))
    grid[al.tensor([0, 1, 0]), al.tensor([-3, 0, 2])] = [1.0, 2.0, 3.0]
    assert grid.tolist() == [[0, 0], [2, 0]]


@given(data=st.data(), x=arrays([*FLOATS, "int32", "bool"], shapes(4).filter(bool)))
@often
def test_masked_assignment(data: st.DataObject, x: Array) -> None:
    rank = data.draw(st.integers(1, x.ndim))
    mask = data.draw(hnp.arrays(bool, x.shape[:rank]))
    value = data.draw(values_for(x, mask))
    wanted = assigned(x, mask, value)
    for form in (mask, al.asarray(mask)):
        t = al.asarray(x)
        t[form] = value
        assert_same(t, wanted)


def test_values_take_the_dtype_of_the_tensor() -> None:
    t = al.zeros(2, dtype=al.int8)
    t[0] = True
    t[1] = 7
    assert t.dtype == np.int8
    assert t.tolist() == [1, 7]
    f = al.zeros(2, dtype=al.float16)
    f[0] = np.float64(0.5)
    f[1] = [3]
    assert f.dtype == np.float16
    assert f.tolist() == [0.5, 3]
    big = al.zeros(1, dtype=al.int64)
    big[0] = 2**40
    big[:] = [2**41]
    assert big.tolist() == [2**41]


@pytest.mark.parametrize(("dtype", "value"), [
    ("int32", 0.5), ("int32", [0.5]), ("bool", 1), ("bool", [1.0]), ("int8", np.float32(1)),
])  # fmt: skip
def test_a_value_of_a_greater_kind_is_refused(dtype: str, value: Any) -> None:
    t = al.zeros(3, dtype=dtype)
    with pytest.raises(al.DTypeError, match="astype"):
        t[0] = value


def test_a_value_that_does_not_fit_its_integer_dtype_is_refused() -> None:
    t = al.zeros(3, dtype=al.int8)
    with pytest.raises(al.DTypeError, match="300"):
        t[0] = 300
    with pytest.raises(al.DTypeError, match="300"):
        t[:2] = [1, 300]


@pytest.mark.parametrize("index", [0, slice(1), [0, 1], np.array([True, False, True])])
def test_a_value_that_does_not_broadcast_is_refused(index: Index) -> None:
    t = al.zeros((3, 4))
    with pytest.raises(al.ShapeError, match="broadcast"):
        t[index] = al.ones(5)


# ---- refusals ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("index", "message"), [
    (3, "3 is out of bounds for axis 0 of shape"), (-4, "-4 to 3|-4 is out of bounds"),
    ((0, 0, 0), "3 indices for rank 2"), ((..., ...), "ellipsis"), (1.0, "float is no index"),
    ("a", "str is no index"), ([0.5], "float64"), ([0, 3], "3 is out of bounds"),
    ((slice(None), [4]), "axis 1"), (np.array([True]), "mask of shape"),
    (([0, 1], [0, 1, 2]), "broadcast"), (slice(None, None, 0), "zero"), (slice(0.5), "integers"),
    ({}, "dict is no index"),
])  # fmt: skip
def test_refused_indices(index: Index, message: str) -> None:
    t = al.zeros((3, 4))
    with pytest.raises(al.IndexingError, match=message):
        t[index]
    with pytest.raises(al.IndexingError, match=message):
        t[index] = 1


def test_an_empty_axis_has_nothing_to_index() -> None:
    with pytest.raises(al.IndexingError, match="no elements"):
        al.zeros((0, 2))[0]
    assert al.zeros((0, 2))[[]].shape == (0, 2)


# ---- tracing -------------------------------------------------------------------------------------


def test_a_mask_in_a_trace_names_where() -> None:
    @al.jit
    def pick(x: al.Tensor) -> al.Tensor:
        return x[x > 0]

    with pytest.raises(al.TracingError, match=r"mask.*test_indexing.*al\.where"):
        pick(al.ones(3))
    with pytest.raises(al.TracingError, match=r"al\.where"):
        al.jit(lambda x: al.nonzero(x)[0])(al.ones(3))
    with pytest.raises(al.TracingError, match=r"al\.where"):
        al.vmap(lambda x: x[x > 0])(al.ones((2, 3)))


def test_a_changing_mask_of_the_host_is_refused_in_a_trace() -> None:
    mask = np.array([True, False])
    with pytest.raises(al.TracingError, match="mask"):
        al.jit(lambda x: x[mask])(al.ones(2))


def test_masked_assignment_in_a_trace() -> None:
    @al.jit
    def clear(x: al.Tensor) -> al.Tensor:
        y = x * 1
        y[y < 0] = 0
        return y

    assert clear(al.tensor([-1.0, 2.0])).tolist() == [0, 2]


def test_traced_indexing_follows_a_captured_array() -> None:
    index = np.array([0, 1])
    scalar = np.array(2)
    pick = al.jit(lambda x: x[index] + x[scalar])
    x = al.tensor([1.0, 2.0, 4.0])
    assert pick(x).tolist() == [5, 6]
    index[:] = [2, -2]
    scalar[...] = 0
    assert pick(x).tolist() == [5, 3]


def test_traced_indexing_by_an_argument() -> None:
    pick = al.jit(lambda x, i: x[i, i + 1])
    x = al.arange(9).reshape(3, 3)
    assert pick(x, 0).item() == 1
    assert pick(x, 1).item() == 5


# ---- derivatives ---------------------------------------------------------------------------------


@pytest.mark.parametrize("index", [
    1, (slice(None, None, -2), 1), (None, ..., 0), [0, 0, 2], (slice(None), [1, 1]),
    ([0, 1, 0], [2, 2, 2]), ("lazy", slice(1, None)), (slice(None), "lazy"),
    np.array([True, False, True]), (slice(0, 0),),
])  # fmt: skip
def test_derivatives(index: Index) -> None:
    if isinstance(index, tuple):  # repeated, and out of bounds
        index = tuple(al.tensor([0, 0, 5, -9]) if isinstance(i, str) else i for i in index)
    generator = np.random.default_rng(0)
    x = al.asarray(generator.normal(size=(3, 3)))
    value = al.asarray(generator.normal(size=x[index].shape))
    al.check_grads(lambda x: al.square(x[index]), [x])
    al.check_grads(lambda x, v: al.square(al.functions.setitem(x, index, v)), [x, value])


def test_derivatives_of_masked_assignment_to_nan() -> None:
    x = al.tensor([float("nan"), 2.0])

    def f(x: al.Tensor) -> al.Tensor:
        y = al.functions.setitem(x, al.isnan(x), 0)
        return (y * y).sum()

    assert al.grad(f)(x).tolist() == [0, 4]


@given(x=arrays(ALL, shapes(4)))
def test_nonzero_is_numpys(x: Array) -> None:
    if x.ndim == 0:
        with pytest.raises(al.IndexingError):
            al.nonzero(x)
        return
    for got, wanted in zip(al.nonzero(x), np.nonzero(x), strict=True):
        assert_same(got, wanted.astype(np.int32))
