"""A phase: the part of a program that runs in one loop over rows, as a small program of its own."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import TYPE_CHECKING

from .. import primitives as P
from ..primitives import Kind
from .flows import Flow, is_free
from .program import Aval, Instruction, Program

if TYPE_CHECKING:
    from .stream import Streaming

NARROW = 1 << 9  # bytes: of rows no wider than this, a chunk has more than a vector has lanes
MANY_ROWS = 64


@dataclass(frozen=True, slots=True)
class Phase:
    """A loop over `rows` rows in which `program` is computed piece by piece.

    `flows` has, per instruction of `program`, along which axes it moves with the rows (None: not
    at all, as everything does in a phase of one row). `inputs` and `outputs` are the numbers that
    the program's inputs and outputs have in the program that was cut into phases.
    """

    level: int
    rows: int
    program: Program
    flows: tuple[Flow | None, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    host: bool = False

    def axis(self, value: int) -> int | None:
        """The axis of `value` (a number of the small program) that carries the rows."""
        flow = self.flow(value)
        return flow.out if flow else None

    def flow(self, value: int) -> Flow | None:
        """How the instruction that makes `value` moves with the rows."""
        position = value - self.program.num_inputs
        return self.flows[position] if position >= 0 else None

    def folds(self, value: int) -> bool:
        """Whether `value` is only there after the last row."""
        flow = self.flow(value)
        return flow is not None and flow.out is None

    def per_row(self, value: int) -> int:
        """How many entries of its axis a row of `value` has."""
        axis = self.axis(value)
        return 1 if axis is None else self.program.avals[value].shape[axis] // self.rows

    @property
    def by_column(self) -> bool:
        """Whether chunks of rows are better kept by column, the rows of each contiguous.

        Then a loop over rows fills whole vectors, however narrow columns and windows are.
        """
        if self.rows < MANY_ROWS:
            return False
        products = any(i.primitive is P.dot_general for i in self.program.instructions)
        # Without products there is little in a phase but what is by row: rows have to be narrower.
        return self._widest() <= (NARROW if products else NARROW // 8) or self._slides()

    def _widest(self) -> int:
        """The bytes that a row takes of the widest value that moves with the rows."""
        avals = [a for v, a in enumerate(self.program.avals) if self.axis(v) is not None]
        return max((prod(a.shape) * a.dtype.itemsize for a in avals), default=0) // self.rows

    def _slides(self) -> bool:
        """Whether windows slide over what moves with the rows, and are read by more than products
        of these, which read them as well by row."""
        windows: set[int] = set()
        for position, (instruction, flow) in enumerate(
            zip(self.program.instructions, self.flows, strict=True)
        ):
            moves = flow is not None and any(axis is not None for axis in flow.ins)
            if instruction.primitive is P.windows and moves:
                windows.add(position + self.program.num_inputs)
            elif not windows.isdisjoint(instruction.inputs):
                if is_free(instruction):
                    windows.add(position + self.program.num_inputs)
                elif instruction.primitive is not P.dot_general or (flow and flow.out is None):
                    return True
        return False


Key = tuple[int, int | None]


class Extractor:
    """Builds the program of one phase from instructions of the whole."""

    def __init__(self, whole: "Streaming", positions: Sequence[int]) -> None:
        self.whole = whole
        self.positions = positions
        self.members = {position + whole.base for position in positions}
        self.inputs: list[int] = []
        self.steps: list[tuple[Instruction, Flow | None, Aval]] = []
        self.numbers: dict[Key, tuple[bool, int]] = {}  # (is an input, place in its list)

    def phase(self, level: int, rows: int, exported: frozenset[int], host: bool) -> Phase:
        """The phase of `positions`, whose values in `exported` are needed after it."""
        for position in self.positions:
            flow = self.whole.choices[position].flow
            arity = len(self.whole.program.instructions[position].inputs)
            self._add(position, flow, flow.ins if flow else (None,) * arity)
        outputs = [v for v in sorted(self.members) if v in exported]
        program = Program(
            tuple([self.whole.program.avals[v] for v in self.inputs] + [s[2] for s in self.steps]),
            len(self.inputs),
            tuple(self._numbered(step[0]) for step in self.steps),
            tuple(self._number((v, None)) for v in outputs),
        )
        flows = tuple(step[1] for step in self.steps)
        return Phase(level, rows, program, flows, tuple(self.inputs), tuple(outputs), host)

    def _key(self, value: int, axis: int | None) -> Key:
        """Only what is recomputed here depends on which axis of it is taken."""
        position = value - self.whole.base
        return (value, axis if position >= 0 and self.whole.is_free(position) else None)

    def _add(self, position: int, flow: Flow | None, wants: Sequence[int | None]) -> None:
        """Append an instruction, after the free ones that it is fed by."""
        whole = self.whole
        value = position + whole.base
        stack = [(position, flow, tuple(wants))]
        while stack:
            position, flow, wants = stack[-1]
            inputs = whole.program.instructions[position].inputs
            keys = [self._key(v, a) for v, a in zip(inputs, wants, strict=True)]
            missing = [key for key in keys if not self._known(key)]
            for v, axis in missing:
                below = v - whole.base
                ins = whole.through(below, axis)
                stack.append((below, Flow(axis, ins) if axis is not None else None, ins))
            if missing:
                continue
            stack.pop()
            made = position + whole.base
            key = (made, None) if made == value else self._key(made, flow.out if flow else None)
            if key not in self.numbers:
                self.numbers[key] = (False, len(self.steps))
                primitive, _, params = whole.program.instructions[position]
                # The inputs are keys until every input of the phase is known.
                instruction = Instruction(primitive, tuple(keys), params)  # type: ignore[arg-type]
                self.steps.append((instruction, flow, whole.program.avals[made]))

    def _known(self, key: Key) -> bool:
        if key in self.numbers:
            return True
        value = key[0]
        position = value - self.whole.base
        if position >= 0 and (self.whole.is_free(position) or value in self.members):
            return False
        self.numbers[key] = (True, len(self.inputs))
        self.inputs.append(value)
        return True

    def _number(self, key: Key) -> int:
        is_input, place = self.numbers[key]
        return place if is_input else place + len(self.inputs)

    def _numbered(self, instruction: Instruction) -> Instruction:
        keys: Sequence[Key] = instruction.inputs  # type: ignore[assignment]
        return instruction._replace(inputs=tuple(self._number(key) for key in keys))


def flattened(phase: Phase) -> Phase:
    """The same phase over single elements, if it is elementwise over whole arrays.

    Then every element is a row, however the axes are cut, and the loop is as long as can be.
    """
    program = phase.program
    size = max((prod(program.avals[v].shape) for v in program.outputs), default=0)
    size = max([size, *(prod(a.shape) for a in program.avals)])
    if phase.rows == 1 or size in (0, phase.rows) or phase.host:
        return phase
    if not all(prod(a.shape) in (1, size) for a in program.avals):
        return phase
    numbers = list(range(program.num_inputs))
    avals = [_flat(a, size) for a in program.avals[: program.num_inputs]]
    steps: list[Instruction] = []
    flows: list[Flow | None] = []
    for value, instruction in enumerate(program.instructions, program.num_inputs):
        made = _flat_instruction(instruction, program.avals[value], size, phase.folds(value))
        if made is None:
            return phase
        inputs = tuple(numbers[i] for i in instruction.inputs)
        same = made.primitive is P.reshape and avals[inputs[0]].shape == made.params[0]
        if same and value not in program.outputs:
            numbers.append(inputs[0])
            continue
        numbers.append(len(avals))
        aval = _flat(program.avals[value], size)
        steps.append(made._replace(inputs=inputs))
        ins = tuple(0 if avals[i].shape else None for i in inputs)
        out = 0 if aval.shape else None
        flows.append(Flow(out, ins) if aval.shape or phase.folds(value) else None)
        avals.append(aval)
    flat = Program(
        tuple(avals), program.num_inputs, tuple(steps), tuple(numbers[v] for v in program.outputs)
    )
    return replace(phase, rows=size, program=flat, flows=tuple(flows))


def _flat(aval: Aval, size: int) -> Aval:
    return Aval((size,) if prod(aval.shape) == size else (), aval.dtype)


def _flat_instruction(
    instruction: Instruction, aval: Aval, size: int, folds: bool
) -> Instruction | None:
    """`instruction` on one axis of `size` elements (or none), None where it has no such form."""
    primitive, inputs, params = instruction
    shape = _flat(aval, size).shape
    if primitive.kind is Kind.ELEMENTWISE:
        return instruction
    if primitive in (P.sum_, P.prod, P.max_, P.min_) and folds:
        return Instruction(primitive, inputs, ((0,),))
    if primitive is P.full:
        return Instruction(primitive, inputs, (shape, *params[1:]))
    if primitive in (P.reshape, P.broadcast):
        return Instruction(primitive, inputs, (shape,))
    if primitive is P.random_bits:
        return None
    return None
