"""Commands that wait to be submitted: a submit costs the caller more than all else in a small run.

Runs are encoded one after another, into one compute pass. They are submitted when a value is read
or waited for, and when enough has gathered to keep the device busy for a while.
"""

from collections.abc import Collection
from functools import cached_property
from typing import Any

import wgpu

from . import native

MOST_COMMANDS = 64
MOST_WORK = 1 << 26  # operations and bytes: a card does them in about the time that a submit takes
_WRITTEN_BYTES = 1 << 16  # that may be on their way to buffers in use


class Commands:
    """What is encoded for a device and not submitted; its lock is held around all but `destroy`.

    Buffers are those of the driver.
    """

    def __init__(self, device: Any) -> None:
        self._device = device
        self._encoder: native.Encoder | None = None
        self._used: list[Collection[Any]] = []
        self._count = self._work = self._written = 0
        self._destroyed: list[Any] = []
        self.submits = 0

    def run(self, recorded: native.Recorded, buffers: Collection[Any], work: int) -> None:
        """Append dispatches on `buffers` that take `work`."""
        self._opened().dispatch(recorded)
        self._note(buffers, len(recorded), work)

    def copy(self, source: Any, offset: int, target: Any, place: int, size: int) -> None:
        """Append a copy of `size` bytes of one buffer from `offset` to `place` in another."""
        self._opened().copy(source, offset, target, place, size)
        self._note((source, target), 1, size)

    def _note(self, buffers: Collection[Any], count: int, work: int) -> None:
        self._used.append(buffers)
        self._count += count
        self._work += work
        if self._count >= MOST_COMMANDS or self._work >= MOST_WORK:
            self.submit()

    def write(self, buffer: Any, data: Any) -> None:
        """Write `data`, an array of whole words, to the beginning of `buffer`.

        A write takes place before what is submitted next. If that uses the buffer, the data wait
        elsewhere, to be copied when it is their turn.
        """
        start, size = self._written, data.nbytes
        if self._uses(buffer) and start + size <= _WRITTEN_BYTES:
            self._device.queue.write_buffer(self._waiting, start, data)
            self._written += size
            self.copy(self._waiting, start, buffer, 0, size)
            return
        if self._uses(buffer):
            self.submit()
        self._device.queue.write_buffer(buffer, 0, data)

    @cached_property
    def _waiting(self) -> Any:
        usage = wgpu.BufferUsage.COPY_SRC | wgpu.BufferUsage.COPY_DST
        return self._device.create_buffer(size=_WRITTEN_BYTES, usage=usage)

    def _uses(self, buffer: Any) -> bool:
        return any(buffer in buffers for buffers in self._used)

    def _opened(self) -> native.Encoder:
        if self._encoder is None:
            self._encoder = native.encoder(self._device)
        return self._encoder

    def submit(self) -> None:
        """Submit what there is."""
        if self._encoder is not None:
            encoder = self._taken()
            self.submits += 1
            encoder.submit()
            self._bury()

    def drop(self) -> None:
        """Forget what there is."""
        if self._encoder is not None:
            self._taken().drop()
            self._bury()

    def _taken(self) -> native.Encoder:
        assert self._encoder is not None
        encoder, self._encoder = self._encoder, None
        self._used = []
        self._count = self._work = self._written = 0
        return encoder

    def destroy(self, buffer: Any) -> None:
        """Give `buffer`, which nobody holds any more, back to the driver: commands that wait may
        use it, and would be refused without it."""
        self._destroyed.append(buffer)
        if self._encoder is None:
            self._bury()

    def _bury(self) -> None:
        while self._destroyed:
            self._destroyed.pop().destroy()
