"""Backends that go wrong on the way to the device and back."""

from typing import Any

import numpy as np
from faulty import Faulty
from wrongs import Array


class InMemoryOrder(Faulty):
    def from_host(self, array: Array, device: str) -> Array:
        return array.ravel("K").reshape(array.shape).copy()


class WithoutOffset(Faulty):
    def from_host(self, array: Array, device: str) -> Array:
        base = array.base
        if isinstance(base, np.ndarray) and base.dtype == array.dtype and array.flags.c_contiguous:
            return base.ravel()[: array.size].reshape(array.shape).copy()
        return super().from_host(array, device)


class WithoutCopy(Faulty):
    def from_host(self, array: Array, device: str) -> Array:
        return np.asarray(array)


class RepeatsAreZero(Faulty):
    def from_host(self, array: Array, device: str) -> Array:
        made = np.array(array)
        if array.ndim and array.strides[0] == 0 and array.shape[0] > 1:
            made[1:] = 0
        return made


class Canonical(Faulty):
    def from_host(self, array: Array, device: str) -> Array:
        return np.array(array) + array.dtype.type(0) if array.dtype.kind == "f" else np.array(array)


class WideResults(Faulty):
    def to_host(self, buffer: Any) -> Array:
        made = super().to_host(buffer)
        return made.astype(np.float32) if made.dtype == np.float16 else made


class NoScalars(Faulty):
    def to_host(self, buffer: Any) -> Array:
        return np.atleast_1d(super().to_host(buffer))


class Overclaims(Faulty):
    """Declares float64, and holds it as float32."""

    def from_host(self, array: Array, device: str) -> Array:
        made = np.array(array)
        return made.astype(np.float32).astype(np.float64) if made.dtype == np.float64 else made
