"""Which numbers, shapes and layouts the checks try: where backends go wrong, and ordinary ones."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..dtypes import DType
from ..shapes import Shape

Array = NDArray[Any]
Generator = np.random.Generator

_COMMON = (0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, -1.5, 2.5, -2.5, 2.0, -2.0, 3.0, -7.0, 10.0, 1e-3)
_NON_FINITE = (np.nan, np.inf, -np.inf)
_MANTISSA = {"float16": 11, "float32": 24, "float64": 53}


def hot_spots(dtype: DType, non_finite: bool = True, subnormals: bool = True) -> Array:
    """The values of `dtype` at which an implementation changes its mind.

    >>> hot_spots(np.dtype("int8")).tolist()
    [0, 1, 2, 3, 7, 10, 63, 64, 126, 127, -128, -127, -1, -2, -7]
    """
    if dtype.kind == "b":
        return np.array([False, True])
    if dtype.kind in "iu":
        return _integer_hot_spots(dtype)
    info = np.finfo(dtype)
    exact = 2.0 ** _MANTISSA[dtype.name]  # from here on, not every integer is representable
    found = [*_COMMON, float(info.max), float(info.min), float(info.tiny), -float(info.tiny)]
    found += [1 + float(info.eps), 1 - float(info.epsneg), exact - 1, exact, -exact]
    if subnormals:
        found += [float(info.smallest_subnormal), -float(info.smallest_subnormal)]
    if non_finite:
        found += _NON_FINITE
    return np.array(found, dtype)


def _integer_hot_spots(dtype: DType) -> Array:
    info = np.iinfo(dtype)
    half = 2 ** (dtype.itemsize * 8 - 2)
    found = [0, 1, 2, 3, 7, 10, half - 1, half, int(info.max) - 1, int(info.max)]
    if dtype.kind == "i":
        found += [int(info.min), int(info.min) + 1, -1, -2, -7]
    return np.array(list(dict.fromkeys(found)), dtype)


def ordinary(dtype: DType, shape: Shape, rng: Generator) -> Array:
    """Values of everyday size, of `shape`."""
    if dtype.kind == "b":
        return rng.integers(0, 2, shape).astype(dtype)
    if dtype.kind in "iu":
        low = -20 if dtype.kind == "i" else 0
        return rng.integers(low, 21, shape).astype(dtype)
    return (rng.standard_normal(shape) * 2).astype(dtype)


def exact(dtype: DType, shape: Shape, rng: Generator) -> Array:
    """Small whole numbers: sums and products of a few of them have no rounding error."""
    if dtype.kind == "b":
        return ordinary(dtype, shape, rng)
    low = 0 if dtype.kind == "u" else -8
    return rng.integers(low, 9, shape).astype(dtype)


def filled(pool: Array, shape: Shape, rng: Generator) -> Array:
    """An array of `shape` that holds every value of `pool`, if it has room, in random order."""
    size = int(np.prod(shape))
    picked = np.resize(rng.permutation(pool), size)
    return picked[rng.permutation(size)].reshape(shape).astype(pool.dtype)


def pairs(a: Array, b: Array) -> tuple[Array, Array]:
    """Every value of `a` with every value of `b`."""
    return np.repeat(a, b.size), np.tile(b, a.size)


# Around vector widths, work groups and tiles; primes; one row, one column; many axes.
SHAPES: tuple[Shape, ...] = (
    (), (1,), (2,), (31,), (33,), (127,), (257,), (3, 5), (1, 7), (7, 1), (17, 33), (2, 3, 4),
    (5, 1, 3, 2), (2, 1, 2, 3, 1, 2),
)  # fmt: skip
LARGE: tuple[Shape, ...] = ((1025,), (4097,), (129, 65), (70_001,))
EMPTY: tuple[Shape, ...] = ((0,), (3, 0), (0, 2))


# ---- layouts of host arrays: the same values, lying otherwise in memory -------------------------


def _transposed(x: Array) -> Array:
    return np.array(x.T, order="C").T


def _flipped(x: Array) -> Array:
    return np.flip(np.flip(x).copy()) if x.ndim else x


def _strided(x: Array) -> Array:
    if not x.ndim:
        return x
    wide = np.zeros((*x.shape[:-1], x.shape[-1] * 2 + 1), x.dtype)
    wide[..., 1::2] = x
    return wide[..., 1::2]


def _offset(x: Array) -> Array:
    wide = np.zeros(x.size + 3, x.dtype)
    wide[3:] = x.reshape(-1)
    return wide[3:].reshape(x.shape)


def _zero_stride(x: Array) -> Array:
    """The first row, over and over."""
    return np.broadcast_to(x[:1], x.shape) if x.ndim else x


def _unaligned(x: Array) -> Array:
    raw = np.zeros(x.nbytes + 1, np.uint8)
    moved = raw[1:].view(x.dtype).reshape(x.shape)
    moved[...] = x
    return moved


def _read_only(x: Array) -> Array:
    made = x.copy()
    made.flags.writeable = False
    return made


HOST_LAYOUTS: Mapping[str, Callable[[Array], Array]] = {
    "contiguous": np.copy, "transposed": _transposed, "flipped": _flipped, "strided": _strided,
    "offset": _offset, "zero-stride": _zero_stride, "unaligned": _unaligned,
    "read-only": _read_only,
}  # fmt: skip
