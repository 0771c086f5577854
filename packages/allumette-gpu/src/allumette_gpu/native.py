"""What is faster, or only possible, below wgpu's public API. Everything private is in this module.

Each call has a fallback through the public API, so that another release of wgpu is slower, not
broken.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

import wgpu
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
CAN_REPLAY = all(hasattr(lib, name) for name in _NEEDED)


def replay(device: Any, recorded: Recorded) -> None:
    """Run the dispatches in one compute pass and one submit."""
    if CAN_REPLAY:
        _replay_directly(device, recorded)
    else:
        replay_publicly(device, recorded)


def replay_publicly(device: Any, recorded: Recorded) -> None:
    """The same through the public API, which takes three times as long."""
    encoder = device.create_command_encoder()
    passing = encoder.begin_compute_pass()
    for pipeline, group, groups in recorded:
        passing.set_pipeline(pipeline)
        passing.set_bind_group(0, group)
        passing.dispatch_workgroups(*groups)
    passing.end()
    device.queue.submit([encoder.finish()])


def _replay_directly(device: Any, recorded: Recorded) -> None:
    null, set_pipeline, set_group, dispatch = ffi.NULL, *_pass_calls()
    encoder = lib.wgpuDeviceCreateCommandEncoder(device._internal, null)
    passing = lib.wgpuCommandEncoderBeginComputePass(encoder, null)
    for pipeline, group, (x, y, z) in recorded:
        set_pipeline(passing, pipeline._internal)
        set_group(passing, 0, group._internal, 0, null)
        dispatch(passing, x, y, z)
    lib.wgpuComputePassEncoderEnd(passing)
    lib.wgpuComputePassEncoderRelease(passing)
    _submit(device, encoder)


@cache
def _pass_calls() -> tuple[Any, Any, Any]:
    names = "SetPipeline", "SetBindGroup", "DispatchWorkgroups"
    first, second, third = (getattr(lib, f"wgpuComputePassEncoder{name}") for name in names)
    return first, second, third


def _submit(device: Any, encoder: Any) -> None:
    """Submit what was encoded; these two calls report the errors of all that went before."""
    commands = api.libf.wgpuCommandEncoderFinish(encoder, ffi.NULL)
    lib.wgpuCommandEncoderRelease(encoder)
    api.libf.wgpuQueueSubmit(device.queue._internal, 1, ffi.new("WGPUCommandBuffer[1]", [commands]))
    lib.wgpuCommandBufferRelease(commands)


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
        if CAN_REPLAY:
            self._statuses: list[int] = []
            self._kept = _callback(), ffi.new_handle(self._statuses)
            self._when_mapped = api.new_struct_p(
                "WGPUBufferMapCallbackInfo *",
                mode=lib.WGPUCallbackMode_AllowProcessEvents,
                callback=self._kept[0],
                userdata1=self._kept[1],
            )

    def read(self, source: Any, offset: int, size: int) -> Any:
        """`size` bytes of `source` from `offset`, which is a multiple of 4."""
        room = max(1 << (size - 1).bit_length(), 256)
        if room > self.largest:
            room = (size + 3) // 4 * 4
        buffer = self._buffers.get(room)
        if buffer is None:
            usage = wgpu.BufferUsage.MAP_READ | wgpu.BufferUsage.COPY_DST
            buffer = self.device.create_buffer(size=room, usage=usage)
            if room <= self.largest:
                self._buffers[room] = buffer
        return (self._directly if CAN_REPLAY else self._publicly)(buffer, source, offset, size)

    def _publicly(self, buffer: Any, source: Any, offset: int, size: int) -> Any:
        encoder = self.device.create_command_encoder()
        encoder.copy_buffer_to_buffer(source, offset, buffer, 0, size)
        self.device.queue.submit([encoder.finish()])
        buffer.map_sync(wgpu.MapMode.READ, 0, size)
        data = buffer.read_mapped(0, size)
        buffer.unmap()
        return data

    def _directly(self, buffer: Any, source: Any, offset: int, size: int) -> Any:
        encoder = lib.wgpuDeviceCreateCommandEncoder(self.device._internal, ffi.NULL)
        into, whole = buffer._internal, (size + 3) // 4 * 4
        lib.wgpuCommandEncoderCopyBufferToBuffer(encoder, source._internal, offset, into, 0, whole)
        _submit(self.device, encoder)
        self._statuses.clear()
        api.libf.wgpuBufferMapAsync(into, lib.WGPUMapMode_Read, 0, whole, self._when_mapped[0])
        api.libf.wgpuDevicePoll(self.device._internal, True, ffi.NULL)
        if self._statuses != [lib.WGPUMapAsyncStatus_Success]:
            raise RuntimeError(f"a buffer could not be mapped (status {self._statuses})")
        data = bytearray(ffi.buffer(lib.wgpuBufferGetMappedRange(into, 0, whole), whole))
        lib.wgpuBufferUnmap(into)
        return data


def _callback() -> Any:
    def mapped(status: int, message: Any, statuses: Any, unused: Any) -> None:
        ffi.from_handle(statuses).append(status)

    return ffi.callback("void(WGPUMapAsyncStatus, WGPUStringView, void *, void *)", mapped)
