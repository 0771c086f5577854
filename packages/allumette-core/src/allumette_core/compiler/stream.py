"""Streaming: cut a program into phases, each a loop over the rows of one axis of the problem.

In a training step almost every value either has one row for each example, or is folded up over all
of them. So axes that move together (`flows`) are joined into classes, as a type checker joins type
variables; the class that covers the most work is the batch axis, though nothing in the program says
"batch". A **phase** runs instructions of one class, a few hundred rows at a time, so that what lies
between them never leaves the cache. A new phase starts where an instruction needs something
*whole*: a finished fold (the mean in a batch norm), or other rows than its own.

What is too small to be worth a loop runs in a phase of one row, and what no renderer knows (a
sort, a factorisation) in a phase of its own, on the host.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from math import prod

from .. import primitives as P
from ..primitives import Kind
from .flows import Flow, accumulates, flows, is_free
from .program import Instruction, Program
from .rows import Extractor, Phase, flattened
from .traffic import traffic

SMALL = 1 << 15  # element operations: less than it takes to start threads
FEW_ROWS = 32  # a class with fewer rows is taken only if it covers that much more work ...
HEAVY_ROW, HEAVY_ROWS = 1 << 22, 8  # ... but of rows with so many operations, so many are enough

TRIED = 4  # classes of axes that might be the batch

Axis = tuple[int, int]  # a value, and one of its axes
Operand = tuple[int, int | None]  # a value, and the axis of it that is taken in rows, if one is
Group = tuple[int, Axis | None, int]  # level, class, and the instruction if it is by itself


class Classes:
    """Axes that move together, by union-find."""

    def __init__(self) -> None:
        self._parent: dict[Axis, Axis] = {}

    def find(self, axis: Axis) -> Axis:
        parent = self._parent.setdefault(axis, axis)
        while parent != axis:
            self._parent[axis] = self._parent.setdefault(parent, parent)
            axis, parent = parent, self._parent[parent]
        return axis

    def join(self, axes: Iterable[Axis]) -> None:
        first, *rest = map(self.find, axes)
        for other in rest:
            self._parent[other] = first


@dataclass(frozen=True, slots=True)
class Choice:
    """What class an instruction streams in (None: it runs whole), and by which flow."""

    cls: Axis | None
    flow: Flow | None = None


def stream(
    program: Program, renders: Callable[[Instruction], bool], *, together: bool = True
) -> list[Phase]:
    """The phases of `program`, in an order in which they may run.

    An instruction that the renderer does not render gets a phase of its own, marked `host`; unless
    instructions go `together`, every one does: then nothing streams from one to another.
    """
    return Streaming(program, renders).phases(together)


class Streaming:
    """The analysis of one program: classes of axes, a choice for each instruction, and levels."""

    def __init__(self, program: Program, renders: Callable[[Instruction], bool]) -> None:
        self.program = program
        self.base = program.num_inputs
        self.outputs = frozenset(program.outputs)
        self.flows = [flows(program, p) for p in range(len(program.instructions))]
        self.hosted = [not renders(i) for i in program.instructions]
        hosts = [i for i, host in zip(program.instructions, self.hosted, strict=True) if host]
        # What a host kernel reads has to be in a buffer.
        self.pinned = self.outputs.union(*(instruction.inputs for instruction in hosts))
        self.free = self._free()
        self.classes = self._classes()
        self.options = self._options()
        self.choices, self.levels = self._best()

    def is_free(self, position: int) -> bool:
        """Whether an instruction is repeated wherever its result is used."""
        return self.free[position]

    def _free(self) -> list[bool]:
        """Views and constants, and what is computed from constants alone (a causal mask)."""
        free: list[bool] = []
        closed: list[bool] = []  # depends on no input
        for position, instruction in enumerate(self.program.instructions):
            primitive, inputs, _ = instruction
            known = all(v >= self.base and closed[v - self.base] for v in inputs)
            cheap = is_free(instruction) or (primitive.kind is Kind.ELEMENTWISE and known)
            kept = self.hosted[position] or position + self.base in self.pinned
            closed.append(cheap and known)
            free.append(cheap and not kept)
        return free

    # ---- which axes move together

    def _axes(self, position: int, flow: Flow) -> list[Axis]:
        """The axes of `flow` of an instruction, without those that have a single row."""
        values = (position + self.base, *self.program.instructions[position].inputs)
        pairs = zip(values, (flow.out, *flow.ins), strict=True)
        return [(v, a) for v, a in pairs if a is not None and self.program.avals[v].shape[a] > 1]

    def _classes(self) -> Classes:
        classes = Classes()
        for position, found in enumerate(self.flows):
            for flow in found:
                if axes := self._axes(position, flow):
                    classes.join(axes)
        return classes

    @cached_property
    def rows(self) -> dict[Axis, int]:
        """The number of rows of each class: the smallest of its axes."""
        rows: dict[Axis, int] = {}
        for value, aval in enumerate(self.program.avals):
            for axis, size in enumerate(aval.shape):
                if size > 1:
                    cls = self.classes.find((value, axis))
                    rows[cls] = min(rows.get(cls, size), size)
        return rows

    def _class_of(self, position: int, flow: Flow) -> Axis | None:
        """The class that `flow` streams in, if every axis of it has whole rows."""
        axes = self._axes(position, flow)
        if not axes or (flow.out is None and not accumulates(self.program.instructions[position])):
            return None
        cls = self.classes.find(axes[0])
        sizes = [self.program.avals[v].shape[a] for v, a in axes]
        return None if any(size % self.rows[cls] for size in sizes) else cls

    # ---- which class each instruction streams in

    def _work(self, position: int) -> int:
        primitive, inputs, params = self.program.instructions[position]
        sizes: list[int] = [
            prod(self.program.avals[v].shape) for v in (position + self.base, *inputs)
        ]
        if primitive is not P.dot_general:
            return max(sizes)
        lhs = self.program.avals[inputs[0]].shape
        terms: int = prod(lhs[axis] for axis in params[0])
        return 2 * sizes[0] * terms

    def _options(self) -> dict[int, list[tuple[Axis, Flow]]]:
        """The classes and flows that each instruction can stream in."""
        return {
            p: [(cls, flow) for flow in self.flows[p] if (cls := self._class_of(p, flow))]
            for p in range(len(self.flows))
            if not self.is_free(p) and not self.hosted[p]
        }

    def _best(self) -> tuple[list[Choice], list[int]]:
        """The choices and levels with the least `traffic`, and of equals the most rows.

        Only classes that cover about as much work as any are tried as the first of all.
        """
        score: dict[Axis, float] = {}
        for p, options in self.options.items():
            work = self._work(p)
            for cls in dict.fromkeys(cls for cls, _ in options):
                rows = self.rows[cls]
                enough = rows >= HEAVY_ROWS and work >= HEAVY_ROW * rows
                part = 1.0 if enough else min(1.0, rows / FEW_ROWS)
                score[cls] = score.get(cls, 0.0) + work * part
        ranked = sorted(score, key=lambda cls: -score[cls])
        tried = [cls for cls in ranked[:TRIED] if score[cls] > score[ranked[0]] / 2]
        found: list[tuple[tuple[int, ...], list[Choice], list[int]]] = []
        for main in tried or (None,):
            choices = self._choose(score, main)
            levels = self._levels(choices)
            rows = 0 if main is None else self.rows[main]
            found.append(((*traffic(self, choices, levels), -rows), choices, levels))
        _, choices, levels = min(found, key=lambda one: one[0])  # the first of equals
        return choices, levels

    def _choose(self, score: dict[Axis, float], main: Axis | None) -> list[Choice]:
        """For each instruction `main` if it can, else the class that covers the most work."""
        choices = [Choice(None)] * len(self.flows)
        total: dict[Axis, int] = {}
        for p, options in self.options.items():
            if options:
                # Of equals the outermost axis, and rather rows that stay than rows that fold.
                cls, flow = max(options, key=lambda o: (o[0] == main, score[o[0]]))
                choices[p] = Choice(cls, flow)
                total[cls] = total.get(cls, 0) + self._work(p)
        worth = {main} | {cls for cls, work in total.items() if work >= SMALL}
        return [c if c.cls in worth else Choice(None) for c in choices]

    def kept(self, choices: list[Choice], levels: list[int]) -> set[int]:
        """What is kept from one phase to another."""
        return set(self._exported(self._groups(choices, levels)) - self.outputs)

    # ---- when

    def _levels(self, choices: list[Choice]) -> list[int]:
        """The level of each instruction: as early as all it needs is there, and what is cheap as
        late as something needs it."""
        levels = [0] * len(self.flows)
        users: dict[int, list[tuple[int, bool]]] = {}
        late: set[int] = set()  # elementwise on what is there from the start, or late itself
        for position in range(len(levels)):
            if self.is_free(position):
                continue
            sources = list(self._sources(position, choices))
            levels[position] = max((levels[p] + (not joins) for p, joins in sources), default=0)
            kind = self.program.instructions[position].primitive.kind
            if kind is Kind.ELEMENTWISE and all(p in late or not joins for p, joins in sources):
                late.add(position)
            for source, joins in sources:
                users.setdefault(source, []).append((position, joins))
        for position in sorted(late & users.keys(), reverse=True):
            latest = min(levels[user] - (not joins) for user, joins in users[position])
            levels[position] = max(levels[position], latest)
        return levels

    def _sources(self, user: int, choices: list[Choice]) -> Iterator[tuple[int, bool]]:
        """The instructions whose results `user` needs, and whether it may run in their phase."""
        inputs = self.program.instructions[user].inputs
        flow = choices[user].flow
        ins = flow.ins if flow else (None,) * len(inputs)
        for value, axis in self.reached(zip(inputs, ins, strict=True)):
            if (position := value - self.base) >= 0:
                yield position, self._joins(choices, position, user, axis)

    def reached(self, operands: Iterable[Operand]) -> Iterator[Operand]:
        """What is read when these are, seen through what is free, and along which axes."""
        stack = list(operands)
        seen = set(stack)
        while stack:
            value, axis = stack.pop()
            below = value - self.base
            if below < 0 or not self.is_free(below):
                yield value, axis
                continue
            inputs = self.program.instructions[below].inputs
            found = set(zip(inputs, self.through(below, axis), strict=True)) - seen
            stack.extend(found)
            seen |= found

    def through(self, position: int, axis: int | None) -> tuple[int | None, ...]:
        """Which axes of its inputs a free instruction takes rows of, if `axis` of it is taken."""
        flow = next((f for f in self.flows[position] if f.out == axis and axis is not None), None)
        return flow.ins if flow else (None,) * len(self.program.instructions[position].inputs)

    def _joins(self, choices: list[Choice], position: int, user: int, axis: int | None) -> bool:
        """Whether `user` may run in the same phase as what it takes from `position`."""
        if self.hosted[position] or self.hosted[user]:
            return False
        mine, theirs = choices[user], choices[position]
        if mine.cls is None or theirs.cls is None:
            return mine.cls is theirs.cls
        return mine.cls == theirs.cls and axis is not None and theirs.flow.out == axis  # type: ignore[union-attr]

    # ---- phases

    def _groups(
        self, choices: list[Choice], levels: list[int], together: bool = True
    ) -> dict[int, Group]:
        """What tells the phase of each instruction that is in one."""
        group: dict[int, Group] = {}
        for position, choice in enumerate(choices):
            if not self.is_free(position):
                alone = self.hosted[position] or not together
                group[position] = (levels[position], choice.cls, position if alone else -1)
        return group

    def phases(self, together: bool) -> list[Phase]:
        """The phases, those of lower levels first, and of one level in the order of the program."""
        group = self._groups(self.choices, self.levels, together)
        exported = self._exported(group)
        members: dict[Group, list[int]] = {}
        for position, key in group.items():
            members.setdefault(key, []).append(position)
        found = []
        for (level, cls, _), positions in sorted(members.items(), key=lambda item: item[0][0]):
            rows, host = 1 if cls is None else self.rows[cls], self.hosted[positions[0]]
            found.append(Extractor(self, positions).phase(level, rows, exported, host))
        return [flattened(phase) for phase in found]

    def _exported(self, group: dict[int, Group]) -> frozenset[int]:
        """The values that a later phase, or the caller, needs."""
        out = {v for v in self.outputs if v >= self.base}
        for position, key in group.items():
            inputs = self.program.instructions[position].inputs
            for value, _ in self.reached((v, None) for v in inputs):
                if value >= self.base and group[value - self.base] != key:
                    out.add(value)
        return frozenset(out)
