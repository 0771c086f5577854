"""The runtime's matrix products against float64, over shapes, strides and accumulation."""

import ctypes
from functools import cache
from typing import Any

import numpy as np
import pytest
from allumette_cpu.plan import GEMM_SCRATCH
from allumette_cpu.runtime import functions
from numpy.typing import NDArray

Array = NDArray[Any]
SCRATCH = np.empty(GEMM_SCRATCH, np.uint8)


@cache
def function(name: str) -> Any:
    p, i = ctypes.c_void_p, ctypes.c_int64
    kind = ctypes.CFUNCTYPE(None, i, i, i, p, i, i, p, i, i, i, p, i, p)
    return kind(functions.address(name))


def gemm(a: Array, b: Array, c: Array, accumulate: int) -> None:
    size = a.itemsize
    (ars, acs), (brs, bcs) = ([s // size for s in x.strides] for x in (a, b))
    left, right = (a.ctypes.data, ars, acs), (b.ctypes.data, brs, bcs)
    (m, k), n, target = a.shape, b.shape[1], (c.ctypes.data, c.strides[0] // size)
    run = function("gemm_f32" if size == 4 else "gemm_f64")
    run(m, n, k, *left, *right, accumulate, *target, SCRATCH.ctypes.data)


def matrix(
    rng: np.random.Generator, rows: int, columns: int, dtype: str, transposed: bool
) -> Array:
    if transposed:
        return rng.normal(size=(columns, rows)).astype(dtype).T
    return rng.normal(size=(rows, columns)).astype(dtype)


def check(m: int, n: int, k: int, dtype: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    a = matrix(rng, m, k, dtype, bool(seed & 1))
    b = matrix(rng, k, n, dtype, bool(seed & 2))
    accumulate, padding = seed >> 2 & 1, seed >> 3 & 1
    storage = rng.normal(size=(m, n + padding)).astype(dtype)
    before = storage.copy()
    gemm(a, b, storage[:, :n], accumulate)
    wide = a.astype(np.float64), b.astype(np.float64)
    wanted = wide[0] @ wide[1] + accumulate * before[:, :n]
    # What rounding may do to a sum of k products, generously.
    bound = np.finfo(dtype).eps * (np.abs(wide[0]) @ np.abs(wide[1]) + 4) * (k**0.5 + 4)
    assert (np.abs(storage[:, :n] - wanted) <= bound).all(), (m, n, k)
    np.testing.assert_array_equal(storage[:, n:], before[:, n:])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_small_shape(dtype: str) -> None:
    sizes = [1, 2, 3, 5, 6, 7, 8, 9, 13, 15, 16, 17, 31]
    for seed, m in enumerate(sizes):
        for n in sizes:
            for k in (0, 1, 2, 3, 17):
                check(m, n, k, dtype, seed * 7 + n + k)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("m", "n", "k"),
    [(256, 50, 50), (50, 50, 256), (50, 1, 300), (1, 50, 300), (100, 70, 65), (97, 1030, 258),
     (200, 260, 520), (33, 129, 257), (300, 10, 1), (1, 1, 1000), (193, 64, 129),
     (131, 401, 513), (129, 65, 17), (3, 401, 1030)],
)  # fmt: skip
def test_shapes_around_the_cuts_of_large_products(m: int, n: int, k: int, dtype: str) -> None:
    for seed in range(0, 16, 1 if m * n * k < 10**6 else 5):
        check(m, n, k, dtype, seed)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("k", [15, 16, 17, 31, 100, 511, 512, 513, 1041])
def test_products_along_contiguous_rows(k: int, dtype: str) -> None:
    for m in (1, 2, 5, 6, 7, 12, 13, 25):
        for n in (1, 2, 3, 4, 5, 9):
            for seed in (2, 6, 10, 14):  # A by rows and B by columns: both along the sum
                check(m, n, k, dtype, seed)


def test_what_is_beyond_contiguous_rows_is_not_added() -> None:
    """The rows of both operands are parts of longer ones, full of NaN."""
    for k in (1, 5, 16, 31, 33):
        a, b = np.full((13, 48), np.nan, np.float32), np.full((9, 64), np.nan, np.float32)
        a[:, :k], b[:, :k] = 1, 2
        c = np.full((13, 9), 3, np.float32)
        gemm(a[:, :k], b[:, :k].T, c, 1)
        assert (c == 3 + 2 * k).all()


def test_nan_and_infinity_along_contiguous_rows() -> None:
    a, b = np.ones((7, 40), np.float32), np.ones((5, 40), np.float32)
    a[3, 4], b[2, 37] = np.nan, np.inf
    c = np.empty((7, 5), np.float32)
    gemm(a, b.T, c, 0)
    assert np.isnan(c[3]).all()
    assert np.isinf(np.delete(c, 3, 0)[:, 2]).all()
    assert (np.delete(np.delete(c, 3, 0), 2, 1) == 40).all()


@pytest.mark.parametrize("by_columns", [False, True])
@pytest.mark.parametrize(("m", "n"), [(20, 21), (200, 70)])  # B where it lies, and packed
def test_nan_and_infinity_reach_only_their_row_and_column(m: int, n: int, by_columns: bool) -> None:
    order = "F" if by_columns else "C"
    a, b = np.ones((m, 30), np.float32, order), np.ones((30, n), np.float32, order)
    a[3, 4], b[5, 20] = np.nan, np.inf
    c = np.empty((m, n), np.float32)
    gemm(a, b, c, 0)
    assert np.isnan(c[3]).all()
    assert np.isinf(np.delete(c, 3, 0)[:, 20]).all()
    assert (np.delete(np.delete(c, 3, 0), 20, 1) == 30).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_operands_are_read_by_any_strides(dtype: str) -> None:
    rng = np.random.default_rng(0)
    for m, n, k in ((5, 7, 3), (50, 50, 160), (150, 70, 90), (33, 17, 1000)):
        a = rng.normal(size=(2 * m, 3 * k)).astype(dtype)[::2, ::3]
        b = rng.normal(size=(2 * k, 3 * n)).astype(dtype)[::-2, ::3]
        for left in (a, a.copy(), np.broadcast_to(a[:1], a.shape)):
            for right in (b, b.copy(), np.broadcast_to(b[:, :1], b.shape)):
                c = np.empty((m, n), dtype)
                gemm(left, right, c, 0)
                wide = left.astype("float64"), right.astype("float64")
                bound = np.finfo(dtype).eps * (np.abs(wide[0]) @ np.abs(wide[1])) * (k**0.5 + 4)
                assert (np.abs(c - wide[0] @ wide[1]) <= bound).all(), (m, n, k)


def test_columns_beyond_the_end_of_b_are_not_read() -> None:
    """B ends with the last byte of a page, after which nothing is mapped."""
    mmap = pytest.importorskip("mmap")
    area = mmap.mmap(-1, 2 * mmap.PAGESIZE)
    address = ctypes.addressof(ctypes.c_char.from_buffer(area))
    protect = getattr(ctypes.CDLL(None), "mprotect", None)
    if protect is None or protect(ctypes.c_void_p(address + mmap.PAGESIZE), mmap.PAGESIZE, 0):
        pytest.skip("cannot protect a page")
    for n in (1, 2, 3, 7, 9, 17):
        size = 40 * n * 4
        b = np.frombuffer(area, np.float32, 40 * n, mmap.PAGESIZE - size).reshape(40, n)
        c = np.empty((20, n), np.float32)
        b[...] = 1
        gemm(np.ones((20, 40), np.float32), b, c, 0)
        assert (c == 40).all()
