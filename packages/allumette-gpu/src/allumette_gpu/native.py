"""What is faster, or only possible, below wgpu's public API. Everything private is in this module.

Each call has a fallback through the public API, so that another release of wgpu is slower, not
broken.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

import wgpu
from numpy.typing import NDArray
from wgpu.backends.wgpu_native import _api as api
from wgpu.backends.wgpu_native._ffi import ffi, lib

HAS_TRUSTED = hasattr(lib, "wgpuDeviceCreateShaderModuleTrusted")


def shader_module(device: Any, source: str, checked: bool) -> Any:
    """A compiled module; unless `checked`, without bounds checks on loops and accesses.

    Generated code keeps its loops finite and its accesses in bounds by construction.
    """
    if checked or not HAS_TRUSTED:
        return device.create_shader_module(code=source)
    text = api.to_c_string_view(source)
    chained = api.new_struct_p("WGPUShaderSourceWGSL *", code=text)
    chained[0].chain.next = ffi.NULL
    chained[0].chain.sType = lib.WGPUSType_ShaderSourceWGSL
    described = api.new_struct_p(
        "WGPUShaderModuleDescriptor *",
        nextInChain=ffi.cast("WGPUChainedStruct *", chained),
        label=api.to_c_string_view(""),
    )
    made = api.libf.wgpuDeviceCreateShaderModuleTrusted(device._internal, described, 0)
    if made == ffi.NULL:
        raise RuntimeError("the driver refused a shader")
    return api.GPUShaderModule("", made, device)


Recorded = Sequence[tuple[Any, Any, tuple[int, int, int]]]
"""The pipeline, the bind group and the workgroups of each dispatch."""

_NEEDED = (
    *("wgpuCommandEncoderCopyBufferToBuffer", "wgpuBufferMapAsync", "wgpuDevicePoll"),
    *("wgpuBufferGetMappedRange", "wgpuBufferUnmap"),
    *("wgpuDeviceCreateCommandEncoder", "wgpuCommandEncoderBeginComputePass"),
    *("wgpuComputePassEncoderSetPipeline", "wgpuComputePassEncoderSetBindGroup"),
    *("wgpuComputePassEncoderDispatchWorkgroups", "wgpuComputePassEncoderEnd"),
    *("wgpuCommandEncoderFinish", "wgpuQueueSubmit", "wgpuComputePassEncoderRelease"),
    *("wgpuCommandEncoderRelease", "wgpuCommandBufferRelease"),
)
CAN_ENCODE = all(hasattr(lib, name) for name in _NEEDED)


def encoder(device: Any) -> "Encoder":
    """A new encoder of commands, through the C library where that has what it takes."""
    return Encoder(device) if CAN_ENCODE else PublicEncoder(device)


class Encoder:
    """Commands in the order in which they will run, once they are submitted."""

    def __init__(self, device: Any) -> None:
        self._device = device
        self._encoder = lib.wgpuDeviceCreateCommandEncoder(device._internal, ffi.NULL)
        self._pass: Any = None

    def dispatch(self, recorded: Recorded) -> None:
        """Append dispatches, to the compute pass that is open if there is one."""
        null, set_pipeline, set_group, run = ffi.NULL, *_pass_calls()
        if self._pass is None:
            self._pass = lib.wgpuCommandEncoderBeginComputePass(self._encoder, null)
        passing = self._pass
        for pipeline, group, (x, y, z) in recorded:
            set_pipeline(passing, pipeline._internal)
            set_group(passing, 0, group._internal, 0, null)
            run(passing, x, y, z)

    def copy(self, source: Any, offset: int, target: Any, place: int, size: int) -> None:
        """Append a copy of `size` bytes of one buffer from `offset` to `place` in another."""
        self._end_pass()
        buffers = source._internal, offset, target._internal, place
        lib.wgpuCommandEncoderCopyBufferToBuffer(self._encoder, *buffers, size)

    def submit(self) -> None:
        """Hand everything over; this reports the errors of all that went before."""
        self._end_pass()
        commands = api.libf.wgpuCommandEncoderFinish(self._encoder, ffi.NULL)
        lib.wgpuCommandEncoderRelease(self._encoder)
        one = ffi.new("WGPUCommandBuffer[1]", [commands])
        api.libf.wgpuQueueSubmit(self._device.queue._internal, 1, one)
        lib.wgpuCommandBufferRelease(commands)

    def drop(self) -> None:
        """Forget everything."""
        self._end_pass()
        lib.wgpuCommandEncoderRelease(self._encoder)

    def _end_pass(self) -> None:
        if self._pass is not None:
            lib.wgpuComputePassEncoderEnd(self._pass)
            lib.wgpuComputePassEncoderRelease(self._pass)
            self._pass = None


@cache
def _pass_calls() -> tuple[Any, Any, Any]:
    names = "SetPipeline", "SetBindGroup", "DispatchWorkgroups"
    first, second, third = (getattr(lib, f"wgpuComputePassEncoder{name}") for name in names)
    return first, second, third


class PublicEncoder(Encoder):
    """The same through the public API, which takes three times as long."""

    def __init__(self, device: Any) -> None:
        self._device = device
        self._encoder = device.create_command_encoder()
        self._pass = None

    def dispatch(self, recorded: Recorded) -> None:
        if self._pass is None:
            self._pass = self._encoder.begin_compute_pass()
        for pipeline, group, groups in recorded:
            self._pass.set_pipeline(pipeline)
            self._pass.set_bind_group(0, group)
            self._pass.dispatch_workgroups(*groups)

    def copy(self, source: Any, offset: int, target: Any, place: int, size: int) -> None:
        self._end_pass()
        self._encoder.copy_buffer_to_buffer(source, offset, target, place, size)

    def submit(self) -> None:
        self._end_pass()
        self._device.queue.submit([self._encoder.finish()])

    def drop(self) -> None:
        self._end_pass()

    def _end_pass(self) -> None:
        if self._pass is not None:
            self._pass.end()
            self._pass = None


def wait(device: Any) -> None:
    """Wait until all that was submitted is done."""
    if CAN_ENCODE:
        api.libf.wgpuDevicePoll(device._internal, True, ffi.NULL)
    else:  # a read waits; wgpu's own call for this takes a callback that its library refuses
        usage = wgpu.BufferUsage.COPY_SRC | wgpu.BufferUsage.COPY_DST
        device.queue.read_buffer(device.create_buffer(size=4, usage=usage))


def timestamp_period(device: Any) -> float:
    """Nanoseconds of a tick of the device's clock; 1 where the driver does not tell."""
    if not hasattr(lib, "wgpuQueueGetTimestampPeriod"):
        return 1.0
    return float(lib.wgpuQueueGetTimestampPeriod(device.queue._internal))


class Staging:
    """Buffers through which values are read back, one a size class, kept mapped-ready."""

    def __init__(self, device: Any) -> None:
        self.device = device
        self.largest = min(1 << 24, device.limits["max-buffer-size"])
        """Bytes of a buffer that is kept; one for more is as large as needed."""
        self._buffers: dict[int, Any] = {}
        if CAN_ENCODE:
            self._statuses: list[int] = []
            self._kept = _callback(), ffi.new_handle(self._statuses)
            self._when_mapped = api.new_struct_p(
                "WGPUBufferMapCallbackInfo *",
                mode=lib.WGPUCallbackMode_AllowProcessEvents,
                callback=self._kept[0],
                userdata1=self._kept[1],
            )

    def buffer(self, size: int) -> Any:
        """The buffer for values of `size` bytes, into which commands may copy one."""
        room = max(1 << (size - 1).bit_length(), 256)
        if room > self.largest:
            room = size
        buffer = self._buffers.get(room)
        if buffer is None:
            usage = wgpu.BufferUsage.MAP_READ | wgpu.BufferUsage.COPY_DST
            buffer = self.device.create_buffer(size=room, usage=usage)
            if room <= self.largest:
                self._buffers[room] = buffer
        return buffer

    def read(self, buffer: Any, into: NDArray[Any]) -> None:
        """Fill `into` with what is in `buffer`, once what was submitted is done."""
        size = -(-into.nbytes // 4) * 4
        if CAN_ENCODE:
            self._directly(buffer._internal, into, size)
            return
        buffer.map_sync(wgpu.MapMode.READ, 0, size)
        into.data.cast("B")[:] = buffer.read_mapped(0, size)[: into.nbytes]
        buffer.unmap()

    def _directly(self, buffer: Any, into: NDArray[Any], size: int) -> None:
        target = ffi.from_buffer(into, require_writable=True)
        self._statuses.clear()
        api.libf.wgpuBufferMapAsync(buffer, lib.WGPUMapMode_Read, 0, size, self._when_mapped[0])
        api.libf.wgpuDevicePoll(self.device._internal, True, ffi.NULL)
        if self._statuses != [lib.WGPUMapAsyncStatus_Success]:
            raise RuntimeError(f"a buffer could not be mapped (status {self._statuses})")
        ffi.memmove(target, lib.wgpuBufferGetMappedRange(buffer, 0, size), into.nbytes)
        lib.wgpuBufferUnmap(buffer)


def _callback() -> Any:
    def mapped(status: int, message: Any, statuses: Any, unused: Any) -> None:
        ffi.from_handle(statuses).append(status)

    return ffi.callback("void(WGPUMapAsyncStatus, WGPUStringView, void *, void *)", mapped)
