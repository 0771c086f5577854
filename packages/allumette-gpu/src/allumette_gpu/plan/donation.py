"""Which outputs are written over a donated input: where nothing reads the input any more.

Dispatches of a level may run at the same time. So what else reads the input has to be on a level
before, and the kernel that writes the output may load each element only where it writes it.
"""

from math import prod

from ..wgsl.types import stored_bytes
from .fuse import Fusion, Kernel

SMALLEST = 1 << 16
"""Bytes of what is worth it. Smaller values may lie in one buffer with others, of which a dispatch
then would read one and write another."""


def written_over(fusion: Fusion) -> dict[int, int]:
    """Outputs, and the donated inputs whose buffers they take."""
    program, found = fusion.program, dict[int, int]()
    free = [i for i in sorted(program.donated) if _is_large(fusion, i) and i not in fusion.outputs]
    for value in dict.fromkeys(program.outputs):
        kernel = fusion.kernel_of.get(value)
        if kernel is None:
            continue
        for source in free:
            alike = program.avals[source] == program.avals[value]
            if alike and _gives_way(fusion, source, kernel, set(found.values())):
                free.remove(source)
                found[value] = source
                break
    fusion.kernels.sort(key=lambda kernel: kernel.level)
    return found


def _is_large(fusion: Fusion, value: int) -> bool:
    aval = fusion.program.avals[value]
    return stored_bytes(prod(aval.shape), aval.dtype) > SMALLEST


def _gives_way(fusion: Fusion, source: int, kernel: Kernel, taken: set[int]) -> bool:
    """Whether `kernel` may write over `source`; it is put off a level if that is all it takes."""
    if not all(fusion.needs(root).get(source, True) for root in kernel.roots):
        return False
    others = [other for other in fusion.kernels if source in other.reads and other is not kernel]
    last = max((other.level for other in others), default=-1)
    read = any(not other.reads.isdisjoint(kernel.roots) for other in fusion.kernels)
    if last == kernel.level and not read and kernel.reads.isdisjoint(taken):
        kernel.level += 1
    return last < kernel.level
