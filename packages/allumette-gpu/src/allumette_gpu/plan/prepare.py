"""Rewrites of a program before it is cut into kernels."""

from collections.abc import Callable, Sequence
from math import prod

from allumette_core import expr
from allumette_core import primitives as P
from allumette_core.compiler.decompose import lower, replay
from allumette_core.compiler.program import Instruction, Program
from allumette_core.errors import DTypeError
from allumette_core.expr import Node
from allumette_core.primitives import Inferred, Kind, Params, Primitive, Typed

from ..wgsl.types import TYPES
from ..wgsl.values import INLINE
from .products import simplified

MOST_PARTS = 4
REDUCTIONS = frozenset((P.sum_, P.prod, P.max_, P.min_))


def _infer_ordered(inputs: Sequence[Typed], params: Params) -> Inferred:
    return inputs[0].shape, inputs[0].dtype


def _infer_tiles(inputs: Sequence[Typed], params: Params) -> Inferred:
    found: Inferred = params[0].aval(params[1])
    return found


# scatter with the order that sorts its indices: each element then finds its updates in one run.
scatter_ordered = Primitive("scatter", Kind.INDEX, 4, ("axis", "mode"), _infer_ordered)
# One of the results of a phase that is one kernel: see `tiling`.
tiles = Primitive("tiles", Kind.INDEX, None, ("tiling", "result"), _infer_tiles)
HEAVY = frozenset(
    (*REDUCTIONS, P.argmax, P.argmin, P.cumsum, P.cumprod, P.cummax, P.cummin)
    + (P.argsort, P.dot_general, P.scatter, scatter_ordered, tiles)
)


def is_native(primitive: Primitive) -> bool:
    """Whether there is a kernel for `primitive`, or it costs nothing but arithmetic."""
    return primitive.kind is Kind.ELEMENTWISE or primitive in INLINE or primitive in HEAVY


def prepare(program: Program, dtypes: frozenset[str]) -> Program:
    """`program` in primitives that have kernels, its scatters with sorted indices.

    Raises:
        DTypeError: a value has a dtype that the adapter lacks.
    """
    for aval in program.avals:
        refuse_dtype(aval.dtype.name, dtypes)
    program = lower(program, is_native)
    if any(i.primitive in _REWRITES for i in program.instructions):
        program = replay(program, _rewritten)
    return program


def refuse_dtype(name: str, dtypes: frozenset[str]) -> None:
    """Refuse a dtype that the adapter cannot compute with.

    Raises:
        DTypeError: it cannot; says which feature is missing and what would work.
    """
    if name in dtypes:
        return
    if name == "float64":
        raise DTypeError(
            "gpu: float64 is refused: WGSL has no trustworthy float64 functions (the feature "
            "shader-f64 covers arithmetic alone); cast with .astype(al.float32), or use device "
            "'numpy' or 'par'"
        )
    raise DTypeError(
        f"gpu: {name} needs the feature {TYPES[name].feature!r}, which this adapter lacks; cast to "
        "a 32-bit dtype, or use device 'numpy' or 'par'"
    )


def _rewritten(instruction: Instruction, inputs: list[Node]) -> Node:
    rewrite = _REWRITES.get(instruction.primitive)
    if rewrite is not None:
        return rewrite(instruction, inputs)
    return expr.apply(instruction.primitive, *inputs, params=instruction.params)


def _ordered(instruction: Instruction, inputs: list[Node]) -> Node:
    """A scatter with the order that sorts its indices."""
    x, indices, updates = inputs
    flat = expr.apply(P.reshape, indices, params=((prod(indices.shape),),))
    order = expr.apply(P.argsort, flat, params=(0,))
    in_order = expr.apply(P.gather, flat, order, params=(0,))
    return expr.apply(
        scatter_ordered, x, in_order, updates, order, params=(*instruction.params, indices.shape)
    )


def _joined(instruction: Instruction, inputs: list[Node]) -> Node:
    """A concatenation of few parts at a time, for a kernel has few buffers."""
    parts = inputs
    while len(parts) > MOST_PARTS:
        groups = [parts[i : i + MOST_PARTS] for i in range(0, len(parts), MOST_PARTS)]
        parts = [expr.apply(P.concat, *g, params=instruction.params) for g in groups]
    return expr.apply(P.concat, *parts, params=instruction.params)


_REWRITES: dict[Primitive, Callable[[Instruction, list[Node]], Node]] = {
    P.dot_general: simplified,
    P.scatter: _ordered,
    P.concat: _joined,
}
