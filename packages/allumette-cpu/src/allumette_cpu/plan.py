"""What the renderer hands to the runtime: calls of kernels, and what their arguments refer to.

A kernel is Python source that numba compiles as `void(int64 block, int64 thread, int64* args)`.
`args` is a table of integers: addresses of buffers, sizes, strides. Shapes reach a kernel only this
way, so that programs that differ in them share the compiled kernel.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

Ref: TypeAlias = tuple[Literal["in", "out", "temp", "const", "scratch"], int] | tuple[
    Literal["float"], float
]
"""One word of a kernel's arguments:

- `("in", i)`, `("out", j)`: the address of the program's input i, of its output number j;
- `("temp", t)`: the address of temporary t of the plan;
- `("scratch", n)`: the address of n bytes for each thread; thread k's are at `+ k * scratch_stride(n)`;
- `("const", v)`: an integer; `("float", x)`: the bits of a float64.
"""


def scratch_stride(size: int) -> int:
    """Bytes from one thread's scratch memory to the next: `size` in whole cache lines."""
    return (size + 63) // 64 * 64


@dataclass(frozen=True, slots=True)
class Call:
    """`kernel(block, thread, args)` for every block, in any order and on any thread."""

    source: str
    """The kernel's definition, `def name(block, thread, args): ...`."""
    name: str
    blocks: int
    """How many pieces the work is cut into: by its shape, never by the number of threads."""
    args: tuple[Ref, ...]
    work: int = 0
    """About how many nanoseconds all of it takes on one thread."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Calls one after another, each of which sees all that those before it wrote."""

    calls: tuple[Call, ...]
    temps: tuple[int, ...] = ()
    """The size in bytes of each temporary."""
    aliases: tuple[tuple[int, int], ...] = ()
    """(output number, input): this output is that donated input's buffer, written in place."""
