"""Elementwise kernels: every invocation computes one element of each root."""

from math import prod

from .base import Job, Part, Shader


def write(job: Job) -> list[Part]:
    """One dispatch."""
    shader, width = Shader(job, "map"), job.limits.width
    size = prod(job.kernel.shape)
    shader.writer.line(f"let i = group * {width}u + lane;")
    shader.writer.line(f"if (i >= {size}u) {{ return; }}")
    shader.store(shader.index(job.kernel.shape, "i"))
    return [shader.finish(-(-size // width), width)]
