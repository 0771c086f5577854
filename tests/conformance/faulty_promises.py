"""Backends that do otherwise than they declare, or than they did before."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from allumette_core import primitives as P
from allumette_core.backend.reference import KERNELS
from allumette_core.backend.spec import Buffer, Capabilities, Executable
from allumette_core.compiler.program import Program
from allumette_core.primitives import Kind, Primitive
from faulty import Faulty


class ChangesTier(Faulty):
    """From the eleventh call on, sums are those of compiled code, which adds in another order."""

    def compile(self, program: Program, device: str) -> Executable:
        run, calls = super().compile(program, device), itertools.count()

        def tiered(buffers: Sequence[Buffer]) -> list[Buffer]:
            made = run(buffers)
            if next(calls) < 10 or all(i.primitive.name != "sum" for i in program.instructions):
                return made
            return [np.where(x == np.rint(x), x, np.nextafter(x, x.dtype.type(0))) for x in made]

        return tiered


class WrongIfJitted(Faulty):
    """Once it compiles, what is computed behind a view comes out backwards."""

    def compile(self, program: Program, device: str) -> Executable:
        run = super().compile(program, device)
        kinds = [i.primitive.kind for i in program.instructions]
        if not program.repeats or Kind.VIEW not in kinds[:-1]:
            return run
        return lambda buffers: [np.flip(x) for x in run(buffers)]


class WrongWhereReturned(Faulty):
    """Once it compiles, a product that is returned with its axes permuted is written as it was."""

    def compile(self, program: Program, device: str) -> Executable:
        run = super().compile(program, device)
        made = dict(enumerate(program.instructions, program.num_inputs))

        def is_wrong(value: int) -> bool:
            while value in made and made[value].primitive in (P.alias, P.permute):
                if made[value].primitive is P.permute:
                    before = made.get(made[value].inputs[0])
                    return before is not None and before.primitive is P.dot_general
                value = made[value].inputs[0]
            return False

        wrong = [program.repeats and is_wrong(value) for value in program.outputs]

        def written(buffers: Sequence[Buffer]) -> list[Buffer]:
            results = zip(run(buffers), wrong, strict=True)
            return [np.ravel(x, "F").reshape(x.shape) if bad else x for x, bad in results]

        return written


class Overpromises(Faulty):
    """Declares its exp to be rounded correctly."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        declared = Capabilities(max_ulp={"exp": 0.5})
        self.info = replace(self.info, capabilities=declared)

    @property
    def kernels(self) -> Mapping[Primitive, Any]:
        return {**KERNELS, P.exp: lambda x: np.nextafter(np.exp(x), x.dtype.type(1))}


class Loosens(Faulty):
    """Declares that its exp may be off by more than the contract allows."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.info = replace(self.info, capabilities=Capabilities(max_ulp={"exp": 100.0}))


class OnHost(Faulty):
    """Claims every primitive, and has none of them."""

    @property
    def kernels(self) -> Mapping[Primitive, Any]:
        return {p: k for p, k in KERNELS.items() if p.name != "argsort"}


class Untraced(Faulty):
    def compile(self, program: Program, device: str) -> Executable:
        def run(buffers: Sequence[Buffer]) -> list[Buffer]:
            values = list(buffers)
            with np.errstate(all="ignore"):
                for primitive, inputs, params in program.instructions:
                    values.append(KERNELS[primitive](*(values[i] for i in inputs), *params))
            return [values[i] for i in program.outputs]

        return run


class Misnamed(Faulty):
    def devices(self) -> Sequence[str]:
        return (self.info.name, "cuda:0")


class NoMemory(Faulty):
    def memory(self, device: str) -> Any:
        return 0
