"""What the renderer hands to the runtime: calls of kernels, and what their arguments refer to.

A kernel is a function `void(i64 block, i64 thread, ptr args)` of an LLVM module. `args` is a table
of 64-bit words: addresses of buffers, sizes, strides. Shapes reach a kernel only this way, so that
programs that differ in them share the compiled kernel.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from allumette_core.compiler.program import Aval
from allumette_core.primitives import Params, Primitive

Ref: TypeAlias = (
    tuple[Literal["in", "out", "temp", "const", "scratch"], int]
    | tuple[Literal["float"], float]
    | tuple[Literal["fn"], str]
)
"""One word of a kernel's arguments:

- `("in", i)`, `("out", j)`: the address of the program's input i, of its output number j;
- `("temp", t)`: the address of temporary t of the plan;
- `("scratch", n)`: that of n bytes for each thread; thread k's are `k * scratch_stride(n)` on;
- `("const", v)`: an integer; `("float", x)`: the bits of a float64;
- `("fn", name)`: the address of a function of the runtime, such as `gemm_f32`.
"""


# How a large matrix product is cut: so many terms, and so many bytes of B, at once.
GEMM_DEPTH, GEMM_BYTES = 512, 3 << 17
GEMM_SCRATCH = GEMM_BYTES + GEMM_BYTES // 8
"""Bytes of scratch memory that `gemm_f32` and `gemm_f64` are given."""


def scratch_stride(size: int) -> int:
    """Bytes from one thread's scratch memory to the next: `size` in whole cache lines."""
    return (size + 63) // 64 * 64


@dataclass(frozen=True, slots=True)
class Call:
    """`kernel(block, thread, args)` for every block, in any order and on any thread."""

    source: str
    """The LLVM assembly of the module that defines the kernel; empty: one of the runtime's own."""
    name: str
    blocks: int
    """How many pieces the work is cut into: by its shape, never by the number of threads."""
    args: tuple[Ref, ...]
    work: int = 0
    """About how many nanoseconds all of it takes on one thread."""


@dataclass(frozen=True, slots=True)
class HostCall:
    """A primitive on whole arrays, for which there is no rendered kernel."""

    primitive: Primitive
    inputs: tuple[tuple[Ref, Aval], ...]
    params: Params
    output: tuple[Ref, Aval]


@dataclass(frozen=True, slots=True)
class Plan:
    """Calls one after another, each of which sees all that those before it wrote."""

    calls: tuple[Call | HostCall, ...]
    temps: tuple[int, ...] = ()
    """The size in bytes of each temporary."""
    aliases: tuple[tuple[int, int], ...] = ()
    """(output number, input): this output is that donated input's buffer, written in place."""
