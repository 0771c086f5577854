"""The backend `gpu`: programs become WGSL kernels, values are buffers of the driver."""

import atexit
import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from allumette_core.backend.spec import Backend, Executable, MemoryStats
from allumette_core.compiler.program import Program
from allumette_core.errors import BackendError, DeviceError
from numpy.typing import NDArray

from .adapters import find_adapters, missing
from .device import Device, dtypes_of
from .memory import GpuBuffer
from .plan.prepare import refuse_dtype
from .plugin import INFO


class GpuBackend(Backend):
    """Devices `gpu`, `gpu:1` ..., one for each adapter that a driver offers."""

    def __init__(self) -> None:
        self.adapters = find_adapters()
        why = missing()
        if why is not None:
            raise BackendError(f"gpu: {why}")
        self._devices: dict[str, Device] = {}
        self._opening = threading.RLock()
        atexit.register(self._leave)
        dtypes = dtypes_of(self.adapters[0])
        self.info = replace(INFO, capabilities=replace(INFO.capabilities, dtypes=dtypes))

    def devices(self) -> Sequence[str]:
        return ("gpu", *(f"gpu:{i}" for i in range(1, len(self.adapters))))

    def device(self, name: str) -> Device:
        """The device `name`, opened when it is first used.

        Raises:
            DeviceError: there is no such adapter.
        """
        return self._devices.get(name) or self._opened(name)

    def _opened(self, name: str) -> Device:
        names = self.devices()
        if name not in names:
            raise DeviceError(f"{name}: there is no such device; there are {', '.join(names)}")
        with self._opening:  # one device of an adapter, however many threads ask for it
            found = self._devices.get(name)
            if found is None:
                found = self._devices[name] = Device(self.adapters[names.index(name)], name)
        return found

    def _leave(self) -> None:
        for device in self._devices.values():
            device.leave()

    def reset(self, name: str) -> None:
        """Open the device `name` anew, after it was lost; values that it held are gone."""
        with self._opening:
            old = self._devices.pop(name, None)
            if old is not None:
                old.close()
            self.device(name)

    def from_host(self, array: NDArray[Any], device: str) -> GpuBuffer:
        target = self.device(device)
        refuse_dtype(array.dtype.name, target.dtypes)
        return target.upload(array)

    def to_host(self, buffer: GpuBuffer) -> NDArray[Any]:
        made: NDArray[Any] = buffer.device.download(buffer)
        return made

    def compile(self, program: Program, device: str) -> Executable:
        from .executable import GpuExecutable

        return GpuExecutable(self.device(device), program)

    def synchronize(self, device: str) -> None:
        self.device(device).synchronize()

    def memory(self, device: str) -> MemoryStats:
        return self.device(device).pool.stats()
