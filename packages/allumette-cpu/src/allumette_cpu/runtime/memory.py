"""Memory of buffers and temporaries: large blocks are kept and reused, and everything is counted.

A fresh large block costs a page fault every four KiB, more than most kernels that fill it.
"""

import threading
from collections.abc import Callable
from functools import partial
from math import prod
from typing import Any

import numpy as np
from allumette_core.backend.spec import MemoryStats
from allumette_core.dtypes import DType
from numpy.typing import NDArray

LARGE = 1 << 15
KEPT_BYTES = 1 << 28  # free blocks beyond this are given back


class _Block(np.ndarray[Any, Any]):
    """A type of its own, past which NumPy does not look for what an array's memory belongs to."""


class _Lease(np.ndarray[Any, Any]):
    """A block in use; when the last array over it is gone, the block can be used again."""

    block: NDArray[np.uint8]
    allocator: "Allocator"

    def __del__(self) -> None:
        allocator = getattr(self, "allocator", None)
        if allocator is not None:
            allocator.release(self.block)


class Allocator:
    """Gives out C-contiguous arrays, aligned to 64 bytes where large."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # a garbage collection may release while one takes
        self._free: dict[int, list[NDArray[np.uint8]]] = {}
        self._free_bytes = 0
        self.live = self.peak = self.count = 0

    def array(self, shape: tuple[int, ...], dtype: DType) -> NDArray[Any]:
        """An array with whatever is in its memory; small ones are not counted."""
        return self.maker(shape, dtype)()

    def maker(self, shape: tuple[int, ...], dtype: DType) -> Callable[[], NDArray[Any]]:
        """What makes such arrays."""
        size = prod(shape) * dtype.itemsize
        if size < LARGE:
            return partial(np.empty, shape, dtype)
        return partial(self._large, shape, dtype, size)

    def _large(self, shape: tuple[int, ...], dtype: DType, size: int) -> NDArray[Any]:
        block = self._take(_rounded(size))
        lease = block.view(_Lease)
        lease.block, lease.allocator = block, self
        return np.ndarray(shape, dtype, buffer=lease)

    def _take(self, size: int) -> NDArray[np.uint8]:
        with self._lock:
            self.count_up(size)
            self.count += 1
            blocks = self._free.get(size)
            if blocks:
                self._free_bytes -= size
                return blocks.pop()
        return aligned(size).view(_Block)

    def release(self, block: NDArray[np.uint8]) -> None:
        """Take `block` back."""
        with self._lock:
            self.live -= block.size
            self.count -= 1
            if self._free_bytes + block.size <= KEPT_BYTES:
                self._free.setdefault(block.size, []).append(block)
                self._free_bytes += block.size

    def count_up(self, size: int) -> None:
        """Count `size` bytes more (or less) as live."""
        self.live += size
        self.peak = max(self.peak, self.live)

    def stats(self) -> MemoryStats:
        """Live and peak bytes of large arrays and of temporaries."""
        return MemoryStats(self.live, self.peak, None, self.count)


def aligned(size: int) -> NDArray[np.uint8]:
    """`size` bytes from a multiple of 64, all 0: vectors reach into padding that nobody writes, and
    arithmetic on the subnormals that old memory is full of takes a hundred times as long."""
    raw = np.zeros(size + 64, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + size]


def _rounded(size: int) -> int:
    """The next size that blocks are made in: eight to a doubling, so that they can be reused."""
    step = 1 << max(size.bit_length() - 4, 6)
    return (size + step - 1) // step * step


class Frames(threading.local):
    """The memory in which the calling thread runs programs: arguments, temporaries, scratch."""

    def __init__(self, allocator: Allocator) -> None:
        self.allocator = allocator
        self.block = aligned(0)

    def grow(self, size: int) -> NDArray[np.uint8]:
        """A `block` of `size` bytes at least, valid until the next call on this thread."""
        before, self.block = self.block.size, aligned(0)
        self.block = aligned(_rounded(size))
        self.allocator.count_up(self.block.size - before)
        return self.block

    def view(self, offset: int, shape: tuple[int, ...], dtype: DType) -> NDArray[Any]:
        """The array at `offset` of the present frame."""
        return np.ndarray(shape, dtype, buffer=self.block, offset=offset)


def plan_offsets(sizes: list[int], lives: list[tuple[int, int]]) -> tuple[list[int], int]:
    """Offsets at which buffers of `sizes` bytes fit, and the bytes they need in all.

    Buffers share memory where their `lives` (first and last call, inclusive) do not overlap. Large
    ones are placed first, each in the lowest gap that fits.
    """
    offsets = [0] * len(sizes)
    placed: list[int] = []
    total = 0
    for i in sorted(range(len(sizes)), key=lambda i: -sizes[i]):
        size = (sizes[i] + 63) // 64 * 64
        at = 0
        for j in sorted(placed, key=offsets.__getitem__):
            apart = lives[i][1] < lives[j][0] or lives[j][1] < lives[i][0]
            if apart or offsets[j] + sizes[j] <= at:
                continue
            if at + size <= offsets[j]:
                break
            at = (offsets[j] + sizes[j] + 63) // 64 * 64
        offsets[i] = at
        placed.append(i)
        total = max(total, at + size)
    return offsets, total
