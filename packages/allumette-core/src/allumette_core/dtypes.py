"""The dtype lattice: which types exist and what two of them make.

A dtype is a NumPy dtype object, so `t.dtype == np.float32` and `np.dtype(t.dtype)` just work.
Promotion follows the array API; where that leaves a pair open we follow JAX (an integer and a
float give that float), and refuse what no type can hold (uint64 with a signed integer).
"""

from functools import cache
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .errors import DTypeError

DType: TypeAlias = np.dtype[Any]
Scalar: TypeAlias = bool | int | float

bool_: DType = np.dtype("bool")
int8: DType = np.dtype("int8")
int16: DType = np.dtype("int16")
int32: DType = np.dtype("int32")
int64: DType = np.dtype("int64")
uint8: DType = np.dtype("uint8")
uint16: DType = np.dtype("uint16")
uint32: DType = np.dtype("uint32")
uint64: DType = np.dtype("uint64")
float16: DType = np.dtype("float16")
float32: DType = np.dtype("float32")
float64: DType = np.dtype("float64")

SIGNED: tuple[DType, ...] = (int8, int16, int32, int64)
UNSIGNED: tuple[DType, ...] = (uint8, uint16, uint32, uint64)
INTEGERS: tuple[DType, ...] = SIGNED + UNSIGNED
FLOATS: tuple[DType, ...] = (float16, float32, float64)
ALL: tuple[DType, ...] = (bool_, *INTEGERS, *FLOATS)

DEFAULT_FLOAT = float32
DEFAULT_INT = int32  # every GPU has it; int64 needs a feature

_BY_PYTHON_TYPE: dict[type, DType] = {bool: bool_, int: DEFAULT_INT, float: DEFAULT_FLOAT}


@cache
def _supported(dtype: DType) -> DType:
    native = dtype.newbyteorder("=")
    if native not in ALL:
        names = ", ".join(d.name for d in ALL)
        raise DTypeError(f"dtype {dtype} is not supported; supported are {names}")
    return ALL[ALL.index(native)]


def as_dtype(dtype: Any) -> DType:
    """The supported dtype that `dtype` (a dtype, NumPy scalar type, name or Python type) names.

    Python's `int` and `float` mean the default `int32` and `float32`.

    Raises:
        DTypeError: nothing of that name, or a NumPy dtype that allumette does not have.

    >>> as_dtype("float16"), as_dtype(float)
    (dtype('float16'), dtype('float32'))
    """
    if isinstance(dtype, type) and dtype in _BY_PYTHON_TYPE:
        return _BY_PYTHON_TYPE[dtype]
    try:
        return _supported(np.dtype(dtype))
    except TypeError as error:
        raise DTypeError(f"{dtype!r} is not a dtype: {error}") from None


@cache
def promote(a: DType, b: DType) -> DType:
    """The dtype that holds both `a` and `b`.

    Raises:
        DTypeError: uint64 meets a signed integer: no integer type holds both.

    >>> promote(int8, uint8), promote(int64, float16)
    (dtype('int16'), dtype('float16'))
    """
    if a == b:
        return a
    if (a.kind == "f") != (b.kind == "f"):
        return a if a.kind == "f" else b
    joined = np.promote_types(a, b)
    if joined.kind == "f" and a.kind != "f":
        raise DTypeError(
            f"no integer dtype holds both {a} and {b}; cast one of them, e.g. .astype(al.int64)"
        )
    return as_dtype(joined)


def promote_weak(dtype: DType, kind: type) -> DType:
    """The dtype of an array of `dtype` met by a Python scalar of type `kind`.

    A Python scalar is weak: it takes the array's dtype, and only moves it up to the default of its
    own kind (bool < int < float) where the array's kind cannot hold it.

    >>> promote_weak(float16, float), promote_weak(int8, float), promote_weak(bool_, int)
    (dtype('float16'), dtype('float32'), dtype('int32'))
    """
    if kind is float:
        return dtype if dtype.kind == "f" else DEFAULT_FLOAT
    if kind is int:
        return DEFAULT_INT if dtype.kind == "b" else dtype
    return dtype


def weak_kind(dtype: DType) -> type:
    """The Python type that a weakly typed value of `dtype` stands for."""
    return {"b": bool, "f": float}.get(dtype.kind, int)


def is_float(dtype: DType) -> bool:
    """Whether `dtype` is a floating-point type."""
    return dtype.kind == "f"


def is_integer(dtype: DType) -> bool:
    """Whether `dtype` is a signed or unsigned integer type."""
    return dtype.kind in "iu"


def cast_array(x: NDArray[Any], dtype: DType) -> NDArray[Any]:
    """`x` in `dtype`; a float goes to an integer towards zero, NaN to 0, overflow to the ends.

    >>> cast_array(np.array([1.7, -1.7, np.nan, np.inf]), int8).tolist()
    [1, -1, 0, 127]
    """
    if x.dtype.kind == "f" and dtype.kind in "iu":
        ends = np.iinfo(dtype)
        inside = np.where((x > ends.min) & (x < ends.max), x, 0).astype(dtype)
        # Numbers of that dtype: `where` makes int64 of Python ints, where 2**64 - 1 has no place.
        outside = np.where(x >= ends.max, dtype.type(ends.max), dtype.type(ends.min))
        return np.where((x >= ends.max) | (x <= ends.min), outside, inside)
    return x.astype(dtype)
