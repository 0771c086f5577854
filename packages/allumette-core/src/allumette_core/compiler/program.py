"""A `Program`: an immutable list of primitive instructions with static shapes and dtypes.

It is what a backend compiles. Values are numbered: the inputs first, then one an instruction.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import prod
from typing import Any, NamedTuple

from ..dtypes import DType
from ..expr import Node, ancestors
from ..primitives import Params, Primitive, full
from ..shapes import Shape


class Aval(NamedTuple):
    """The shape and dtype of a value."""

    shape: Shape
    dtype: DType

    @property
    def nbytes(self) -> int:
        """The bytes of all elements."""
        return prod(self.shape) * self.dtype.itemsize

    def __repr__(self) -> str:
        return f"{self.dtype.name}[{','.join(map(str, self.shape))}]"


class Instruction(NamedTuple):
    """`primitive` applied to the values numbered `inputs`."""

    primitive: Primitive
    inputs: tuple[int, ...]
    params: Params

    @property
    def key(self) -> Any:
        # 0.0 == -0.0 and nan != nan: a literal is told by how it is written, not by equality.
        params = self.params
        if self.primitive is full:
            shape, value, dtype = params
            params = shape, repr(value), dtype
        return self.primitive.name, self.inputs, params


@dataclass(frozen=True)
class Program:
    """Instructions in SSA form. Value `i < num_inputs` is an input, else instruction
    `i - num_inputs`. A backend may overwrite the inputs in `donated`, and only these.

    `key` is equal for programs that compute the same from inputs of the same shapes and dtypes.
    """

    avals: tuple[Aval, ...]
    num_inputs: int
    instructions: tuple[Instruction, ...]
    outputs: tuple[int, ...]
    donated: frozenset[int] = field(default_factory=frozenset)
    repeats: bool = field(default=False, compare=False)  # jitted: worth compiling at once

    @cached_property
    def key(self) -> Any:
        """The structure of the program, hashable."""
        return (
            self.avals[: self.num_inputs],
            tuple([instruction.key for instruction in self.instructions]),
            self.outputs,
            self.donated,
        )

    @cached_property
    def last_uses(self) -> tuple[tuple[int, ...], ...]:
        """Per instruction, the values that nothing after it needs (outputs never die)."""
        last: dict[int, int] = {}
        outputs = set(self.outputs)
        for position, instruction in enumerate(self.instructions):
            last.update(dict.fromkeys(instruction.inputs, position))
            last.setdefault(position + self.num_inputs, position)
        dying: list[list[int]] = [[] for _ in self.instructions]
        for value, position in last.items():
            if value not in outputs:
                dying[position].append(value)
        return tuple(tuple(values) for values in dying)

    def dtypes_of(self, position: int) -> frozenset[str]:
        """The dtypes that the instruction at `position` takes and gives."""
        values = (*self.instructions[position].inputs, self.num_inputs + position)
        return frozenset([self.avals[i].dtype.name for i in values])

    def __str__(self) -> str:
        lines = [f"inputs  {', '.join(f'%{i}: {self.avals[i]}' for i in range(self.num_inputs))}"]
        for position, (primitive, inputs, params) in enumerate(self.instructions):
            value = position + self.num_inputs
            named = [f"{k}={v}" for k, v in zip(primitive.params, params, strict=True)]
            arguments = ", ".join([f"%{i}" for i in inputs] + named)
            lines.append(f"%{value}: {self.avals[value]} = {primitive.name}({arguments})")
        return "\n".join([*lines, f"outputs {', '.join(f'%{i}' for i in self.outputs)}"])


def build(
    inputs: Sequence[Node],
    outputs: Sequence[Node],
    donated: Iterable[int] = (),
    is_leaf: Callable[[Node], bool] = lambda node: node.buffer is not None,
) -> tuple[Program, list[Node]]:
    """The program that computes `outputs`, and the nodes its inputs stand for.

    Its inputs are `inputs`, in order, and after them every other leaf that was reached: a node
    for which `is_leaf` holds, or one without a primitive.
    """
    leaves = list(inputs)
    numbers = {node.serial: i for i, node in enumerate(leaves)}

    def enter(node: Node) -> bool:
        if node.serial in numbers:
            return False
        if node.primitive is None or is_leaf(node):
            numbers[node.serial] = len(leaves)
            leaves.append(node)
            return False
        return True

    nodes = ancestors(outputs, enter)
    numbers.update((node.serial, i) for i, node in enumerate(nodes, len(leaves)))
    instructions = tuple(
        Instruction(
            node.primitive,  # type: ignore[arg-type]  # a leaf is not among them
            tuple([numbers[source.serial] for source in node.inputs]),
            node.params,
        )
        for node in nodes
    )
    avals = tuple([Aval(node.shape, node.dtype) for node in (*leaves, *nodes)])
    found = tuple(numbers[node.serial] for node in outputs)
    return Program(avals, len(leaves), instructions, found, frozenset(donated)), leaves
