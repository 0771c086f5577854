"""Runs of a program stage by stage, some of them over pieces of their rows."""

from collections.abc import Iterator, Sequence
from math import prod

import numpy as np
from allumette_core.compiler.program import Aval

from .device import Device
from .memory import GpuBuffer, Room
from .plan.pieces import Piece, start
from .plan.streaming import Stage, Streamed
from .planned import Planned
from .wgsl.types import stored_bytes

_APART = 64  # words: so far apart are numbers that are bound by themselves


class StreamedRun:
    """Runs stages on a device."""

    def __init__(self, device: Device, plan: Streamed) -> None:
        self.device, self.plan = device, plan
        avals = plan.program.avals
        self._stages = [_StageRun(device, stage, avals) for stage in plan.stages]

    def run(self, buffers: Sequence[GpuBuffer]) -> list[GpuBuffer]:
        """The outputs for `buffers`."""
        values = dict(enumerate(buffers))
        for stage, dropped in zip(self._stages, self.plan.dropped, strict=True):
            values.update(stage.run(values))
            for value in dropped:
                del values[value]
        return [values[v] for v in self.plan.program.outputs]

    def writer(self, output: int) -> str | None:
        """The name of the kernel that writes an output."""
        value = self.plan.program.outputs[output]
        stage = next(s for s in self._stages if value in s.stage.outputs)
        return stage.runs[-1].writer(stage.stage.outputs.index(value))


class _StageRun:
    """Runs one stage."""

    def __init__(self, device: Device, stage: Stage, avals: Sequence[Aval]) -> None:
        self.device, self.stage = device, stage
        self.avals = [avals[v] for v in stage.outputs]
        plans = [stage.plan] if stage.plan else [plan for _, plan in stage.pieces]
        self.runs = [Planned(device, plan) for plan in plans]
        self.pieces = [piece for piece, _ in stage.pieces]
        if self.pieces:
            first = self.pieces[0]
            self.starts = [
                device.upload(start(fold, aval))
                for fold, aval in zip(first.folds, self.avals, strict=True)
                if fold is not None
            ]
            numbers = np.zeros((-(-stage.rows // first.rows), _APART), np.int32)
            numbers[:, 0] = np.arange(len(numbers)) * first.rows
            self.numbers = device.upload(numbers) if first.numbered else None

    def run(self, values: dict[int, GpuBuffer]) -> dict[int, GpuBuffer]:
        """The outputs of the stage, by their numbers in the program."""
        made = self._at_once(values) if self.stage.plan else self._piecewise(values)
        return {
            v: GpuBuffer(b.room, b.offset, *aval, self.device)
            for v, b, aval in zip(self.stage.outputs, made, self.avals, strict=True)
        }

    def _at_once(self, values: dict[int, GpuBuffer]) -> list[GpuBuffer]:
        return self.runs[0].run([values[v] for v in self.stage.inputs])

    def _piecewise(self, values: dict[int, GpuBuffer]) -> list[GpuBuffer]:
        folds, device = self.pieces[0].folds, self.device
        with device.lock:
            wholes = [
                GpuBuffer(Room(device.pool, _bytes(aval)), 0, *aval, device)
                for fold, aval in zip(folds, self.avals, strict=True)
                if fold is None
            ]
            steps = [
                _bytes(self.pieces[0].program.avals[v])
                for v, fold in zip(self.pieces[0].program.outputs, folds, strict=True)
                if fold is None
            ]
            before = self.starts
            for number, piece, run in self._turns():
                inputs = self._inputs(values, piece, number)
                made = run.run([*inputs, *before])
                before = [b for b, fold in zip(made, folds, strict=True) if fold]
                rows = [b for b, fold in zip(made, folds, strict=True) if not fold]
                for whole, part, step in zip(wholes, rows, steps, strict=True):
                    self._put(part, whole, number * step)
        found = {True: iter(before), False: iter(wholes)}
        return [next(found[fold is not None]) for fold in folds]

    def _turns(self) -> Iterator[tuple[int, Piece, Planned]]:
        """The number of each piece, its program and what runs it; the last may be shorter."""
        whole, *_ = self.pieces
        for number in range(-(-self.stage.rows // whole.rows)):
            is_whole = (number + 1) * whole.rows <= self.stage.rows
            yield number, self.pieces[not is_whole], self.runs[not is_whole]

    def _inputs(self, values: dict[int, GpuBuffer], piece: Piece, number: int) -> list[GpuBuffer]:
        """The windows of a piece's rows, and what it takes whole."""
        avals = piece.program.avals
        found = []
        for place, (value, moving) in enumerate(zip(piece.inputs, piece.moving, strict=True)):
            buffer, aval = values[value], avals[place]
            offset = number * self._window(place) if moving else 0
            found.append(GpuBuffer(buffer.room, buffer.offset + offset, *aval, self.device))
        if self.numbers is not None:
            offset = self.numbers.offset + 4 * _APART * number
            found.append(GpuBuffer(self.numbers.room, offset, (), np.dtype(np.int32), self.device))
        return found

    def _window(self, place: int) -> int:
        """The bytes of an input that a whole piece takes."""
        return _bytes(self.pieces[0].program.avals[place])

    def _put(self, part: GpuBuffer, whole: GpuBuffer, place: int) -> None:
        """Copy rows of a piece to their place among all."""
        source, target = part.room.block.raw, whole.room.block.raw
        size = stored_bytes(prod(part.shape), part.dtype)
        with self.device.errors("running a program"):
            self.device.commands.copy(source, part.offset, target, place, size)


def _bytes(aval: Aval) -> int:
    return stored_bytes(prod(aval.shape), aval.dtype)
