"""Matrix products of one thread: GFLOP/s of ours and of NumPy's BLAS, beside the processor's peak.

    python benchmarks/gemm_rates.py [SUBSTRING] [--rounds N] [--dtype f64]

Processor time, the best of several rounds, all operands in the caches as far as they fit. The peak
is what a loop of multiply-adds on registers alone reaches. Leave OPENBLAS_* unset.
"""

import argparse
import ctypes
import os
import time
from collections.abc import Callable, Iterator
from math import exp, log
from typing import Any, NamedTuple

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # read when NumPy is imported

import numpy as np
from allumette_cpu.plan import GEMM_SCRATCH
from allumette_cpu.runtime import functions, machine
from allumette_cpu.runtime.vectors import vector_bytes
from numpy.typing import NDArray

Array = NDArray[Any]
FEATURES = (2, 10, 50, 64, 84, 120, 128)
ROWS = (128, 512, 2048)
SECONDS = 2e-3  # of a round
CHAINS = 16  # independent multiply-adds: more than one takes, fewer than there are registers


class Product(NamedTuple):
    """C[m, n] (+)= A[m, k] B[k, n], and which operands are stored by columns."""

    name: str
    m: int
    n: int
    k: int
    order: str = "CC"
    accumulate: bool = False


def products() -> Iterator[Product]:
    """The shapes of training steps and of single calls."""
    for rows in ROWS:
        for f in FEATURES:
            for g in sorted({f, 50}):
                yield Product(f"features {f} -> {g}, {rows} rows", g, rows, f, "FC")
                yield Product(f"weights {f} x {g}, {rows} rows", f, g, rows, "CF", True)
    for rows in ROWS:
        yield Product(f"row-major {rows} x 50 x 50", rows, 50, 50)
        yield Product(f"row-major {rows} x 50 x 50'", rows, 50, 50, "CF")
        yield Product(f"row-major 50 x 50 over {rows}", 50, 50, rows, "FC", True)
        yield Product(f"vector {rows} x 50", rows, 1, 50)
    for n in (64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048):
        yield Product(f"square {n}", n, n, n)
    for rows in (128, 1024):
        for order in ("CC", "CF"):
            yield Product(f"lenet conv1 {rows} {order}", rows * 24, 6, 25, order)
            yield Product(f"lenet conv2 {rows} {order}", rows * 8, 16, 150, order)
    for i, o in ((256, 120), (120, 84), (84, 10)):
        yield Product(f"lenet dense {i} -> {o}", 128, o, i)
    for n, k in ((128, 128), (512, 128), (128, 512)):
        yield Product(f"transformer 2048 x {n} x {k}", 2048, n, k)
        yield Product(f"transformer 2048 x {n} x {k}'", 2048, n, k, "CF")
        yield Product(f"transformer {k} x {n} over 2048", k, n, 2048, "FC", True)
    yield Product("transformer scores", 64, 64, 32, "CF")
    yield Product("transformer values", 64, 32, 64)


class Native:
    """Code around the kernels that leaves Python out of what is timed."""

    def __init__(self, kind: str) -> None:
        loaded = machine.Loaded(machine.object_code(machine.optimised(_source(kind))))
        p, i = ctypes.c_void_p, ctypes.c_int64
        arguments = [i, p, i, i, i, p, i, i, p, i, i, i, p, i, p]
        self.repeat = ctypes.CFUNCTYPE(None, *arguments)(loaded.address("repeat"))
        self.burn = ctypes.CFUNCTYPE(None, i, p)(loaded.address("burn"))
        self.gemm = functions.address(f"gemm_{kind}")
        self.dtype = np.dtype("float32" if kind == "f32" else "float64")
        self.lanes = vector_bytes() // self.dtype.itemsize
        self.scratch = np.empty(GEMM_SCRATCH + 64, np.uint8)

    def peak(self, rounds: int) -> float:
        """Operations a nanosecond of multiply-adds that wait for nothing."""
        out = np.zeros(self.lanes, self.dtype)
        run = best(lambda times: self.burn(times, out.ctypes.data), rounds, 1e6)
        return 2.0 * self.lanes * CHAINS / run * 1e-9

    def rate(self, product: Product, operands: tuple[Array, Array, Array], rounds: int) -> float:
        """Operations a nanosecond of our kernel."""
        a, b, c = operands
        size = c.itemsize
        left, right = ((x.ctypes.data, *(s // size for s in x.strides)) for x in (a, b))
        rest = int(product.accumulate), c.ctypes.data, c.strides[0] // size
        scratch = self.scratch.ctypes.data + -self.scratch.ctypes.data % 64
        call = self.gemm, product.m, product.n, product.k, *left, *right, *rest, scratch
        return flops(product) / best(lambda n: self.repeat(n, *call), rounds, 1.0)


def blas_rate(product: Product, operands: tuple[Array, Array, Array], rounds: int) -> float:
    """Operations a nanosecond of NumPy, which cannot add to what is there."""
    a, b, c = operands

    def run(times: int) -> None:
        for _ in range(times):
            np.matmul(a, b, out=c)

    return flops(product) / best(run, rounds, 1.0)


def flops(product: Product) -> float:
    """Operations in units that make seconds nanoseconds."""
    return 2e-9 * product.m * product.n * product.k


def best(run: Callable[[int], Any], rounds: int, guess: float) -> float:
    """Seconds a repetition: the least over rounds of some milliseconds."""
    times, least = max(int(guess), 1), float("inf")
    run(times)
    for _ in range(rounds):
        start = time.process_time_ns()
        run(times)
        spent = (time.process_time_ns() - start) * 1e-9
        least = min(least, spent / times)
        times = max(1, int(SECONDS / max(least, 1e-9)))
    return least


def operands_of(product: Product, dtype: np.dtype[Any]) -> tuple[Array, Array, Array]:
    """Matrices as they lie in a training step: lines of the cache begin rows, but no power of two
    lies between them."""
    rng = np.random.default_rng(0)
    shapes = (product.m, product.k), (product.k, product.n)
    a, b = (
        padded(s, o, dtype, rng) if o == "C" else padded(s[::-1], o, dtype, rng).T
        for s, o in zip(shapes, product.order, strict=True)
    )
    return a, b, padded((product.m, product.n), "C", dtype, rng)


def padded(shape: tuple[int, ...], order: str, dtype: np.dtype[Any], rng: Any) -> Array:
    """Random numbers; rows of hundreds have 16 elements between them, as chunks have."""
    rows, columns = shape
    room = columns + 16 if 128 <= columns <= 2048 and columns > 2 * rows else columns
    raw = np.empty(rows * room * dtype.itemsize + 64, np.uint8)
    start = -raw.ctypes.data % 64
    made = raw[start : start + rows * room * dtype.itemsize].view(dtype).reshape(rows, room)
    made[...] = rng.random(made.shape)
    return made[:, :columns]


def _source(kind: str) -> str:
    """`repeat(times, gemm, ...)` and `burn(times, out)`, in LLVM's assembly."""
    number, size = ("float", 4) if kind == "f32" else ("double", 8)
    lanes = vector_bytes() // size
    vector, name = f"<{lanes} x {number}>", f"@llvm.fmuladd.v{lanes}{kind}"
    kinds = "i64 i64 i64 ptr i64 i64 ptr i64 i64 i64 ptr i64 ptr".split()
    given = ", ".join(f"{k} %a{i}" for i, k in enumerate(kinds))
    phis = "\n".join(
        f"  %s{i} = phi {vector} [ zeroinitializer, %entry ], [ %t{i}, %loop ]"
        for i in range(CHAINS)
    )
    chains = "\n".join(
        f"  %t{i} = call {vector} {name}({vector} %x, {vector} %x, {vector} %s{i})"
        for i in range(CHAINS)
    )
    sums = "\n".join(
        f"  %u{i + 1} = fadd {vector} {'%x' if i == 0 else f'%u{i}'}, %t{i}" for i in range(CHAINS)
    )
    return f"""
declare {vector} {name}({vector}, {vector}, {vector})

define void @repeat(i64 %times, ptr %gemm, {given}) {{
entry:
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %next, %loop ]
  call void %gemm({given})
  %next = add i64 %i, 1
  %more = icmp slt i64 %next, %times
  br i1 %more, label %loop, label %done
done:
  ret void
}}

define void @burn(i64 %times, ptr %out) {{
entry:
  %x = load {vector}, ptr %out, align {size}
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %next, %loop ]
{phis}
{chains}
  %next = add i64 %i, 1
  %more = icmp slt i64 %next, %times
  br i1 %more, label %loop, label %done
done:
{sums}
  store {vector} %u{CHAINS}, ptr %out, align {size}
  ret void
}}
"""


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("only", nargs="?", default="", help="products whose name contains this")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--dtype", choices=("f32", "f64"), default="f32")
    options = parser.parse_args()
    native = Native(options.dtype)
    peak = native.peak(options.rounds)
    print(f"Peak {peak:.0f} GFLOP/s ({vector_bytes()}-byte vectors), one thread.\n")
    print("| product | m x n x k | ours | BLAS | of the peak | ours / BLAS |")
    print("| --- | --- | --- | --- | --- | --- |")
    logs = []
    for product in products():
        if options.only in product.name:
            operands = operands_of(product, native.dtype)
            ours = native.rate(product, operands, options.rounds)
            blas = blas_rate(product, operands, options.rounds)
            size = f"{product.m} x {product.n} x {product.k}"
            print(f"| {product.name} | {size} | {ours:.1f} | {blas:.1f} ", end="")
            print(f"| {ours / peak:.0%} | {ours / blas:.2f} |", flush=True)
            logs.append(log(ours / blas))
    print(f"\nGeometric mean of ours / BLAS: {exp(sum(logs) / max(len(logs), 1)):.2f}.")


if __name__ == "__main__":
    main()
