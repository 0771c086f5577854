"""Products of matrices: a workgroup computes a tile of the result, a thread a few elements of it.

Both operands are read through shared memory, a slab of `DEPTH` terms at a time. Transposed operands
and views cost nothing: they are in the index. Where there are few tiles, the terms are cut into
pieces whose sums are added up by a second dispatch.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod

from allumette_core.compiler.contractions import free_axes
from allumette_core.dtypes import float32
from allumette_core.shapes import Shape

from ..wgsl.types import computed, kept, literal, loaded, rounded
from ..wgsl.writer import Index
from .base import Job, Part, Shader

DEPTH = 16
FEW_TILES = 64
SHORT = 512  # terms that are not worth cutting
LONG = 1 << 25  # multiplications


@dataclass(frozen=True, slots=True)
class Product:
    """result[batch, m, n] = sum over k of lhs[batch, m, k] rhs[batch, k, n], and their axes."""

    lhs: int
    rhs: int
    shapes: tuple[Shape, Shape]
    params: tuple[Shape, Shape, Shape, Shape]

    @property
    def batch(self) -> Shape:
        return tuple(self.shapes[0][i] for i in self.params[2])

    @property
    def terms(self) -> Shape:
        return tuple(self.shapes[0][i] for i in self.params[0])

    def free(self, side: int) -> Shape:
        axes = free_axes(len(self.shapes[side]), self.params[side], self.params[2 + side])
        return tuple(self.shapes[side][i] for i in axes)

    def index(self, shader: Shader, side: int, batch: str, free: str, term: str) -> Index:
        """The element of operand `side` (0: lhs) by row-major numbers of its groups of axes."""
        contract, batched = self.params[side], self.params[2 + side]
        groups = (
            (batched, self.batch, batch),
            (free_axes(len(self.shapes[side]), contract, batched), self.free(side), free),
            (contract, self.terms, term),
        )
        axes = ["0u"] * len(self.shapes[side])
        for places, shape, number in groups:
            for axis, text in zip(places, shader.index(shape, number).axes, strict=True):
                axes[axis] = text
        return Index(shader.writer, self.shapes[side], axes=axes)


def write(job: Job) -> list[Part]:
    """One dispatch, or two."""
    (core,) = job.kernel.cores
    _, (lhs, rhs), params = job.program.instructions[core - job.fusion.base]
    shapes = (job.program.avals[lhs].shape, job.program.avals[rhs].shape)
    return _Tiles(job, core, Product(lhs, rhs, shapes, params)).write()


class _Tiles:
    def __init__(self, job: Job, core: int, product: Product) -> None:
        self.job, self.core, self.product = job, core, product
        self.dtype = job.program.avals[core].dtype
        self.type = computed(self.dtype)
        self.batch, self.m, self.n = (
            prod(product.batch),
            prod(product.free(0)),
            prod(product.free(1)),
        )
        self.k = prod(product.terms)
        self.side = 16 if job.limits.invocations >= 256 else 8  # threads along a side of a tile
        large = self.batch * self.m * self.n >= 256 * 256 and min(self.m, self.n) >= 32
        self.each = 4 if large else (2 if min(self.m, self.n) > 16 else 1)
        # A processor has no shared memory, and its caches do better than an imitation of it.
        self.shared = not job.limits.software
        if not self.shared:  # larger tiles take half the time, and thrice as long to compile
            long = self.batch * self.m * self.n * self.k >= LONG and min(self.m, self.n) > 8
            self.side, self.each = (8, 8) if long else (self.side, 4)
        self.tile = self.side * self.each
        self.across, self.down = -(-self.n // self.tile), -(-self.m // self.tile)
        self.pieces = self._pieces()

    def _pieces(self) -> int:
        tiles = self.across * self.down * self.batch
        if tiles >= FEW_TILES or self.k < 2 * SHORT:
            return 1
        return max(1, min(-(-self.k // SHORT), 4 * FEW_TILES // tiles))

    def write(self) -> list[Part]:
        if self.pieces == 1:
            shader = Shader(self.job, "product")
            self._accumulate(shader)
            self._each(shader, lambda value, index: self._finish(shader, value, index))
            return [shader.finish(self._groups(), self.side**2)]
        return [self._partial(), self._final()]

    def _groups(self) -> int:
        return self.across * self.down * self.batch * self.pieces

    # ---- sums in registers

    def _accumulate(self, shader: Shader) -> None:
        """Sums s_0_0 ... of the terms of one piece for the elements of a thread."""
        writer, tile = shader.writer, self.tile
        writer.line(f"let column = (group % {self.across}u) * {tile}u;")
        writer.line(f"let row = ((group / {self.across}u) % {self.down}u) * {tile}u;")
        writer.line(f"let batch = (group / {self.across * self.down}u) % {self.batch}u;")
        writer.line(f"let piece = group / {self.across * self.down * self.batch}u;")
        writer.line(f"let tx = lane % {self.side}u;")
        writer.line(f"let ty = lane / {self.side}u;")
        length = -(-self.k // self.pieces)
        length = -(-length // DEPTH) * DEPTH
        writer.line(f"let first = piece * {length}u;")
        writer.line(f"let end = min(first + {length}u, {self.k}u);")
        for i in range(self.each):
            for j in range(self.each):
                writer.line(f"var s_{i}_{j}: {self.type};")
        if self.shared:
            self._slabs(shader)
        else:
            self._direct(shader)

    def _slabs(self, shader: Shader) -> None:
        """Through shared memory, a slab of terms at a time."""
        writer = shader.writer
        pad = self.tile + 1 if self.each == 1 else self.tile
        for name in ("left", "right"):
            shader.share(f"{name}", f"array<{self.type}, {DEPTH * pad}>")
        with shader.loop("k", "end", "first", DEPTH, self.k // DEPTH):
            self._load(shader, "left", 0, "row", self.m, pad)
            self._load(shader, "right", 1, "column", self.n, pad)
            writer.line("workgroupBarrier();")
            with shader.loop("t", f"{DEPTH}u"):
                for i in range(self.each):
                    writer.line(f"let x{i} = left[t * {pad}u + ty + {i * self.side}u];")
                    writer.line(f"let y{i} = right[t * {pad}u + tx + {i * self.side}u];")
                for i in range(self.each):
                    for j in range(self.each):
                        writer.line(f"s_{i}_{j} += x{i} * y{j};")
            writer.line("workgroupBarrier();")

    def _direct(self, shader: Shader) -> None:
        """From memory; what is outside of the result is computed at its edge, and not stored."""
        writer = shader.writer
        places = []
        for offset, lane, size in (("row", "ty", self.m), ("column", "tx", self.n)):
            for i in range(self.each):
                at = f"min({offset} + {lane} + {i * self.side}u, {size - 1}u)"
                places.append(writer.let(at))
        with shader.loop("k", "end", "first", turns=self.k):
            for name, side, names in (("x", 0, places[: self.each]), ("y", 1, places[self.each :])):
                operand = (self.product.lhs, self.product.rhs)[side]
                for i, place in enumerate(names):
                    index = self.product.index(shader, side, "batch", place, "k")
                    writer.line(f"let {name}{i} = {shader.values.at(operand, index)};")
            for i in range(self.each):
                for j in range(self.each):
                    writer.line(f"s_{i}_{j} += x{i} * y{j};")

    def _load(self, shader: Shader, name: str, side: int, corner: str, size: int, pad: int) -> None:
        """Fill a slab of shared memory, with 0 outside of the operand.

        Neighbouring threads read neighbouring elements: along the axis that is innermost.
        """
        writer, operand = shader.writer, (self.product.lhs, self.product.rhs)[side]
        terms_inside = self.product.params[side][-1] == len(self.product.shapes[side]) - 1
        with writer.block("{"), shader.loop("e", f"{DEPTH * self.tile}u", "lane", self.side**2):
            if terms_inside:
                writer.line(f"let t = e % {DEPTH}u; let p = e / {DEPTH}u;")
            else:
                writer.line(f"let p = e % {self.tile}u; let t = e / {self.tile}u;")
            writer.line(f"let place = {corner} + p; let term = k + t;")
            # Without a value, naga keeps what the last turn of the loop left.
            writer.line(f"var value = {literal(0, float32)};")
            with writer.block(f"if (place < {size}u && term < end) {{"):
                index = self.product.index(shader, side, "batch", "place", "term")
                writer.line(f"value = {shader.values.at(operand, index)};")
            writer.line(f"{name}[t * {pad}u + p] = value;")

    # ---- results

    def _each(self, shader: Shader, finish: Callable[[str, str], None]) -> None:
        """Do something with each sum at its row-major number in the result."""
        writer = shader.writer
        for i in range(self.each):
            for j in range(self.each):
                with writer.block("{"):
                    writer.line(f"let r = row + ty + {i * self.side}u;")
                    writer.line(f"let c = column + tx + {j * self.side}u;")
                    with writer.block(f"if (r < {self.m}u && c < {self.n}u) {{"):
                        number = f"(batch * {self.m}u + r) * {self.n}u + c"
                        finish(f"s_{i}_{j}", writer.let(number))

    def _finish(self, shader: Shader, value: str, number: str) -> None:
        index = shader.index(self.job.kernel.shape, number)
        text = shader.writer.let(rounded(value, self.dtype))
        shader.writer.remember((self.core, index.key), text)
        shader.store(index)

    def _partial(self) -> Part:
        shader = Shader(self.job, "product pieces")
        self._accumulate(shader)
        size = self.batch * self.m * self.n
        self.temp = self.job.temps.add(self.pieces * size * 4)
        name = shader.bind(self.temp, self.type, True)

        def keep(value: str, number: str) -> None:
            shader.writer.line(f"{name}[piece * {size}u + {number}] = {kept(value, float32)};")

        self._each(shader, keep)
        return shader.finish(self._groups(), self.side**2)

    def _final(self) -> Part:
        """Add up the pieces, in their order."""
        shader, width = Shader(self.job, "product sum"), self.job.limits.width
        writer, size = shader.writer, self.batch * self.m * self.n
        name = shader.bind(self.temp, self.type, False)
        writer.line(f"let i = group * {width}u + lane;")
        writer.line(f"if (i >= {size}u) {{ return; }}")
        writer.line(f"var total: {self.type};")
        with shader.loop("p", f"{self.pieces}u"):
            writer.line(f"total += {loaded(f'{name}[p * {size}u + i]', float32)};")
        self._finish(shader, "total", "i")
        return shader.finish(-(-size // width), width)
