"""Operands of products, read where they lie: through transposes, and four neighbours at a time."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from allumette_core import primitives as P
from allumette_core.compiler.contractions import free_axes
from allumette_core.shapes import Shape

from ..wgsl.writer import Index

if TYPE_CHECKING:
    from ..plan.fuse import Fusion
    from .base import Shader


@dataclass(frozen=True, slots=True)
class Operand:
    """A value of `shape`, and which of its axes are what in the product, in the product's order."""

    value: int
    shape: Shape
    batch: Shape
    free: Shape
    terms: Shape

    def sizes(self, axes: Shape) -> Shape:
        return tuple(self.shape[axis] for axis in axes)

    @property
    def inner(self) -> str:
        """Where neighbours in memory lie: along the "terms", what is "free", or neither ("")."""
        last = (len(self.shape) - 1,)
        return "terms" if self.terms[-1:] == last else "free" if self.free[-1:] == last else ""

    @property
    def lies_in_fours(self) -> bool:
        """Whether four neighbours from a multiple of four on are neighbours in the product, too."""
        return self.inner != "" and self.shape[-1] > 0 and self.shape[-1] % 4 == 0

    def index(self, shader: "Shader", batch: str, free: str, term: str) -> Index:
        """The element by row-major numbers of its groups of axes."""
        axes = ["0u"] * len(self.shape)
        for group, number in ((self.batch, batch), (self.free, free), (self.terms, term)):
            places = shader.index(self.sizes(group), number).axes
            for axis, text in zip(group, places, strict=True):
                axes[axis] = text
        return Index(shader.writer, self.shape, axes=axes)

    def four(self, shader: "Shader", batch: str, free: str, term: str) -> list[Index]:
        """That element, the first of a four, and the other three."""
        first = self.index(shader, batch, free, term)
        names = shader.four(shader.writer.let(f"({first.flat}) / 4u"))
        *outer, last = first.axes
        return [
            Index(
                shader.writer, self.shape, name, [*outer, shader.writer.let(f"{last} + {place}u")]
            )
            for place, name in enumerate(names)
        ]


def operands(fusion: "Fusion", core: int) -> Iterator[Operand]:
    """Those of the product `core`; a transpose that is not in memory is read through."""
    program, base = fusion.program, fusion.base
    _, inputs, params = program.instructions[core - base]
    for side, value in enumerate(inputs):
        terms, batch = params[side], params[2 + side]
        free = free_axes(len(program.avals[value].shape), terms, batch)
        while value >= base and value not in fusion.roots:
            instruction = program.instructions[value - base]
            if instruction.primitive is not P.permute:
                break
            (value,), (order,) = instruction.inputs, instruction.params
            batch, free, terms = (
                tuple(order[axis] for axis in group) for group in (batch, free, terms)
            )
        yield Operand(value, program.avals[value].shape, batch, free, terms)
