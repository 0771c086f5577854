"""How long kernels take, by the device's own clock."""

from typing import Any

import numpy as np
import wgpu

from . import native

_AT_ONCE = 1000  # dispatches: a query set holds 4096 timestamps


def timed(device: Any, recorded: native.Recorded) -> list[int]:
    """Run dispatches, each in a pass of its own; the nanoseconds that each took."""
    found: list[int] = []
    period = native.timestamp_period(device)
    for start in range(0, len(recorded), _AT_ONCE):
        ticks = _ticks(device, recorded[start : start + _AT_ONCE])
        found += [int(t) for t in (ticks[1::2] - ticks[::2]) * period]
    return found


def _ticks(device: Any, recorded: native.Recorded) -> Any:
    """When each dispatch began and ended."""
    count = 2 * len(recorded)
    queries = device.create_query_set(type="timestamp", count=count)
    usage = wgpu.BufferUsage.QUERY_RESOLVE | wgpu.BufferUsage.COPY_SRC
    resolved = device.create_buffer(size=8 * count, usage=usage)
    encoder = device.create_command_encoder()
    for number, (pipeline, group, groups) in enumerate(recorded):
        places = {
            "query_set": queries,
            "beginning_of_pass_write_index": 2 * number,
            "end_of_pass_write_index": 2 * number + 1,
        }
        passing = encoder.begin_compute_pass(timestamp_writes=places)
        passing.set_pipeline(pipeline)
        passing.set_bind_group(0, group)
        passing.dispatch_workgroups(*groups)
        passing.end()
    encoder.resolve_query_set(queries, 0, count, resolved, 0)
    device.queue.submit([encoder.finish()])
    return np.frombuffer(device.queue.read_buffer(resolved), np.uint64).astype(np.int64)
