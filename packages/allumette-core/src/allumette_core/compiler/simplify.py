"""Simplification: the same program with less to do, bit for bit where IEEE 754 is concerned.

Each rule looks at one instruction whose inputs are simplified already, and gives the node that
stands for it, or None. `x + 0` is not `x` for floats (it is 0 for -0), but `x - 0` and `x * 1` are;
`x * 0` is 0 only for integers. Equal instructions become one, and what nothing needs is left out.
"""

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np

from .. import primitives as P
from ..expr import Node, apply, literal
from ..primitives import Kind, Params, Primitive
from .decompose import replay
from .program import Instruction, Program

Rule = Callable[[Sequence[Node], Params], Node | None]


def simplify(program: Program) -> Program:
    """`program` with equal instructions made one, constants folded, and no-ops left out."""
    known: dict[Any, Node] = {}
    relus: dict[int, Node] = {}  # by the serial of their condition

    def emit(instruction: Instruction, inputs: list[Node]) -> Node:
        primitive, _, params = instruction
        node = _simplified(primitive, inputs, params)
        if _key(node) not in known and any(x.serial in relus for x in inputs):
            node = _simplified(primitive, [gate(x) for x in inputs], params)
        node = known.setdefault(_key(node), node)
        if _is_relu(node):
            relus.setdefault(node.inputs[0].serial, node)
        return node

    def gate(condition: Node) -> Node:
        relu = relus.get(condition.serial)
        if relu is None:
            return condition
        node = apply(P.le, relu, relu.inputs[1])
        return known.setdefault(_key(node), node)

    return replay(program, emit)


def _is_relu(node: Node) -> bool:
    """Whether a node is `where(x <= 0, 0, x)`: it is <= 0 where x is, so that derivatives, which
    ask that, need not keep x."""
    if node.primitive is not P.where:
        return False
    gate, zero, x = node.inputs
    compared = gate.inputs if gate.primitive is P.le else ()
    return (
        len(compared) == 2
        and compared[0] is x
        and _constant(compared[1]) == _constant(zero) == 0
        and node.shape == gate.shape
    )


def _key(node: Node) -> Any:
    """Equal for nodes that compute the same; an input is only equal to itself."""
    if node.primitive is P.full:
        return repr(node.params)
    if node.primitive is P.placeholder or node.primitive is None:
        return node.serial
    # A constant that a rule made is a new node each time.
    inputs = [_key(x) if x.primitive is P.full else x.serial for x in node.inputs]
    return node.primitive.name, tuple(inputs), node.params


def _simplified(primitive: Primitive, inputs: list[Node], params: Params) -> Node:
    if primitive.kind is Kind.ELEMENTWISE and primitive.arity is not None:
        inputs = _scalars(inputs)
        folded = _folded(primitive, inputs, params)
        if folded is not None:
            return folded
    rule = _RULES.get(primitive)
    found = rule(inputs, params) if rule else None
    return apply(primitive, *inputs, params=params) if found is None else found


def _constant(node: Node) -> Any:
    """The number that fills a node, None if it is no constant."""
    return node.params[1] if node.primitive is P.full else None


def _is(node: Node, value: float) -> bool:
    """Whether a node is filled with exactly `value`: 0.0 is not -0.0."""
    found = _constant(node)
    return found is not None and found == value and np.signbit(found) == np.signbit(value)


def _scalars(inputs: list[Node]) -> list[Node]:
    """Constants as scalars, where another operand has the shape of the result."""
    full = np.broadcast_shapes(*(node.shape for node in inputs))
    if not any(_constant(node) is None and node.shape == full for node in inputs):
        return inputs
    return [
        literal(_constant(node), node.dtype) if node.shape and _constant(node) is not None else node
        for node in inputs
    ]


def _folded(primitive: Primitive, inputs: list[Node], params: Params) -> Node | None:
    """The result on constants, computed as the reference does."""
    if not inputs or any(_constant(node) is None for node in inputs):
        return None
    from ..backend.reference import KERNELS

    shape, dtype = primitive.infer(inputs, params)
    scalars = [np.full((), _constant(node), node.dtype) for node in inputs]
    with np.errstate(all="ignore"):
        value = np.asarray(KERNELS[primitive](*scalars, *params))
    return literal(value.astype(dtype).item(), dtype, shape)


# ---- arithmetic


def _same(node: Node, like: Sequence[Node]) -> Node | None:
    """`node`, if it has the shape of the operation on `like`."""
    return node if node.shape == np.broadcast_shapes(*(x.shape for x in like)) else None


def _neutral(value: float, *, left: bool) -> Rule:
    """x op value is x; value op x too if `left`."""

    def rule(inputs: Sequence[Node], params: Params) -> Node | None:
        a, b = inputs
        if _is(b, value):
            return _same(a, inputs)
        return _same(b, inputs) if left and _is(a, value) else None

    return rule


def _add(inputs: Sequence[Node], params: Params) -> Node | None:
    integer = inputs[0].dtype.kind != "f"
    return _neutral(0 if integer else -0.0, left=True)(inputs, params)


def _mul(inputs: Sequence[Node], params: Params) -> Node | None:
    if inputs[0].dtype.kind != "f" and any(_is(x, 0) for x in inputs):
        shape = np.broadcast_shapes(*(x.shape for x in inputs))
        return literal(0, inputs[0].dtype, shape)
    return _neutral(1, left=True)(inputs, params)


def _div(inputs: Sequence[Node], params: Params) -> Node | None:
    """By a power of two: multiplied by its inverse, which is exact."""
    a, b = inputs
    if _is(b, 1.0):
        return _same(a, inputs)
    value = _constant(b)
    if value is None or not np.isfinite(value) or value == 0:
        return None
    mantissa, exponent = np.frexp(value)
    limit = {2: 13, 4: 125, 8: 1021}[b.dtype.itemsize]
    if abs(mantissa) != 0.5 or abs(int(exponent)) > limit:
        return None
    return apply(P.mul, a, literal(float(1 / value), b.dtype, b.shape))


def _pow(inputs: Sequence[Node], params: Params) -> Node | None:
    a, b = inputs
    if _is(b, 1):
        return _same(a, inputs)
    return apply(P.mul, a, a) if _is(b, 2) and _same(a, inputs) else None


def _twice(primitive: Primitive) -> Rule:
    """f(f(x)) is x."""
    return lambda ins, p: ins[0].inputs[0] if ins[0].primitive is primitive else None


def _where(inputs: Sequence[Node], params: Params) -> Node | None:
    condition, a, b = inputs
    if a is b:
        return _same(a, inputs)
    chosen = _constant(condition)
    return None if chosen is None else _same(a if chosen else b, inputs)


def _idempotent(inputs: Sequence[Node], params: Params) -> Node | None:
    return inputs[0] if inputs[0] is inputs[1] else None


def _cast(inputs: Sequence[Node], params: Params) -> Node | None:
    return inputs[0] if inputs[0].dtype == params[0] else None


# ---- views


def _of_constant(primitive: Primitive, node: Node, params: Params) -> Node | None:
    if _constant(node) is None:
        return None
    shape, dtype = primitive.infer([node], params)
    return literal(_constant(node), dtype, shape)


def _view(primitive: Primitive, rule: Rule) -> Rule:
    """A view of a constant is a constant, one that changes nothing is its operand."""

    def both(inputs: Sequence[Node], params: Params) -> Node | None:
        found = _of_constant(primitive, inputs[0], params)
        return rule(inputs, params) if found is None else found

    return both


def _reshape(inputs: Sequence[Node], params: Params) -> Node | None:
    (x,) = inputs
    while x.primitive is P.reshape:
        x = x.inputs[0]
    if x.shape == params[0]:
        return x
    return apply(P.reshape, x, params=params) if x is not inputs[0] else None


def _permute(inputs: Sequence[Node], params: Params) -> Node | None:
    (x,), (axes,) = inputs, params
    if x.primitive is P.permute:
        x, axes = x.inputs[0], tuple(x.params[0][axis] for axis in axes)
    if axes == tuple(range(len(axes))):
        return x
    return apply(P.permute, x, params=(axes,)) if x is not inputs[0] else None


def _unchanged(inputs: Sequence[Node], params: Params) -> Node | None:
    return inputs[0] if inputs[0].shape == params[0] else None


def _slice(inputs: Sequence[Node], params: Params) -> Node | None:
    (x,), (starts, stops, steps) = inputs, params
    everything = not any(starts) and stops == x.shape and all(step == 1 for step in steps)
    return x if everything else None


def _reduction(inputs: Sequence[Node], params: Params) -> Node | None:
    """Along axes of size 1 nothing is added up."""
    (x,), (axes,) = inputs, params
    if prod(x.shape[axis] for axis in axes) != 1:
        return None
    shape = tuple(size for axis, size in enumerate(x.shape) if axis not in axes)
    return apply(P.reshape, x, params=(shape,)) if axes else x


def _sum(inputs: Sequence[Node], params: Params) -> Node | None:
    """A sum starts from 0, which makes 0 of -0."""
    only = _reduction(inputs, params)
    if only is None or only.dtype.kind != "f" or not params[0]:
        return only
    return apply(P.add, only, literal(0.0, only.dtype))


_RULES: dict[Primitive, Rule] = {
    P.add: _add, P.sub: _neutral(0.0, left=False), P.mul: _mul, P.div: _div, P.pow_: _pow,
    P.neg: _twice(P.neg), P.invert: _twice(P.invert), P.where: _where, P.cast: _cast,
    P.maximum: _idempotent, P.minimum: _idempotent, P.alias: lambda ins, p: ins[0],
    P.reshape: _view(P.reshape, _reshape), P.permute: _view(P.permute, _permute),
    P.broadcast: _view(P.broadcast, _unchanged), P.slice_: _view(P.slice_, _slice),
    P.flip: _view(P.flip, lambda ins, p: None if p[0] else ins[0]),
    P.sum_: _sum, P.prod: _reduction, P.max_: _reduction, P.min_: _reduction,
}  # fmt: skip
