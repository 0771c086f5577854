"""A plan bound to addresses: what the native driver reads, and what runs it."""

import struct
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

import numpy as np
from allumette_core.backend.spec import Buffer
from allumette_core.compiler.program import Aval, Program
from numpy.typing import NDArray

from ..kernels import KERNELS
from ..plan import Call, HostCall, Plan, Ref, scratch_stride
from . import driver, functions
from .addresses import addresses
from .memory import Allocator, Frames, plan_offsets

# Nanoseconds of work below which waking other threads costs more than it saves.
SHARED_WORK = 20_000


class Bound:
    """A program with its memory laid out; safe to call from several threads at once.

    Neighbouring native calls run in one call of the driver.
    """

    def __init__(
        self, program: Program, plan: Plan, threads: int, allocator: Allocator, frames: Frames
    ) -> None:
        self.allocator, self.frames = allocator, frames
        self.num_inputs = program.num_inputs
        aliases = dict(plan.aliases)
        self.outputs = [
            (None if j in aliases else allocator.maker(*program.avals[value]), aliases.get(j, -1))
            for j, value in enumerate(program.outputs)
        ]
        layout = _Layout(plan, threads)
        self.frame_bytes = layout.size
        self.steps: list[Callable[..., None]] = []
        for native, calls in groupby(enumerate(plan.calls), lambda c: isinstance(c[1], Call)):
            if native:
                self.steps.append(_Native(list(calls), layout, self.num_inputs, threads))
            else:
                self.steps += [_Host(c, layout, self) for _, c in calls if isinstance(c, HostCall)]

    def __call__(self, buffers: Sequence[Buffer]) -> list[Buffer]:
        if len(buffers) != self.num_inputs:  # native code would read beyond them
            raise ValueError(
                f"a program of {self.num_inputs} inputs was given {len(buffers)} buffers"
            )
        outputs = [new() if new else buffers[alias] for new, alias in self.outputs]
        frame = self.frames.at_least(self.frame_bytes)
        arrays = [*buffers, *outputs]
        for step in self.steps:
            step(arrays, frame)
        return outputs


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


class _Native:
    """Calls of kernels, one after another in one native call."""

    def __init__(
        self, calls: list[tuple[int, Any]], layout: _Layout, num_inputs: int, threads: int
    ) -> None:
        self.run = driver.run_function()
        table: list[int] = []
        patches: list[int] = []
        heads: list[int] = []
        self.pool = None
        for position, call in calls:
            shared = threads > 1 and call.blocks > 1 and call.work >= SHARED_WORK
            if shared:
                self.pool = driver.pool(threads)
            heads += [functions.kernel(call), call.blocks, len(table), int(shared)]
            for ref in call.args:
                patches += _patch(len(table), ref, position, layout, num_inputs)
                table.append(_constant(ref))
        sizes = len(heads) // 4, 6, len(patches) // 3, 6 + len(heads), len(table)
        header = [*sizes, 6 + len(heads) + len(patches)]
        self.words = np.array([*header, *heads, *patches, *table], np.int64)
        self.address = self.words.ctypes.data

    def __call__(self, arrays: list[Any], frame: int) -> None:
        pool, at = self.pool, None
        if pool is not None:
            pool.wake()
            at = pool.address
        holder, data = addresses(arrays)
        self.run(at, self.address, holder, data, frame)


def _patch(word: int, ref: Ref, position: int, layout: _Layout, num_inputs: int) -> list[int]:
    """Which word of the table is an address: of a buffer by number, or (-1) in the frame."""
    kind, value = ref
    if kind == "in":
        return [word, int(value), 0]
    if kind == "out":
        return [word, int(value) + num_inputs, 0]
    if kind == "temp":
        return [word, -1, layout.temp(int(value))]
    if kind == "scratch":
        return [word, -1, layout.scratch(position, int(value))]
    return []


def _constant(ref: Ref) -> int:
    kind, value = ref
    if kind == "float":
        return int(struct.unpack("<q", struct.pack("<d", value))[0])
    if kind == "fn":
        return functions.address(str(value))
    return int(value) if kind == "const" else 0


class _Host:
    """A primitive through its NumPy kernel."""

    def __init__(self, call: HostCall, layout: _Layout, bound: Bound) -> None:
        self.call, self.layout, self.bound = call, layout, bound
        self.kernel = KERNELS[call.primitive]

    def __call__(self, arrays: list[Any], frame: int) -> None:
        inputs = [self._array(ref, aval, arrays) for ref, aval in self.call.inputs]
        with np.errstate(all="ignore"):
            result = self.kernel(*inputs, *self.call.params)
        self._array(*self.call.output, arrays)[...] = result

    def _array(self, ref: Ref, aval: Aval, arrays: list[Any]) -> NDArray[Any]:
        kind, value = ref
        if kind == "temp":
            return self.bound.frames.view(self.layout.temp(int(value)), *aval)
        found: NDArray[Any] = arrays[int(value) + (self.bound.num_inputs if kind == "out" else 0)]
        return found
