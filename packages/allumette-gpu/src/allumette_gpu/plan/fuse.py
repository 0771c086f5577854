"""Which values get memory, and which kernels compute them.

Seen from the outputs backwards, a value is computed where it is used, unless it is an output, needs
a kernel of its own kind (a reduction, a product), or is used by several kernels and dear. What gets
memory is a *root*. Forwards, each root goes into the kernel of what it needs at the very same
element (an epilogue), or beside others of the same shape; kernels of a level are independent.
"""

from dataclasses import dataclass, field
from math import prod

from allumette_core import primitives as P
from allumette_core.compiler.program import Instruction, Program
from allumette_core.primitives import Kind
from allumette_core.shapes import Shape

from .costs import CHEAP, LARGEST, costs
from .prepare import HEAVY, REDUCTIONS, scatter_ordered, tiles

MOST_CORES = 4
LARGEST_EPILOGUE = 64
MOST_REPEATED = 16  # operations for each element that a product reads
FEW = 128  # workgroups whose records are folded up where the result is used


@dataclass(eq=False)
class Kernel:
    """Roots that are computed together, over the same points."""

    level: int
    shape: Shape
    core: str = "map"
    cores: list[int] = field(default_factory=list)
    """What is computed by the kernel's own algorithm; all else are epilogues."""
    roots: list[int] = field(default_factory=list)
    reads: set[int] = field(default_factory=set)
    stores: list[int] = field(default_factory=list)


class Fusion:
    """The roots and kernels of one program."""

    def __init__(self, program: Program, most_buffers: int, forced: frozenset[int]) -> None:
        self.program, self.most_buffers, self.forced = program, most_buffers, forced
        self.base = program.num_inputs
        self.outputs = frozenset(program.outputs)
        self.heavy = frozenset(
            value
            for value, i in enumerate(program.instructions, self.base)
            if i.primitive in HEAVY and not _is_light(program, i)
        )
        self.large: set[int] = set()  # what gets memory so that code stays short
        self.costs = costs(program, self.heavy, forced)
        # What is used after a root is cheaper than it seemed before the roots were known.
        self.costs = costs(program, self.heavy, forced | self._roots())
        self.roots = self._roots()
        self.kernels: list[Kernel] = []
        self.kernel_of: dict[int, Kernel] = {}
        self._places: dict[object, Kernel] = {}
        for root in sorted(self.roots):
            self._place(root)
        self.kernels.sort(key=lambda kernel: kernel.level)
        self._find_stores()

    def size(self, value: int) -> int:
        return prod(self.program.avals[value].shape)

    # ---- what gets memory

    def _roots(self) -> frozenset[int]:
        users: dict[int, set[int]] = {}
        demanded = self.forced | self.large
        roots = set()
        for value in reversed(range(self.base, len(self.program.avals))):
            used = users.get(value, set())
            if not used and value not in self.outputs:
                continue
            instruction = self.program.instructions[value - self.base]
            dear = self.costs[value] > CHEAP and len(used) > 1
            if self.costs[value] > LARGEST:
                self.large.add(value)
            wanted = value in self.outputs or value in self.heavy or value in demanded
            if wanted or dear or value in self.large:
                roots.add(value)
                used = {value}
            for position, source in enumerate(instruction.inputs):
                users.setdefault(source, set()).update(used)
                if self.costs[value] > LARGEST and self.costs[source] > LARGEST // 4:
                    self.large.add(source)
                elif self._wants_memory(value, position, source):
                    demanded |= {source}
        return frozenset(roots)

    def _wants_memory(self, value: int, position: int, source: int) -> bool:
        """Whether `value` reads elements of `source` so often that they should be loaded."""
        if source < self.base:
            return False
        primitive = self.program.instructions[value - self.base].primitive
        if primitive in (P.argsort, tiles):
            return True
        if primitive is scatter_ordered and position in (1, 3):
            return True
        if self.costs[source] <= CHEAP:
            return False
        if primitive is P.dot_general or primitive.kind is Kind.SCAN:
            return self._reads(value) * self.costs[source] > MOST_REPEATED
        return value not in self.heavy and self.size(value) >= 4 * self.size(source) > 0

    def _reads(self, value: int) -> int:
        """About how often a product or a scan reads each element of its operands."""
        instruction = self.program.instructions[value - self.base]
        sizes = [self.size(i) for i in instruction.inputs]
        return 2 if len(sizes) == 1 else 1 + self.size(value) // (64 * max(1, min(sizes)))

    # ---- what is computed together

    def needs(self, root: int) -> dict[int, bool]:
        """What is loaded for `root`, and whether at the element of its own number only."""
        return self._loads(root, root not in self.heavy)

    def loads(self, value: int) -> dict[int, bool]:
        """What is loaded for an element of `value`, itself if it is in memory; likewise."""
        in_memory = value < self.base or value in self.roots
        return {value: True} if in_memory else self._loads(value, True)

    def _loads(self, value: int, aligned: bool) -> dict[int, bool]:
        found: dict[int, bool] = {}
        shape = self.program.avals[value].shape
        seen: set[tuple[int, bool]] = set()
        stack = [(value, aligned)]
        while stack:
            value, aligned = stack.pop()
            instruction = self.program.instructions[value - self.base]
            aligned = aligned and (
                instruction.primitive.kind is Kind.ELEMENTWISE or instruction.primitive is P.reshape
            )
            for source in instruction.inputs:
                here = aligned and self.program.avals[source].shape == shape
                if source < self.base or source in self.roots:
                    found[source] = found.get(source, True) and here
                elif (source, here) not in seen:
                    seen.add((source, here))
                    stack.append((source, here))
        return found

    def _place(self, root: int) -> None:
        needs = self.needs(root)
        level = max((self._level(v) for v in needs), default=-1)
        late = {v: aligned for v, aligned in needs.items() if self._level(v) == level}
        kernel = None
        if root not in self.heavy and level >= 0 and all(late.values()):
            kernels = {self.kernel_of[v] for v in late}
            if len(kernels) == 1:
                kernel = self._joined(root, needs, kernels.pop())
        if kernel is None:
            kernel = self._beside(root, needs, level + 1)
        kernel.roots.append(root)
        kernel.reads.update(v for v in needs if self.kernel_of.get(v) is not kernel)
        self.kernel_of[root] = kernel

    def _level(self, value: int) -> int:
        return self.kernel_of[value].level if value in self.kernel_of else -1

    def _joined(self, root: int, needs: dict[int, bool], kernel: Kernel) -> Kernel | None:
        """`kernel`, if `root` can be its epilogue."""
        if kernel.shape != self.program.avals[root].shape or kernel.core in (
            "argsort",
            "scan",
            "tiles",
        ):
            return None
        if kernel.core == "dot" and self.costs[root] > LARGEST_EPILOGUE:
            return None
        return kernel if self._fits(kernel, needs) else None

    def _fits(self, kernel: Kernel, needs: dict[int, bool]) -> bool:
        """Whether there are buffers enough; every root may have to be stored, and one partial."""
        reads = kernel.reads | {v for v in needs if self.kernel_of.get(v) is not kernel}
        return len(reads) + len(kernel.roots) + 2 <= self.most_buffers

    def _beside(self, root: int, needs: dict[int, bool], level: int) -> Kernel:
        """A kernel on `level` that does the same over the same points, or a new one."""
        kind = self._signature(root)
        shape = () if kind[0] == "tiles" else self.program.avals[root].shape
        place = (level, shape, *kind)
        kernel = self._places.get(place)
        if kernel is not None and kind[0] in ("map", "reduce", "tiles"):
            crowded = kernel.core == "reduce" and len(kernel.cores) >= MOST_CORES
            if kind[0] == "tiles" or (not crowded and self._fits(kernel, needs)):
                if root in self.heavy:
                    kernel.cores.append(root)
                return kernel
        kernel = Kernel(level, self.program.avals[root].shape, str(kind[0]))
        if root in self.heavy:
            kernel.cores.append(root)
        self._places[place] = kernel
        self.kernels.append(kernel)
        return kernel

    def _signature(self, root: int) -> tuple[object, ...]:
        if root not in self.heavy:
            return ("map",)
        primitive, inputs, params = self.program.instructions[root - self.base]
        if primitive in REDUCTIONS:
            return "reduce", self.program.avals[inputs[0]].shape, params
        if primitive is tiles:
            return "tiles", params[0]
        names = {P.argmax: "argreduce", P.argmin: "argreduce", P.argsort: "argsort"}
        names |= {P.dot_general: "dot", scatter_ordered: "scatter"}
        return (names.get(primitive, "scan"), root)

    def _find_stores(self) -> None:
        wanted = set(self.outputs)
        for kernel in self.kernels:
            wanted |= kernel.reads
        for kernel in self.kernels:
            kernel.stores = [root for root in kernel.roots if root in wanted]


def _is_light(program: Program, instruction: Instruction) -> bool:
    """Whether `instruction` folds up the records of a few workgroups, by way of views."""
    if instruction.primitive not in REDUCTIONS:
        return False
    shape = program.avals[instruction.inputs[0]].shape
    if prod(shape[a] for a in instruction.params[0]) > FEW:
        return False
    while instruction.primitive is not tiles:
        (source, *others) = instruction.inputs
        here = instruction.primitive in (*REDUCTIONS, P.slice_, P.reshape)
        if others or not here or source < program.num_inputs:
            return False
        instruction = program.instructions[source - program.num_inputs]
    return True


def fuse(program: Program, most_buffers: int) -> Fusion:
    """The kernels of `program`, none of which needs more than `most_buffers` buffers."""
    forced: frozenset[int] = frozenset()
    while True:
        fusion = Fusion(program, most_buffers, forced)
        more = {
            value
            for kernel in fusion.kernels
            if len(kernel.reads) + len(kernel.stores) + 1 > most_buffers
            for value in _split(fusion, kernel)
        }
        if not more - forced:
            return fusion
        forced |= more


def _split(fusion: Fusion, kernel: Kernel) -> list[int]:
    """Values inside of `kernel` that should get memory, since it reads too many buffers."""
    found = []
    for root in kernel.roots:
        reach: dict[int, frozenset[int]] = {}
        for value in in_place(fusion, root):
            instruction = fusion.program.instructions[value - fusion.base]
            leaves: set[int] = set()
            for source in instruction.inputs:
                leaves |= reach.get(source, {source} if _has_memory(fusion, source) else set())
            if len(leaves) > fusion.most_buffers - 3:
                found += [i for i in instruction.inputs if len(reach.get(i, ())) > 1][:1]
            reach[value] = frozenset(leaves)
    return found


def _has_memory(fusion: Fusion, value: int) -> bool:
    return value < fusion.base or value in fusion.roots


def in_place(fusion: Fusion, root: int) -> list[int]:
    """The values that are computed in place for `root`, and itself, in program order."""
    seen, stack = {root}, [root]
    while stack:
        for source in fusion.program.instructions[stack.pop() - fusion.base].inputs:
            if source not in seen and not _has_memory(fusion, source):
                seen.add(source)
                stack.append(source)
    return sorted(seen)
