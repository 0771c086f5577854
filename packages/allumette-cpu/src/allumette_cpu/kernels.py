"""NumPy kernels of the eager tier, and of what is not rendered: the reference's, or faster."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from allumette_core import primitives as P
from allumette_core.backend.ops import Kernel
from allumette_core.backend.reference import KERNELS as REFERENCE
from allumette_core.dtypes import DEFAULT_INT
from allumette_core.primitives import Primitive
from numpy.typing import NDArray

__all__ = ["KERNELS"]


def sort(x: NDArray[Any], axis: int) -> NDArray[Any]:
    """NumPy's default, which is vectorised: but for -0 and NaN, equal numbers look the same."""
    return np.sort(x, axis=axis)


def argsort(x: NDArray[Any], axis: int) -> NDArray[Any]:
    """The stable order. A key of up to 32 bits and the position make one 64-bit number, and those
    are sorted fast."""
    size = x.shape[axis]
    if x.dtype.itemsize > 4 or size < 64:
        return np.argsort(x, axis=axis, kind="stable").astype(DEFAULT_INT)
    keys = np.moveaxis(_ordered(x), axis, -1).astype(np.uint64) << np.uint64(32)
    keys |= np.arange(size, dtype=np.uint64)
    keys.sort(axis=-1)
    return np.moveaxis(keys.astype(np.uint32).view(DEFAULT_INT), -1, axis)


def _ordered(x: NDArray[Any]) -> NDArray[np.uint32]:
    """Unsigned numbers in the order of x: NaN last, -0 equal to 0."""
    if x.dtype.kind == "f":
        x = x.astype(np.float32) + np.float32(0)
        bits = np.where(np.isnan(x), np.float32(np.nan), x).view(np.uint32)
        sign = np.uint32(1 << 31)
        return np.where(bits & sign, ~bits, bits | sign)
    if x.dtype.kind == "i":
        return (x.astype(np.int64) + 2**31).astype(np.uint32)
    return x.astype(np.uint32)


KERNELS: Mapping[Primitive, Kernel] = {**REFERENCE, P.sort: sort, P.argsort: argsort}
