"""Scans: a thread for each short row, a workgroup for each long one."""

from math import prod

from ..wgsl.folds import Fold
from ..wgsl.types import TYPES, kept, rounded
from ..wgsl.writer import Index
from .base import Job, Part, Shader

ALONE = 64


class _Scan:
    def __init__(self, job: Job) -> None:
        self.job = job
        (core,) = job.kernel.cores
        instruction = job.program.instructions[core - job.fusion.base]
        self.core, self.source, (self.axis,) = core, instruction.inputs[0], instruction.params
        self.shape, dtype = job.program.avals[core]
        self.fold = Fold(instruction.primitive, dtype)
        self.length = self.shape[self.axis]
        self.inner = prod(self.shape[self.axis + 1 :])
        self.rows = prod(self.shape[: self.axis]) * self.inner

    def write(self) -> Part:
        shader, width = Shader(self.job, "scan"), self.job.limits.width
        self.turns = self.length
        if self.length <= ALONE or self.rows >= 1024:
            shader.writer.line(f"let row = group * {width}u + lane;")
            shader.writer.line(f"if (row >= {self.rows}u) {{ return; }}")
            self._bases(shader)
            shader.writer.line(f"var sum: {self.fold.type} = {self.fold.start};")
            self._steps(shader, "0u", f"{self.length}u", store=True)
            return shader.finish(-(-self.rows // width), width)
        return self._together(shader, width)

    def _bases(self, shader: Shader) -> None:
        outer = self.length * self.inner
        start = f"(row / {self.inner}u) * {outer}u + row % {self.inner}u"
        shader.writer.line(f"let base = {start};")

    def _steps(self, shader: Shader, start: str, end: str, store: bool) -> None:
        """Fold elements `start` to `end` of the row into `sum`, and write each step."""
        with shader.loop("s", end, start, turns=self.turns):
            number = shader.writer.let(f"base + s * {self.inner}u")
            value = shader.values.at(self.source, Index(shader.writer, self.shape, number))
            shader.writer.line(f"sum = {self.fold.join('sum', value)};")
            if store:
                dtype = self.fold.dtype
                name = shader.bind(self.core, TYPES[dtype.name].stored, True)
                text = rounded("sum", dtype) if dtype.kind == "f" else "sum"
                shader.writer.line(f"{name}[{number}] = {kept(text, dtype)};")

    def _together(self, shader: Shader, width: int) -> Part:
        """Each thread has a piece of the row; what comes before it is scanned in shared memory."""
        writer, piece = shader.writer, -(-self.length // width)
        self.turns = piece
        shader.share("sums", f"array<{self.fold.type}, {width}>")
        writer.line("let row = group;")
        self._bases(shader)
        writer.line(f"let start = min(lane * {piece}u, {self.length}u);")
        writer.line(f"let end = min(start + {piece}u, {self.length}u);")
        writer.line(f"var sum: {self.fold.type} = {self.fold.start};")
        self._steps(shader, "start", "end", store=False)
        writer.line("sums[lane] = sum;")
        writer.line("workgroupBarrier();")
        with writer.block(f"for (var reach = 1u; reach < {width}u; reach = reach << 1u) {{"):
            writer.line(f"var earlier: {self.fold.type} = {self.fold.start};")
            writer.line("if (lane >= reach) { earlier = sums[lane - reach]; }")
            writer.line("let own = sums[lane];")
            writer.line("workgroupBarrier();")
            writer.line(f"sums[lane] = {self.fold.join('earlier', 'own')};")
            writer.line("workgroupBarrier();")
        writer.line(f"sum = {self.fold.start};")
        writer.line("if (lane > 0u) { sum = sums[lane - 1u]; }")
        self._steps(shader, "start", "end", store=True)
        return shader.finish(self.rows, width)


def write(job: Job) -> list[Part]:
    """One dispatch."""
    return [_Scan(job).write()]
