"""One graphics adapter in use: its driver's device, pipelines, memory and counters."""

import os
import threading
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from allumette_core.errors import BackendError, DeviceLostError
from numpy.typing import NDArray

from . import native, subgroups
from .adapters import adapter_name, is_ours, refuse_after_fork
from .commands import Commands
from .errors import is_loss
from .limits import SUBGROUPS, Limits, limits_of
from .memory import GpuBuffer, Pool, Room
from .plugin import PORTABLE
from .wgsl.types import TYPES, host, stored_bytes, to_stored

_MOST_PIPELINES = 4096
TIMESTAMPS = "timestamp-query"


@dataclass(slots=True)
class Counters:
    """What a device has been asked to do since it was opened."""

    dispatches: int = 0
    pipelines: int = 0
    bind_groups: int = 0
    uploads: int = 0
    readbacks: int = 0


def dtypes_of(adapter: Any) -> frozenset[str]:
    """The dtypes that kernels on an adapter may use."""
    return PORTABLE | {n for n, t in TYPES.items() if t.feature in adapter.features}


class Device:
    """A device of the driver; all its methods may be called from any thread."""

    def __init__(self, adapter: Any, name: str) -> None:
        refuse_after_fork()
        self.name, self.adapter_name = name, adapter_name(adapter)
        self.checked = os.environ.get("ALLUMETTE_GPU_CHECKED", "") not in ("", "0")
        self.lock = threading.RLock()
        self.counters = Counters()
        self.limits: Limits = limits_of(adapter)
        self.lost = ""
        """Why it cannot be used any more, and what to do; empty while it can."""
        wanted = {t.feature for t in TYPES.values() if t.feature} | {TIMESTAMPS, SUBGROUPS}
        self.features = frozenset(wanted & set(adapter.features))
        self.raw = adapter.request_device_sync(
            required_features=sorted(self.features), required_limits=self.limits.required()
        )
        if self.limits.subgroups and not subgroups.are_neighbours(self.raw, self.limits.width):
            self.limits = replace(self.limits, subgroups=0)
        self.commands = Commands(self.raw)
        self.pool = Pool(self._create, self.commands, name, self.limits)
        self._pipelines: OrderedDict[str, Any] = OrderedDict()
        self.staging = native.Staging(self.raw)
        self.dtypes = dtypes_of(adapter)

    def _create(self, size: int) -> Any:
        import wgpu

        usage = wgpu.BufferUsage.STORAGE | wgpu.BufferUsage.COPY_SRC | wgpu.BufferUsage.COPY_DST
        try:
            return self.raw.create_buffer(size=size, usage=usage)
        except Exception as error:
            if is_loss(error):
                raise self.lose(error) from error
            raise

    def close(self) -> None:
        """Give the device and all its memory back to the driver."""
        with self.lock:
            self.lost = "it was opened anew, and what it held is lost; make that anew"
            self.commands.drop()
            self.raw.destroy()

    def leave(self) -> None:
        """Wait for what runs, as the process ends: a driver whose memory is gone while its threads
        still compile or compute takes the process down with it."""
        if not self.lost and is_ours():
            with self.lock:
                self.commands.drop()
                native.wait(self.raw)

    def check(self) -> None:
        """Refuse use where it cannot work.

        Raises:
            DeviceError: this is a child of the process that opened the device.
            DeviceLostError: the device was lost, or opened anew since.
        """
        refuse_after_fork()
        if self.lost:
            raise DeviceLostError(f"{self.name}: {self.lost}")

    def lose(self, error: BaseException) -> DeviceLostError:
        """Note that the driver gave the device up, as `error` says; the error to raise."""
        self.lost = (
            "the device was lost, and its values with it; open it anew with "
            f"al.reset_device({self.name!r}), and make them anew"
        )
        return DeviceLostError(f"{self.name}: {self.lost} ({error})")

    # ---- values

    def upload(self, array: NDArray[Any]) -> GpuBuffer:
        """`array` on the device."""
        self.check()
        size = stored_bytes(array.size, array.dtype)
        with self.lock, self.errors("writing a value"):
            room = Room(self.pool, size)
            if array.size:
                self.commands.write(room.block.raw, to_stored(array))
                self.counters.uploads += 1
        return GpuBuffer(room, 0, array.shape, array.dtype, self)

    def download(self, buffer: GpuBuffer) -> NDArray[Any]:
        """The values of `buffer`; waits for them."""
        self.check()
        made = np.empty(buffer.shape, host(buffer.dtype))  # before the wait: caches are cold after
        if made.size:
            wanted = stored_bytes(made.size, buffer.dtype)
            with self.lock, self.errors("reading a value"):
                staged = self.staging.buffer(wanted)
                self.commands.copy(buffer.room.block.raw, buffer.offset, staged, 0, wanted)
                self.commands.submit()
                self.staging.read(staged, made)
                self.counters.readbacks += 1
        return made.astype(buffer.dtype, copy=False)

    # ---- code

    def pipeline(self, source: str, name: str) -> Any:
        """The compiled `source`."""
        with self.lock:
            found = self._pipelines.get(source)
            if found is not None:
                self._pipelines.move_to_end(source)
                return found
            with self.errors(f"compiling a kernel ({name})", source):
                module = native.shader_module(self.raw, source, self.checked)
                made = self.raw.create_compute_pipeline(
                    layout="auto", compute={"module": module, "entry_point": "main"}
                )
            self.counters.pipelines += 1
            self._pipelines[source] = made
            if len(self._pipelines) > _MOST_PIPELINES:
                self._pipelines.popitem(last=False)
            return made

    def errors(self, doing: str, source: str = "") -> "_Translated":
        """A block in which errors of the driver become ours."""
        return _Translated(self, doing, source if self.checked else "")

    def synchronize(self) -> None:
        """Wait for everything that was run."""
        self.check()
        with self.lock, self.errors("running programs"):
            self.commands.submit()
            native.wait(self.raw)


class _Translated:
    """A block in which errors of the driver become `BackendError`."""

    def __init__(self, device: Device, doing: str, source: str) -> None:
        self.device, self.doing, self.source = device, doing, source

    def __enter__(self) -> None: ...

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if not isinstance(error, Exception) or isinstance(error, BackendError):
            return
        if is_loss(error):
            raise self.device.lose(error) from error
        text = f"{self.device.name}: {self.doing} failed: {error}"
        if self.source:
            text += f"\n{self.source}"
        raise BackendError(text) from error
