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

    allocator: "Allocator"
    free: list["_Block"]
    """The blocks of its size that can be used."""


class _Lease(np.ndarray[Any, Any]):
    """A block in use; when the last array over it is gone, the block can be used again."""

    block: _Block | None = None

    def __del__(self) -> None:
        block = self.block
        if block is not None:
            block.allocator.release(block)


class Allocator:
    """Gives out C-contiguous arrays, aligned to 64 bytes where large."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # a garbage collection may release while one takes
        self._free: dict[int, list[_Block]] = {}
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
        size = _rounded(size)
        with self._lock:
            free = self._free.setdefault(size, [])
        return partial(self._large, size, free, partial(np.ndarray[Any, Any], shape, dtype))

    def _large(
        self, size: int, free: list[_Block], over: Callable[[_Lease], NDArray[Any]]
    ) -> NDArray[Any]:
        # In one function and with few objects: it is a part of every call of a small program.
        with self._lock:
            if free:
                block = free.pop()
                self._free_bytes -= size
            else:
                block = aligned(size).view(_Block)
                block.allocator, block.free = self, free
            self.count += 1
            self.live += size
            if self.live > self.peak:
                self.peak = self.live
        lease = block.view(_Lease)
        lease.block = block
        return over(lease)

    def release(self, block: _Block) -> None:
        """Take `block` back."""
        size = block.nbytes
        with self._lock:
            self.count -= 1
            self.live -= size
            if self._free_bytes + size <= KEPT_BYTES:
                self._free_bytes += size
                block.free.append(block)

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
