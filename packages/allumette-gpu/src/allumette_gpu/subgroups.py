"""Whether the invocations of a subgroup are neighbours in their workgroup.

No standard says so, nor that subgroups are full, but exchanges between neighbours rest on it: so a
device is asked, once, when it is opened.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

SMALLEST, LARGEST = 4, 128
"""Invocations of a subgroup, as WebGPU has them."""
_GROUPS = 2
_CODE = """
@group(0) @binding(0) var<storage, read_write> found: array<vec4<u32>>;
@compute @workgroup_size({width})
fn main(
  @builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32,
  @builtin(subgroup_size) size: u32, @builtin(subgroup_id) subgroup: u32,
  @builtin(subgroup_invocation_id) invocation: u32
) {{
  let sum = subgroupAdd(lane);
  let neighbour = subgroupShuffleXor(lane, 1u);
  found[group.x * {width}u + lane] = vec4<u32>(
    size, subgroup * size + invocation, sum, neighbour
  );
}}
"""


def are_neighbours(device: Any, width: int) -> bool:
    """Whether those of workgroups of `width` are, on a device of the driver with the feature."""
    import wgpu

    try:
        module = device.create_shader_module(code=_CODE.format(width=width))
        pipeline = device.create_compute_pipeline(
            layout="auto", compute={"module": module, "entry_point": "main"}
        )
        size = _GROUPS * width * 16
        usage = wgpu.BufferUsage.STORAGE | wgpu.BufferUsage.COPY_SRC
        buffer = device.create_buffer(size=size, usage=usage)
        window = {"buffer": buffer, "offset": 0, "size": size}
        group = device.create_bind_group(
            layout=pipeline.get_bind_group_layout(0),
            entries=[{"binding": 0, "resource": window}],
        )
        encoder = device.create_command_encoder()
        passing = encoder.begin_compute_pass()
        passing.set_pipeline(pipeline)
        passing.set_bind_group(0, group)
        passing.dispatch_workgroups(_GROUPS)
        passing.end()
        device.queue.submit([encoder.finish()])
        found = np.frombuffer(device.queue.read_buffer(buffer), np.uint32)
        buffer.destroy()
    except Exception:  # noqa: BLE001 (a driver that has the feature by name only has many ways)
        return False
    return all(map(in_order, found.reshape(_GROUPS, width, 4)))


def in_order(found: NDArray[Any]) -> bool:
    """Whether a workgroup's invocations are in the order of their subgroups, which are full.

    Of each, `found` has the size of its subgroup, its place by subgroups, the sum of the lanes of
    its subgroup and the lane of its neighbour there.
    """
    size, place, total, neighbour = (found[:, i].astype(np.int64) for i in range(4))
    each, lanes = int(size[0]), np.arange(len(found))
    fits = SMALLEST <= each <= LARGEST and each & (each - 1) == 0 and len(found) % each == 0
    if not fits or (size != each).any() or (place != lanes).any():
        return False
    sums = np.repeat(lanes.reshape(-1, each).sum(1), each)
    return bool((total == sums).all() and (neighbour == lanes ^ 1).all())
