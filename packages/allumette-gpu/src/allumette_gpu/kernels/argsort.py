"""Stable sorting by merging: short runs in shared memory, then each pass doubles the runs.

An element's place in a merged run is its place in its own run and the number of elements of the
other run that come before it, found by bisection.
"""

from math import prod

from allumette_core.dtypes import DType

from ..wgsl.types import TYPES, loaded
from .base import Job, Part, Shader

RUN = 256


def write(job: Job) -> list[Part]:
    """A dispatch that sorts runs, and one for each merging pass."""
    return _Sort(job).write()


class _Sort:
    def __init__(self, job: Job) -> None:
        self.job = job
        (self.core,) = job.kernel.cores
        _, (self.source,), (self.axis,) = job.program.instructions[self.core - job.fusion.base]
        self.shape, self.dtype = job.program.avals[self.source]
        self.length = self.shape[self.axis]
        self.inner = prod(self.shape[self.axis + 1 :])
        self.rows = prod(self.shape[: self.axis]) * self.inner

    def write(self) -> list[Part]:
        passes = 0
        while RUN << passes < self.length:
            passes += 1
        size = 4 * self.length * self.rows
        buffers = [self.job.temps.add(size) for _ in range(min(passes, 2))]
        targets = [buffers[i % 2] for i in range(passes)] + [self.core]
        dispatches = [self._runs(targets[0])]
        for i in range(passes):
            dispatches.append(self._merge(targets[i], targets[i + 1], RUN << i))
        return dispatches

    def _address(self, shader: Shader) -> None:
        outer = self.length * self.inner
        base = f"(row / {self.inner}u) * {outer}u + row % {self.inner}u"
        shader.writer.line(f"let base = {base};")

    def _key(self, shader: Shader, place: str) -> str:
        name = shader.bind(self.source, TYPES[self.dtype.name].stored, False)
        return loaded(f"{name}[base + {place} * {self.inner}u]", self.dtype)

    def _runs(self, target: int) -> Part:
        """Sort runs of RUN elements: each thread counts what comes before its element."""
        shader, width = Shader(self.job, "sort"), self.job.limits.width
        writer, runs = shader.writer, -(-self.length // RUN)
        writer.line(f"let i = group * {width}u + lane;")
        writer.line(f"if (i >= {self.rows * runs * RUN}u) {{ return; }}")
        writer.line(f"let s = i % {runs * RUN}u; let row = i / {runs * RUN}u;")
        writer.line(f"if (s >= {self.length}u) {{ return; }}")
        self._address(shader)
        writer.line(f"let start = s - s % {RUN}u;")
        writer.line(f"let end = min(start + {RUN}u, {self.length}u);")
        writer.line(f"let own = {self._key(shader, 's')};")
        writer.line("var place = start;")
        with shader.loop("o", "end", "start"):
            writer.line(f"let other = {self._key(shader, 'o')};")
            smaller, larger = (less(self.dtype, *p) for p in (("other", "own"), ("own", "other")))
            writer.line(f"if ({smaller} || (o < s && !{larger})) {{ place += 1u; }}")
        name = shader.bind(target, "i32", True)
        writer.line(f"{name}[base + place * {self.inner}u] = i32(s);")
        return shader.finish(-(-self.rows * runs * RUN // width), width)

    def _merge(self, source: int, target: int, run: int) -> Part:
        """Merge neighbouring sorted runs of `run` elements."""
        shader, width = Shader(self.job, "merge"), self.job.limits.width
        writer, step = shader.writer, self.inner
        writer.line(f"let i = group * {width}u + lane;")
        writer.line(f"if (i >= {self.rows * self.length}u) {{ return; }}")
        writer.line(f"let s = i % {self.length}u; let row = i / {self.length}u;")
        self._address(shader)
        order = shader.bind(source, "i32", False)
        writer.line(f"let mine = {order}[base + s * {step}u];")
        writer.line(f"let own = {self._key(shader, 'u32(mine)')};")
        writer.line(f"let pair = s - s % {2 * run}u;")
        writer.line(f"let second = (s - pair) >= {run}u;")
        writer.line(f"let middle = min(pair + {run}u, {self.length}u);")
        writer.line(f"let last = min(pair + {2 * run}u, {self.length}u);")
        writer.line("var low = select(middle, pair, second);")
        writer.line("var high = select(last, middle, second);")
        writer.line("let first = low;")
        with writer.block("while (low < high) {"):
            writer.line("let at = (low + high) >> 1u;")
            writer.line(f"let there = u32({order}[base + at * {step}u]);")
            writer.line(f"let other = {self._key(shader, 'there')};")
            # The first run's elements come before equal ones of the second.
            strictly, weakly = less(self.dtype, "other", "own"), less(self.dtype, "own", "other")
            writer.line(f"let before = select({strictly}, !{weakly}, second);")
            writer.line("if (before) { low = at + 1u; } else { high = at; }")
        writer.line(f"let rank = select(s - pair, s - pair - {run}u, second);")
        name = shader.bind(target, "i32", True)
        writer.line(f"{name}[base + (pair + rank + low - first) * {step}u] = mine;")
        return shader.finish(-(-self.rows * self.length // width), width)


def less(dtype: DType, a: str, b: str) -> str:
    """Whether a comes before b in ascending order, NaN last."""
    if dtype.kind == "b":
        return f"(!{a} && {b})"
    plain = f"({a} < {b})"
    return f"({plain} || (is_nan({b}) && !is_nan({a})))" if dtype.kind == "f" else plain
