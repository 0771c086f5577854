"""NumPy under another name, to be made wrong in one way."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from allumette_core.backend.reference import KERNELS, NumpyBackend
from allumette_core.backend.spec import Buffer, Capabilities, Executable
from allumette_core.compiler.program import Program
from allumette_core.primitives import PRIMITIVES, Primitive
from wrongs import Wrong


class Faulty(NumpyBackend):
    """NumPy, under another name."""

    def __init__(self, name: str) -> None:
        self.info = replace(NumpyBackend.info, name=name, capabilities=Capabilities())

    def devices(self) -> Sequence[str]:
        return (self.info.name,)


Make = Callable[[str], Faulty]


def wrong_kernel(primitive: str, wrong: Wrong) -> Make:
    """NumPy with one kernel replaced."""
    right = KERNELS[PRIMITIVES[primitive]]
    table = {**KERNELS, PRIMITIVES[primitive]: lambda *given: wrong(right, *given)}

    class Made(Faulty):
        @property
        def kernels(self) -> Mapping[Primitive, Any]:
            return table

    return Made


def wrapped(change: Callable[[Program, Executable, Sequence[Buffer]], list[Buffer]]) -> Make:
    """NumPy whose executables run as `change(program, run, buffers)`."""

    class Made(Faulty):
        def compile(self, program: Program, device: str) -> Executable:
            run = super().compile(program, device)
            return lambda buffers: change(program, run, buffers)

    return Made
