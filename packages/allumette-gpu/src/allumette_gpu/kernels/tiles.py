"""Phases as one kernel each: the frame, in which a workgroup takes one tile of rows after another.

Statements write and read the memory of the workgroup, with barriers where one needs what another
invocation has written, or overwrites what it may still read.
"""

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from math import prod

from allumette_core.compiler.schedule import Access, Place

from ..plan.tile_forms import touched
from ..plan.tiling import Blocks, Group, Tiling, Work
from ..wgsl.folds import Fold
from ..wgsl.types import TYPES, kept, loaded
from .base import Job, Part, Shader
from .tile_nests import write_group
from .tile_products import write_blocks


def write(job: Job) -> list[Part]:
    """One dispatch."""
    return [Tile(job).write()]


class Tile:
    """The kernel of one phase, while it is being written."""

    def __init__(self, job: Job) -> None:
        self.job = job
        instructions = [job.program.instructions[c - job.fusion.base] for c in job.kernel.cores]
        self.tiling: Tiling = instructions[0].params[0]
        self.loop = self.tiling.loop
        self.inputs = self._inputs(instructions[0].inputs)
        self.results = {i.params[1]: c for i, c in zip(instructions, job.kernel.cores, strict=True)}
        self.shader = Shader(job, "tiles")
        self.writer = self.shader.writer
        self.made = frozenset(self.loop.phase.program.outputs)
        self.read: set[object] = set()  # since the last barrier
        self.written: set[object] = set()

    def _inputs(self, given: tuple[int, ...]) -> dict[int, int]:
        """The buffer of each input of the phase: a last one is that of all which share one."""
        packed = self.tiling.packed
        alone = [v for v in range(self.loop.phase.program.num_inputs) if v not in packed]
        every = [*alone, *packed]
        return dict(zip(every, given + given[-1:] * (len(every) - len(given)), strict=True))

    def write(self) -> Part:
        tiling, writer = self.tiling, self.writer
        for number, (word, size) in enumerate(tiling.room_types):
            self.shader.share(f"room{number}", f"array<{word}, {size}>")
        if tiling.groups > self.job.limits.groups:
            writer.line(f"if (group >= {tiling.groups}u) {{ return; }}")
        for work in tiling.before:
            self._work(work)
        head = f"for (var tile = group; tile < {tiling.tiles}u; tile += {tiling.groups}u) {{"
        with writer.block(head):
            total = self.loop.phase.rows
            writer.line(f"let first = tile * {tiling.rows}u;")
            writer.line(f"let rows = min({tiling.rows}u, {total}u - first);")
            for work in tiling.work:
                self._work(work)
            self._barrier()  # the next tile overwrites this one
        return self.shader.finish(tiling.groups, tiling.width)

    def _work(self, work: Work) -> None:
        reads, writes = self._hazards(work)
        if reads & self.written or writes & (self.read | self.written):
            self._barrier()
        self.read |= reads
        self.written |= writes
        if isinstance(work, Group):
            write_group(self, work)
        else:
            write_blocks(self, work)

    def _hazards(self, work: Work) -> tuple[set[object], set[object]]:
        """The memory that is read and that is written; inputs and records are never in the way."""
        if isinstance(work, Blocks):
            writes, values = {work.product.out}, {work.product.lhs, work.product.rhs}
        else:
            writes = {store.access.value for store in work.stores}
            values = touched(self.loop, work.nest)
        return self._memory(values), self._memory(writes)

    def _memory(self, values: set[int]) -> set[object]:
        rooms = self.tiling.rooms
        return {
            ("room", rooms[v]) if v in rooms else v
            for v in values
            if v in rooms or (v in self.made and self.loop.memory[v].place is Place.WHOLE)
        }

    def _barrier(self) -> None:
        if any(isinstance(memory, int) for memory in self.written):
            self.writer.line("storageBarrier();")
        self.writer.line("workgroupBarrier();")
        self.read, self.written = set(), set()

    def deal(self, stack: ExitStack, sizes: Sequence[int]) -> list[str]:
        """Open, on `stack`, a loop of the points that an invocation has of so many; where it is
        along each of `sizes`, the first of which counts fastest."""
        total, width = prod(sizes), self.tiling.width
        if total > width:
            rest = self.writer.fresh("i")
            head = f"for (var {rest} = lane; {rest} < {total}u; {rest} += {width}u) {{"
        else:
            rest, head = "lane", "{" if total == width else f"if (lane < {total}u) {{"
        stack.enter_context(self.writer.block(head))
        found = []
        for place, size in enumerate(sizes):
            if size == 1:
                found.append("0u")
            elif prod(sizes[place + 1 :]) == 1:
                found.append(rest)
            else:
                found.append(self.writer.let(f"{rest} % {size}u"))
                rest = self.writer.let(f"{rest} / {size}u")
        return found

    # ---- elements in memory

    def is_whole(self, value: int) -> bool:
        """Whether every row of `value` is there, or what it has in place of rows."""
        if value < 0:
            return True
        memory = self.loop.memory[value]
        return memory.place is Place.WHOLE or not memory.moves

    def scaled(self, number: int, value: int, step: int, entries: int) -> int:
        """An offset or a stride in an array whose axis of rows has `entries` at distance `step`, as
        it is where only the rows of a tile are."""
        step = abs(step)
        over, rest = divmod(abs(number), step * entries) if step and entries else (0, 0)
        if not over or self.is_whole(value):
            return number
        room = entries // self.loop.phase.rows * self.tiling.rows
        made: int = over * step * room + rest
        return made if number > 0 else -made

    def name(self, value: int, write: bool = False) -> str:
        """The array that holds `value`."""
        if value in self.tiling.rooms:
            return f"room{self.tiling.rooms[value]}"
        memory, program = self.loop.memory[value], self.loop.phase.program
        stored = TYPES[memory.dtype.name].stored
        if value < program.num_inputs:
            return self.shader.bind(self.inputs[value], stored, False)
        return self.shader.bind(self.results[value], stored, write)

    def load(self, value: int, place: str) -> str:
        """The element at `place`."""
        start = self.tiling.packed.get(value, 0)
        place = f"{start}u + {place}" if start else place
        return loaded(f"{self.name(value)}[{place}]", self.loop.memory[value].dtype)

    def store(self, value: int, place: str, text: str) -> None:
        dtype = self.loop.memory[value].dtype
        self.writer.line(f"{self.name(value, True)}[{place}] = {kept(text, dtype)};")

    def fold(self, value: int, place: str, part: str, text: str, fold: Fold) -> None:
        """Fold `text` into an element of this workgroup's record."""
        record = self.tiling.records[value]
        name = self.shader.bind(self.results[record.word], record.word, True)
        base = f"group * {self.tiling.lengths[record.word]}u + {record.offset}u"
        base += f" + {part} * {record.count}u" if record.parts > 1 else ""
        at = self.writer.let(f"{base} + {place}")
        old = f"select({loaded(f'{name}[{at}]', fold.dtype)}, {fold.start}, tile == group)"
        old = self.writer.let(old)
        self.writer.line(f"{name}[{at}] = {kept(fold.join(old, text), fold.dtype)};")

    def place(self, access: Access, near: list[str], far: list[str], rows: bool) -> str:
        """Where the element of a point is: `near` counts rows from the first of the tile, `far`
        from the first of all."""
        whole = self.is_whole(access.value)
        coordinates = far if whole else near
        layout = access.layout
        step, entries = (layout.strides[0], layout.shape[0]) if rows else (0, 0)
        strides = [self.scaled(s, access.value, step, entries) for s in layout.strides]
        offset = self.scaled(layout.offset, access.value, step, entries)
        return address(offset, zip(coordinates, strides, strict=True))


def address(offset: int, steps: Iterable[tuple[str, int]]) -> str:
    """`offset` plus coordinates times strides; subtractions last, so that nothing is negative."""
    plus: list[str] = []
    minus: list[str] = []
    for coordinate, stride in steps:
        if stride and coordinate != "0u":
            size = abs(stride)
            text = coordinate if size == 1 else f"{coordinate} * {size}u"
            (plus if stride > 0 else minus).append(text)
    if offset or not plus:
        plus.insert(0, f"{offset}u")
    return " - ".join([" + ".join(plus), *minus])
