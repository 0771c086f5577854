"""Faults of arithmetic: primitive, name, and the wrong kernel."""

import numpy as np
from wrongs import (
    Wrong,
    after,
    erf,
    fewer,
    if_float,
    is_f32,
    low,
    nearest,
    of_kind,
    only,
    square_rows,
    truth_of_integer,
    twice_rounded,
    wide_range,
)

ARITHMETIC: tuple[tuple[str, str, Wrong], ...] = (
    ("le", "is lt, so that relu'(0) = 1", lambda r, a, b: np.less(a, b)),
    ("lt", "is true for NaN", lambda r, a, b: ~np.greater_equal(a, b)),
    ("eq", "finds NaN equal to NaN", lambda r, a, b: r(a, b) | ((a != a) & (b != b))),
    (
        "ne",
        "compares bits, so -0.0 != 0.0",
        only(of_kind("f"), lambda r, a, b: r(a, b) | (np.signbit(a) != np.signbit(b))),
    ),
    ("max", "loses NaN", if_float(lambda x, axes: np.fmax.reduce(x, axis=axes))),
    ("min", "leaves out the last element", fewer(lambda n: max(1, n - 1))),
    ("maximum", "loses NaN", lambda r, a, b: np.fmax(a, b)),
    ("minimum", "takes the second operand if either is NaN", lambda r, a, b: np.where(a < b, a, b)),
    (
        "sum",
        "leaves out the last, incomplete block",
        fewer(lambda n: n if n < 128 else n // 128 * 128),
    ),
    (
        "sum",
        "adds float16 up in float16",
        only(
            lambda x, axes: x.dtype == np.float16 and len(axes) == 1,
            lambda r, x, axes: (
                np.add.accumulate(x, axis=axes[0], dtype=np.float16).take(-1, axes[0])
                if x.shape[axes[0]]
                else r(x, axes)
            ),
        ),
    ),
    (
        "sum",
        "adds one after another",
        only(
            lambda x, axes: x.dtype == np.float32 and len(axes) == 1,
            lambda r, x, axes: (
                np.add.accumulate(x, axis=axes[0], dtype=np.float32).take(-1, axes[0])
                if x.shape[axes[0]]
                else r(x, axes)
            ),
        ),
    ),
    (
        "sum",
        "of nothing is not 0",
        only(lambda x, axes: x.size == 0, lambda r, x, axes: r(x, axes) + 1),
    ),
    (
        "sum",
        "saturates small integers",
        only(
            lambda x, axes: x.dtype == np.int8,
            lambda r, x, axes: np.clip(np.sum(x, axis=axes, dtype=np.int64), -128, 127).astype(
                np.int8
            ),
        ),
    ),
    (
        "prod",
        "of nothing is 0",
        only(lambda x, axes: x.size == 0, lambda r, x, axes: r(x, axes) * 0),
    ),
    ("prod", "skips zeros", if_float(lambda x, axes: np.prod(np.where(x == 0, 1, x), axis=axes))),
    ("argmax", "gives int64", lambda r, x, axes: r(x, axes).astype(np.int64)),
    (
        "argmax",
        "gives the last of equals",
        lambda r, x, axes: (
            x.shape[axes[0]] - 1 - np.argmax(np.flip(x, axes), axis=axes[0])
        ).astype(np.int32),
    ),
    (
        "argmin",
        "passes over NaN",
        only(of_kind("f"), lambda r, x, axes: r(np.where(np.isnan(x), np.inf, x), axes)),
    ),
    (
        "sort",
        "puts NaN first",
        only(of_kind("f"), lambda r, x, axis: -np.flip(np.sort(-x, axis=axis), axis)),
    ),
    (
        "sort",
        "treats unsigned integers as signed",
        only(
            of_kind("u"), lambda r, x, axis: r(x.view(f"i{x.dtype.itemsize}"), axis).view(x.dtype)
        ),
    ),
    (
        "argsort",
        "is not stable",
        lambda r, x, axis: (
            (x.shape[axis] - 1 - np.flip(r(np.flip(np.flip(x, axis), ()), axis), ())).astype(
                np.int32
            )
            if x.ndim
            else r(x, axis)
        ),
    ),
    (
        "add",
        "saturates int8",
        only(
            lambda a, b: a.dtype == np.int8,
            lambda r, a, b: np.clip(a.astype(int) + b, -128, 127).astype(np.int8),
        ),
    ),
    ("add", "broadcasts a row along the wrong axis of a square", square_rows),
    (
        "add",
        "is wrong above 65,535 elements",
        after(
            lambda out, a, b: (
                out
                if out.size <= 65535
                else np.where(np.arange(out.size).reshape(out.shape) < 65535, out, 0)
            )
        ),
    ),
    (
        "add",
        "is wrong above 2**24 elements",
        after(
            lambda out, a, b: (
                out
                if out.size <= 2**24
                else np.where(np.arange(out.size).reshape(out.shape) < 2**24, out, 0)
            )
        ),
    ),
    (
        "sub",
        "swaps its operands when the first is a scalar",
        lambda r, a, b: r(b, a) if a.ndim == 0 and b.ndim else r(a, b),
    ),
    (
        "mul",
        "multiplies int64 as float64",
        only(
            lambda a, b: a.dtype == np.int64,
            lambda r, a, b: (a.astype(np.float64) * b).astype(np.int64),
        ),
    ),
    (
        "mul",
        "is 0 where one factor is 0, whatever the other",
        after(lambda out, a, b: np.where((a == 0) | (b == 0), 0, out)),
    ),
    ("div", "uses a 12-bit reciprocal", only(is_f32, lambda r, a, b: a * low(1 / b, 12))),
    ("neg", "loses the sign of zero", lambda r, x: 0 - x),
    ("neg", "is wrong for more than five axes", only(lambda x: x.ndim > 5, lambda r, x: x)),
    (
        "abs",
        "saturates at the lowest integer",
        only(
            of_kind("i"),
            lambda r, x: np.where(x == np.iinfo(x.dtype).min, np.iinfo(x.dtype).max, r(x)),
        ),
    ),
    ("sign", "of NaN is 0", if_float(lambda x: np.where(np.isnan(x), 0, np.sign(x)))),
    (
        "round",
        "rounds halves away from zero",
        lambda r, x: np.trunc(x + np.copysign(x.dtype.type(0.5), x)),
    ),
    ("floor", "truncates", lambda r, x: np.trunc(x)),
    ("ceil", "loses the sign of zero", lambda r, x: r(x) + 0),
    ("sqrt", "of negative numbers is 0", lambda r, x: r(np.maximum(x, 0))),
    (
        "exp",
        "overflows too early",
        only(is_f32, lambda r, x: np.where(x > 88, np.float32(np.inf), r(x))),
    ),
    (
        "exp",
        "flushes subnormal results",
        after(lambda out, x: np.where(out < np.finfo(out.dtype).tiny, 0, out)),
    ),
    ("exp", "computes float64 in float32", lambda r, x: r(x.astype(np.float32)).astype(x.dtype)),
    ("expm1", "is exp minus 1", lambda r, x: np.exp(x) - 1),
    (
        "log",
        "of 0 is the lowest number",
        after(lambda out, x: np.where(x == 0, np.finfo(out.dtype).min, out)),
    ),
    ("log1p", "is log of 1 plus x", lambda r, x: np.log(1 + x)),
    (
        "sin",
        "reduces angles in working precision",
        only(
            is_f32, lambda r, x: r(x - np.float32(2 * np.pi) * np.rint(x / np.float32(2 * np.pi)))
        ),
    ),
    ("tanh", "overflows to NaN", lambda r, x: (np.exp(2 * x) - 1) / (np.exp(2 * x) + 1)),
    ("atan2", "loses the sign of zero", lambda r, a, b: r(a + 0, b + 0)),
    ("asinh", "cancels for negative numbers", lambda r, x: np.log(x + np.sqrt(x * x + 1))),
    ("erf", "is good to 1.5e-7", if_float(erf)),
    ("logistic", "underflows to 0", if_float(lambda x: 1 / (1 + np.exp(-x)))),
    ("mod", "has the dividend's sign", lambda r, a, b: np.fmod(a, b)),
    (
        "floordiv",
        "truncates integers",
        only(
            of_kind("i"),
            lambda r, a, b: (
                r(np.abs(a.astype(np.int64)), np.maximum(np.abs(b.astype(np.int64)), 1))
                * np.sign(a)
                * np.sign(b)
            ).astype(a.dtype),
        ),
    ),
    (
        "floordiv",
        "of an integer by 0 is -1",
        only(of_kind("i"), lambda r, a, b: np.where(b == 0, -1, r(a, b)).astype(a.dtype)),
    ),
    (
        "pow",
        "0 ** 0 is NaN",
        if_float(lambda a, b: np.where((a == 0) & (b == 0), np.nan, np.power(a, b))),
    ),
    (
        "shift_left",
        "takes the count modulo the width",
        lambda r, a, b: r(a, b % (a.dtype.itemsize * 8)),
    ),
    (
        "shift_right",
        "fills in zeros",
        only(
            of_kind("i"),
            lambda r, a, b: r(
                a.view(f"u{a.dtype.itemsize}"), b.astype(f"u{a.dtype.itemsize}")
            ).view(a.dtype),
        ),
    ),
    (
        "where",
        "blends, so NaN gets through",
        only(
            lambda c, a, b: a.dtype.kind == "f",
            lambda r, c, a, b: (c * a + (1 - c.astype(a.dtype)) * b).astype(a.dtype),
        ),
    ),
    ("cast", "wraps what does not fit", wide_range),
    ("cast", "rounds to the nearest integer", nearest),
    ("cast", "rounds float64 to float16 twice", twice_rounded),
    ("cast", "of 0.5 to bool is false", truth_of_integer),
    ("bitcast", "converts the value", lambda r, x, dtype: x.astype(dtype)),
)
