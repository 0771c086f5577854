"""Programs whose temporaries do not fit: phase after phase, each over pieces of its rows.

What a phase needs between its kernels is then there for the rows of a piece only. What one phase
leaves for another is kept whole.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import prod

from allumette_core import primitives as P
from allumette_core.compiler.decompose import lower
from allumette_core.compiler.expand import expand
from allumette_core.compiler.program import Program
from allumette_core.compiler.rows import Phase
from allumette_core.compiler.simplify import simplify
from allumette_core.compiler.stream import stream

from ..limits import Limits
from ..wgsl.types import stored_bytes
from .build import Plan, build
from .pieces import Piece, piece
from .prepare import prepare

ROWS = 128  # of a piece, or a multiple: so that rows of any dtype begin where a binding may


@dataclass(frozen=True, slots=True)
class Stage:
    """A phase, whose inputs and outputs are values of the whole program: `plan` does it at once,
    or it is done in `pieces`, with their plans: many of the same size, and a shorter one."""

    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    program: Program
    plan: Plan | None
    pieces: tuple[tuple[Piece, Plan], ...] = ()
    rows: int = 0

    @property
    def temporaries(self) -> int:
        """The bytes that it needs besides its inputs and outputs."""
        if self.plan:
            return sum(self.plan.temps)
        return max(_working_set(plan) for _, plan in self.pieces)


@dataclass(frozen=True, slots=True)
class Streamed:
    """The stages of `program`, and after each of them what is not needed any more."""

    program: Program
    stages: tuple[Stage, ...]
    dropped: tuple[tuple[int, ...], ...]

    @property
    def temporaries(self) -> int:
        """The bytes that are needed at most besides inputs and outputs of the program."""
        sizes = [stored_bytes(prod(a.shape), a.dtype) for a in self.program.avals]
        given = {*range(self.program.num_inputs), *self.program.outputs}
        live = most = 0
        for stage, dropped in zip(self.stages, self.dropped, strict=True):
            live += sum(sizes[v] for v in stage.outputs if v not in given)
            most = max(most, live + stage.temporaries)
            live -= sum(sizes[v] for v in dropped if v not in given)
        return most


def fits(plan: Plan, limits: Limits) -> bool:
    """Whether there is memory for what is between the kernels of `plan`."""
    return max(plan.temps, default=0) <= limits.largest and sum(plan.temps) <= limits.between


def streamed(program: Program, limits: Limits, dtypes: frozenset[str]) -> Streamed | None:
    """The stages of `program`, None if none of them is in pieces."""
    plain = lower(program, lambda primitive: primitive is not P.random_bits)
    whole = expand(simplify(plain))
    stages = [_stage(phase, limits, dtypes) for phase in stream(whole, lambda instruction: True)]
    if not any(stage.pieces for stage in stages):
        return None
    last = {v: place for place, stage in enumerate(stages) for v in (*stage.inputs, *stage.outputs)}
    kept = {*range(whole.num_inputs), *whole.outputs}
    dropped = tuple(
        tuple(v for v, end in last.items() if end == place and v not in kept)
        for place in range(len(stages))
    )
    return Streamed(whole, tuple(stages), dropped)


def _stage(phase: Phase, limits: Limits, dtypes: frozenset[str]) -> Stage:
    def planned(program: Program) -> Plan:
        return build(prepare(program, dtypes), limits)

    plan = planned(phase.program)
    if not fits(plan, limits):
        for rows in _sizes(phase, plan, limits):
            pieces = _pieces(phase, rows, planned)
            if pieces is None:
                break
            if rows == ROWS or all(_working_set(p) <= limits.between for _, p in pieces):
                made = phase.inputs, phase.outputs, phase.program
                return Stage(*made, None, pieces, phase.rows)
    return Stage(phase.inputs, phase.outputs, phase.program, plan)


def _working_set(plan: Plan) -> int:
    """The bytes of temporaries and results."""
    avals = [plan.program.avals[v] for v in plan.made]
    return sum(plan.temps) + sum(stored_bytes(prod(a.shape), a.dtype) for a in avals)


def _sizes(phase: Phase, plan: Plan, limits: Limits) -> Iterator[int]:
    """The rows of a piece to try, the most first."""
    share = min(limits.between / sum(plan.temps), limits.largest / max(plan.temps))
    rows = int(min(share, 0.5) * phase.rows) // ROWS * ROWS
    while rows > ROWS:
        yield rows
        rows = rows // 2 // ROWS * ROWS
    if phase.rows > ROWS:
        yield ROWS


def _pieces(
    phase: Phase, rows: int, planned: Callable[[Program], Plan]
) -> tuple[tuple[Piece, Plan], ...] | None:
    found = []
    for size in filter(None, (rows, phase.rows % rows)):
        made = piece(phase, size)
        if made is None:
            return None
        found.append((made, planned(made.program)))
    return tuple(found)
