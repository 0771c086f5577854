"""What it costs to compute a value where it is used, rather than to load it."""

from math import prod

from allumette_core import primitives as P
from allumette_core.compiler.program import Program
from allumette_core.primitives import Kind

from .prepare import REDUCTIONS, tiles

CHEAP = 8
"""So much arithmetic is repeated rather than stored."""
LARGEST = 128
"""What is larger gets memory, so that code stays short."""
DEEPEST = 100
"""So many instructions, free ones too, are computed from one another in place: the writer of code
goes from the last to the first and must not recurse too far."""

_SLOW = frozenset(
    (P.exp, P.expm1, P.log, P.log1p, P.sin, P.cos, P.tan, P.asin, P.acos, P.atan, P.sinh, P.cosh)
    + (P.tanh, P.asinh, P.acosh, P.atanh, P.erf, P.logistic, P.atan2, P.pow_, P.mod, P.floordiv)
    + (P.random_bits, P.gather, P.concat)
)
_FREE = (P.full, P.iota, P.reshape, P.permute, P.broadcast, P.slice_, P.flip, P.windows, P.alias)
_OWN = (
    dict.fromkeys(_SLOW, 8) | dict.fromkeys(REDUCTIONS, 20) | dict.fromkeys(_FREE, 0) | {P.pad: 20}
)  # much code
Cone = dict[int, int]  # the instructions that a value is computed from, and their costs


def costs(program: Program, heavy: frozenset[int], forced: frozenset[int]) -> list[int]:
    """The cost of each value: of itself and all that is computed in place for it.

    Instructions that share an index are counted once; under a view everything counts again.
    """
    base = program.num_inputs
    cones: list[Cone] = [{i: 0} for i in range(base)]
    totals, depths = [0] * base, [0] * base
    for value, instruction in enumerate(program.instructions, base):
        own = _OWN.get(instruction.primitive, 1)
        if value in heavy:
            cone = {value: 0}
        elif instruction.primitive.kind is Kind.ELEMENTWISE:
            cone = {value: own}
            for source in instruction.inputs:
                cone.update(cones[source])
        else:
            # Inputs that have memory cost nothing here, whatever it costs to make them.
            below = (sum(cones[i].values()) for i in instruction.inputs)
            cone = {value: sum(below) + own}
        depths.append(1 + max((depths[i] for i in instruction.inputs), default=0))
        totals.append(LARGEST + 1 if depths[value] > DEEPEST else sum(cone.values()))
        if value in heavy or value in forced or totals[value] > LARGEST:
            cone, depths[value] = {value: 0}, 0
        cones.append(cone)
    return totals


def operations(program: Program, value: int) -> int:
    """About how many operations on numbers the instruction that makes `value` takes."""
    primitive, inputs, params = program.instructions[value - program.num_inputs]
    if primitive is tiles:
        phase = params[0].loop.phase.program
        return sum(operations(phase, v) for v in range(phase.num_inputs, len(phase.avals)))
    size = prod(program.avals[value].shape)
    if primitive is P.dot_general:
        lhs = program.avals[inputs[0]].shape
        terms: int = prod(lhs[axis] for axis in params[0])
        return 2 * size * terms
    if primitive.kind is Kind.ELEMENTWISE:
        return size
    if primitive.kind in (Kind.REDUCE, Kind.SCAN):
        return prod(program.avals[inputs[0]].shape)
    return 0
