"""A program in which phases that fit a workgroup are one instruction each: see `tiling`.

The results of such an instruction are what the phase stores for every row, and the records of its
workgroups. What is folded up is then a reduction over the records, which is computed where it is
used: the kernel that updates a parameter adds up its gradient.
"""

from dataclasses import replace
from math import prod

from allumette_core import primitives as P
from allumette_core.compiler.expand import expand
from allumette_core.compiler.fusion import fuse
from allumette_core.compiler.lowering import renders
from allumette_core.compiler.program import Program, build
from allumette_core.compiler.rows import Phase
from allumette_core.compiler.schedule import Place
from allumette_core.compiler.simplify import simplify
from allumette_core.compiler.stream import stream
from allumette_core.expr import Node, apply, placeholder

from ..limits import Limits
from .fuse import FEW
from .prepare import tiles
from .tile_forms import FOLDS
from .tile_planner import tiling
from .tiling import Tiling


def tiled(program: Program, limits: Limits) -> Program | None:
    """`program` with phases in tiles, None if it has none that can be."""
    whole = expand(simplify(program))
    made: dict[int, tuple[Phase, Tiling]] = {}
    for phase in stream(whole, renders):
        # A copy by column would take room and make everybody wait, and no read is faster for it.
        loop = None if phase.host or phase.rows < 2 else fuse(phase, often=None)
        found = None if loop is None else tiling(loop, limits)
        if found is not None:
            made.update(dict.fromkeys(phase.outputs, (phase, found)))
    return _Rewriter(whole, made).program() if made else None


class _Rewriter:
    """Builds the nodes of `whole`, those that are `made` by a phase from that phase's inputs."""

    def __init__(self, whole: Program, made: dict[int, tuple[Phase, Tiling]]) -> None:
        self.whole, self.made = whole, made
        avals = whole.avals[: whole.num_inputs]
        self.inputs = [placeholder(a.shape, a.dtype, None) for a in avals]
        self.nodes: dict[int, Node] = dict(enumerate(self.inputs))
        self.parts: dict[tuple[object, ...], Node] = {}

    def program(self) -> Program:
        outputs = [self._node(v) for v in self.whole.outputs]
        made, _ = build(self.inputs, outputs, self.whole.donated, is_leaf=lambda node: False)
        return replace(made, repeats=self.whole.repeats)

    def _sources(self, value: int) -> tuple[int, ...]:
        if value in self.made:
            return self.made[value][0].inputs
        return self.whole.instructions[value - self.whole.num_inputs].inputs

    def _node(self, value: int) -> Node:
        stack = [value]
        while stack:
            last = stack[-1]
            known = last in self.nodes
            missing = [] if known else [v for v in self._sources(last) if v not in self.nodes]
            stack += missing
            if not missing:
                stack.pop()
                if not known:
                    self.nodes[last] = self._made(last)
        return self.nodes[value]

    def _made(self, value: int) -> Node:
        if value in self.made:
            return self._result(value, *self.made[value])
        primitive, inputs, params = self.whole.instructions[value - self.whole.num_inputs]
        return apply(primitive, *(self.nodes[i] for i in inputs), params=params)

    def _result(self, value: int, phase: Phase, plan: Tiling) -> Node:
        """What the phase gives for `value`."""
        inner = phase.program.outputs[phase.outputs.index(value)]
        shape, dtype = self.whole.avals[value]
        if plan.loop.memory[inner].place is not Place.FOLD:
            return _shaped(self._part(phase, plan, inner), shape)
        record = plan.records[inner]
        words = self._records(phase, plan, record.word)
        groups = words.shape[0]
        start, end = record.offset, record.offset + record.parts * record.count
        mine = apply(P.slice_, words, params=((0, start), (groups, end), (1, 1)))
        mine = _shaped(mine, (groups, record.parts, *shape))
        found = apply(FOLDS[record.kind], mine, params=((0, 1),))
        return found if found.dtype == dtype else apply(P.cast, found, params=(dtype,))

    def _records(self, phase: Phase, plan: Tiling, word: str) -> Node:
        """The records of all workgroups; what they fold up to, where they are many and alike."""
        records = [r for r in plan.records.values() if r.word == word]
        kind, *others = {r.kind for r in records}
        words = self._part(phase, plan, word)
        if others or plan.groups * max(r.parts for r in records) <= FEW:
            return words
        folded = self.parts.setdefault(
            (plan, "folded", word), apply(FOLDS[kind], words, params=((0,),))
        )
        return _shaped(folded, (1, plan.lengths[word]))

    def _part(self, phase: Phase, plan: Tiling, which: int | str) -> Node:
        """One of the results of the instruction."""
        key = plan, which
        if key not in self.parts:
            inputs = [self.nodes[i] for v, i in enumerate(phase.inputs) if v not in plan.packed]
            if plan.packed:
                inputs.append(_joined([self.nodes[phase.inputs[v]] for v in plan.packed]))
            self.parts[key] = apply(tiles, *inputs, params=(plan, which))
        return self.parts[key]


def _joined(nodes: list[Node]) -> Node:
    """The elements of `nodes`, one after another."""
    flat = [_shaped(node, (prod(node.shape),)) for node in nodes]
    return apply(P.concat, *flat, params=(0,))


def _shaped(node: Node, shape: tuple[int, ...]) -> Node:
    return node if node.shape == shape else apply(P.reshape, node, params=(shape,))
