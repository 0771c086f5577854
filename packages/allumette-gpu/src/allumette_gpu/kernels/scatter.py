"""Scatter without races: each element finds the updates meant for it among the sorted indices.

They are one run of the order, which is stable: they are added in the order in which they were
given, on every device and every run; of those that are set, the last one counts.
"""

from math import prod

from allumette_core.dtypes import DType

from ..wgsl.types import TYPES, computed, rounded
from ..wgsl.writer import Index
from .base import Job, Part, Shader


def write(job: Job) -> list[Part]:
    """One dispatch, over the elements of the result."""
    (core,) = job.kernel.cores
    _, (x, indices, updates, order), params = job.program.instructions[core - job.fusion.base]
    axis, mode, index_shape = params
    shape, dtype = job.program.avals[core]
    shader, width = Shader(job, "scatter"), job.limits.width
    writer, size = shader.writer, prod(shape)
    writer.line(f"let i = group * {width}u + lane;")
    writer.line(f"if (i >= {size}u) {{ return; }}")
    here = shader.index(shape, "i")
    place = here.axes[axis]
    writer.line(f"var total: {computed(dtype)} = {shader.values.at(x, here)};")
    count = prod(index_shape)
    if count:
        keys = shader.bind(indices, TYPES[job.program.avals[indices].dtype.name].stored, False)
        wanted = f"{computed(job.program.avals[indices].dtype)}({place})"
        _find(shader, "first", keys, count, f"< {wanted}")
        _find(shader, "last", keys, count, f"<= {wanted}")
        with shader.loop("p", "last", "first", turns=count):
            name = shader.bind(order, TYPES["int32"].stored, False)
            which = shader.index(index_shape, writer.let(f"u32({name}[p])"))
            axes = [*here.axes[:axis], *which.axes, *here.axes[axis + 1 :]]
            at = Index(writer, job.program.avals[updates].shape, axes=axes)
            update = shader.values.at(updates, at)
            writer.line(f"total = {_joined(mode, update, dtype)};")
    text = rounded("total", dtype) if dtype.kind == "f" else "total"
    writer.remember((core, here.key), writer.let(text))
    shader.store(here)
    return [shader.finish(-(-size // width), width)]


def _joined(mode: str, update: str, dtype: DType) -> str:
    if mode == "set":
        return update
    total = f"(total + {update})"  # float16 is added up in float32
    return total if dtype.kind == "f" else rounded(total, dtype)


def _find(shader: Shader, name: str, keys: str, count: int, before: str) -> None:
    """The number of sorted keys that are `before`."""
    writer = shader.writer
    writer.line(f"var {name} = 0u; var {name}_end = {count}u;")
    with writer.block(f"while ({name} < {name}_end) {{"):
        writer.line(f"let middle = ({name} + {name}_end) >> 1u;")
        below = f"{name} = middle + 1u;"
        writer.line(f"if ({keys}[middle] {before}) {{ {below} }} else {{ {name}_end = middle; }}")
