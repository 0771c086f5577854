"""A compiled program: a run is one compute pass and one submit, with kept bind groups."""

from collections import OrderedDict
from collections.abc import Sequence
from math import prod
from typing import Any

from allumette_core.compiler.program import Program
from allumette_core.profile import recorders

from . import native
from .device import Device
from .memory import Block, GpuBuffer, Room
from .plan.build import Plan
from .wgsl.types import stored_bytes

_OWN_BYTES = 1 << 20  # of temporaries that a program keeps for itself
_MOST_BINDINGS = 8  # sets of buffers that bind groups are kept for


class GpuExecutable:
    """Runs a plan on a device."""

    def __init__(self, device: Device, program: Program, plan: Plan) -> None:
        self.device, self.plan = device, plan
        self._modes = [(i.primitive.name, "native") for i in program.instructions]
        avals = [plan.program.avals[v] for v in plan.made]
        inputs = plan.program.avals[: plan.program.num_inputs]
        sizes = [stored_bytes(prod(a.shape), a.dtype) for a in (*inputs, *avals)]
        self._made = list(zip(sizes[len(inputs) :], avals, strict=True))
        self._sizes = [max(n, 16) for n in (*sizes, *plan.temps)]
        self._keeps = sum(plan.temps) <= _OWN_BYTES
        self._temps: list[Room] = []
        self._bound: OrderedDict[tuple[int, ...], native.Recorded] = OrderedDict()
        self._pipelines = [device.pipeline(s.dispatch.source, s.dispatch.name) for s in plan.steps]

    def __call__(self, buffers: Sequence[GpuBuffer]) -> list[GpuBuffer]:
        device = self.device
        device.check()
        for buffer in buffers:
            if buffer.device is not device:  # that device was lost
                buffer.device.check()
        with device.lock:
            pool = device.pool
            made = [GpuBuffer(pool, size, *aval, device) for size, aval in self._made]
            if self.plan.steps:
                temps = self._temps or [Room(pool, size) for size in self.plan.temps]
                self._run([room.block for room in (*buffers, *made, *temps)])
                if self._keeps:
                    self._temps = temps
        for recorder in recorders:
            recorder.executed(self._modes)
        every = [*buffers, *made]
        return [every[i] for i in self.plan.outputs]

    def _run(self, blocks: list[Block]) -> None:
        groups = self._bind_groups(blocks)
        device = self.device
        with device.errors("running a program"):
            if device.checked:
                self._run_checked(groups)
            else:
                native.replay(device.raw, groups)
        device.counters.dispatches += len(groups)
        device.counters.submits += 1

    def _run_checked(self, groups: native.Recorded) -> None:
        """One submit a dispatch, each waited for, so that an error names its kernel."""
        for step, recorded in zip(self.plan.steps, groups, strict=True):
            with self.device.errors(f"kernel {step.dispatch.name!r}", step.dispatch.source):
                native.replay_publicly(self.device.raw, [recorded])
                self.device.raw._poll_wait()

    def _bind_groups(self, blocks: list[Block]) -> native.Recorded:
        key = tuple([block.serial for block in blocks])
        groups = self._bound.get(key)
        if groups is None:
            groups = [
                (pipeline, self._bind_group(step.buffers, pipeline, blocks), step.dispatch.groups)
                for step, pipeline in zip(self.plan.steps, self._pipelines, strict=True)
            ]
            self._bound[key] = groups
            if len(self._bound) > _MOST_BINDINGS:
                self._bound.popitem(last=False)
        return groups

    def _bind_group(self, buffers: tuple[int, ...], pipeline: Any, blocks: list[Block]) -> Any:
        self.device.counters.bind_groups += 1
        entries = [
            {
                "binding": place,
                "resource": {"buffer": blocks[i].raw, "offset": 0, "size": self._sizes[i]},
            }
            for place, i in enumerate(buffers)
        ]
        layout = pipeline.get_bind_group_layout(0)
        return self.device.raw.create_bind_group(layout=layout, entries=entries)
