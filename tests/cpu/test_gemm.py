"""The runtime's matrix products against float64, over shapes, strides and accumulation."""

import ctypes
from functools import cache
from math import prod
from typing import Any

import numpy as np
import pytest
from allumette_cpu.plan import GEMM_SCRATCH
from allumette_cpu.runtime import functions, machine, vectors
from allumette_cpu.runtime import gemm as source
from numpy.typing import NDArray

Array = NDArray[Any]
SCRATCH = np.empty(GEMM_SCRATCH, np.uint8)
P, N = ctypes.c_void_p, ctypes.c_int64
KINDS = {
    "gemm": (N, N, N, P, N, N, P, N, N, N, P, N, P),
    "gemm_columns": (N, N, P, N, N, P, P, N, N, P, P, N, N, N, P, N, P),
    "gemm_terms": (N, N, N, N, P, N, P, P, P, P, N, P, N),
}


@cache
def function(name: str) -> Any:
    return ctypes.CFUNCTYPE(None, *KINDS[name[:-4]])(functions.address(name))


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


def before_the_end(*shape: int) -> Array:
    """Ones whose last byte is the last of a page, after which nothing is mapped."""
    mmap = pytest.importorskip("mmap")
    size = 4 * prod(shape)
    pages = -(-size // mmap.PAGESIZE)
    area = mmap.mmap(-1, (pages + 1) * mmap.PAGESIZE)
    end = ctypes.addressof(ctypes.c_char.from_buffer(area)) + pages * mmap.PAGESIZE
    protect = getattr(ctypes.CDLL(None), "mprotect", None)
    if protect is None or protect(ctypes.c_void_p(end), mmap.PAGESIZE, 0):
        pytest.skip("cannot protect a page")
    found = np.frombuffer(area, np.float32, prod(shape), pages * mmap.PAGESIZE - size)
    found = found.reshape(shape)
    found[...] = 1
    return found


def test_columns_beyond_the_end_of_b_are_not_read() -> None:
    for n in (1, 2, 3, 7, 9, 17):
        b = before_the_end(40, n)
        c = np.empty((20, n), np.float32)
        gemm(np.ones((20, 40), np.float32), b, c, 0)
        assert (c == 40).all()


# ---- operands that are found through tables ------------------------------------------------------


@cache
def compiled(vector_bytes: int, scattered: bool) -> machine.Loaded:
    """The functions as they are for vectors of so many bytes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vectors, "vector_bytes", lambda: vector_bytes)
        text = source.source("f32", scattered=scattered)
    return machine.Loaded(machine.object_code(machine.optimised(text, by_hand=True)))


@pytest.fixture(params=[64, 32, 16])
def narrow(request: pytest.FixtureRequest) -> Any:
    """The functions for vectors of several lengths, by name; the compiler cuts too long ones."""

    def found(name: str) -> Any:
        loaded = compiled(request.param, name != "gemm")
        return ctypes.CFUNCTYPE(None, *KINDS[name])(loaded.address(f"{name}_f32"))

    return found


def offsets(*axes: tuple[int, int]) -> Array:
    """Of every element of axes (size, stride), row-major."""
    found = np.zeros(1, np.int64)
    for size, stride in axes:
        found = (found[:, None] + np.arange(size) * stride).reshape(-1)
    return found


def near(got: Array, wanted: Array, k: int) -> None:
    np.testing.assert_allclose(got, wanted, rtol=1e-6 * (k**0.5 + 4), atol=1e-6 * (k**0.5 + 4))


@pytest.mark.parametrize("accumulate", [0, 1])
@pytest.mark.parametrize(
    ("m", "channels", "size", "window", "spare"),
    [(6, 1, 28, 5, 0), (16, 6, 12, 5, 3), (3, 2, 5, 2, 1), (1, 1, 4, 4, 0), (150, 3, 21, 3, 0),
     (8, 40, 18, 3, 2), (30, 9, 18, 3, 1), (64, 60, 20, 3, 0), (5, 2, 33, 3, 4), (9, 1, 12, 3, 0),
     (2, 1, 19, 3, 1)],
)  # fmt: skip
def test_columns_in_runs_are_windows_over_an_image(
    narrow: Any, m: int, channels: int, size: int, window: int, spare: int, accumulate: int
) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(channels, size, size + spare)).astype(np.float32)
    w = rng.normal(size=(m, channels * window**2)).astype(np.float32)
    wide, count = size + spare, size - window + 1
    k = w.shape[1]
    terms = offsets((channels, size * wide), (window, wide), (window, 1))
    b_runs = offsets((count, wide))
    c_runs = offsets((count, count + spare))
    c = rng.normal(size=(m, count, count + spare)).astype(np.float32)
    before = c.copy()
    narrow("gemm_columns")(
        m, k, w.ctypes.data, k, 1, x.ctypes.data, terms.ctypes.data, count, count,
        b_runs.ctypes.data, c_runs.ctypes.data, wide, count, accumulate, c.ctypes.data, c[0].size,
        SCRATCH.ctypes.data,
    )  # fmt: skip
    columns = x.reshape(-1)[
        terms[:, None, None] + offsets((count, wide), (count, 1)).reshape(count, count)
    ]
    wanted = np.tensordot(w.astype(np.float64), columns, 1)
    near(c[..., :count], wanted + accumulate * before[..., :count], k)
    np.testing.assert_array_equal(c[..., count:], before[..., count:])


@pytest.mark.parametrize("accumulate", [0, 1])
@pytest.mark.parametrize(
    ("m", "pictures", "channels", "rows", "length", "window"),
    [(9, 2, 8, 5, 14, 3), (34, 1, 9, 6, 15, 3), (5, 1, 8, 3, 33, 3),
     (35, 2, 9, 5, 32, 3), (6, 1, 130, 3, 16, 3),
     (33, 3, 9, 12, 31, 3), (64, 2, 8, 2, 47, 3), (9, 2, 300, 5, 17, 2),
     (13, 4, 16, 7, 16, 2), (8, 1, 64, 1, 100, 1), (35, 5, 7, 30, 30, 3), (6, 2, 7, 4, 65, 5)],
)  # fmt: skip
def test_windows_over_pictures_are_read_where_these_lie(
    narrow: Any,
    m: int,
    pictures: int,
    channels: int,
    rows: int,
    length: int,
    window: int,
    accumulate: int,
) -> None:
    """What is beyond the last picture is not there to be read."""
    rng = np.random.default_rng(0)
    high, wide = rows + window - 1, length + window - 1
    x = before_the_end(pictures, channels, high, wide)
    x[...] = rng.normal(size=x.shape)
    w = rng.normal(size=(m, channels * window**2)).astype(np.float32)
    terms = offsets((channels, high * wide), (window, wide), (window, 1))
    b_runs = offsets((pictures, x[0].size), (rows, wide))
    c_runs = offsets((pictures, rows * (length + 1)), (rows, length + 1))
    c = rng.normal(size=(m, pictures * rows, length + 1)).astype(np.float32)
    before = c.copy()
    narrow("gemm_columns")(
        m, w.shape[1], w.ctypes.data, w.shape[1], 1, x.ctypes.data, terms.ctypes.data,
        len(b_runs), length, b_runs.ctypes.data, c_runs.ctypes.data, wide, rows,
        accumulate, c.ctypes.data, c[0].size, SCRATCH.ctypes.data,
    )  # fmt: skip
    places = terms[:, None, None] + b_runs[:, None] + np.arange(length)
    wanted = np.tensordot(w.astype(np.float64), x.reshape(-1)[places], 1)
    near(c[..., :length], wanted + accumulate * before[..., :length], w.shape[1])
    np.testing.assert_array_equal(c[..., length], before[..., length])


def test_what_is_between_runs_reaches_no_column(narrow: Any) -> None:
    """Of a matrix in rows of 40, 38 columns each are multiplied; the two between them are NaN."""
    a, b = np.ones((40, 70), np.float32), np.full((70, 9, 40), np.nan, np.float32)
    b[..., :38] = 1
    c = np.empty((40, 9, 38), np.float32)
    terms, b_runs, c_runs = offsets((70, b[0].size)), offsets((9, 40)), offsets((9, 38))
    narrow("gemm_columns")(
        40, 70, a.ctypes.data, 70, 1, b.ctypes.data, terms.ctypes.data, 9, 38, b_runs.ctypes.data,
        c_runs.ctypes.data, 40, 9, 0, c.ctypes.data, c[0].size, SCRATCH.ctypes.data,
    )  # fmt: skip
    assert (c == 70).all()


@pytest.mark.parametrize("accumulate", [0, 1])
@pytest.mark.parametrize(
    ("m", "n", "runs", "length"),
    [(6, 25, 24, 24), (16, 150, 8, 8), (1, 1, 1, 1), (5, 3, 7, 1), (13, 9, 3, 700),
     (7, 500, 40, 16), (2, 2, 0, 5)],
)  # fmt: skip
def test_terms_in_runs(
    narrow: Any, m: int, n: int, runs: int, length: int, accumulate: int
) -> None:
    rng = np.random.default_rng(0)
    a = rng.normal(size=(m, runs, length + 3)).astype(np.float32)
    x = rng.normal(size=runs * 40 + n * 3 + length).astype(np.float32)
    a_runs, b_runs = offsets((runs, length + 3)), offsets((runs, 40))
    columns = rng.permutation(n * 3)[:n].astype(np.int64)
    c = rng.normal(size=(m, n + 1)).astype(np.float32)
    before = c.copy()
    narrow("gemm_terms")(
        m, n, runs, length, a.ctypes.data, a[0].size, a_runs.ctypes.data, x.ctypes.data,
        columns.ctypes.data, b_runs.ctypes.data, accumulate, c.ctypes.data, n + 1,
    )  # fmt: skip
    b = x[columns[:, None, None] + b_runs[:, None] + np.arange(length)].astype(np.float64)
    wanted = np.einsum("mrl,nrl->mn", a[..., :length], b)
    near(c[:, :n], wanted + accumulate * before[:, :n], runs * length)
    np.testing.assert_array_equal(c[:, n], before[:, n])


def test_products_with_shorter_vectors(narrow: Any) -> None:
    rng = np.random.default_rng(0)
    for m, n, k in ((5, 7, 3), (50, 50, 160), (150, 70, 90), (33, 17, 1000)):
        a, b = rng.normal(size=(m, k)).astype("f4"), rng.normal(size=(k, n)).astype("f4")
        c = np.empty((m, n), np.float32)
        operands = a.ctypes.data, k, 1, b.ctypes.data, n, 1
        narrow("gemm")(m, n, k, *operands, 0, c.ctypes.data, n, SCRATCH.ctypes.data)
        near(c, a.astype("f8") @ b, k)
