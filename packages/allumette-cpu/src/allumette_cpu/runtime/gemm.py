"""Matrix products, C = A B or C += A B, as LLVM code for this processor's vectors.

Three functions, by how the operands lie; all are made of tiles of `outer.py` and `inner.py`, whose
vectors run along the columns of C or along the terms of its sums. The order of additions depends
on shapes and strides alone. Offsets and strides count elements, tables of them are of int64.
"""

from llvmlite import ir

from .inner import Inner
from .outer import Outer
from .vectors import I64, NULL, PTR, Value


def source(name: str, *, scattered: bool = False) -> str:
    """The LLVM assembly of `gemm`, or of `gemm_columns` and `gemm_terms`, for "f32" or "f64"."""
    module = ir.Module("gemm")
    kind, size = (ir.FloatType(), 4) if name == "f32" else (ir.DoubleType(), 8)
    _Gemm(module, name, kind, size).build(scattered)
    return str(module)


class _Gemm(Outer, Inner):
    def build(self, scattered: bool) -> None:
        self.scattered = scattered
        self.nowhere = self.table("nowhere", [0])
        self.outer_products, self.inner_products = self.outer(), self.inner()
        for write in (self.columns, self.terms) if scattered else (self.strided,):
            write()

    def strided(self) -> None:
        """`gemm(m, n, k, a, a_rs, a_cs, b, b_rs, b_cs, accumulate, c, c_rs, scratch)`: strides of
        rows and columns; the columns of C are contiguous, and `scratch` has GEMM_SCRATCH bytes."""
        kinds = [I64, I64, I64, PTR, I64, I64, PTR, I64, I64, I64, PTR, I64, PTR]
        made = self.function("gemm", kinds, public=True)
        m, n, k, a, a_rs, a_cs, b_, b_rs, b_cs, accumulate, c, c_rs, scratch = made.args
        b, one, zero = self.b, I64(1), self.nowhere
        adds = b.icmp_signed("!=", accumulate, I64(0))
        # A column of C whose A lies transposed is a row of the transposed product.
        column = b.and_(b.icmp_signed("==", n, one), b.icmp_signed("==", c_rs, one))
        flipped = b.and_(column, b.icmp_signed("==", a_rs, one))
        m, n = b.select(flipped, n, m), b.select(flipped, m, n)
        ours, others = (a, a_rs, a_cs), (b_, b_cs, b_rs)
        a, a_rs, a_cs = (b.select(flipped, y, x) for x, y in zip(ours, others, strict=True))
        b_, b_cs, b_rs = (b.select(flipped, x, y) for x, y in zip(ours, others, strict=True))
        with b.if_then(self.is_inner((m, n, k), (a_cs, b_rs))):
            operands = [a, a_rs, zero, b_, NULL, b_cs, zero]
            b.call(self.inner_products, [m, n, one, k, *operands, adds, c, c_rs])
            b.ret_void()
        operands = [a, a_rs, a_cs, b_, NULL, b_rs, b_cs]
        b.call(
            self.outer_products,
            [m, k, *operands, one, n, zero, zero, n, one, adds, c, c_rs, scratch],
        )
        b.ret_void()

    def columns(self) -> None:
        """`gemm_columns(m, k, a, a_rs, a_cs, b, terms, runs, length, b_runs, c_runs, pitch, group,
        accumulate, c, c_rs, scratch)`: columns come in `runs` of `length` contiguous ones, which
        begin at the offsets `b_runs`, in each `group` of runs `pitch` apart, and `c_runs`; row p of
        B begins at `terms[p]`."""
        left, columns = [PTR, I64, I64], [I64, I64, PTR, PTR, I64, I64]
        kinds = [I64, I64, *left, PTR, PTR, *columns, I64, PTR, I64, PTR]
        made = self.function("gemm_columns", kinds, public=True)
        m, k, a, a_rs, a_cs, b_, terms, *runs, accumulate, c, c_rs, scratch = made.args
        adds = self.b.icmp_signed("!=", accumulate, I64(0))
        operands = [a, a_rs, a_cs, b_, terms, I64(0), I64(1), *runs]
        self.b.call(self.outer_products, [m, k, *operands, adds, c, c_rs, scratch])
        self.b.ret_void()

    def terms(self) -> None:
        """`gemm_terms(m, n, runs, length, a, a_rs, a_runs, b, columns, b_runs, accumulate, c,
        c_rs)`: terms come in `runs` of `length` contiguous ones, which begin at the offsets
        `a_runs` and `b_runs`; column j of B begins at `columns[j]`, those of C are contiguous."""
        kinds = [I64, I64, I64, I64, PTR, I64, PTR, PTR, PTR, PTR, I64, PTR, I64]
        made = self.function("gemm_terms", kinds, public=True)
        *sizes, a, a_rs, a_runs, b_, columns, b_runs, accumulate, c, c_rs = made.args
        adds = self.b.icmp_signed("!=", accumulate, I64(0))
        operands = [a, a_rs, a_runs, b_, columns, I64(0), b_runs]
        self.b.call(self.inner_products, [*sizes, *operands, adds, c, c_rs])
        self.b.ret_void()

    def is_inner(self, sizes: tuple[Value, Value, Value], steps: tuple[Value, Value]) -> Value:
        """Whether sums of vectors along k are faster than a copy of B with vectors along n.

        Adding up the lanes of one vector takes as long as 9/2 multiplications of vectors, laying
        out one element of B as long as one; and lanes beyond n are multiplied in vain.
        """
        b, (m, n, k), one = self.b, sizes, I64(1)
        along = b.and_(*(b.icmp_signed("==", step, one) for step in steps))
        padded = b.mul(self.quotient(n, I64(self.lanes)), I64(self.lanes))
        summing = b.mul(b.mul(m, n), I64(9 * self.lanes))
        laying = b.mul(b.mul(k, n), I64(2 * self.lanes))
        wasted = b.mul(b.mul(k, m), b.mul(b.sub(padded, n), I64(2)))
        cheaper = b.icmp_signed("<", summing, b.add(laying, wasted))
        return b.and_(along, b.or_(cheaper, b.icmp_signed("==", n, one)))
