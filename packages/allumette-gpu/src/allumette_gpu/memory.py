"""Device memory: buffers by size class, kept for the next value of that class."""

import heapq
import itertools
import sys
import threading
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from allumette_core.backend.spec import MemoryStats
from allumette_core.dtypes import DType
from allumette_core.errors import BackendError, DeviceLostError
from allumette_core.shapes import Shape

from .commands import Commands
from .limits import Limits

_SMALLEST = 256
_KEPT_BYTES = 1 << 28  # of free buffers; beyond that they go back to the driver
_serials = itertools.count()


@lru_cache(4096)
def size_class(size: int) -> int:
    """The bytes that are allocated for `size`: quarter steps between powers of two.

    >>> [size_class(n) for n in (0, 257, 1000, 5000)]
    [256, 320, 1024, 5120]
    """
    if size <= _SMALLEST:
        return _SMALLEST
    step = 1 << max((size - 1).bit_length() - 3, 6)
    return -(-size // step) * step


class Block:
    """A buffer of the driver, of one size class."""

    __slots__ = ("raw", "serial", "size")

    def __init__(self, raw: Any, size: int) -> None:
        self.raw, self.size, self.serial = raw, size, next(_serials)


class Room:
    """Memory on a device; its block goes back to the pool with it."""

    __slots__ = ("__weakref__", "block", "pool")

    def __init__(self, pool: "Pool", size: int) -> None:
        self.pool = pool
        self.block = pool.take(size)

    def __del__(self, over: Callable[[], bool] = sys.is_finalizing) -> None:
        block = getattr(self, "block", None)
        if block is not None and not over():  # else the pool has lost what it works with
            self.pool.give(block)


class GpuBuffer:
    """A value on a device: in a room of its own, or `offset` bytes into one that it shares with
    others of the run that made it."""

    __slots__ = ("__weakref__", "device", "dtype", "offset", "room", "shape")

    def __init__(self, room: Room, offset: int, shape: Shape, dtype: DType, device: Any) -> None:
        self.room, self.offset = room, offset
        self.shape, self.dtype, self.device = shape, dtype, device


class Pool:
    """Blocks that are in use, and free ones by size."""

    def __init__(
        self, create: Callable[[int], Any], commands: Commands, device: str, limits: Limits
    ) -> None:
        self._create, self._commands = create, commands
        self.device, self.limits = device, limits
        # The oldest is taken first, so that a loop settles on the same buffers and bind groups.
        self._free: dict[int, list[tuple[int, Block]]] = {}  # by serial number
        self._free_bytes = 0
        self._lock = threading.RLock()  # a buffer may be collected while the lock is held
        # Held here, or the collector would finalize a block's buffer along with the cycle of
        # references that its room is in, and the room give back a dead one.
        self._live: dict[int, Block] = {}  # by serial number
        self.live_bytes = self.peak_bytes = 0
        self.created = 0

    def take(self, size: int) -> Block:
        """A block of at least `size` bytes, whatever is in it; the device's lock is held.

        Raises:
            BackendError: the device has no such block; it says what was asked for and the limit.
        """
        wanted, largest = size_class(size), self.limits.largest
        if size > largest:
            raise BackendError(
                f"{self.device}: a value of {size:,} bytes is above the {largest:,} "
                "bytes that this adapter binds at once; split it, or use another device"
            )
        wanted = min(wanted, max(largest, _SMALLEST))
        with self._lock:
            free = self._free.get(wanted)
            if free:
                block = heapq.heappop(free)[1]
                self._free_bytes -= wanted
            else:
                block = self._made(wanted)
            self.live_bytes += wanted
            self._live[block.serial] = block
            self.peak_bytes = max(self.peak_bytes, self.live_bytes)
        return block

    def _made(self, size: int) -> Block:
        limit = self.limits.memory
        if limit is not None and self.live_bytes + self._free_bytes + size > limit:
            self.trim()
        if limit is not None and self.live_bytes + size > limit:
            raise self._exhausted(size)
        try:
            raw = self._create(size)
        except DeviceLostError:
            raise
        except Exception as first:  # noqa: BLE001 (drivers have many ways to say it)
            self.trim()
            try:
                raw = self._create(size)
            except Exception:  # noqa: BLE001
                raise self._exhausted(size, str(first)) from first
        self.created += 1
        return Block(raw, size)

    def _exhausted(self, size: int, reason: str = "") -> BackendError:
        limit = self.limits.memory
        of = f"{limit:,}" if limit is not None else "a number that the driver does not tell"
        text = (
            f"{self.device}: out of memory: {size:,} bytes were asked for with "
            f"{self.live_bytes:,} of {of} in use; free tensors or use smaller batches"
        )
        return BackendError(f"{text} ({reason})" if reason else text)

    def give(self, block: Block) -> None:
        """Take back a block that nothing refers to any more."""
        with self._lock:
            self.live_bytes -= block.size
            del self._live[block.serial]
            if self._free_bytes + block.size > _KEPT_BYTES:
                self._commands.destroy(block.raw)
                return
            heapq.heappush(self._free.setdefault(block.size, []), (block.serial, block))
            self._free_bytes += block.size

    def trim(self) -> None:
        """Give every free block back to the driver."""
        with self._lock:
            self._commands.submit()  # which frees what they use
            for blocks in self._free.values():
                for _, block in blocks:
                    self._commands.destroy(block.raw)
            self._free.clear()
            self._free_bytes = 0

    @property
    def live_blocks(self) -> int:
        """How many blocks are in use."""
        return len(self._live)

    def stats(self) -> MemoryStats:
        """What is in use now, and was at most."""
        limit = self.limits.memory
        return MemoryStats(self.live_bytes, self.peak_bytes, limit, self.live_blocks)
