"""The plan of a program: its dispatches in order, and which memory each of their buffers is."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby, zip_longest
from math import prod

from allumette_core.compiler.program import Program

from ..kernels import argreduce, argsort, dot, map, reduce, scan, scatter, tiles
from ..kernels.base import Job, Part, Temps
from ..kernels.dispatch import Dispatch, assemble, grouped
from ..limits import Limits
from ..wgsl.types import stored_bytes
from .costs import operations
from .donation import written_over
from .fuse import Fusion, Kernel, fuse, in_place
from .quads import quads
from .tiles import tiled

_WRITERS: dict[str, Callable[[Job], list[Part]]] = {
    "map": map.write, "reduce": reduce.write, "argreduce": argreduce.write, "dot": dot.write,
    "scan": scan.write, "argsort": argsort.write, "scatter": scatter.write,
    "tiles": tiles.write,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Step:
    """A dispatch on buffers, which are numbered: inputs, outputs, temporaries of the plan."""

    dispatch: Dispatch
    buffers: tuple[int, ...]
    label: str
    """What a profile calls it: its name, and what its first results are."""
    operations: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What runs: `steps` on the program's inputs, the values `made`, and temporaries.

    Output `j` is buffer `outputs[j]`, which may be an input, as it is or written over.
    """

    program: Program
    steps: tuple[Step, ...]
    made: tuple[int, ...]
    temps: tuple[int, ...]
    outputs: tuple[int, ...]


def build(program: Program, limits: Limits) -> Plan:
    """The plan of a prepared program: of two ways the one with fewer dispatches."""
    plan = _built(program, limits)
    other = tiled(program, limits) if len(plan.steps) > 1 else None
    return plan if other is None else min(plan, _built(other, limits), key=lambda p: len(p.steps))


def _built(program: Program, limits: Limits) -> Plan:
    fusion = fuse(program, limits.buffers)
    temps = Temps(len(program.avals))
    over = written_over(fusion)
    found = [
        (dispatch, parts)
        for _, kernels in groupby(fusion.kernels, lambda kernel: kernel.level)
        for parts in _level(_jobs(fusion, list(kernels), limits, temps, over))
        for dispatch in assemble(parts, limits)
    ]
    dispatches = [dispatch for dispatch, _ in found]
    outputs = [over.get(v, v) for v in program.outputs]
    made = tuple(dict.fromkeys(v for v in outputs if v >= program.num_inputs))
    sizes = [stored_bytes(prod(aval.shape), aval.dtype) for aval in program.avals] + temps.sizes
    fixed = {v: i for i, v in enumerate((*range(program.num_inputs), *made))}
    slots, slot_sizes = _slots(dispatches, fixed, sizes)
    numbers = fixed | {v: len(fixed) + slot for v, slot in slots.items()}
    steps = tuple(
        Step(d, tuple(numbers[b] for b in d.buffers), _label(program, d, parts), _operations(parts))
        for d, parts in found
    )
    return Plan(program, steps, made, tuple(slot_sizes), tuple(fixed[v] for v in outputs))


def _jobs(
    fusion: Fusion, kernels: list[Kernel], limits: Limits, temps: Temps, over: dict[int, int]
) -> list[Job]:
    """The jobs of a level. A dispatch binds a value as elements or as quads of them: so all of the
    kernels of a level have to take it alike."""
    fours = quads(fusion, kernels)
    return [Job(fusion, k, limits, temps, over, q) for k, q in zip(kernels, fours, strict=True)]


def _level(jobs: list[Job]) -> Iterator[list[Part]]:
    """The parts of kernels that do not depend on one another: first parts, then second parts ..."""
    stages = zip_longest(
        *(
            _written(job)
            for job in jobs
            if prod(job.kernel.shape)  # there is nothing to do for values without elements
        )
    )
    for stage in stages:
        yield from grouped((part for part in stage if part), jobs[0].limits)


def _written(job: Job) -> list[Part]:
    first, *others = _WRITERS[job.kernel.core](job)
    inside = {v for root in job.kernel.roots for v in in_place(job.fusion, root)}
    inside -= set(job.kernel.cores[1:]) if job.kernel.core == "tiles" else set()
    return [replace(first, operations=sum(operations(job.program, v) for v in inside)), *others]


def _operations(parts: list[Part]) -> int:
    return sum(part.operations for part in parts)


def _label(program: Program, dispatch: Dispatch, parts: list[Part]) -> str:
    """The name of a dispatch, and the largest of what it makes."""
    written = {v for part in parts for v, _, writes in part.buffers if writes}
    made = [program.avals[v] for v in written if v < len(program.avals)]
    if not made:
        return dispatch.name
    return f"{dispatch.name} -> {max(made, key=lambda a: prod(a.shape))}"


def _slots(
    dispatches: list[Dispatch], fixed: dict[int, int], sizes: list[int]
) -> tuple[dict[int, int], list[int]]:
    """A slot for each value between dispatches; values that are not alive together may share."""
    last: dict[int, int] = {}
    for position, dispatch in enumerate(dispatches):
        last.update((value, position) for value in dispatch.buffers if value not in fixed)
    slots: dict[int, int] = {}
    slot_sizes: list[int] = []
    free: list[int] = []
    for position, dispatch in enumerate(dispatches):
        for value in dispatch.buffers:
            if value in fixed or value in slots:
                continue
            fitting = [s for s in free if slot_sizes[s] // 2 <= sizes[value] <= slot_sizes[s]]
            if fitting:
                slots[value] = min(fitting, key=lambda s: slot_sizes[s])
                free.remove(slots[value])
            else:
                slots[value] = len(slot_sizes)
                slot_sizes.append(sizes[value])
        free += [slots[v] for v, end in last.items() if end == position]
    return slots, slot_sizes
