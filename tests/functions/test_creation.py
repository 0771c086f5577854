"""Tensors from data and from rules."""

import math
from typing import Any

import allumette_core as al
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import ALL, FLOATS, INTEGERS, NUMBERS, SHAPES, Array, arrays, assert_same

quickly = settings(max_examples=35)


@given(x=arrays(ALL))
@quickly
def test_arrays_keep_dtype_shape_and_values(x: Array) -> None:
    assert_same(al.tensor(x), x)
    if x.ndim:
        assert_same(al.asarray(np.asfortranarray(x)[..., ::-1]), x[..., ::-1])


@given(x=arrays([np.dtype("float64"), np.dtype("int32"), np.dtype("bool")]))
@quickly
def test_lists_get_default_dtypes(x: Array) -> None:
    default = {"f": np.float32, "i": np.int32, "b": np.bool_}[x.dtype.kind]
    with np.errstate(over="ignore"):
        expected = np.array(x.tolist()).astype(default if x.size else np.float32)
        assert_same(al.tensor(x.tolist()), expected)


def test_a_tensor_is_a_copy_of_the_array() -> None:
    x = np.array([1.0, 2.0])
    t = al.tensor(x)
    x[0] = 9
    assert t.tolist() == [1.0, 2.0]
    with pytest.raises(ValueError, match="read-only"):
        t.numpy()[0] = 3


@pytest.mark.parametrize("dtype", [">f4", "<i2", ">u8"])
def test_foreign_byte_orders(dtype: str) -> None:
    x = np.array([1, 2, 3], dtype)
    assert_same(al.tensor(x), x.astype(x.dtype.newbyteorder("=")))


def test_lists_may_hold_tensors() -> None:
    a, b = al.tensor(1.0), al.tensor(2.0)
    assert_same(al.tensor([a, b]), np.array([1, 2], np.float32))
    assert_same(al.tensor([[a, 3], [4, b]]), np.array([[1, 3], [4, 2]], np.float32))
    gradient = al.grad(lambda x: al.tensor([x, x * x]).sum())(al.tensor(3.0))
    assert gradient.item() == 7.0


def test_asarray_gives_a_tensor_back_and_tensor_copies() -> None:
    x = al.tensor([1.0])
    assert al.asarray(x) is x
    assert al.asarray(x, dtype=al.float32) is x
    assert al.asarray(x, dtype=al.float64).dtype == np.float64
    copy = al.tensor(x)
    copy += 1
    assert x.tolist() == [1.0]


def test_floats_given_as_integers_go_towards_zero() -> None:
    assert al.tensor([1.7, -1.7, math.nan, 1e9], dtype="int8").tolist() == [1, -1, 0, 127]
    assert al.tensor(np.array([-1.5, 300.0]), dtype="uint8").tolist() == [0, 255]


def test_numpy_scalars_keep_their_dtype() -> None:
    x = al.tensor([1.0])
    assert (x * np.float64(2)).dtype == (np.float64(2) * x).dtype == np.float64
    assert (x * np.float16(2)).dtype == np.float32
    assert al.exp(np.float64(0)).dtype == np.float64


def test_requires_grad() -> None:
    assert al.tensor([1.0], requires_grad=True).requires_grad
    assert not al.tensor([1.0]).requires_grad
    with pytest.raises(al.DTypeError, match="requires_grad: needs a float dtype, got int32"):
        al.tensor([1], requires_grad=True)


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        ([[1, 2], [3]], al.ShapeError, "inhomogeneous"),
        (["a"], al.DTypeError, "cannot make numbers of list"),
        ({"a": 1}, al.DTypeError, "cannot make numbers of dict"),
        (np.array([1j]), al.DTypeError, "complex128 is not supported"),
        ([2**31], al.DTypeError, "2147483648 does not fit int32; pass dtype=al.int64"),
        ([-(2**31) - 1], al.DTypeError, "does not fit int32"),
        ([2**64], al.DTypeError, "cannot make numbers|does not fit"),
    ],
)
def test_data_that_is_refused(data: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        al.tensor(data)


def test_a_device_that_does_not_exist() -> None:
    with pytest.raises(al.AllumetteError, match="nowhere"):
        al.zeros(3, device="nowhere")
    with pytest.raises(al.AllumetteError, match="nowhere"):
        al.tensor([1.0], device="nowhere")


# ---- of one value --------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", ALL)
def test_constants(shape: tuple[int, ...], dtype: Any) -> None:
    assert_same(al.zeros(shape, dtype=dtype), np.zeros(shape, dtype))
    assert_same(al.ones(shape, dtype=dtype), np.ones(shape, dtype))
    assert_same(al.empty(shape, dtype=dtype), np.zeros(shape, dtype))
    assert_same(al.full(shape, 1, dtype=dtype), np.full(shape, 1, dtype))
    like = al.zeros(shape, dtype=dtype)
    assert_same(al.ones_like(like), np.ones(shape, dtype))
    assert_same(al.zeros_like(like, dtype=al.int8), np.zeros(shape, np.int8))
    assert_same(al.full_like(like, True), np.ones(shape, dtype))
    assert_same(al.empty_like(like), np.zeros(shape, dtype))


def test_constants_have_default_dtypes() -> None:
    assert al.zeros(3).dtype == al.ones((2,)).dtype == al.full(2, 0.5).dtype == np.float32
    assert al.full(2, 7).dtype == np.int32
    assert al.full(2, True).dtype == np.bool_
    assert al.full((2, 2), al.tensor([1.0, 2.0])).tolist() == [[1.0, 2.0], [1.0, 2.0]]
    assert al.full(2, np.float64(1)).dtype == np.float64


@pytest.mark.parametrize(
    ("value", "dtype"), [(math.nan, "float16"), (-0.0, "float32"), (math.inf, "float64")]
)
def test_constants_of_special_floats(value: float, dtype: str) -> None:
    assert_same(al.full(3, value, dtype), np.full(3, value, dtype))


@pytest.mark.parametrize(("value", "dtype"), [(256, "uint8"), (-1, "uint32"), (2**31, None)])
def test_a_constant_that_does_not_fit(value: int, dtype: str | None) -> None:
    with pytest.raises(al.DTypeError, match=f"{value} does not fit {dtype or 'int32'}"):
        al.full(2, value, dtype)


def test_bad_shapes_are_refused() -> None:
    with pytest.raises(al.ShapeError, match=r"full: shape \(2, -1\) has a negative size"):
        al.zeros((2, -1))
    with pytest.raises(al.ShapeError, match="full: rank 33 is above the limit of 32 axes"):
        al.ones((1,) * 33)


def test_rank_32_works() -> None:
    x = al.ones((1,) * 31 + (2,))
    assert (x + 1).sum().item() == 4.0
    assert x.reshape((1,) * 30 + (2, 1)).shape[-2:] == (2, 1)


# ---- ranges and grids ----------------------------------------------------------------------------


@given(start=st.integers(-20, 20), stop=st.integers(-20, 20), step=st.integers(-7, 7).filter(bool))
@pytest.mark.parametrize("dtype", NUMBERS)
@settings(max_examples=20)
def test_arange_of_integers(dtype: Any, start: int, stop: int, step: int) -> None:
    values = list(range(start, stop, step))
    if dtype.kind == "u" and min([start, *values]) < 0:
        with pytest.raises(al.DTypeError, match="does not fit"):
            al.arange(start, stop, step, dtype)
        return
    assert_same(al.arange(start, stop, step, dtype), np.array(values, dtype), signed_zeros=False)


@pytest.mark.parametrize("dtype", INTEGERS)
def test_arange_to_the_ends_of_a_dtype(dtype: Any) -> None:
    ends = np.iinfo(dtype)
    top = al.arange(int(ends.max) - 3, int(ends.max) + 1, dtype=dtype)
    assert top.tolist() == [ends.max - 3, ends.max - 2, ends.max - 1, ends.max]
    down = al.arange(int(ends.min) + 4, int(ends.min), -2, dtype=dtype)
    assert down.tolist() == [ends.min + 4, ends.min + 2]
    assert al.arange(0, 1, 1000, dtype=dtype).tolist() == [0]
    with pytest.raises(al.DTypeError, match="does not fit"):
        al.arange(int(ends.max), int(ends.max) + 2, dtype=dtype)


def test_arange_in_wide_steps_of_narrow_dtypes() -> None:
    assert al.arange(-128, 128, 200, dtype="int8").tolist() == [-128, 72]
    assert al.arange(0, 256, 255, dtype="uint8").tolist() == [0, 255]
    assert al.arange(250, -1, -125, dtype="uint8").tolist() == [250, 125, 0]


@given(
    start=st.floats(-50, 50, width=32),
    stop=st.floats(-50, 50, width=32),
    step=st.sampled_from([0.1, 0.25, 1 / 3, -0.5, 2.0]),
)
@pytest.mark.parametrize("dtype", FLOATS)
@settings(max_examples=20)
def test_arange_of_floats(dtype: Any, start: float, stop: float, step: float) -> None:
    count = max(0, math.ceil((stop - start) / step))
    exact = start + step * np.arange(count, dtype=np.longdouble)
    got = al.arange(start, stop, step, dtype)
    assert got.dtype == dtype
    assert got.shape == (count,)
    np.testing.assert_allclose(got.numpy(), exact, rtol=0, atol=200 * float(np.finfo(dtype).eps))


def test_arange_counts_beyond_what_float16_can() -> None:
    got = al.arange(3000, dtype=al.float16)
    assert_same(got, np.arange(3000).astype(np.float16))


def test_arange_defaults() -> None:
    assert_same(al.arange(3), np.arange(3, dtype=np.int32))
    assert_same(al.arange(3.0), np.arange(3, dtype=np.float32))
    assert_same(al.arange(5, 2), np.zeros(0, np.int32))


@pytest.mark.parametrize("arguments", [(0, 5, 0), (0, math.inf, 1), (math.nan,), (0, 1, math.inf)])
def test_arange_refuses(arguments: Any) -> None:
    with pytest.raises(al.ArgumentError, match=r"arange.*needs finite ends and a step not 0"):
        al.arange(*arguments)


def test_arange_of_booleans_is_refused() -> None:
    with pytest.raises(al.DTypeError, match="arange: the dtype must be an integer or a float"):
        al.arange(2, dtype=bool)


@given(
    start=st.floats(-100, 100, width=32),
    stop=st.floats(-100, 100, width=32),
    num=st.integers(0, 40),
    endpoint=st.booleans(),
)
@pytest.mark.parametrize("dtype", FLOATS)
@settings(max_examples=20)
def test_linspace(dtype: Any, start: float, stop: float, num: int, endpoint: bool) -> None:
    got = al.linspace(start, stop, num, dtype, endpoint=endpoint)
    exact = np.linspace(start, stop, num, endpoint=endpoint)
    np.testing.assert_allclose(got.numpy(), exact, rtol=0, atol=200 * float(np.finfo(dtype).eps))
    assert got.dtype == dtype
    if num:
        assert got[0].item() == dtype.type(start)
    if num > 1 and endpoint:
        assert got[-1].item() == dtype.type(stop)


def test_linspace_refuses_a_negative_number() -> None:
    with pytest.raises(al.ArgumentError, match="linspace: num must not be negative, got -1"):
        al.linspace(0, 1, -1)


@pytest.mark.parametrize(("rows", "columns"), [(0, 0), (3, None), (2, 5), (5, 2), (0, 3)])
@pytest.mark.parametrize("k", [-4, -1, 0, 1, 7])
def test_eye_and_triangles(rows: int, columns: int | None, k: int) -> None:
    assert_same(al.eye(rows, columns, k=k), np.eye(rows, columns, k, np.float32))
    x = (
        np.arange(2 * rows * (columns or rows), dtype=np.int16).reshape(2, rows, columns or rows)
        + 1
    )
    assert_same(al.tril(x, k=k), np.tril(x, k))
    assert_same(al.triu(x, k=k), np.triu(x, k))


@pytest.mark.parametrize("dtype", ALL)
def test_triangles_keep_the_dtype_and_drop_nan(dtype: Any) -> None:
    x = np.ones((2, 2), dtype)
    assert_same(al.tril(x), np.tril(x))
    assert al.tril([[1.0, math.nan], [1.0, 1.0]]).tolist() == [[1.0, 0.0], [1.0, 1.0]]


def test_triangles_need_matrices() -> None:
    with pytest.raises(al.ShapeError, match=r"triu: needs matrices .* got shape \(3,\)"):
        al.triu([1, 2, 3])


@pytest.mark.parametrize("indexing", ["xy", "ij"])
@pytest.mark.parametrize("sizes", [(), (3,), (2, 3), (2, 0), (2, 3, 4), (1, 2, 3, 2)])
def test_meshgrid(indexing: Any, sizes: tuple[int, ...]) -> None:
    axes = [np.arange(n, dtype=np.int16) for n in sizes]
    expected = np.meshgrid(*axes, indexing=indexing)
    got = al.meshgrid(*axes, indexing=indexing)
    assert len(got) == len(expected)
    for g, e in zip(got, expected, strict=True):
        assert_same(g, e)


def test_meshgrid_refuses() -> None:
    with pytest.raises(al.ArgumentError, match="indexing must be 'xy' or 'ij', got 'yx'"):
        al.meshgrid([1], indexing="yx")
    with pytest.raises(al.ShapeError, match=r"arrays of rank 1, got shape \(1, 1\)"):
        al.meshgrid([[1]])
