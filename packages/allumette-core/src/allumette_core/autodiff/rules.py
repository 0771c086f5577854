"""Derivatives as data: one line a primitive, from which vjp and jvp both follow.

A rule is a tuple with one `term` for each input (None: no derivative). With `t` the cotangent of
the output (or the tangent of the input), `y` the output, `xs` the inputs and then the parameters:

- `Pointwise`: `term(t, y, *xs)` multiplies t by the partial derivative. It serves both directions,
  because a diagonal matrix is its own transpose.
- `Linear`: `term(t, y, *xs, *params)` is the transpose; forward, the primitive itself is applied to
  the tangents (inputs without a term, such as indices, stay what they are).
- `Bilinear`: `term` is the adjoint with respect to one operand; forward is the product rule.
- `Weighted`: a reduction with `dy = sum(weight * dx)`; `weight(y, x, axes)` serves both directions.

A primitive without a line here is differentiated through its decomposition, or not at all.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from .. import expr
from .. import functions as F
from .. import primitives as P
from ..primitives import Params, Primitive
from ..shapes import Shape
from ..tensor import Tensor

Term: TypeAlias = Callable[..., Tensor] | None


@dataclass(frozen=True, slots=True)
class Pointwise:
    """An elementwise primitive: each term multiplies by a partial derivative."""

    terms: tuple[Term, ...]

    def term(self, i: int) -> Term:
        return self.terms[i]


@dataclass(frozen=True, slots=True)
class Linear:
    """A primitive linear in the inputs that have a term: each term transposes."""

    terms: "tuple[Term, ...] | Callable[[int], Term]"

    def term(self, i: int) -> Term:
        return self.terms(i) if callable(self.terms) else self.terms[i]


@dataclass(frozen=True, slots=True)
class Bilinear:
    """A product: each term is the adjoint with respect to one operand."""

    terms: tuple[Term, ...]

    def term(self, i: int) -> Term:
        return self.terms[i]


@dataclass(frozen=True, slots=True)
class Weighted:
    """A reduction whose differential is a weighted sum."""

    weight: Callable[[Tensor, Tensor, Shape], Tensor]


Rule: TypeAlias = Pointwise | Linear | Bilinear | Weighted


def bind(primitive: Primitive, *inputs: Tensor, params: Params = ()) -> Tensor:
    """`primitive` applied to tensors."""
    return Tensor(expr.apply(primitive, *[x._node for x in inputs], params=params))


def keep_axes(x: Tensor, axes: Shape, shape: Shape) -> Tensor:
    """A reduction's result with `axes` of size 1 again, so that it broadcasts against `shape`."""
    return F.reshape(x, tuple(1 if i in axes else n for i, n in enumerate(shape)))


# ---- transposes that take more than a line -----------------------------------------------------


def _pick(t: Tensor, lo: Shape, shape: Shape, interior: Shape) -> Tensor:
    """The elements that `pad` put at `lo`, `interior` apart."""
    steps = tuple(inner + 1 for inner in interior)
    stops = tuple(
        low + max(size - 1, 0) * step + (size > 0)
        for low, size, step in zip(lo, shape, steps, strict=True)
    )
    return bind(P.slice_, t, params=(lo, stops, steps))


def _unslice(t: Tensor, y: Tensor, x: Tensor, starts: Shape, stops: Shape, steps: Shape) -> Tensor:
    used = [
        start + max(size - 1, 0) * step + (size > 0)
        for start, size, step in zip(starts, t.shape, steps, strict=True)
    ]
    hi = tuple(n - end for n, end in zip(x.shape, used, strict=True))
    return bind(
        P.pad, t, F.zeros((), t.dtype, t.device), params=(starts, hi, tuple(s - 1 for s in steps))
    )


def _unconcat(i: int) -> Term:
    def term(t: Tensor, y: Tensor, *rest: Any) -> Tensor:
        *xs, axis = rest
        start = sum(x.shape[axis] for x in xs[:i])
        starts = tuple(start if a == axis else 0 for a in range(t.ndim))
        stops = tuple(start + xs[i].shape[axis] if a == axis else n for a, n in enumerate(t.shape))
        return bind(P.slice_, t, params=(starts, stops, (1,) * t.ndim))

    return term


def _permute_back(t: Tensor, y: Tensor, x: Tensor, axes: Shape) -> Tensor:
    return bind(P.permute, t, params=(tuple(axes.index(i) for i in range(len(axes))),))


def unbroadcast(t: Tensor, shape: Shape) -> Tensor:
    """The sum of `t` over the axes along which `shape` was broadcast to it."""
    if t.shape == shape:
        return t
    lead = t.ndim - len(shape)
    axes = tuple(i for i, n in enumerate(t.shape) if i < lead or (shape[i - lead] == 1 and n != 1))
    return F.reshape(bind(P.sum_, t, params=(axes,)) if axes else t, shape)


def _spread(t: Tensor, y: Tensor, x: Tensor, axes: Shape) -> Tensor:
    return bind(P.broadcast, keep_axes(t, axes, x.shape), params=(x.shape,))


def _pad_value(
    t: Tensor, y: Tensor, x: Tensor, value: Tensor, lo: Shape, hi: Shape, interior: Shape
) -> Tensor:
    everything, inside = F.sum(t), F.sum(_pick(t, lo, x.shape, interior))
    return F.reshape(everything - inside, ())


def _ungather(t: Tensor, y: Tensor, x: Tensor, indices: Tensor, axis: int) -> Tensor:
    nearest = F.clip(indices, 0, max(x.shape[axis] - 1, 0))
    return bind(P.scatter, F.zeros(x.shape, t.dtype, t.device), nearest, t, params=(axis, "add"))


def _scattered_base(
    t: Tensor, y: Tensor, x: Tensor, indices: Tensor, updates: Tensor, axis: int, mode: str
) -> Tensor:
    if mode == "add":
        return t
    return bind(P.scatter, t, indices, F.zeros_like(updates), params=(axis, mode))


def _scattered_updates(
    t: Tensor, y: Tensor, x: Tensor, indices: Tensor, updates: Tensor, axis: int, mode: str
) -> Tensor:
    """What each update put in: all that are in bounds for "add", the last of equals for "set"."""
    size = x.shape[axis]
    written = (indices >= 0) & (indices < size)
    if mode == "set":
        order = F.reshape(F.arange(indices.size, device=t.device), indices.shape)
        last = bind(
            P.scatter,
            F.zeros((size,), order.dtype, t.device) - 1,
            indices,
            order,
            params=(0, "set"),
        )
        written = written & (bind(P.gather, last, indices, params=(0,)) == order)
    shape = (1,) * axis + indices.shape + (1,) * (x.ndim - axis - 1)
    return F.where(F.reshape(written, shape), bind(P.gather, t, indices, params=(axis,)), 0)


def _dot_adjoint(
    t: Tensor,
    other: Tensor,
    of: Shape,
    mine: tuple[Shape, Shape],
    theirs: tuple[Shape, Shape],
    first: bool,
) -> Tensor:
    """The adjoint of dot_general with respect to one operand, whose rank is `len(of)`.

    The output is (batch, free axes of a, free axes of b): contract it with the other operand over
    the other's free axes, which leaves (batch, my free, my contracted), and put these in place.
    """
    (my_contract, my_batch), (their_contract, their_batch) = mine, theirs
    my_free = [i for i in range(len(of)) if i not in my_contract and i not in my_batch]
    their_free = [i for i in range(other.ndim) if i not in their_contract and i not in their_batch]
    n = len(my_batch)
    offset = n + (len(my_free) if first else 0)
    t_free = tuple(range(offset, offset + len(their_free)))
    batch = tuple(range(n))
    out = bind(P.dot_general, t, other, params=(t_free, tuple(their_free), batch, their_batch))
    # The contracted axes come out in the order of the other operand.
    contracted = [my_contract[their_contract.index(i)] for i in sorted(their_contract)]
    order = [*my_batch, *my_free, *contracted]
    axes = tuple(order.index(i) for i in range(len(of)))
    return out if axes == tuple(range(len(of))) else bind(P.permute, out, params=(axes,))


def _dot_left(
    t: Tensor, y: Tensor, a: Tensor, b: Tensor, ac: Shape, bc: Shape, ab: Shape, bb: Shape
) -> Tensor:
    return _dot_adjoint(t, b, a.shape, (ac, ab), (bc, bb), True)


def _dot_right(
    t: Tensor, y: Tensor, a: Tensor, b: Tensor, ac: Shape, bc: Shape, ab: Shape, bb: Shape
) -> Tensor:
    return _dot_adjoint(t, a, b.shape, (bc, bb), (ac, ab), False)


# ---- weights of reductions ---------------------------------------------------------------------


def _extreme_weight(y: Tensor, x: Tensor, axes: Shape) -> Tensor:
    """Equal extremes share the derivative evenly."""
    hit = F.astype(x == keep_axes(y, axes, x.shape), x.dtype)
    return hit / keep_axes(bind(P.sum_, hit, params=(axes,)), axes, x.shape)


def _product_of_others(y: Tensor, x: Tensor, axes: Shape) -> Tensor:
    """Products of what comes before and after each element: right also where elements are 0."""
    rest = tuple(i for i in range(x.ndim) if i not in axes)
    moved = bind(P.permute, x, params=((*rest, *axes),))
    flat = F.reshape(moved, (*(x.shape[i] for i in rest), math.prod(x.shape[i] for i in axes)))
    last = flat.ndim - 1
    ones = F.ones((*flat.shape[:-1], 1), x.dtype, x.device)

    def before(v: Tensor) -> Tensor:
        return bind(P.cumprod, F.concat([ones, v[..., :-1]], axis=last), params=(last,))

    others = before(flat) * F.flip(before(F.flip(flat, axis=last)), axis=last)
    back = tuple((*rest, *axes).index(i) for i in range(x.ndim))
    return bind(P.permute, F.reshape(others, moved.shape), params=(back,))


def _tie(t: Tensor, wins: Tensor, ties: Tensor) -> Tensor:
    return F.where(ties, t * 0.5, F.where(wins, t, 0))


def _pow_base(t: Tensor, y: Tensor, a: Tensor, b: Tensor) -> Tensor:
    return t * F.where(b == 0, 0, b * a ** F.where(b == 0, 1, b - 1))


def _pow_exponent(t: Tensor, y: Tensor, a: Tensor, b: Tensor) -> Tensor:
    return t * F.where(a == 0, 0, y * F.log(F.where(a == 0, 1, a)))


def _cumsum_back(t: Tensor, y: Tensor, x: Tensor, axis: int) -> Tensor:
    return F.flip(bind(P.cumsum, F.flip(t, axis=axis), params=(axis,)), axis=axis)


_SQRT_PI = math.sqrt(math.pi)

RULES: dict[Primitive, Rule] = {
    P.neg: Pointwise((lambda t, y, x: -t,)),
    P.abs_: Pointwise((lambda t, y, x: t * F.sign(x),)),
    P.sqrt: Pointwise((lambda t, y, x: t / (2 * y),)),
    P.exp: Pointwise((lambda t, y, x: t * y,)),
    P.expm1: Pointwise((lambda t, y, x: t * (y + 1),)),
    P.log: Pointwise((lambda t, y, x: t / x,)),
    P.log1p: Pointwise((lambda t, y, x: t / (1 + x),)),
    P.sin: Pointwise((lambda t, y, x: t * F.cos(x),)),
    P.cos: Pointwise((lambda t, y, x: -(t * F.sin(x)),)),
    P.tan: Pointwise((lambda t, y, x: t * (1 + y * y),)),
    P.asin: Pointwise((lambda t, y, x: t / F.sqrt((1 - x) * (1 + x)),)),
    P.acos: Pointwise((lambda t, y, x: -(t / F.sqrt((1 - x) * (1 + x))),)),
    P.atan: Pointwise((lambda t, y, x: t / (1 + x * x),)),
    P.sinh: Pointwise((lambda t, y, x: t * F.cosh(x),)),
    P.cosh: Pointwise((lambda t, y, x: t * F.sinh(x),)),
    P.tanh: Pointwise((lambda t, y, x: t * (1 - y * y),)),
    P.asinh: Pointwise((lambda t, y, x: t / F.sqrt(1 + x * x),)),
    P.acosh: Pointwise((lambda t, y, x: t / (F.sqrt(x - 1) * F.sqrt(x + 1)),)),
    P.atanh: Pointwise((lambda t, y, x: t / ((1 - x) * (1 + x)),)),
    P.erf: Pointwise((lambda t, y, x: t * (F.exp(-(x * x)) * (2 / _SQRT_PI)),)),
    P.logistic: Pointwise((lambda t, y, x: t * (y * (1 - y)),)),
    P.add: Pointwise((lambda t, y, a, b: t, lambda t, y, a, b: t)),
    P.sub: Pointwise((lambda t, y, a, b: t, lambda t, y, a, b: -t)),
    P.mul: Pointwise((lambda t, y, a, b: t * b, lambda t, y, a, b: t * a)),
    P.div: Pointwise((lambda t, y, a, b: t / b, lambda t, y, a, b: -(t * (y / b)))),
    P.mod: Pointwise((lambda t, y, a, b: t, lambda t, y, a, b: -(t * (a // b)))),
    P.pow_: Pointwise((_pow_base, _pow_exponent)),
    P.atan2: Pointwise((
        lambda t, y, a, b: t * (b / (a * a + b * b)),
        lambda t, y, a, b: -(t * (a / (a * a + b * b))),
    )),
    P.maximum: Pointwise((
        lambda t, y, a, b: _tie(t, a > b, a == b), lambda t, y, a, b: _tie(t, b > a, a == b),
    )),
    P.minimum: Pointwise((
        lambda t, y, a, b: _tie(t, a < b, a == b), lambda t, y, a, b: _tie(t, b < a, a == b),
    )),
    P.where: Pointwise((
        None, lambda t, y, c, a, b: F.where(c, t, 0), lambda t, y, c, a, b: F.where(c, 0, t),
    )),
    P.cast: Pointwise((lambda t, y, x, dtype: t,)),
    P.alias: Pointwise((lambda t, y, x, tag: t,)),
    P.reshape: Linear((lambda t, y, x, shape: F.reshape(t, x.shape),)),
    P.permute: Linear((_permute_back,)),
    P.broadcast: Linear((lambda t, y, x, shape: unbroadcast(t, x.shape),)),
    P.slice_: Linear((_unslice,)),
    P.flip: Linear((lambda t, y, x, axes: bind(P.flip, t, params=(axes,)),)),
    P.windows: Linear((lambda t, y, x, *params: bind(P.fold, t, params=(*params, x.shape)),)),
    P.fold: Linear((lambda t, y, x, *params: bind(P.windows, t, params=params[:-1]),)),
    P.pad: Linear((
        lambda t, y, x, value, lo, hi, interior: _pick(t, lo, x.shape, interior), _pad_value,
    )),
    P.concat: Linear(_unconcat),
    P.sum_: Linear((_spread,)),
    P.cumsum: Linear((_cumsum_back,)),
    P.gather: Linear((_ungather, None)),
    P.scatter: Linear((_scattered_base, None, _scattered_updates)),
    P.dot_general: Bilinear((_dot_left, _dot_right)),
    P.max_: Weighted(_extreme_weight),
    P.min_: Weighted(_extreme_weight),
    P.prod: Weighted(_product_of_others),
}  # fmt: skip

# Piecewise constant, or not of real numbers: the derivative is zero wherever there is one.
CONSTANT: frozenset[Primitive] = frozenset((
    P.sign, P.floor, P.ceil, P.round_, P.floordiv, P.invert, P.bit_and, P.bit_or, P.bit_xor,
    P.shift_left, P.shift_right, P.eq, P.ne, P.lt, P.le, P.bitcast, P.argmax, P.argmin, P.argsort,
    P.full, P.iota, P.random_bits, P.placeholder,
))  # fmt: skip
