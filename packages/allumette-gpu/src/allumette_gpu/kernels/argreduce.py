"""Where the extreme is: the first of equals, the first NaN if there is one."""

from allumette_core import primitives as P

from ..wgsl.types import computed, literal
from .base import Job, Part, Shader
from .reduce import ALONE, Space


def _is_better(job: Job, core: int, a: str, b: str) -> str:
    """Whether value a beats value b, no matter where they are."""
    instruction = job.program.instructions[core - job.fusion.base]
    dtype = job.program.avals[instruction.inputs[0]].dtype
    largest = instruction.primitive is P.argmax
    if dtype.kind == "b":
        return f"({a} && !{b})" if largest else f"(!{a} && {b})"
    plain = f"({a} {'>' if largest else '<'} {b})"
    return f"({plain} || (is_nan({a}) && !is_nan({b})))" if dtype.kind == "f" else plain


def write(job: Job) -> list[Part]:
    """One dispatch: a thread or a workgroup for each result."""
    (core,) = job.kernel.cores
    _, (source,), params = job.program.instructions[core - job.fusion.base]
    shape, dtype = job.program.avals[source]
    space, width = Space(shape, params[0]), job.limits.width
    shader = Shader(job, "argreduce")
    writer, kind = shader.writer, computed(dtype)
    together = space.depth > ALONE
    out = "group" if together else "i"
    if not together:
        writer.line(f"let i = group * {width}u + lane;")
        writer.line(f"if (i >= {space.count}u) {{ return; }}")
    writer.line(f"var best: {kind} = {literal(0, dtype)};")
    writer.line("var place = 0xffffffffu;")
    start, step = ("lane", width) if together else ("0u", 1)
    with shader.loop("r", f"{space.depth}u", start, step, space.depth // step):
        value = shader.values.at(source, space.index(shader, out, "r"))
        better = _is_better(job, core, value, "best")
        writer.line(f"if (place == 0xffffffffu || {better}) {{ best = {value}; place = r; }}")
    if together:
        _join(shader, core, kind, width)
        with writer.block("if (lane == 0u) {"):
            _finish(shader, space, core, out)
        return [shader.finish(space.count, width)]
    _finish(shader, space, core, out)
    return [shader.finish(-(-space.count // width), width)]


def _join(shader: Shader, core: int, kind: str, width: int) -> None:
    writer = shader.writer
    shader.share("bests", f"array<{kind}, {width}>")
    shader.share("places", f"array<u32, {width}>")
    writer.line("bests[lane] = best; places[lane] = place;")
    writer.line("workgroupBarrier();")
    with writer.block(f"for (var half = {width // 2}u; half > 0u; half = half >> 1u) {{"):
        with writer.block("if (lane < half && places[lane + half] != 0xffffffffu) {"):
            writer.line("let other = bests[lane + half]; let at = places[lane + half];")
            wins = _is_better(shader.job, core, "other", "bests[lane]")
            loses = _is_better(shader.job, core, "bests[lane]", "other")
            writer.line(
                f"if (places[lane] == 0xffffffffu || {wins} || (!{loses} && at < places[lane])) "
                "{ bests[lane] = other; places[lane] = at; }"
            )
        writer.line("workgroupBarrier();")
    writer.line("place = places[0];")


def _finish(shader: Shader, space: Space, core: int, out: str) -> None:
    index = shader.index(space.kept, out)
    shader.values.writer.remember((core, index.key), shader.writer.let("i32(place)"))
    shader.store(index)
