"""Runs of a plan: a few dispatches with kept bind groups, that may wait for others."""

from collections import Counter, OrderedDict
from collections.abc import Sequence
from math import prod
from typing import Any

from allumette_core.profile import Profile, recorders

from . import native
from .device import TIMESTAMPS, Device
from .memory import Block, GpuBuffer, Room
from .plan.build import Plan
from .timing import timed
from .wgsl.types import stored_bytes

_OWN_BYTES = 1 << 20  # of temporaries that a program keeps for itself
_MOST_BINDINGS = 8  # sets of buffers that bind groups are kept for
_SHARED_BYTES = 1 << 16  # of values that may share a room, and stay there as long as one is used
_ALIGNMENT = 256  # of windows of a buffer, on every adapter

Bound = tuple[native.Recorded, frozenset[Any]]
"""What a run on some buffers dispatches, and these buffers of the driver."""


class Planned:
    """Runs a plan on a device."""

    def __init__(self, device: Device, plan: Plan) -> None:
        self.device, self.plan = device, plan
        avals = [plan.program.avals[v] for v in plan.made]
        inputs = plan.program.avals[: plan.program.num_inputs]
        sizes = [stored_bytes(prod(a.shape), a.dtype) for a in (*inputs, *avals)]
        self._rooms, places = _rooms(plan, sizes[len(inputs) :])
        self._made = [(*place, *aval) for place, aval in zip(places, avals, strict=True)]
        self._sizes = [max(n, 16) for n in (*sizes, *plan.temps)]
        self._keeps = sum(plan.temps) <= _OWN_BYTES
        self._temps: list[Room] = []
        self._work = sum(
            step.operations + sum(self._sizes[i] for i in step.buffers) for step in plan.steps
        )
        self._bound: OrderedDict[tuple[object, ...], Bound] = OrderedDict()
        self._pipelines = [device.pipeline(s.dispatch.source, s.dispatch.name) for s in plan.steps]

    def run(self, buffers: Sequence[GpuBuffer]) -> list[GpuBuffer]:
        """The outputs for `buffers`."""
        device = self.device
        device.check()
        for buffer in buffers:
            if buffer.device is not device:  # that device was lost
                buffer.device.check()
        with device.lock:
            pool = device.pool
            rooms = [Room(pool, size) for size in self._rooms]
            made = [
                GpuBuffer(rooms[room], offset, shape, dtype, device)
                for room, offset, shape, dtype in self._made
            ]
            if self.plan.steps:
                temps = self._temps or [Room(pool, size) for size in self.plan.temps]
                self._run(buffers, rooms, made, temps)
                if self._keeps:
                    self._temps = temps
        every = [*buffers, *made]
        return [every[i] for i in self.plan.outputs]

    def _run(
        self,
        inputs: Sequence[GpuBuffer],
        rooms: list[Room],
        made: list[GpuBuffer],
        temps: list[Room],
    ) -> None:
        device = self.device
        key = (
            *[(x.room.block.serial, x.offset) for x in inputs],
            *[x.block.serial for x in rooms],
            *[x.block.serial for x in temps],
        )
        with device.errors("running a program"):
            bound = self._bound.get(key)
            if bound is None:
                blocks = [(x.room.block, x.offset) for x in (*inputs, *made)]
                blocks += [(x.block, 0) for x in temps]
                used = frozenset(block.raw for block, _ in blocks)
                bound = self._bound[key] = self._bind_groups(blocks), used
                if len(self._bound) > _MOST_BINDINGS:
                    self._bound.popitem(last=False)
            groups, used = bound
            timing = [r for r in recorders if r.times_kernels]
            if device.checked:
                self._run_checked(groups, used)
            elif timing and TIMESTAMPS in device.features:
                device.commands.submit()
                self._run_timed(groups, timing)
            else:
                device.commands.run(groups, used, self._work)
        device.counters.dispatches += len(groups)

    def _run_checked(self, groups: native.Recorded, used: frozenset[Any]) -> None:
        """One submit a dispatch, each waited for, so that an error names its kernel."""
        for step, recorded in zip(self.plan.steps, groups, strict=True):
            with self.device.errors(f"kernel {step.dispatch.name!r}", step.dispatch.source):
                self.device.commands.run([recorded], used, self._work)
                self.device.commands.submit()
                native.wait(self.device.raw)

    def writer(self, output: int) -> str | None:
        """The name of the kernel that writes an output, None if it is an input."""
        place = self.plan.outputs[output]
        return next((s.dispatch.name for s in self.plan.steps if place in s.buffers), None)

    def _run_timed(self, groups: native.Recorded, profiles: list[Profile]) -> None:
        """Every dispatch in a pass of its own, measured and waited for."""
        for step, took in zip(self.plan.steps, timed(self.device.raw, groups), strict=True):
            moved = sum(self._sizes[i] for i in step.buffers)
            for profile in profiles:
                profile.ran(step.label, took, moved, step.operations)

    def _bind_groups(self, blocks: list[tuple[Block, int]]) -> native.Recorded:
        return [
            (pipeline, self._bind_group(step.buffers, pipeline, blocks), step.dispatch.groups)
            for step, pipeline in zip(self.plan.steps, self._pipelines, strict=True)
        ]

    def _bind_group(
        self, buffers: tuple[int, ...], pipeline: Any, blocks: list[tuple[Block, int]]
    ) -> Any:
        self.device.counters.bind_groups += 1
        entries = []
        for place, i in enumerate(buffers):
            block, offset = blocks[i]
            size = min(self._sizes[i], block.size - offset)
            window = {"buffer": block.raw, "offset": offset, "size": size}
            entries.append({"binding": place, "resource": window})
        layout = pipeline.get_bind_group_layout(0)
        return self.device.raw.create_bind_group(layout=layout, entries=entries)


def _rooms(plan: Plan, sizes: list[int]) -> tuple[list[int], list[tuple[int, int]]]:
    """The rooms in which the values that a run makes are, in bytes; and of each its room and where
    it is there.

    Small ones share a room: one is sooner found than many, and the driver has less to watch. What
    another kernel of the run reads must not, as a buffer is either read or written in a dispatch.
    """
    first = plan.program.num_inputs
    uses = Counter(i for step in plan.steps for i in step.buffers)
    small = [uses[first + k] < 2 and n <= _SHARED_BYTES for k, n in enumerate(sizes)]
    rooms, places = ([0] if any(small) else []), []
    for size, shares in zip(sizes, small, strict=True):
        if shares and rooms[0] + size <= _SHARED_BYTES:
            places.append((0, rooms[0]))
            rooms[0] += -(-max(size, 16) // _ALIGNMENT) * _ALIGNMENT
        else:
            places.append((len(rooms), 0))
            rooms.append(size)
    return rooms, places
