"""A case: one primitive on given arrays, and the program that computes it."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..backend.reference import KERNELS
from ..compiler.program import Aval, Instruction, Program
from ..primitives import PRIMITIVES, Params, Primitive
from .values import Array

# One view that an operand is taken through before the primitive sees it.
View = tuple[int, str, Params]


@dataclass(frozen=True)
class Case:
    """`primitive(*arrays, *params)`, each array first taken through its `views`, in order.

    With `repeats`, the program is said to be jitted: some backends compile no other at once.
    """

    primitive: Primitive
    arrays: tuple[Array, ...]
    params: Params = ()
    views: tuple[View, ...] = field(default=())
    repeats: bool = False

    def instructions(self) -> tuple[Instruction, ...]:
        """The views, then the primitive."""
        at = list(range(len(self.arrays)))
        made = []
        for number, (operand, name, params) in enumerate(self.views, len(self.arrays)):
            made.append(Instruction(PRIMITIVES[name], (at[operand],), params))
            at[operand] = number
        return (*made, Instruction(self.primitive, tuple(at), self.params))

    def program(self) -> Program:
        """One output: the primitive's."""
        return replace(program_of(self.arrays, self.instructions()), repeats=self.repeats)

    def operands(self) -> list[Array]:
        """What the primitive itself is given."""
        values = list(self.arrays)
        for operand, name, params in self.views:
            values[operand] = KERNELS[PRIMITIVES[name]](values[operand], *params)
        return values

    @property
    def rank(self) -> int:
        """The axes of the operand that has the most."""
        return max((x.ndim for x in self.arrays), default=0)

    def __str__(self) -> str:
        views = [f"{name} of operand {operand}" for operand, name, _ in self.views]
        shapes = ", ".join(f"{x.dtype}{list(x.shape)}" for x in self.arrays)
        named = zip(self.primitive.params, self.params, strict=True)
        given = "".join(f", {name}={value}" for name, value in named)
        return (
            f"{self.primitive.name}({shapes}{given})"
            + "".join(f" after {v}" for v in views)
            + ", jitted" * self.repeats
        )


def program_of(
    arrays: Sequence[Any],
    instructions: Sequence[Instruction],
    outputs: Sequence[int] | None = None,
    donated: frozenset[int] = frozenset(),
) -> Program:
    """The program of `instructions` on inputs like `arrays`; its output is the last value."""
    avals = [Aval(tuple(x.shape), x.dtype) for x in arrays]
    for primitive, inputs, params in instructions:
        avals.append(Aval(*primitive.infer([avals[i] for i in inputs], params)))
    last = (len(avals) - 1,)
    made = tuple(instructions)
    return Program(tuple(avals), len(arrays), made, tuple(outputs or last), donated)
