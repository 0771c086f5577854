"""Products that are better written as sums: narrow, short, integer and half-precision ones."""

from allumette_core import primitives as P
from allumette_core.compiler.contractions import product_of
from allumette_core.compiler.program import Instruction
from allumette_core.dtypes import float16, float32
from allumette_core.expr import Node, apply


def simplified(instruction: Instruction, inputs: list[Node]) -> Node:
    """The product of `inputs`, as a matrix product only where that is best."""
    lhs, rhs = inputs
    if lhs.dtype == float16:
        wide = [apply(P.cast, x, params=(float32,)) for x in inputs]
        return apply(P.cast, product_of(wide[0], wide[1], instruction.params), params=(float16,))
    return product_of(lhs, rhs, instruction.params)
