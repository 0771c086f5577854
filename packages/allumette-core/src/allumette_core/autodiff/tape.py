"""The part of a graph that lies between variables and outputs, and derivatives along it.

The tape holds nodes with their inputs, so that it outlives evaluation, which lets inputs go. Both
directions walk it once, and make new graph: derivatives of derivatives need nothing more.
"""

from collections.abc import Sequence

from .. import expr
from .. import functions as F
from .. import primitives as P
from ..convert import cast
from ..decompositions import DECOMPOSITIONS
from ..dtypes import is_float
from ..errors import GradientError
from ..expr import Node
from ..tensor import Tensor
from .rules import (
    CONSTANT,
    RULES,
    Bilinear,
    Linear,
    Weighted,
    bind,
    keep_axes,
    unbroadcast,
)


class Tape:
    """The nodes on a path from one of `variables` to one of `outputs`, inputs before users."""

    def __init__(self, outputs: Sequence[Node], variables: Sequence[Node]) -> None:
        first = min((v.serial for v in variables), default=0)
        stops = {v.serial for v in variables}
        reached = set(stops)
        self.variables = list(variables)
        self.steps: list[tuple[Node, tuple[Node, ...]]] = []
        self.tracked = expr.ancestors(outputs, lambda node: node.tracked and node.serial >= first)
        for node in self.tracked:
            inputs = node.inputs
            if node.serial in stops or not any(i.serial in reached for i in inputs):
                continue
            if node.primitive in CONSTANT or not is_float(node.dtype):
                continue
            reached.add(node.serial)
            self.steps.append((node, inputs))
        self.reached = reached

    def release(self) -> None:
        """Forget that the variables were differentiated: only outer variables still count."""
        for node in (*self.variables, *self.tracked):
            node.tracked = expr.is_parameter(node) or any(i.tracked for i in node.inputs)
            if not node.tracked and node.buffer is not None:
                node.inputs = ()

    def pull(self, cotangents: dict[int, Tensor]) -> dict[int, Tensor]:
        """Cotangents of every node reached, by serial, from those of the outputs."""
        for node, inputs in reversed(self.steps):
            cotangent = cotangents.pop(node.serial, None)
            if cotangent is None:
                continue
            for source, term in _pulled(node, inputs, cotangent, self.reached):
                known = cotangents.get(source.serial)
                cotangents[source.serial] = term if known is None else known + term
        return cotangents

    def push(self, tangents: dict[int, Tensor]) -> dict[int, Tensor]:
        """Tangents of every node reached, by serial, from those of the variables."""
        for node, inputs in self.steps:
            tangent = _pushed(node, inputs, tangents)
            if tangent is not None:
                tangents[node.serial] = tangent
        return tangents


def _fitted(t: Tensor, node: Node) -> Tensor:
    """`t` summed down to the shape of `node` and in its dtype."""
    return Tensor(cast(unbroadcast(t, node.shape)._node, node.dtype))


def _pulled(
    node: Node, inputs: tuple[Node, ...], t: Tensor, reached: set[int]
) -> list[tuple[Node, Tensor]]:
    """The contribution of `node`'s cotangent `t` to each input that is on the tape."""
    assert node.primitive is not None
    rule = RULES.get(node.primitive)
    if rule is None:
        return _through_decomposition(node, inputs).pulled(t, reached)
    xs, y = [Tensor(i) for i in inputs], Tensor(node)
    if isinstance(rule, Weighted):
        (axes,) = node.params
        weighted = rule.weight(y, xs[0], axes) * keep_axes(t, axes, xs[0].shape)
        return [(inputs[0], _fitted(weighted, inputs[0]))]
    out = []
    for i, source in enumerate(inputs):
        term = rule.term(i) if source.serial in reached else None
        if term is not None:
            out.append((source, _fitted(term(t, y, *xs, *node.params), source)))
    return out


def _pushed(node: Node, inputs: tuple[Node, ...], tangents: dict[int, Tensor]) -> Tensor | None:
    """The tangent of `node` from those of its inputs."""
    assert node.primitive is not None
    moving = [(i, tangents[s.serial]) for i, s in enumerate(inputs) if s.serial in tangents]
    if not moving:
        return None
    rule = RULES.get(node.primitive)
    if rule is None:
        return _through_decomposition(node, inputs).pushed(tangents)
    xs, y = [Tensor(i) for i in inputs], Tensor(node)
    if isinstance(rule, Weighted):
        (axes,) = node.params
        return bind(P.sum_, rule.weight(y, xs[0], axes) * moving[0][1], params=(axes,))
    if isinstance(rule, Linear):
        given = dict(moving)
        filled = [
            x if rule.term(i) is None else given[i] if i in given else F.zeros_like(x)
            for i, x in enumerate(xs)
        ]
        return bind(node.primitive, *filled, params=node.params)
    terms = []
    for i, t in moving:
        if isinstance(rule, Bilinear):
            terms.append(bind(node.primitive, *xs[:i], t, *xs[i + 1 :], params=node.params))
        elif (term := rule.term(i)) is not None:
            terms.append(_raised(term(t, y, *xs, *node.params), node))
    return _total(terms)


def _raised(t: Tensor, node: Node) -> Tensor:
    t = Tensor(cast(t._node, node.dtype))
    return t if t.shape == node.shape else F.broadcast_to(t, node.shape)


def _total(terms: list[Tensor]) -> Tensor | None:
    total = None
    for term in terms:
        total = term if total is None else total + term
    return total


class _through_decomposition:  # noqa: N801  # reads as a function where it is used
    """A node without a rule, as the smaller primitives that it is made of."""

    def __init__(self, node: Node, inputs: tuple[Node, ...]) -> None:
        assert node.primitive is not None
        if node.primitive not in DECOMPOSITIONS:
            raise GradientError(f"{node.primitive} has no derivative")
        self.inputs = inputs
        variables = [expr.variable(source) for source in inputs]
        recording, expr.state.recording = expr.state.recording, True
        try:
            out = DECOMPOSITIONS[node.primitive](*map(Tensor, variables), *node.params)
        finally:
            expr.state.recording = recording
        self.out = out._node
        self.tape = Tape([self.out], variables)
        self.tape.release()

    def pulled(self, t: Tensor, reached: set[int]) -> list[tuple[Node, Tensor]]:
        got = self.tape.pull({self.out.serial: t})
        return [
            (source, got[v.serial])
            for source, v in zip(self.inputs, self.tape.variables, strict=True)
            if source.serial in reached and v.serial in got
        ]

    def pushed(self, tangents: dict[int, Tensor]) -> Tensor | None:
        known = {
            v.serial: tangents[source.serial]
            for source, v in zip(self.inputs, self.tape.variables, strict=True)
            if source.serial in tangents
        }
        return self.tape.push(known).get(self.out.serial)
