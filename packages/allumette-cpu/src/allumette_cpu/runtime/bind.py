"""A plan bound to addresses: what the native driver reads, and what runs it."""

import struct
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import groupby
from typing import Any, TypeAlias, cast

import numpy as np
from allumette_core.backend.spec import Executable
from allumette_core.compiler.program import Aval, Program
from allumette_core.profile import recorders
from numpy.typing import NDArray

from ..kernels import KERNELS
from ..plan import Call, HostCall, Plan, Ref, scratch_stride
from . import driver, functions
from .entry import Entry, entry, python
from .memory import Allocator, Frames, plan_offsets

# Where a buffer is among the arrays of a call, of which the first is the frame.
Numbers: TypeAlias = dict[Ref, int]

# Nanoseconds of work below which waking other threads costs more than it saves.
SHARED_WORK = 20_000


# A call of a bound program: written out for each, since loops take longer than small kernels run.
_CALL = """
def run(buffers):
    if len(buffers) != {inputs}:  # native code would read beyond them
        raise ValueError(f"a program of {inputs} inputs was given {{len(buffers)}} buffers")
    frame = frames.block
    if frame.size < {size}:
        frame = frames.grow({size})
    arrays = [frame, *buffers{made}]
    {steps}
    for recorder in recorders:
        recorder.executed(names)
    return [{results}]
"""


def bind(
    program: Program, plan: Plan, threads: int, allocator: Allocator, frames: Frames
) -> Executable:
    """`plan` with its memory laid out, safe to call from several threads at once.

    Neighbouring native calls run in one call of the driver.
    """
    inputs, aliases = program.num_inputs, dict(plan.aliases)
    made = [j for j in range(len(program.outputs)) if j not in aliases]
    numbers: Numbers = {("in", i): 1 + i for i in range(inputs)}
    numbers |= {("out", j): 1 + inputs + n for n, j in enumerate(made)}
    numbers |= {("out", j): 1 + i for j, i in aliases.items()}
    layout = _Layout(plan, threads)
    steps = list(_steps(plan, layout, numbers, threads, frames))
    text = _CALL.format(
        inputs=inputs,
        size=layout.size,
        made="".join(f", new{j}()" for j in made),
        steps="; ".join(f"step{i}(arrays)" for i in range(len(steps))),
        results=", ".join(f"arrays[{numbers['out', j]}]" for j in range(len(program.outputs))),
    )
    names: dict[str, Any] = {
        **{f"step{i}": step for i, step in enumerate(steps)},
        **{f"new{j}": allocator.maker(*program.avals[program.outputs[j]]) for j in made},
        **{"frames": frames, "recorders": recorders},
        "names": [(i.primitive.name, "native") for i in program.instructions],
    }
    exec(text, names)
    run: Executable = names["run"]
    return run


def _steps(
    plan: Plan, layout: "_Layout", numbers: Numbers, threads: int, frames: Frames
) -> Iterator[Entry]:
    for native, calls in groupby(enumerate(plan.calls), lambda c: isinstance(c[1], Call)):
        if native:
            yield _native(list(calls), layout, numbers, threads)
        else:
            for _, call in calls:
                yield _Host(cast(HostCall, call), layout, numbers, frames)


class _Layout:
    """Where in the frame temporaries and each call's scratch memory lie, after the table."""

    def __init__(self, plan: Plan, threads: int) -> None:
        self.threads = threads
        self.start = 64 * max([(len(_words_of(c)) + 7) // 8 for c in _native_runs(plan)], default=0)
        sizes = list(plan.temps)
        lives = [(len(plan.calls), -1)] * len(sizes)
        self._scratch: dict[tuple[int, int], int] = {}
        for position, call in enumerate(plan.calls):
            for kind, value in _refs(call):
                if kind == "temp":
                    first, last = lives[int(value)]
                    lives[int(value)] = min(first, position), max(last, position)
                elif kind == "scratch" and (position, int(value)) not in self._scratch:
                    self._scratch[position, int(value)] = len(sizes)
                    sizes.append(scratch_stride(int(value)) * threads)
                    lives.append((position, position))
        self._offsets, arena = plan_offsets(sizes, lives)
        self.size = self.start + arena

    def temp(self, number: int) -> int:
        """Bytes from the start of the frame to a temporary."""
        return self.start + self._offsets[number]

    def scratch(self, position: int, size: int) -> int:
        """Bytes from the start of the frame to the scratch memory of a call."""
        return self.temp(self._scratch[position, size])


def _native_runs(plan: Plan) -> list[list[Call]]:
    groups = groupby(plan.calls, lambda call: isinstance(call, Call))
    return [[c for c in calls if isinstance(c, Call)] for native, calls in groups if native]


def _words_of(calls: Sequence[Call]) -> list[Ref]:
    return [ref for call in calls for ref in call.args]


def _refs(call: Call | HostCall) -> list[Ref]:
    if isinstance(call, Call):
        return list(call.args)
    return [ref for ref, _ in (*call.inputs, call.output)]


def _native(calls: list[tuple[int, Any]], layout: _Layout, numbers: Numbers, threads: int) -> Entry:
    """Calls of kernels, one after another in one native call."""
    table: list[int] = []
    patches: list[int] = []
    heads: list[int] = []
    pool = None
    for position, call in calls:
        shared = threads > 1 and call.blocks > 1 and call.work >= SHARED_WORK
        if shared:
            pool = driver.pool(threads)
        heads += [functions.kernel(call), call.blocks, len(table), int(shared)]
        for ref in call.args:
            patches += _patch(len(table), ref, position, layout, numbers)
            table.append(_constant(ref))
    long = sum(call.work for _, call in calls) >= SHARED_WORK
    first = 9, 9 + len(heads), 9 + len(heads) + len(patches)
    header = [len(heads) // 4, first[0], len(patches) // 3, first[1], len(table), first[2]]
    header += [pool.address if pool else 0, int(long), python()]
    run = entry(np.array([*header, *heads, *patches, *table], np.int64))
    return partial(_waking, pool, run) if pool else run


def _waking(pool: driver.Pool, run: Entry, arrays: list[Any]) -> None:
    pool.wake()
    run(arrays)


def _patch(word: int, ref: Ref, position: int, layout: _Layout, numbers: Numbers) -> list[int]:
    """Which word of the table is an address, in which array of the call, and how far from there."""
    kind, value = ref
    if kind == "temp":
        return [word, 0, layout.temp(int(value))]
    if kind == "scratch":
        return [word, 0, layout.scratch(position, int(value))]
    return [word, numbers[ref], 0] if kind in ("in", "out") else []


def _constant(ref: Ref) -> int:
    kind, value = ref
    if kind == "float":
        return int(struct.unpack("<q", struct.pack("<d", value))[0])
    if kind == "fn":
        return functions.address(str(value))
    return int(value) if kind == "const" else 0


class _Host:
    """A primitive through its NumPy kernel."""

    def __init__(self, call: HostCall, layout: _Layout, numbers: Numbers, frames: Frames) -> None:
        self.call, self.layout, self.numbers, self.frames = call, layout, numbers, frames
        self.kernel = KERNELS[call.primitive]

    def __call__(self, arrays: list[Any]) -> None:
        inputs = [self._array(ref, aval, arrays) for ref, aval in self.call.inputs]
        with np.errstate(all="ignore"):
            result = self.kernel(*inputs, *self.call.params)
        self._array(*self.call.output, arrays)[...] = result

    def _array(self, ref: Ref, aval: Aval, arrays: list[Any]) -> NDArray[Any]:
        kind, value = ref
        if kind == "temp":
            return self.frames.view(self.layout.temp(int(value)), *aval)
        found: NDArray[Any] = arrays[self.numbers[ref]]
        return found
