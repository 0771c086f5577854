"""`OpBackend`: the easy way to write a backend, one callable a primitive."""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..compiler.decompose import lower
from ..compiler.program import Instruction, Program
from ..errors import AllumetteError, BackendError
from ..primitives import Primitive, full
from ..profile import recorders
from .spec import Backend, Buffer, Executable

Kernel = Callable[..., Buffer]
Step = tuple[Kernel, tuple[int, ...], tuple[Any, ...], int, tuple[int, ...]]


class OpBackend(Backend):
    """A backend that runs a program instruction by instruction through `kernels`.

    A kernel is called as `kernel(*buffers, *params)` and returns a new buffer (or a view of an
    input: nobody writes to a buffer after it is made). What `kernels` lacks is decomposed into
    smaller primitives where it can be, else it runs on the host reference, counted as 'fallback';
    so does what takes or gives a dtype that `native_dtypes` of the capabilities leaves out. What a
    kernel raises becomes a `BackendError` that names the primitive, but for MemoryError.
    """

    @property
    @abstractmethod
    def kernels(self) -> Mapping[Primitive, Kernel]:
        """The primitives this backend runs itself."""

    def compile(self, program: Program, device: str) -> Executable:
        """An interpreter of `program` with every kernel looked up."""
        return self.interpreter(program, device)

    def interpreter(self, program: Program, device: str) -> "Interpreter":
        """What `compile` gives unless a backend has something better."""
        program = lower(program, self.kernels.__contains__)
        return Interpreter(
            program,
            [
                self._kernel(instruction, device, program.dtypes_of(position))
                for position, instruction in enumerate(program.instructions)
            ],
        )

    def _kernel(
        self, instruction: Instruction, device: str, dtypes: frozenset[str]
    ) -> tuple[Kernel, str]:
        kernel = self.kernels.get(instruction.primitive)
        takes = self.info.capabilities.native_dtypes
        if kernel is not None and (takes is None or dtypes <= takes):
            return kernel, "native"
        import numpy as np

        from .reference import KERNELS

        reference, arity = KERNELS[instruction.primitive], len(instruction.inputs)

        def on_host(*arguments: Any) -> Buffer:
            arrays = [self.to_host(buffer) for buffer in arguments[:arity]]
            with np.errstate(all="ignore"):
                made = np.asarray(reference(*arrays, *arguments[arity:]))
            return self.from_host(made, device)

        return on_host, "fallback"

    def synchronize(self, device: str) -> None:
        """Nothing to wait for: kernels have finished when they return."""


def _is_literal(instruction: Instruction) -> bool:
    """Whether the instruction makes one number: done once, when the program is compiled."""
    return instruction.primitive is full and instruction.params[0] == ()


class Interpreter:
    """Runs the instructions of a program in order, dropping each value after its last use."""

    def __init__(self, program: Program, kernels: Sequence[tuple[Kernel, str]]) -> None:
        self.outputs = program.outputs
        self.names = [i.primitive.name for i in program.instructions]
        self.blank: list[Buffer] = [
            kernel(*i.params) if _is_literal(i) else None
            for i, (kernel, _) in zip(program.instructions, kernels, strict=True)
        ]
        self.modes = [
            (i.primitive.name, mode)
            for i, (_, mode) in zip(program.instructions, kernels, strict=True)
            if not _is_literal(i)
        ]
        self.steps: list[Step] = [
            (kernel, i.inputs, i.params, position + program.num_inputs, dying)
            for position, (i, (kernel, _), dying) in enumerate(
                zip(program.instructions, kernels, program.last_uses, strict=True)
            )
            if not _is_literal(i)
        ]

    def __call__(self, buffers: Sequence[Buffer]) -> list[Buffer]:
        values = [*buffers, *self.blank]
        out = len(buffers)
        try:
            for kernel, inputs, params, out, dying in self.steps:
                values[out] = kernel(*[values[i] for i in inputs], *params)
                for i in dying:
                    values[i] = None
        except (AllumetteError, MemoryError):
            raise
        except Exception as error:
            name = self.names[out - len(buffers)]
            raise BackendError(f"{name} failed: {type(error).__name__}: {error}") from error
        for recorder in recorders:
            recorder.executed(self.modes)
        return [values[i] for i in self.outputs]
