"""Which elementwise kernels take four neighbours at a time, and so move 16 bytes at a time."""

from collections.abc import Sequence
from math import prod

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
    """What `kernel` stores, and what it loads at the very elements that it stores, if it may."""
    size = prod(kernel.shape)
    dear = max((fusion.costs[root] for root in kernel.roots), default=0) > DEAREST
    if kernel.core != "map" or dear or size < SMALLEST or size % 4:
        return frozenset()
    aligned = dict.fromkeys(kernel.stores, True)
    for root in kernel.roots:
        for value, here in fusion.needs(root).items():
            aligned[value] = aligned.get(value, True) and here
    values = {v for v in (*kernel.reads, *kernel.stores) if aligned[v]}
    stored = {TYPES[fusion.program.avals[v].dtype.name].stored for v in (*values, *kernel.stores)}
    return frozenset(values) if stored <= _WORDS else frozenset()
