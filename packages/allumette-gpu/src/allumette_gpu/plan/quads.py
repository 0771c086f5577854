"""Which kernels take four neighbours at a time, and so move 16 bytes at a time."""

from collections.abc import Iterator, Sequence
from math import prod

from ..kernels.operands import operands
from ..wgsl.types import TYPES
from .fuse import Fusion, Kernel

SMALLEST = 1 << 14  # elements: fewer had better be dealt out to more invocations
DEAREST = 64  # operations: more take longer than memory does, and are written out four times
_WORDS = frozenset(("f32", "i32", "u32", "f16"))


def quads(fusion: Fusion, kernels: Sequence[Kernel]) -> list[frozenset[int]]:
    """For each of the `kernels` of a level the values of which it moves four elements at a time.

    A dispatch binds a value either as elements or as fours, so kernels have to agree on it.
    """
    fours = [_fours(fusion, kernel) for kernel in kernels]
    single: set[int] = set()
    for kernel, mine in zip(kernels, fours, strict=True):
        single |= (kernel.reads | set(kernel.stores)) - mine
    return [mine - single for mine in fours]


def _fours(fusion: Fusion, kernel: Kernel) -> frozenset[int]:
    """What `kernel` loads or stores four neighbours of, where it may."""
    rule = {"map": _elementwise, "reduce": _rows, "dot": _operands}.get(kernel.core)
    loads = () if rule is None else rule(fusion, kernel)
    aligned: dict[int, bool] = {}
    for value, here in loads:
        aligned[value] = aligned.get(value, True) and here
    values = {v for v in (*kernel.reads, *kernel.stores) if aligned.get(v)}
    words = all(_stored(fusion, v) in _WORDS for v in values)
    return frozenset(values) if words else frozenset()


Loads = Iterator[tuple[int, bool]]
"""Values that a kernel loads or stores, and whether four neighbours of them where it does."""


def _elementwise(fusion: Fusion, kernel: Kernel) -> Loads:
    size = prod(kernel.shape)
    if size < SMALLEST or size % 4 or _dearest(fusion, kernel.roots) > DEAREST:
        return
    if all(_stored(fusion, v) in _WORDS for v in kernel.stores):
        yield from ((v, True) for v in kernel.stores)
        for root in kernel.roots:
            yield from fusion.needs(root).items()


def _rows(fusion: Fusion, kernel: Kernel) -> Loads:
    """Of a reduction: what is at its points, if these are rows."""
    instructions = [fusion.program.instructions[core - fusion.base] for core in kernel.cores]
    sources = [instruction.inputs[0] for instruction in instructions]
    shape, (axes,) = fusion.program.avals[sources[0]].shape, instructions[0].params
    rows = axes == tuple(range(len(shape) - len(axes), len(shape)))
    depth = prod(shape[axis] for axis in axes)
    if not rows or prod(shape) < SMALLEST or depth % 4 or _dearest(fusion, sources) > DEAREST:
        return
    for source in sources:
        yield from fusion.loads(source).items()
    yield from _epilogue(fusion, kernel)


def _operands(fusion: Fusion, kernel: Kernel) -> Loads:
    for operand in operands(fusion, kernel.cores[0]):
        fours = operand.lies_in_fours and _dearest(fusion, [operand.value]) <= DEAREST
        for value, here in fusion.loads(operand.value).items():
            yield value, here and fours
    yield from _epilogue(fusion, kernel)


def _epilogue(fusion: Fusion, kernel: Kernel) -> Loads:
    """What is loaded for results, one at a time."""
    for root in {*kernel.roots} - {*kernel.cores}:
        yield from ((value, False) for value in fusion.needs(root))


def _dearest(fusion: Fusion, values: Sequence[int]) -> int:
    return max((fusion.costs[value] for value in values), default=0)


def _stored(fusion: Fusion, value: int) -> str:
    return TYPES[fusion.program.avals[value].dtype.name].stored
