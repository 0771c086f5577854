"""From a program to native code: the schedule that core makes, written as LLVM functions."""

import os
from dataclasses import replace

from allumette_core.compiler.expand import expand
from allumette_core.compiler.fusion import fuse
from allumette_core.compiler.lowering import renders
from allumette_core.compiler.program import Program
from allumette_core.compiler.rows import Phase
from allumette_core.compiler.schedule import Loop
from allumette_core.compiler.simplify import simplify
from allumette_core.compiler.stream import stream

from ..plan import Call, HostCall, Plan, Ref
from .donation import in_place
from .emit import Module
from .phases import Frame, combiner
from .sizes import measure

__all__ = ["plan", "streams"]


def plan(program: Program, *, streamed: bool = True) -> Plan:
    """The calls that compute `program`; unless `streamed`, each value is whole before the next.

    Raises:
        NotImplementedError: something in it has no native form.
    """
    return _Planner(program).plan(streamed)


def streams() -> bool:
    """ALLUMETTE_CPU_STREAM: `on`, or `off` to compute one value after another.

    Raises:
        ValueError: the variable is something else.
    """
    mode = os.environ.get("ALLUMETTE_CPU_STREAM", "").strip() or "on"
    if mode not in ("on", "off"):
        raise ValueError(f"ALLUMETTE_CPU_STREAM must be on or off, got {mode!r}")
    return mode == "on"


class _Planner:
    def __init__(self, program: Program) -> None:
        self.program = expand(simplify(program))
        self.module = Module()
        self.temps: list[int] = []
        self.calls: list[Call | HostCall] = []
        self.refs: dict[int, Ref] = {i: ("in", i) for i in range(self.program.num_inputs)}
        for number, value in enumerate(self.program.outputs):
            self.refs.setdefault(value, ("out", number))

    def plan(self, streamed: bool) -> Plan:
        phases = stream(self.program, renders, together=streamed)
        steps = [phase if phase.host else fuse(phase) for phase in phases]
        for step in steps:
            if isinstance(step, Loop):
                self._loop(step)
            else:
                self._host(step)
        source = self.module.text()
        calls = tuple(replace(c, source=source) if isinstance(c, Call) else c for c in self.calls)
        return Plan(calls, tuple(self.temps), in_place(self.program, steps))

    def _host(self, phase: Phase) -> None:
        """A primitive that has no native form runs on whole arrays."""
        (instruction,), program = phase.program.instructions[-1:], phase.program
        inputs = tuple((self._ref(phase.inputs[i]), program.avals[i]) for i in instruction.inputs)
        (value,), (output,) = program.outputs, phase.outputs
        made = self._ref(output), program.avals[value]
        self.calls.append(HostCall(instruction.primitive, inputs, instruction.params, made))

    def _loop(self, loop: Loop) -> None:
        refs = {inner: self._ref(outer) for inner, outer in enumerate(loop.phase.inputs)}
        for inner, outer in zip(loop.phase.program.outputs, loop.phase.outputs, strict=True):
            refs[inner] = self._ref(outer)
        sizes = measure(loop, self.temps)
        name = f"phase{len(self.calls)}"
        words = Frame(self.module, name, loop, sizes, refs).write()
        self.calls.append(Call("", name, sizes.rows.blocks, words, sizes.work))
        if sizes.folds:
            name = f"combine{len(self.calls)}"
            words = combiner(self.module, name, loop, sizes, refs)
            work = sizes.fold_bytes * sizes.rows.blocks // 10
            self.calls.append(Call("", name, sizes.combining, words, work))

    def _ref(self, value: int) -> Ref:
        if value not in self.refs:
            aval = self.program.avals[value]
            size = aval.dtype.itemsize
            for n in aval.shape:
                size *= n
            self.refs[value] = ("temp", len(self.temps))
            self.temps.append(size)
        return self.refs[value]
