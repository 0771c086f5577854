"""The value of an instruction at an index, as code: chains of instructions become one expression.

A view is the value of its input at another index, so that it costs index arithmetic only.
"""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Protocol

from allumette_core import primitives as P
from allumette_core.compiler.program import Instruction, Program
from allumette_core.dtypes import uint32
from allumette_core.primitives import Kind, Primitive
from allumette_core.shapes import Shape

from .folds import Fold
from .scalar import cast, compute
from .types import computed, constant, loaded
from .writer import Index, Writer


class Source(Protocol):
    """Where values are that are in memory."""

    def element(self, value: int, index: Index) -> str | None:
        """An element of `value` in memory, None if it is computed where it is used."""


class Values:
    """Writes the values of a program's instructions."""

    def __init__(self, program: Program, writer: Writer, source: Source) -> None:
        self.program, self.writer, self.source = program, writer, source

    def at(self, value: int, index: Index) -> str:
        """The name of element `index` of `value`."""
        key = (value, index.key)
        known = self.writer.recall(key)
        if known is None:
            known = self._made(value, index, key)
        return known

    def _made(self, value: int, index: Index, key: object) -> str:
        aval = self.program.avals[value]
        stored = self.source.element(value, index)
        if stored is not None:
            return self.writer.let(loaded(stored, aval.dtype), key)
        instruction = self.program.instructions[value - self.program.num_inputs]
        if instruction.primitive.kind is Kind.ELEMENTWISE:
            return self._elementwise(value, instruction, index, key)
        rule = _PLACES[instruction.primitive]
        made = rule(self, instruction, index)
        self.writer.remember(key, made)
        return made

    def _elementwise(self, value: int, instruction: Instruction, index: Index, key: object) -> str:
        avals = [self.program.avals[i] for i in instruction.inputs]
        texts = [
            self.at(i, index.like(aval.shape))
            for i, aval in zip(instruction.inputs, avals, strict=True)
        ]
        dtypes = tuple(aval.dtype for aval in avals)
        out = self.program.avals[value].dtype
        text = compute(instruction.primitive, instruction.params, dtypes, out, texts)
        return self.writer.let(text, key)

    def shape(self, value: int) -> Shape:
        return self.program.avals[value].shape


Rule = Callable[[Values, Instruction, Index], str]


def _view(change: Callable[..., list[str]]) -> Rule:
    """A rule that reads the input where `change(index, shape of the input, *params)` says."""

    def rule(values: Values, instruction: Instruction, index: Index) -> str:
        (source,) = instruction.inputs
        shape = values.shape(source)
        axes = change(index, shape, *instruction.params)
        return values.at(source, index.at(shape, axes))

    return rule


def _reshape(values: Values, instruction: Instruction, index: Index) -> str:
    (source,) = instruction.inputs
    return values.at(source, index.reshaped(values.shape(source)))


def _broadcast(values: Values, instruction: Instruction, index: Index) -> str:
    (source,) = instruction.inputs
    return values.at(source, index.like(values.shape(source)))


def _permute(index: Index, shape: Shape, axes: Shape) -> list[str]:
    return [index.axes[axes.index(axis)] for axis in range(len(axes))]


def _slice(index: Index, shape: Shape, starts: Shape, stops: Shape, steps: Shape) -> list[str]:
    return [
        _affine(axis, step, start)
        for axis, start, step in zip(index.axes, starts, steps, strict=True)
    ]


def _flip(index: Index, shape: Shape, axes: Shape) -> list[str]:
    return [
        f"{shape[i] - 1}u - {axis}" if i in axes and shape[i] > 1 else axis
        for i, axis in enumerate(index.axes)
    ]


def _windows(
    index: Index, shape: Shape, axes: Shape, sizes: Shape, strides: Shape, dilations: Shape
) -> list[str]:
    out = list(index.axes[: len(shape)])
    for i, axis in enumerate(axes):
        within = index.axes[len(shape) + i]
        terms = [_affine(out[axis], strides[i], 0), _affine(within, dilations[i], 0)]
        out[axis] = " + ".join(t for t in terms if t != "0u") or "0u"
    return out


def _affine(axis: str, step: int, start: int) -> str:
    if axis == "0u":
        return f"{start}u"
    scaled = axis if step == 1 else f"{axis} * {step}u"
    return scaled if start == 0 else f"{scaled} + {start}u"


def _pad(values: Values, instruction: Instruction, index: Index) -> str:
    """The value around and between the elements; the input is only read where there is one."""
    source, filling = instruction.inputs
    lo, _, interior = instruction.params
    shape, dtype = values.program.avals[source]
    writer, result = values.writer, values.writer.fresh("p")
    filled = values.at(filling, Index(writer, (), "0u"))
    writer.line(f"var {result}: {computed(dtype)} = {filled};")
    conditions, axes = [], []
    for i, size in enumerate(shape):
        moved = writer.let(f"{index.axes[i]} - {lo[i]}u") if lo[i] else index.axes[i]
        step = interior[i] + 1
        padded = (size - 1) * step + 1
        if index.shape[i] != size:  # what lies before wraps around to a large number
            conditions.append(f"{moved} < {max(padded, 0)}u")
        if step > 1 and moved != "0u":
            conditions.append(f"{moved} % {step}u == 0u")
            moved = f"{moved} / {step}u"
        axes.append(moved)
    if 0 in shape:
        return result
    with writer.block(f"if ({' && '.join(conditions) or 'true'}) {{"):
        writer.line(f"{result} = {values.at(source, index.at(shape, axes))};")
    return result


def _concat(values: Values, instruction: Instruction, index: Index) -> str:
    (axis,) = instruction.params
    parts = [i for i in instruction.inputs if values.shape(i)[axis]]
    writer, result = values.writer, values.writer.fresh("c")
    dtype = values.program.avals[instruction.inputs[0]].dtype
    place = index.axes[axis]
    writer.line(f"var {result}: {computed(dtype)};")
    start = 0
    for number, part in enumerate(parts):
        shape = values.shape(part)
        end = start + shape[axis]
        last = number == len(parts) - 1
        test = "else {" if last else f"{'else ' if number else ''}if ({place} < {end}u) {{"
        with writer.block("{" if len(parts) == 1 else test):
            axes = list(index.axes)
            axes[axis] = f"{place} - {start}u" if start else place
            writer.line(f"{result} = {values.at(part, index.at(shape, axes))};")
        start = end
    return result


def _gather(values: Values, instruction: Instruction, index: Index) -> str:
    source, indices = instruction.inputs
    (axis,) = instruction.params
    shape, (inner, dtype) = values.shape(source), values.program.avals[indices]
    rank = len(inner)
    which = values.at(indices, index.at(inner, index.axes[axis : axis + rank]))
    place = values.writer.let(clamped(which, dtype.kind, computed(dtype), shape[axis]))
    axes = [*index.axes[:axis], place, *index.axes[axis + rank :]]
    return values.at(source, index.at(shape, axes))


def clamped(text: str, kind: str, computed_type: str, size: int) -> str:
    """The nearest element: an index made to lie in `size` elements."""
    suffix = {"i32": "i", "u32": "u", "i64": "li", "u64": "lu"}[computed_type]
    if kind == "i":
        return f"u32(clamp({text}, 0{suffix}, {size - 1}{suffix}))"
    return f"u32(min({text}, {size - 1}{suffix}))"


def _full(values: Values, instruction: Instruction, index: Index) -> str:
    _, value, dtype = instruction.params
    return values.writer.let(constant(value, dtype), ("full", repr(value), dtype))


def _iota(values: Values, instruction: Instruction, index: Index) -> str:
    _, dtype = instruction.params
    return values.writer.let(cast(index.axes[0], uint32, dtype))


def _random_bits(values: Values, instruction: Instruction, index: Index) -> str:
    (key,) = instruction.inputs
    _, dtype = instruction.params
    writer = values.writer
    k0, k1 = (values.at(key, Index(writer, (2,), f"{i}u")) for i in range(2))
    words = writer.let(f"threefry({k0}, {k1}, 0u, {index.flat})")
    if dtype.itemsize == 8:
        return writer.let(f"((u64({words}.x) << 32u) | u64({words}.y))")
    return writer.let(f"({words}.x ^ {words}.y)")


def _reduce(values: Values, instruction: Instruction, index: Index) -> str:
    """A reduction over few elements, by a loop in place."""
    (source,), (axes,) = instruction.inputs, instruction.params
    shape, dtype = values.program.avals[source]
    writer, fold, result = (
        values.writer,
        Fold(instruction.primitive, dtype),
        values.writer.fresh("r"),
    )
    writer.line(f"var {result}: {fold.type} = {fold.start};")
    kept = iter(index.axes)
    places = [None if axis in axes else next(kept) for axis in range(len(shape))]
    with ExitStack() as stack:
        for axis in axes:
            name = writer.fresh("x")
            head = f"for (var {name} = 0u; {name} < {shape[axis]}u; {name}++) {{"
            if shape[axis] > 1:
                stack.enter_context(writer.block(head))
            places[axis] = name if shape[axis] > 1 else "0u"
        text = values.at(source, index.at(shape, [place or "0u" for place in places]))
        writer.line(f"{result} = {fold.join(result, text)};")
    return result


_RULES: Mapping[Primitive, Rule] = {
    P.reshape: _reshape,
    P.broadcast: _broadcast,
    P.permute: _view(_permute),
    P.slice_: _view(_slice),
    P.flip: _view(_flip),
    P.windows: _view(_windows),
    P.pad: _pad,
    P.concat: _concat,
    P.gather: _gather,
    P.full: _full,
    P.iota: _iota,
    P.random_bits: _random_bits,
}
INLINE = frozenset(_RULES)
"""What needs no memory, besides elementwise primitives."""
_PLACES = {**_RULES, **dict.fromkeys((P.sum_, P.prod, P.max_, P.min_), _reduce)}
