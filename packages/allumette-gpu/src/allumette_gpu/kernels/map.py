"""Elementwise kernels: every invocation computes one element of each root, or four neighbours."""

from math import prod

from ..wgsl.types import TYPES, kept
from ..wgsl.writer import Index
from .base import Job, Part, Shader


def write(job: Job) -> list[Part]:
    """One dispatch."""
    shader, width = (_Quads if job.quads else Shader)(job, "map"), job.limits.width
    size = prod(job.kernel.shape) // (4 if job.quads else 1)
    shader.writer.line(f"let i = group * {width}u + lane;")
    shader.writer.line(f"if (i >= {size}u) {{ return; }}")
    shader.store(shader.index(job.kernel.shape, "i"))
    return [shader.finish(-(-size // width), width)]


class _Quads(Shader):
    """Four neighbours at a time, numbered 4 i to 4 i + 3."""

    def loaded(self, value: int, stored: str, place: str) -> str:
        if value not in self.job.quads:
            return super().loaded(value, stored, place)
        name = self.bind(value, f"vec4<{stored}>", False)
        return f"{self.writer.let(f'{name}[i]')}.{_PLACES[place]}"

    def store(self, index: Index) -> None:
        for place, name in enumerate(_PLACES):
            self.writer.line(f"let {name} = i * 4u + {place}u;")
        indices = [self.index(index.shape, name) for name in _PLACES]
        for root in self.job.kernel.roots:
            texts = [self.values.at(root, one) for one in indices]
            if root in self.job.kernel.stores:
                dtype = self.job.program.avals[root].dtype
                type_ = f"vec4<{TYPES[dtype.name].stored}>"
                elements = ", ".join(kept(text, dtype) for text in texts)
                self.writer.line(f"{self.bind(root, type_, True)}[i] = {type_}({elements});")


_PLACES = {"i0": "x", "i1": "y", "i2": "z", "i3": "w"}
