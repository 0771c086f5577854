"""The backends `seq` and `par`: buffers are C-contiguous NumPy arrays, programs become kernels."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np
from allumette_core.backend.blas import one_thread
from allumette_core.backend.ops import Kernel, OpBackend
from allumette_core.backend.spec import BackendInfo, Executable, MemoryStats
from allumette_core.compiler.program import Program
from allumette_core.primitives import Primitive, dot_general
from numpy.typing import NDArray

from .executable import tiered
from .kernels import KERNELS
from .runtime.memory import Allocator, Frames

Array = NDArray[Any]


class CpuBackend(OpBackend):
    """One device, named as the backend is."""

    def __init__(self, info: BackendInfo, parallel: bool) -> None:
        self.info = info
        self.parallel = parallel
        self.allocator = Allocator()
        self.frames = Frames(self.allocator)

    @property
    def kernels(self) -> Mapping[Primitive, Kernel]:
        return KERNELS

    def devices(self) -> Sequence[str]:
        return (self.info.name,)

    def from_host(self, array: Array, device: str) -> Array:
        buffer = self.allocator.array(array.shape, array.dtype)
        buffer[...] = array
        return buffer

    def to_host(self, buffer: Any) -> Array:
        return np.asarray(buffer)

    def memory(self, device: str) -> MemoryStats:
        return self.allocator.stats()

    def compile(self, program: Program, device: str) -> Executable:
        run = self.interpreter(program, device)
        literals = [number for number in run.blank if number is not None]
        products = any(i.primitive is dot_general for i in program.instructions)

        def eagerly(buffers: Sequence[Array]) -> list[Array]:
            with one_thread if products else nullcontext(), np.errstate(all="ignore"):
                return _apart(run(buffers), [*buffers, *literals])

        return tiered(program, eagerly, lambda: self.native(program))

    def native(self, program: Program) -> Executable:
        """`program` as machine code.

        Raises:
            NotImplementedError: the renderer does not know how.
        """
        from .render import plan, streams
        from .runtime.bind import bind
        from .runtime.driver import thread_count

        threads = thread_count() if self.parallel else 1
        return bind(
            program, plan(program, streamed=streams()), threads, self.allocator, self.frames
        )


def _apart(outputs: Sequence[Array], others: Sequence[Array]) -> list[Array]:
    """`outputs` as arrays that share memory with nothing, since each may be donated one day."""
    taken = {id(_owner(array)) for array in others}
    found = []
    for out in outputs:
        array = np.asarray(out, order="C")
        if id(_owner(array)) in taken:
            array = array.copy()
        taken.add(id(_owner(array)))
        found.append(array)
    return found


def _owner(array: Array) -> Array:
    """The array whose memory `array` is a part of."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array
