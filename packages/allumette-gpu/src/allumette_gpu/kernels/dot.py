"""Products of matrices: a workgroup computes a tile of the result, a thread a few elements of it.

Both operands are read through shared memory, a slab of `DEPTH` terms at a time. Transposed operands
and views cost nothing: they are in the index. Where there are few tiles, the terms are cut into
pieces whose sums are added up by a second dispatch.
"""

from collections.abc import Callable
from math import prod

from allumette_core.dtypes import float32

from ..wgsl.types import computed, kept, literal, loaded, rounded
from .base import Job, Part, Shader
from .operands import operands

DEPTH = 16
FEW_TILES = 64
SHORT = 512  # terms that are not worth cutting
LONG = 1 << 25  # multiplications


def write(job: Job) -> list[Part]:
    """One dispatch, or two."""
    return _Tiles(job).write()


class _Tiles:
    """result[batch, m, n] = sum over k of lhs[batch, m, k] rhs[batch, k, n]."""

    def __init__(self, job: Job) -> None:
        (self.core,) = job.kernel.cores
        self.job, self.operands = job, tuple(operands(job.fusion, self.core))
        self.fours = [
            not job.quads.isdisjoint(job.fusion.loads(operand.value)) for operand in self.operands
        ]
        self.dtype = job.program.avals[self.core].dtype
        self.type = computed(self.dtype)
        lhs, rhs = self.operands
        self.batch, self.k = prod(lhs.sizes(lhs.batch)), prod(lhs.sizes(lhs.terms))
        self.m, self.n = prod(lhs.sizes(lhs.free)), prod(rhs.sizes(rhs.free))
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
        pad = self.tile + 1  # neighbours along the terms are written to different banks
        for name in ("left", "right"):
            shader.share(f"{name}", f"array<{self.type}, {DEPTH * pad}>")
        with shader.loop("k", "end", "first", DEPTH, self.k // DEPTH):
            self._load(shader, "left", 0, pad)
            self._load(shader, "right", 1, pad)
            writer.line("workgroupBarrier();")
            with shader.loop("t", f"{DEPTH}u"):
                for i in range(self.each):
                    writer.line(f"let x{i} = left[t * {pad}u + ty + {i * self.side}u];")
                    writer.line(f"let y{i} = right[t * {pad}u + tx + {i * self.side}u];")
                for i in range(self.each):
                    for j in range(self.each):
                        writer.line(f"s_{i}_{j} += x{i} * y{j};")
            writer.line("workgroupBarrier();")

    def _load(self, shader: Shader, name: str, side: int, pad: int) -> None:
        """Fill a slab of shared memory, with 0 outside of the operand.

        Neighbouring threads read neighbouring elements: along the axis that is innermost.
        """
        writer, operand, each = shader.writer, self.operands[side], 4 if self.fours[side] else 1
        along_terms = operand.inner == "terms"
        names = ("t", "p") if along_terms else ("p", "t")
        row = (DEPTH if along_terms else self.tile) // each
        corner, size = (("row", self.m), ("column", self.n))[side]
        turns = f"{DEPTH * self.tile // each}u"
        with writer.block("{"), shader.loop("e", turns, "lane", self.side**2):
            writer.line(f"let {names[0]} = (e % {row}u) * {each}u; let {names[1]} = e / {row}u;")
            writer.line(f"let place = {corner} + p; let term = k + t;")
            for i in range(each):
                # Without a value, naga keeps what the last turn of the loop left.
                writer.line(f"var value{i} = {literal(0, float32)};")
            with writer.block(f"if (place < {size}u && term < end) {{"):
                for i, text in enumerate(self._elements(shader, side, "place", "term")):
                    writer.line(f"value{i} = {text};")
            step = pad if along_terms else 1
            for i in range(each):
                writer.line(f"{name}[t * {pad}u + p + {i * step}u] = value{i};")

    def _elements(self, shader: Shader, side: int, free: str, term: str) -> list[str]:
        """The element of an operand, or the four that begin there."""
        operand = self.operands[side]
        read = operand.four if self.fours[side] else operand.index
        found = read(shader, "batch", free, term)
        indices = found if isinstance(found, list) else [found]
        return [shader.values.at(operand.value, index) for index in indices]

    def _direct(self, shader: Shader) -> None:
        """From memory; what is outside of the result is computed at its edge, and not stored."""
        writer = shader.writer
        by_term = [
            four and operand.inner == "terms"
            for four, operand in zip(self.fours, self.operands, strict=True)
        ]
        step = 4 if any(by_term) else 1
        places = [self._places(shader, side, by_term[side]) for side in (0, 1)]
        with shader.loop("k", "end", "first", step, turns=self.k // step):
            terms = [writer.let(f"k + {i}u") for i in range(step)] if step > 1 else ["k"]
            columns: list[list[list[str]]] = []  # of each side, the elements of each term
            for side in (0, 1):
                if by_term[side]:
                    rows = [self._elements(shader, side, p, "k") for p in places[side]]
                    columns.append([list(column) for column in zip(*rows, strict=True)])
                else:
                    columns.append(
                        [
                            [x for p in places[side] for x in self._elements(shader, side, p, term)]
                            for term in terms
                        ]
                    )
            for xs, ys in zip(*columns, strict=True):
                for i, x in enumerate(xs):
                    for j, y in enumerate(ys):
                        writer.line(f"s_{i}_{j} += {x} * {y};")

    def _places(self, shader: Shader, side: int, by_term: bool) -> list[str]:
        """Where the elements of a thread are along a side of the result, or fours of them."""
        size = (self.m, self.n)[side]
        step = 4 if self._grouped(side) else 1
        return [
            shader.writer.let(f"min({self._place(side, i)}, {size - step}u)")
            for i in range(0, self.each, step)
        ]

    def _grouped(self, side: int) -> bool:
        """Whether a thread's elements along a side of the result are fours of neighbours."""
        return not self.shared and self.fours[side] and self.operands[side].inner == "free"

    def _place(self, side: int, i: int) -> str:
        """Where element `i` of a thread is along a side of the result."""
        corner, lane = (("row", "ty"), ("column", "tx"))[side]
        if self._grouped(side):
            return f"{corner} + {lane} * 4u + {i // 4 * self.side * 4 + i % 4}u"
        return f"{corner} + {lane} + {i * self.side}u"

    # ---- results

    def _each(self, shader: Shader, finish: Callable[[str, str], None]) -> None:
        """Do something with each sum at its row-major number in the result."""
        writer = shader.writer
        for i in range(self.each):
            for j in range(self.each):
                with writer.block("{"):
                    writer.line(f"let r = {self._place(0, i)};")
                    writer.line(f"let c = {self._place(1, j)};")
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
