"""`vmap`: a function of one example becomes a function of a batch.

The function runs once on placeholders of one example's shape; its graph is then replayed with a
batch axis in front of every value that depends on them. The rule of each primitive says how its
parameters move over by that axis; what has no rule is decomposed.
"""

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

from .. import expr, tree
from .. import functions as F
from .. import primitives as P
from ..decompositions import DECOMPOSITIONS
from ..errors import ArgumentError, ShapeError
from ..expr import Node
from ..primitives import Kind, Params, Primitive
from ..shapes import Shape
from ..tensor import Tensor
from .rules import bind

# A rule takes the batch size, the inputs (batched ones have the batch axis in front), which of
# them are batched, and the parameters; it returns the batched output.
Rule = Callable[..., Tensor]


def _aligned(x: Tensor, rank: int) -> Tensor:
    """A batched `x` whose element has `rank` axes, by new ones between batch and element."""
    missing = rank - (x.ndim - 1)
    return x if missing == 0 else F.reshape(x, (x.shape[0], *(1,) * missing, *x.shape[1:]))


def _everywhere(x: Tensor, batched: bool, size: int) -> Tensor:
    return x if batched else F.broadcast_to(x, (size, *x.shape))


def _front(x: Tensor, axis: int) -> Tensor:
    return F.moveaxis(x, axis, 0) if axis else x


def _up(axes: Shape) -> Shape:
    return tuple(a + 1 for a in axes)


def _elementwise(
    primitive: Primitive, xs: list[Tensor], batched: list[bool], params: Params
) -> Tensor:
    rank = max(x.ndim - b for x, b in zip(xs, batched, strict=True))
    aligned = [_aligned(x, rank) if b else x for x, b in zip(xs, batched, strict=True)]
    return bind(primitive, *aligned, params=params)


def _shifted(primitive: Primitive, shift: Callable[..., Params]) -> Rule:
    """The rule of a one-input primitive: new parameters from the batch size and the old ones."""

    def rule(size: int, xs: list[Tensor], batched: list[bool], *params: Any) -> Tensor:
        return bind(primitive, xs[0], params=shift(size, *params))

    return rule


def _broadcast(size: int, xs: list[Tensor], batched: list[bool], shape: Shape) -> Tensor:
    return F.broadcast_to(_aligned(xs[0], len(shape)), (size, *shape))


def _pad(size: int, xs: list[Tensor], batched: list[bool], *widths: Shape) -> Tensor:
    lo, hi, interior = ((0, *w) for w in widths)
    x, value = _everywhere(xs[0], batched[0], size), xs[1]
    if not batched[1]:
        return bind(P.pad, x, value, params=(lo, hi, interior))
    zero, here = F.zeros((), x.dtype, x.device), F.ones_like(x, dtype="bool")
    inside = bind(P.pad, here, F.zeros((), "bool", x.device), params=(lo, hi, interior))
    return F.where(
        inside, bind(P.pad, x, zero, params=(lo, hi, interior)), _aligned(value, x.ndim - 1)
    )


def _concat(size: int, xs: list[Tensor], batched: list[bool], axis: int) -> Tensor:
    full = [_everywhere(x, b, size) for x, b in zip(xs, batched, strict=True)]
    return bind(P.concat, *full, params=(axis + 1,))


def _dot(
    size: int, xs: list[Tensor], batched: list[bool], ac: Shape, bc: Shape, ab: Shape, bb: Shape
) -> Tensor:
    (a, b), (first, second) = xs, batched
    if first and second:
        return bind(P.dot_general, a, b, params=(_up(ac), _up(bc), (0, *_up(ab)), (0, *_up(bb))))
    if first:
        return _front(bind(P.dot_general, a, b, params=(_up(ac), bc, _up(ab), bb)), len(ab))
    free = a.ndim - len(ac) - len(ab)
    return _front(bind(P.dot_general, a, b, params=(ac, _up(bc), ab, _up(bb))), len(ab) + free)


def _own_rows(indices: Tensor, size: int, length: int) -> Tensor:
    """Indices into `length` elements of each example, as indices into all examples' elements."""
    start = F.arange(size, dtype=indices.dtype, device=indices.device) * length
    return indices + F.reshape(start, (size, *(1,) * (indices.ndim - 1)))


def _gather(size: int, xs: list[Tensor], batched: list[bool], axis: int) -> Tensor:
    (x, indices), (of_x, of_indices) = xs, batched
    if not of_indices:
        return bind(P.gather, x, indices, params=(axis + 1,))
    if not of_x:
        return _front(bind(P.gather, x, indices, params=(axis,)), axis)
    length, rest = x.shape[axis + 1], x.shape[1 : axis + 1] + x.shape[axis + 2 :]
    flat = F.reshape(F.moveaxis(x, axis + 1, 1), (size * length, *rest))
    rows = _own_rows(F.clip(indices, 0, length - 1), size, length)
    out = bind(P.gather, flat, rows, params=(0,))
    n = indices.ndim  # (batch, *indices, *rest) -> the indices' axes where `axis` was
    order = (0, *range(n, n + axis), *range(1, n), *range(n + axis, out.ndim))
    return F.permute_dims(out, order)


def _scatter(size: int, xs: list[Tensor], batched: list[bool], axis: int, mode: str) -> Tensor:
    x, updates = _everywhere(xs[0], batched[0], size), _everywhere(xs[2], batched[2], size)
    indices = xs[1]
    if not batched[1]:
        return bind(P.scatter, x, indices, updates, params=(axis + 1, mode))
    length, rest = x.shape[axis + 1], x.shape[1 : axis + 1] + x.shape[axis + 2 :]
    flat = F.reshape(F.moveaxis(x, axis + 1, 1), (size * length, *rest))
    inside = (indices >= 0) & (indices < length)
    rows = F.where(inside, _own_rows(indices, size, length), -1)
    n = indices.ndim - 1
    order = (
        0,
        *range(axis + 1, axis + 1 + n),
        *range(1, axis + 1),
        *range(axis + 1 + n, updates.ndim),
    )
    out = bind(P.scatter, flat, rows, F.permute_dims(updates, order), params=(0, mode))
    return F.moveaxis(F.reshape(out, (size, length, *rest)), 1, axis + 1)


def _along(primitive: Primitive) -> Rule:
    return _shifted(
        primitive, lambda n, axes: (_up(axes),) if isinstance(axes, tuple) else (axes + 1,)
    )


RULES: dict[Primitive, Rule] = {
    P.reshape: _shifted(P.reshape, lambda n, shape: ((n, *shape),)),
    P.permute: _shifted(P.permute, lambda n, axes: ((0, *_up(axes)),)),
    P.slice_: _shifted(P.slice_, lambda n, lo, hi, step: ((0, *lo), (n, *hi), (1, *step))),
    P.flip: _along(P.flip),
    P.windows: _shifted(P.windows, lambda n, axes, *rest: (_up(axes), *rest)),
    P.fold: _shifted(P.fold, lambda n, axes, *rest: (_up(axes), *rest[:-1], (n, *rest[-1]))),
    P.broadcast: _broadcast,
    P.pad: _pad,
    P.concat: _concat,
    P.dot_general: _dot,
    P.gather: _gather,
    P.scatter: _scatter,
}
RULES |= {
    p: _along(p) for p in P.PRIMITIVES.values() if p.kind in (Kind.REDUCE, Kind.SCAN, Kind.SORT)
}


def _batched(node: Node, size: int, xs: list[Tensor], batched: list[bool]) -> Tensor:
    primitive = node.primitive
    assert primitive is not None
    if primitive.kind is Kind.ELEMENTWISE:
        return _elementwise(primitive, xs, batched, node.params)
    if primitive in RULES:
        return RULES[primitive](size, xs, batched, *node.params)
    stand_ins = [
        expr.placeholder(source.shape, source.dtype, source.device) for source in node.inputs
    ]
    out = DECOMPOSITIONS[primitive](*map(Tensor, stand_ins), *node.params)
    known = {s.serial: (x, b) for s, x, b in zip(stand_ins, xs, batched, strict=True)}
    return _replay([out._node], known, size)[0][0]


def _replay(
    outputs: Sequence[Node], known: dict[int, tuple[Tensor, bool]], size: int
) -> list[tuple[Tensor, bool]]:
    """`outputs` with batched values in place of the nodes `known`; whether each is batched."""
    inner = expr.ancestors(outputs, lambda n: n.abstract and n.serial not in known)
    values = dict(known)
    for node in inner:
        pairs = [values.get(source.serial, (Tensor(source), False)) for source in node.inputs]
        xs, batched = [x for x, _ in pairs], [b for _, b in pairs]
        if any(batched):
            values[node.serial] = (_batched(node, size, xs, batched), True)
        elif any(source.serial in values for source in node.inputs):
            assert node.primitive is not None
            values[node.serial] = (bind(node.primitive, *xs, params=node.params), False)
    return [values.get(node.serial, (Tensor(node), False)) for node in outputs]


def _axes(name: str, axes: Any, count: int) -> list[int | None]:
    spread = list(axes) if isinstance(axes, tuple | list) else [axes] * count
    if len(spread) != count:
        raise ArgumentError(f"vmap: {name} has {len(spread)} entries for {count} values")
    return spread


def vmap(function: Callable[..., Any], in_axes: Any = 0, out_axes: int = 0) -> Callable[..., Any]:
    """`function` of one example as a function of a batch of them.

    Args:
        function: from trees of tensors to a tree of tensors.
        in_axes: the batch axis of every argument, or a tuple with one (or None: the same value for
            all examples) for each.
        out_axes: where the batch axis goes in every result.

    Raises:
        ArgumentError: no argument has a batch axis, or `in_axes` does not fit the arguments.
        ShapeError: batch axes have different sizes.
        TracingError: `function` reads a value: it has none while it is batched.

    >>> import allumette_core as al
    >>> al.vmap(al.sum)(al.ones((2, 3), device="numpy")).tolist()
    [3.0, 3.0]
    """

    @wraps(function)
    def run(*args: Any) -> Any:
        tensors: list[Tensor] = []
        stand_ins: list[Tensor] = []
        known: dict[int, tuple[Tensor, bool]] = {}
        batches: set[int] = set()
        stood = []
        for argument, axis in zip(args, _axes("in_axes", in_axes, len(args)), strict=True):
            leaves, structure = tree.flatten(argument)
            tensors = [x if isinstance(x, Tensor) else F.asarray(x) for x in leaves]
            if axis is None:
                stood.append(tree.unflatten(structure, tensors))
                continue
            fronted = [F.moveaxis(x, axis, 0) for x in tensors]
            stand_ins = []
            for x in fronted:
                batches.add(x.shape[0])
                stand_in = expr.placeholder(x.shape[1:], x.dtype, x._node.device)
                known[stand_in.serial] = (x, True)
                stand_ins.append(Tensor(stand_in))
            stood.append(tree.unflatten(structure, stand_ins))
        size = _one_size(batches)
        leaves, structure = tree.flatten(function(*stood))
        nodes = [(x if isinstance(x, Tensor) else F.asarray(x))._node for x in leaves]
        results = [_everywhere(x, b, size) for x, b in _replay(nodes, known, size)]
        return tree.unflatten(structure, [F.moveaxis(x, 0, out_axes) for x in results])

    return run


def _one_size(batches: set[int]) -> int:
    if not batches:
        raise ArgumentError(
            "vmap: no argument has a batch axis; give one an in_axes that is not None"
        )
    if len(batches) > 1:
        raise ShapeError(f"vmap: batch axes have different sizes: {sorted(batches)}")
    return batches.pop()


def jacrev(function: Callable[..., Any], argnum: int = 0) -> Callable[..., Any]:
    """The Jacobian of `function`, a row (an output element) at a time: `output.shape + x.shape`.

    >>> import allumette_core as al
    >>> al.jacrev(lambda x: x * x)(al.tensor([1.0, 3.0], device="numpy")).tolist()
    [[2.0, 0.0], [0.0, 6.0]]
    """
    from .transforms import vjp

    def run(*args: Any) -> Tensor:
        def of(x: Any) -> Any:
            return function(*args[:argnum], x, *args[argnum + 1 :])

        value, pull = vjp(of, args[argnum])
        basis = F.reshape(
            F.eye(value.size, dtype=value.dtype, device=value.device), (value.size, *value.shape)
        )
        rows: Tensor = vmap(lambda t: pull(t)[0])(basis)
        return F.reshape(rows, value.shape + rows.shape[1:])

    return run


def jacfwd(function: Callable[..., Any], argnum: int = 0) -> Callable[..., Any]:
    """The Jacobian of `function`, a column (an input element) at a time: `output.shape + x.shape`.

    >>> import allumette_core as al
    >>> al.jacfwd(lambda x: x * x)(al.tensor([1.0, 3.0], device="numpy")).tolist()
    [[2.0, 0.0], [0.0, 6.0]]
    """
    from .transforms import jvp

    def run(*args: Any) -> Tensor:
        def of(x: Any) -> Any:
            return function(*args[:argnum], x, *args[argnum + 1 :])

        x = args[argnum]
        basis = F.reshape(F.eye(x.size, dtype=x.dtype, device=x.device), (x.size, *x.shape))
        columns: Tensor = vmap(lambda t: jvp(of, (x,), (t,))[1], out_axes=-1)(basis)
        return F.reshape(columns, columns.shape[:-1] + x.shape)

    return run


def hessian(function: Callable[..., Any], argnum: int = 0) -> Callable[..., Any]:
    """The matrix of second derivatives of a scalar function: `x.shape + x.shape`.

    >>> import allumette_core as al
    >>> al.hessian(lambda x: al.sum(x**3))(al.tensor([1.0, 2.0], device="numpy")).tolist()
    [[6.0, 0.0], [0.0, 12.0]]
    """
    return jacfwd(jacrev(function, argnum), argnum)
