"""From a program to native code: the schedule that core makes, written as LLVM functions."""

from allumette_core.compiler.contractions import expand
from allumette_core.compiler.fusion import fuse
from allumette_core.compiler.program import Program
from allumette_core.compiler.schedule import Loop
from allumette_core.compiler.stream import stream

from ..plan import Call, Plan, Ref
from .emit import Module
from .phases import Frame, combiner
from .sizes import measure

__all__ = ["plan"]


def plan(program: Program) -> Plan:
    """The calls that compute `program`.

    Raises:
        NotImplementedError: something in it has no native form.
    """
    return _Planner(program).plan()


class _Planner:
    def __init__(self, program: Program) -> None:
        self.program = expand(program)
        self.module = Module()
        self.temps: list[int] = []
        self.calls: list[tuple[str, int, tuple[Ref, ...], int]] = []
        self.refs: dict[int, Ref] = {i: ("in", i) for i in range(self.program.num_inputs)}
        for number, value in enumerate(self.program.outputs):
            self.refs.setdefault(value, ("out", number))

    def plan(self) -> Plan:
        for phase in stream(self.program, lambda instruction: True):
            self._loop(fuse(phase))
        source = self.module.text()
        calls = tuple(Call(source, name, blocks, refs, work) for name, blocks, refs, work in self.calls)
        return Plan(calls, tuple(self.temps))

    def _loop(self, loop: Loop) -> None:
        refs = {inner: self._ref(outer) for inner, outer in enumerate(loop.phase.inputs)}
        for inner, outer in zip(loop.phase.program.outputs, loop.phase.outputs, strict=True):
            refs[inner] = self._ref(outer)
        sizes = measure(loop, self.temps)
        name = f"phase{len(self.calls)}"
        words = Frame(self.module, name, loop, sizes, refs).write()
        self.calls.append((name, sizes.blocks, words, sizes.work))
        if sizes.folds:
            name = f"combine{len(self.calls)}"
            words = combiner(self.module, name, loop, sizes, refs)
            self.calls.append((name, 1, words, 0))

    def _ref(self, value: int) -> Ref:
        if value not in self.refs:
            aval = self.program.avals[value]
            size = aval.dtype.itemsize
            for n in aval.shape:
                size *= n
            self.refs[value] = ("temp", len(self.temps))
            self.temps.append(size)
        return self.refs[value]
