"""A compiled program: what it is at a call, however it runs."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

from allumette_core.compiler.program import Program
from allumette_core.profile import recorders
from numpy.typing import NDArray

from . import nans
from .device import Device
from .memory import GpuBuffer
from .plan.build import build
from .plan.prepare import prepare
from .plan.streaming import fits, streamed
from .planned import Planned
from .streamed import StreamedRun


class Runner(Protocol):
    """A way to run a program."""

    def run(self, buffers: Sequence[GpuBuffer]) -> list[GpuBuffer]:
        """The outputs for `buffers`."""
        ...

    def writer(self, output: int) -> str | None:
        """The name of the kernel that writes an output, None if it is an input."""
        ...


def runner(device: Device, program: Program) -> Runner:
    """At once if there is memory for that, else over pieces of the rows where that takes less."""
    if device.checked:  # the inputs are looked at again where a NaN is found
        program = replace(program, donated=frozenset())
    plan = build(prepare(program, device.dtypes), device.limits)
    if not fits(plan, device.limits):
        found = streamed(program, device.limits, device.dtypes)
        if found is not None and found.temporaries < sum(plan.temps):
            return StreamedRun(device, found)
    return Planned(device, plan)


class GpuExecutable:
    """A program on a device."""

    def __init__(self, device: Device, program: Program) -> None:
        self.device, self.program = device, program
        self.runner = runner(device, program)
        self._modes = [(i.primitive.name, "native") for i in program.instructions]

    def __call__(self, buffers: Sequence[GpuBuffer]) -> list[GpuBuffer]:
        made = self.runner.run(buffers)
        for recorder in recorders:
            recorder.executed(self._modes)
        if self.device.checked:
            self._check(buffers, made)
        return made

    def _check(self, buffers: Sequence[GpuBuffer], made: Sequence[GpuBuffer]) -> None:
        """Warn where a NaN comes from."""
        inputs, outputs = ([self.device.download(b) for b in some] for some in (buffers, made))
        first = next((i for i, x in enumerate(outputs) if nans.has_nan(x)), None)
        kernel = None if first is None else self.runner.writer(first)

        def run(program: Program) -> list[NDArray[Any]]:
            again = runner(self.device, program)
            return [self.device.download(b) for b in again.run(buffers)]

        if kernel is not None:
            nans.warn(self.program, inputs, outputs, kernel, run)
