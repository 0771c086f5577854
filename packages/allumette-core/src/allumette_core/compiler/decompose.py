"""Rewrite a program so that it uses only primitives that a backend has."""

from collections.abc import Callable
from dataclasses import replace

from .. import expr
from .. import primitives as P
from ..dtypes import DType, float16, float32
from ..primitives import Kind, Primitive
from .program import Instruction, Program, build


def replay(program: Program, emit: Callable[[Instruction, list[expr.Node]], expr.Node]) -> Program:
    """The program that results when `emit` makes the node of each instruction from its inputs."""
    inputs = [expr.placeholder(a.shape, a.dtype, None) for a in program.avals[: program.num_inputs]]
    values: list[expr.Node] = list(inputs)
    for instruction in program.instructions:
        values.append(emit(instruction, [values[i] for i in instruction.inputs]))
    outputs = [values[i] for i in program.outputs]
    made, _ = build(inputs, outputs, program.donated, is_leaf=lambda node: False)
    return replace(made, repeats=program.repeats)


def _cast(node: expr.Node, dtype: DType) -> expr.Node:
    return expr.apply(P.cast, node, params=(dtype,))


def lower(program: Program, native: Callable[[Primitive], bool]) -> Program:
    """`program` with each primitive that is not `native` decomposed, as far as that goes.

    What is neither native nor has a decomposition is left as it is.
    """
    from ..decompositions import DECOMPOSITIONS
    from ..tensor import Tensor

    def emit(instruction: Instruction, inputs: list[expr.Node]) -> expr.Node:
        primitive, _, params = instruction
        if native(primitive) or primitive not in DECOMPOSITIONS:
            return expr.apply(primitive, *inputs, params=params)
        dtype = primitive.infer(inputs, params)[1]
        if primitive.kind is Kind.ELEMENTWISE and dtype == float16:  # is rounded once, at the end
            inputs = [_cast(x, float32) if x.dtype == float16 else x for x in inputs]
        made = DECOMPOSITIONS[primitive](*map(Tensor, inputs), *params)._node
        return made if made.dtype == dtype else _cast(made, dtype)

    def lacking(p: Program) -> bool:
        used = {instruction.primitive for instruction in p.instructions}
        return any(not native(x) and x in DECOMPOSITIONS for x in used)

    while lacking(program):
        program = replay(program, emit)
    return program
