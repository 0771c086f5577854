"""What the kernels of all kinds share: bindings, the frame of a shader, how work is numbered."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from allumette_core.compiler.program import Program

from ..limits import Limits
from ..plan.fuse import Fusion, Kernel
from ..wgsl.types import TYPES, kept
from ..wgsl.values import Values
from ..wgsl.writer import Index, Writer

MOST_TURNS = 30_000


@dataclass(frozen=True, slots=True)
class Part:
    """What one kernel does in a dispatch: a body over `group` and `lane`, and what it needs.

    `buffers` are values, each with its stored type and whether it is written, bound as b0, b1 ...
    """

    name: str
    body: str
    shared: tuple[tuple[str, str], ...]
    buffers: tuple[tuple[int, str, bool], ...]
    groups: int
    width: int
    operations: int = 0
    """On numbers: roughly, to tell how fast it is."""


class Temps:
    """Memory between two dispatches of one kernel: numbers after the program's values, bytes."""

    def __init__(self, first: int) -> None:
        self.first = first
        self.sizes: list[int] = []

    def add(self, size: int) -> int:
        self.sizes.append(size)
        return self.first + len(self.sizes) - 1


@dataclass(frozen=True, slots=True)
class Job:
    """A kernel to be written, and where it belongs."""

    fusion: Fusion
    kernel: Kernel
    limits: Limits
    temps: Temps
    over: dict[int, int] = field(default_factory=dict)
    """Values that are written over others, and these."""
    quads: frozenset[int] = frozenset()
    """Values of which four elements at a time are loaded or stored; see `Shader.four`."""

    @property
    def program(self) -> Program:
        return self.fusion.program


class Shader:
    """One entry point, while it is being written."""

    def __init__(self, job: Job, name: str) -> None:
        self.job, self.name = job, name
        self.writer = Writer()
        self.values = Values(job.program, self.writer, self)
        self._bound: dict[int, tuple[str, str, bool]] = {}  # name, stored type, written
        self._shared: list[tuple[str, str]] = []
        self._fours: dict[str, str] = {}  # names of numbers of elements, and where these are

    # ---- buffers

    def element(self, value: int, index: Index) -> str | None:
        """An element of a value that is in memory; None: it is computed here."""
        fusion = self.job.fusion
        if value in self.job.kernel.roots:
            return None
        if value >= fusion.base and value not in fusion.roots:
            return None
        stored = TYPES[self.job.program.avals[value].dtype.name].stored
        return self.loaded(value, stored, index.flat)

    def loaded(self, value: int, stored: str, place: str) -> str:
        """The element `place` of a buffer."""
        if value not in self.job.quads:
            return f"{self.bind(value, stored, False)}[{place}]"
        quad, component = self._fours[place].split(".")
        name = self.bind(value, f"vec4<{stored}>", False)
        return f"{self.writer.let(f'{name}[{quad}]')}.{component}"

    def four(self, quad: str) -> list[str]:
        """Names for the numbers of the four neighbours that are quad number `quad`."""
        names = {self.writer.fresh("n"): component for component in "xyzw"}
        for place, name in enumerate(names):
            self.writer.line(f"let {name} = {quad} * 4u + {place}u;")
        self._fours |= {name: f"{quad}.{component}" for name, component in names.items()}
        return list(names)

    def bind(self, value: int, stored: str, written: bool) -> str:
        """The name under which buffer `value` is bound."""
        value = self.job.over.get(value, value)
        known = self._bound.get(value)
        name = known[0] if known else f"b{len(self._bound)}"
        self._bound[value] = (name, stored, written or (known is not None and known[2]))
        return name

    def share(self, name: str, type_: str) -> None:
        """Declare `name` in the memory of the workgroup."""
        self._shared.append((name, type_))

    # ---- code

    def index(self, shape: tuple[int, ...], flat: str) -> Index:
        return Index(self.writer, shape, flat)

    def store(self, index: Index) -> None:
        """Write every root that is needed later, at `index`; last what is written over what is
        loaded."""
        late = list[str]()
        for root, line in self.stores(index):
            late.append(line) if root in self.job.over else self.writer.line(line)
        for line in late:
            self.writer.line(line)

    def stores(self, index: Index) -> Iterator[tuple[int, str]]:
        """The roots that are needed later, and what writes each of them."""
        for root in self.job.kernel.roots:  # in order, so that no long chain is written recursively
            text = self.values.at(root, index)
            if root in self.job.kernel.stores:
                dtype = self.job.program.avals[root].dtype
                name = self.bind(root, TYPES[dtype.name].stored, True)
                yield root, f"{name}[{index.flat}] = {kept(text, dtype)};"

    @contextmanager
    def loop(
        self, name: str, end: str, start: str = "0u", step: int = 1, turns: int = 0
    ) -> Iterator[None]:
        """A loop of a counter that is an u32; it may turn `turns` times.

        In Mesa's software driver an invocation leaves its loops after 65,535 turns in all, so that
        a long loop does several turns in one.
        """
        copies = -(-turns // MOST_TURNS) if self.job.limits.software else 1
        if copies <= 1:
            head = f"for (var {name} = {start}; {name} < {end}; {name} += {step}u) {{"
            with self.writer.block(head):
                yield
            return
        far = f"{name}_far"
        head = f"for (var {far} = {start}; {far} < {end}; {far} += {step * copies}u) {{"
        with self.writer.block(head):
            mark = len(self.writer.lines)
            with self.writer.block("{"):
                self.writer.line(f"let {name} = {far};")
                yield
            body = self.writer.lines[mark + 2 :]
            for copy in range(1, copies):
                self.writer.line(f"if ({far} + {copy * step}u < {end}) {{")
                self.writer.line(f"let {name} = {far} + {copy * step}u;")
                self.writer.lines += body

    def finish(self, groups: int, width: int) -> Part:
        """The part, which is `groups` workgroups of `width` invocations."""
        buffers = tuple((v, stored, written) for v, (_, stored, written) in self._bound.items())
        body = self.writer.text()
        return Part(self.name, body, tuple(self._shared), buffers, groups, width)
