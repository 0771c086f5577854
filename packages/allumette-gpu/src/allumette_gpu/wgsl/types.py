"""How each dtype is stored and computed with in WGSL.

WGSL has 32-bit numbers, and wider or narrower ones where the adapter has a feature. 8- and 16-bit
integers are therefore stored and computed with as 32-bit ones, wrapped around after each operation
that can leave their range; a bool is stored as 0 or 1. float16 is computed with in float32.
"""

import math
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from allumette_core.dtypes import DType
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class GpuType:
    """The WGSL types of a dtype, and the NumPy type of the same bytes."""

    stored: str
    computed: str
    host: str
    feature: str | None = None


TYPES: dict[str, GpuType] = {
    "bool": GpuType("u32", "bool", "uint32"),
    "int8": GpuType("i32", "i32", "int32"),
    "int16": GpuType("i32", "i32", "int32"),
    "int32": GpuType("i32", "i32", "int32"),
    "uint8": GpuType("u32", "u32", "uint32"),
    "uint16": GpuType("u32", "u32", "uint32"),
    "uint32": GpuType("u32", "u32", "uint32"),
    "float32": GpuType("f32", "f32", "float32"),
    "float16": GpuType("f16", "f32", "float16", "shader-f16"),
    "int64": GpuType("i64", "i64", "int64", "shader-int64"),
    "uint64": GpuType("u64", "u64", "uint64", "shader-int64"),
}


@cache
def host(dtype: DType) -> DType:
    """The NumPy type of the bytes of `dtype` in a buffer."""
    return np.dtype(TYPES[dtype.name].host)


def stored_bytes(size: int, dtype: DType) -> int:
    """The bytes that `size` elements take, in whole words."""
    return -(-size * host(dtype).itemsize // 4) * 4


def to_stored(array: NDArray[Any]) -> NDArray[Any]:
    """`array` as it is stored, contiguous and in whole words."""
    made = np.ascontiguousarray(array, dtype=host(array.dtype)).reshape(-1)
    return np.append(made, made[:1]) if made.nbytes % 4 else made


def computed(dtype: DType) -> str:
    """The WGSL type of a value in a register."""
    return TYPES[dtype.name].computed


def loaded(text: str, dtype: DType) -> str:
    """The value of an element `text` of a buffer."""
    if dtype.kind == "b":
        return f"({text} != 0u)"
    return f"f32({text})" if dtype.name == "float16" else text


def kept(text: str, dtype: DType) -> str:
    """What is written to a buffer for the value `text`."""
    if dtype.kind == "b":
        return f"select(0u, 1u, {text})"
    return f"f16({text})" if dtype.name == "float16" else text


def rounded(text: str, dtype: DType) -> str:
    """`text`, computed in the register's type, brought back into the range of `dtype`."""
    bits = 8 * dtype.itemsize
    if dtype.name == "float16":
        return f"f32(f16({text}))"
    if dtype.kind == "i" and bits < 32:
        return f"((({text}) << {32 - bits}u) >> {32 - bits}u)"
    if dtype.kind == "u" and bits < 32:
        return f"(({text}) & {(1 << bits) - 1}u)"
    return text


def literal(value: Any, dtype: DType) -> str:
    """The number `value` in WGSL.

    >>> [literal(v, np.dtype("float32")) for v in (1, -0.0, math.inf)]
    ['1.0f', 'bitcast<f32>(0x80000000u)', 'bitcast<f32>(0x7f800000u)']
    """
    number = np.asarray(value).astype(dtype)[()]
    if dtype.kind == "b":
        return "true" if number else "false"
    if dtype.kind == "f":
        return _float(np.float32(number))
    suffix = {"i32": "i", "u32": "u", "i64": "li", "u64": "lu"}[computed(dtype)]
    if int(number) == np.iinfo(dtype).min and dtype.kind == "i":
        return f"({int(number) + 1}{suffix} - 1{suffix})"
    return f"({int(number)}{suffix})" if number < 0 else f"{int(number)}{suffix}"


def constant(value: Any, dtype: DType) -> str:
    """The same for use in arithmetic, unknown to compilers, which take x * 0 for 0."""
    text = literal(value, dtype)
    return f"exact({text})" if dtype.kind == "f" else text


def _float(number: np.float32) -> str:
    if np.isnan(number):
        return "not_a_number()"
    plain = math.isfinite(number) and (abs(number) >= 2.0**-126 or number == 0)
    if not plain or (number == 0 and np.signbit(number)):
        return f"bitcast<f32>({hex(int(number.view(np.uint32)))}u)"
    return f"({number}f)" if number < 0 else f"{number}f"
