"""Elementwise kernels: every invocation computes one element of each root, or four neighbours."""

from collections.abc import Iterator
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
    """Four neighbours at a time."""

    def stores(self, index: Index) -> Iterator[tuple[int, str]]:
        indices = [self.index(index.shape, name) for name in self.four(index.flat)]
        for root in self.job.kernel.roots:
            texts = [self.values.at(root, one) for one in indices]
            if root in self.job.kernel.stores:
                dtype = self.job.program.avals[root].dtype
                type_ = f"vec4<{TYPES[dtype.name].stored}>"
                elements = ", ".join(kept(text, dtype) for text in texts)
                name = self.bind(root, type_, True)
                yield root, f"{name}[{index.flat}] = {type_}({elements});"
