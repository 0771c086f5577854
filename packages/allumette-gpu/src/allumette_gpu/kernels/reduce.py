"""Reductions: a thread or a workgroup for each result, in two dispatches where results are few."""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod

from allumette_core.shapes import Shape

from ..limits import Limits
from ..subgroups import SMALLEST
from ..wgsl.folds import Fold
from ..wgsl.types import TYPES, kept, loaded, rounded
from ..wgsl.writer import Index
from .base import MOST_TURNS, Job, Part, Shader

ALONE = 128  # elements that one thread folds up without help
ROW_PIECE = 4096  # elements of a piece if there are two dispatches, folded by a workgroup ...
COLUMN_PIECE = 512  # ... or by a thread, beside whose neighbours fold the next columns
MOST_PIECES = 1024
BLOCK = 32  # elements that a thread folds one after another
FEW_GROUPS = 256  # workgroups that do not fill a device
SHARE = 16  # elements for each of the invocations that fold up a row together
SOFTWARE_SHARE = 64  # the same on a processor
SOFTWARE_ROWS = 512  # so many are better folded alone on a processor, where waiting is dear
_EXCHANGED = frozenset(("f32", "i32", "u32"))  # between the invocations of a subgroup

Bounds = tuple[str, str, int, int]
"""Where a loop over the turns of a space starts and ends, its step, and how often it turns."""
Read = Callable[[int, Index], str]
"""Writes the element of input k at an index."""


@dataclass(frozen=True, slots=True)
class Space:
    """The points of a reduction: `count` results of `depth` elements each."""

    shape: Shape
    axes: Shape
    each: int = 1
    """Neighbours that are read at a time: 1, or 4 of rows."""

    @property
    def kept(self) -> Shape:
        return tuple(n for i, n in enumerate(self.shape) if i not in self.axes)

    @property
    def folded(self) -> Shape:
        return tuple(self.shape[i] for i in self.axes)

    @property
    def count(self) -> int:
        return prod(self.kept)

    @property
    def depth(self) -> int:
        return prod(self.folded)

    @property
    def turns(self) -> int:
        """How often neighbours are read for a result."""
        return self.depth // self.each

    @property
    def rows(self) -> bool:
        """Whether the folded axes are the last ones."""
        return self.axes == tuple(range(len(self.shape) - len(self.axes), len(self.shape)))

    def points(self, shader: Shader, out: str, r: str) -> list[Index]:
        """The elements of turn `r` of result `out`."""
        if self.each == 1:
            return [self.index(shader, out, r)]
        quad = shader.writer.let(f"{out} * {self.turns}u + {r}")
        return [shader.index(self.shape, name) for name in shader.four(quad)]

    def index(self, shader: Shader, out: str, r: str) -> Index:
        if self.rows:
            flat = shader.writer.let(f"{out} * {self.depth}u + {r}")
            return shader.index(self.shape, flat)
        if self.axes == tuple(range(len(self.axes))):
            flat = shader.writer.let(f"{r} * {self.count}u + {out}")
            return shader.index(self.shape, flat)
        kept = iter(shader.index(self.kept, out).axes)
        folded = dict(zip(self.axes, shader.index(self.folded, r).axes, strict=True))
        axes = [folded[i] if i in folded else next(kept) for i in range(len(self.shape))]
        return Index(shader.writer, self.shape, axes=axes)


def write(job: Job) -> list[Part]:
    """One dispatch, or two."""
    first = job.kernel.cores[0]
    _, inputs, params = job.program.instructions[first - job.fusion.base]
    each = 4 if job.quads else 1
    space = Space(job.program.avals[inputs[0]].shape, params[0], each)
    pieces = _pieces(space, job.limits)
    if pieces == 1:
        return [_Reduction(job, space, 1).direct()]
    reduction = _Reduction(job, space, pieces)
    return [reduction.partial(), reduction.final()]


def _shares(space: Space, limits: Limits) -> bool:
    """Whether the invocations of a workgroup fold up a piece together: neighbours then read
    neighbouring elements, which on a processor is not worth that they wait for one another."""
    return space.rows and not limits.software


def _pieces(space: Space, limits: Limits) -> int:
    """Into how many pieces the folded elements are cut: one, where results are many."""
    shares = _shares(space, limits)
    groups = space.count if shares else -(-space.count // limits.width)
    length = ROW_PIECE if shares else COLUMN_PIECE
    if space.depth <= 2 * length or groups >= FEW_GROUPS:
        return 1
    return min(-(-space.depth // length), MOST_PIECES)


class _Reduction:
    """Writes the dispatches of the reductions of one kernel."""

    def __init__(self, job: Job, space: Space, pieces: int) -> None:
        self.job, self.space, self.pieces = job, space, pieces
        base = job.fusion.base
        self.inputs = [job.program.instructions[c - base].inputs[0] for c in job.kernel.cores]
        self.folds = [
            Fold(job.program.instructions[c - base].primitive, job.program.avals[c].dtype)
            for c in job.kernel.cores
        ]
        self.partials: list[int] = []

    @property
    def _exchanges(self) -> bool:
        """Whether neighbours exchange accumulators without shared memory."""
        words = all(fold.type in _EXCHANGED for fold in self.folds)
        return bool(self.job.limits.subgroups) and words

    def _shared(self, shader: Shader) -> None:
        width = self.job.limits.width // (SMALLEST if self._exchanges else 1)
        for k, fold in enumerate(self.folds):
            shader.share(f"shared{k}", f"array<{fold.type}, {width}>")

    def _fold(self, shader: Shader, space: Space, out: str, bounds: Bounds, read: Read) -> None:
        """Accumulators acc0, acc1 ... of the elements in `bounds`.

        Those of a block are folded up before they are joined to what was before, so that errors
        of rounding grow with the block and the number of blocks, not with their product.
        """
        writer = shader.writer
        for k, fold in enumerate(self.folds):
            writer.line(f"var acc{k}: {fold.type} = {fold.start};")
        start, end, step, turns = bounds
        block = step * (BLOCK // space.each) * max(1, -(-turns // MOST_TURNS))
        with shader.loop("first", end, start, block):
            for k, fold in enumerate(self.folds):
                writer.line(f"var part{k}: {fold.type} = {fold.start};")
            writer.line(f"let to = min(first + {block}u, {end});")
            with shader.loop("r", "to", "first", step, turns):
                points = space.points(shader, out, "r")
                for k, fold in enumerate(self.folds):
                    texts = [read(k, index) for index in points]
                    while len(texts) > 1:
                        pairs = zip(texts[::2], texts[1::2], strict=True)
                        texts = [writer.let(fold.join(a, b)) for a, b in pairs]
                    writer.line(f"part{k} = {fold.join(f'part{k}', texts[0])};")
            for k, fold in enumerate(self.folds):
                writer.line(f"acc{k} = {fold.join(f'acc{k}', f'part{k}')};")

    def _join_lanes(self, shader: Shader, lanes: int) -> list[str]:
        """Combine the accumulators of `lanes` neighbours; the results, which the first of them
        has."""
        if self._exchanges:
            return self._join_subgroups(shader, lanes)
        writer = shader.writer
        for k in range(len(self.folds)):
            writer.line(f"shared{k}[lane] = acc{k};")
        writer.line("workgroupBarrier();")
        with writer.block(f"for (var half = {lanes // 2}u; half > 0u; half = half >> 1u) {{"):
            with writer.block(f"if (lane % {lanes}u < half) {{"):
                for k, fold in enumerate(self.folds):
                    joined = fold.join(f"shared{k}[lane]", f"shared{k}[lane + half]")
                    writer.line(f"shared{k}[lane] = {joined};")
            writer.line("workgroupBarrier();")
        return [f"shared{k}[lane]" for k in range(len(self.folds))]

    def _join_subgroups(self, shader: Shader, lanes: int) -> list[str]:
        """The same by exchanges within subgroups, and through shared memory only between them.

        All invocations take part in the exchanges. How many are a subgroup is known at run time.
        """
        writer = shader.writer
        with writer.block(
            f"for (var near = 1u; near < min(subgroup, {lanes}u); near = near << 1u) {{"
        ):
            for k, fold in enumerate(self.folds):
                other = writer.let(f"subgroupShuffleXor(acc{k}, near)")
                writer.line(f"acc{k} = {fold.join(f'acc{k}', other)};")
        with writer.block("if (lane % subgroup == 0u) {"):
            for k in range(len(self.folds)):
                writer.line(f"shared{k}[lane / subgroup] = acc{k};")
        writer.line("workgroupBarrier();")
        with (
            writer.block(f"if (lane % {lanes}u == 0u) {{"),
            writer.block(f"for (var next = 1u; next < {lanes}u / subgroup; next++) {{"),
        ):
            for k, fold in enumerate(self.folds):
                other = f"shared{k}[lane / subgroup + next]"
                writer.line(f"acc{k} = {fold.join(f'acc{k}', other)};")
        return [f"acc{k}" for k in range(len(self.folds))]

    def _finish(self, shader: Shader, results: list[str], out: str) -> None:
        """Name the results and write what depends on them."""
        index = shader.index(self.space.kept, out)
        for core, fold, result in zip(self.job.kernel.cores, self.folds, results, strict=True):
            text = rounded(result, fold.dtype) if fold.dtype.kind == "f" else result
            shader.values.writer.remember((core, index.key), shader.writer.let(text))
        shader.store(index)

    def direct(self) -> Part:
        """Everything in one dispatch."""
        shader = Shader(self.job, "reduce")
        return self._whole(shader, self.space, self._inputs(shader))

    def _inputs(self, shader: Shader) -> Read:
        return lambda k, index: shader.values.at(self.inputs[k], index)

    def _whole(self, shader: Shader, space: Space, read: Read) -> Part:
        width, count = self.job.limits.width, self.space.count
        lanes = self._lanes(space)
        if lanes == 1:
            shader.writer.line(f"let i = group * {width}u + lane;")
            shader.writer.line(f"if (i >= {count}u) {{ return; }}")
            self._fold(shader, space, "i", ("0u", f"{space.turns}u", 1, space.turns), read)
            self._finish(shader, [f"acc{k}" for k in range(len(self.folds))], "i")
            return shader.finish(-(-count // width), width)
        self._shared(shader)
        each = width // lanes  # results of a workgroup
        shader.writer.line(f"let i = group * {each}u + lane / {lanes}u;")
        shader.writer.line(f"let near = min(i, {count - 1}u);")  # all have to wait for one another
        bounds = f"lane % {lanes}u", f"{space.turns}u", lanes, space.turns // lanes
        self._fold(shader, space, "near", bounds, read)
        results = self._join_lanes(shader, lanes)
        with shader.writer.block(f"if (lane % {lanes}u == 0u && i < {count}u) {{"):
            self._finish(shader, results, "i")
        return shader.finish(-(-count // each), width)

    def _lanes(self, space: Space) -> int:
        """The invocations, a power of two, that fold up one result together."""
        width, count, depth = self.job.limits.width, self.space.count, space.depth
        if depth <= ALONE or not (space.rows or count < FEW_GROUPS):
            return 1
        if self.job.limits.software and count >= SOFTWARE_ROWS:
            return 1
        share = SOFTWARE_SHARE if self.job.limits.software else SHARE
        return min(width, 1 << (depth // share - 1).bit_length())

    def partial(self) -> Part:
        """The results of each piece, side by side in a buffer [piece, result]."""
        shader, width = Shader(self.job, "reduce pieces"), self.job.limits.width
        count, turns = self.space.count, self.space.turns
        length = -(-turns // self.pieces)
        total, shares = self.pieces * count, _shares(self.space, self.job.limits)
        groups = total if shares else -(-total // width)
        if shares:
            self._shared(shader)
            shader.writer.line("let place = group;")
        else:
            shader.writer.line(f"let place = group * {width}u + lane;")
            shader.writer.line(f"if (place >= {total}u) {{ return; }}")
        shader.writer.line(f"let piece = place / {count}u;")
        shader.writer.line(f"let i = place % {count}u;")
        shader.writer.line(f"let end = min((piece + 1u) * {length}u, {turns}u);")
        start = f"piece * {length}u"
        bounds: Bounds = (start, "end", 1, length)
        if shares:
            bounds = (f"{start} + lane", "end", width, length // width)
        self._fold(shader, self.space, "i", bounds, self._inputs(shader))
        if shares:
            results = self._join_lanes(shader, width)
            with shader.writer.block("if (lane == 0u) {"):
                self._keep(shader, results)
        else:
            self._keep(shader, [f"acc{k}" for k in range(len(self.folds))])
        return shader.finish(groups, width)

    def _keep(self, shader: Shader, results: list[str]) -> None:
        for fold, result in zip(self.folds, results, strict=True):
            stored = TYPES[fold.wide.name]
            size = self.pieces * self.space.count * (8 if "64" in stored.stored else 4)
            temp = self.job.temps.add(size)
            self.partials.append(temp)
            name = shader.bind(temp, stored.stored, True)
            shader.writer.line(f"{name}[place] = {kept(result, fold.wide)};")

    def final(self) -> Part:
        """Combine the pieces."""
        shader = Shader(self.job, "reduce")
        names = [
            shader.bind(temp, TYPES[fold.wide.name].stored, False)
            for temp, fold in zip(self.partials, self.folds, strict=True)
        ]

        def read(k: int, index: Index) -> str:
            return shader.writer.let(loaded(f"{names[k]}[{index.flat}]", self.folds[k].wide))

        return self._whole(shader, Space((self.pieces, *self.space.kept), (0,)), read)
