"""A plan bound to addresses: what the native driver reads."""

import ctypes
import struct
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from allumette_core.backend.spec import Buffer
from allumette_core.compiler.program import Program

from ..plan import Plan, Ref, scratch_stride
from . import cache as kernels
from . import driver
from .memory import Allocator, Frames, plan_offsets

SHARED_WORK = 20_000  # nanoseconds of work below which waking other threads costs more than it saves


class Bound:
    """A program that runs with one native call; safe to call from several threads at once."""

    def __init__(
        self, program: Program, plan: Plan, threads: int, allocator: Allocator, frames: Frames
    ) -> None:
        self.pool = driver.pool(threads)
        self.allocator, self.frames = allocator, frames
        self.run = driver.run_function()
        aliases = dict(plan.aliases)
        self.outputs = [
            (aliases.get(j), program.avals[value].shape, program.avals[value].dtype)
            for j, value in enumerate(program.outputs)
        ]
        self.words, self.frame_bytes, self.shared = _words(plan, program.num_inputs, threads)
        self.address = self.words.ctypes.data
        if not self.shared:
            self.pool = None

    def __call__(self, buffers: Sequence[Buffer]) -> list[Buffer]:
        new = self.allocator.array
        outputs = [
            new(shape, dtype) if alias is None else buffers[alias]
            for alias, shape, dtype in self.outputs
        ]
        pool, at = self.pool, None
        if pool is not None:
            pool.wake()
            at = pool.address
        holder, data = addresses(arrays := [*buffers, *outputs])
        self.run(at, self.address, holder, data, self.frames.at_least(self.frame_bytes))
        del arrays
        return outputs


def _words(plan: Plan, inputs: int, threads: int) -> tuple[Any, int, bool]:
    """The plan as the driver reads it, the bytes of its frame, and whether a call is shared."""
    table: list[int] = []
    patches: list[tuple[int, int, int]] = []
    calls: list[tuple[int, int, int, int]] = []
    sizes, lives = list(plan.temps), [(len(plan.calls), -1)] * len(plan.temps)
    local: list[tuple[int, int]] = []  # word of the table, temporary
    for position, call in enumerate(plan.calls):
        shared = int(threads > 1 and call.blocks > 1 and call.work >= SHARED_WORK)
        address = kernels.address_of(call.source, call.name)
        calls.append((address, call.blocks, len(table), shared))
        for ref in call.args:
            kind, value = ref
            if kind in ("in", "out"):
                patches.append((len(table), int(value) + (inputs if kind == "out" else 0), 0))
            elif kind == "temp":
                first, last = lives[int(value)]
                lives[int(value)] = min(first, position), max(last, position)
                local.append((len(table), int(value)))
            elif kind == "scratch":
                local.append((len(table), len(sizes)))
                sizes.append(scratch_stride(int(value)) * threads)
                lives.append((position, position))
            table.append(_constant(ref))
    offsets, arena = plan_offsets(sizes, lives)
    start = (len(table) * 8 + 63) // 64 * 64
    patches += [(word, -1, start + offsets[temp]) for word, temp in local]
    flat_calls, flat_patches = sum(calls, ()), sum(patches, ())
    header = (len(calls), 6, len(patches), 6 + len(flat_calls), len(table))
    words = (*header, 6 + len(flat_calls) + len(flat_patches), *flat_calls, *flat_patches, *table)
    return np.array(words, np.int64), start + arena, any(shared for *_, shared in calls)


def _constant(ref: Ref) -> int:
    kind, value = ref
    if kind == "float":
        return int(struct.unpack("<q", struct.pack("<d", value))[0])
    return int(value) if kind == "const" else 0


# ---- addresses of arrays ---------------------------------------------------------------------

# Asking NumPy for an address takes longer than many kernels run. The driver reads it where the C
# interface of NumPy has it, straight after an object's header, and the arrays where CPython keeps
# the items of a list. Both are tried out before they are relied on.
_HEADER = object.__basicsize__


def addresses(arrays: list[Any]) -> tuple[int, int]:
    """Where the driver finds the addresses of `arrays`, which the caller keeps alive meanwhile."""
    if _known_layout():
        return id(arrays) + _HEADER + 8, _HEADER
    table = (ctypes.c_int64 * max(len(arrays), 1))(*[array.ctypes.data for array in arrays])
    pointer = ctypes.c_void_p(ctypes.addressof(table))
    arrays.append((table, pointer))  # lives as long as the list
    return ctypes.addressof(pointer), -1


@cache
def _known_layout() -> bool:
    arrays = [np.zeros(3), np.zeros(2)[1:]]
    if list.__basicsize__ < _HEADER + 16 or np.ndarray.__basicsize__ < _HEADER + 8:
        return False
    items = ctypes.c_void_p.from_address(id(arrays) + _HEADER + 8).value
    if items is None:
        return False
    objects = [ctypes.c_void_p.from_address(items + 8 * i).value for i in range(2)]
    if objects != [id(array) for array in arrays]:
        return False
    found = [ctypes.c_void_p.from_address(id(array) + _HEADER).value for array in arrays]
    return found == [array.ctypes.data for array in arrays]
