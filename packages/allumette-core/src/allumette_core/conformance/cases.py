"""The cases of each primitive, from the table of primitives: shapes and parameters here, values by
kind of primitive."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from ..backend.spec import Capabilities
from ..dtypes import DType, as_dtype
from ..errors import DTypeError
from ..primitives import PRIMITIVES, Kind, Params, Primitive
from ..shapes import Shape
from . import arguments, values
from .case import Case
from .source import Source
from .tolerance import MAX_ANGLE
from .values import Array

# Where functions of one number bend, overflow, underflow or lose digits.
_BENDS = (
    *(1e-8, 1e-4, 0.1, 0.3, 0.9, 0.99, 0.9999, 1.0001, 1.5707964, 3.1415927, 4.5, 9.0, 11.0, 16.0),
    *(17.0, 20.0, 65.0, 87.0, 88.5, 89.0, 95.0, 103.0, 104.0, 700.0, 709.5, 720.0, 745.0),
)
_ANGLES = frozenset({"sin", "cos", "tan"})


def cases(primitive: Primitive, dtype: DType, source: Source) -> list[Case]:
    """The cases of `primitive` with operands of `dtype`; empty if it does not take them."""
    return list(_each(primitive, dtype, source))


def _each(primitive: Primitive, dtype: DType, source: Source) -> Iterator[Case]:
    try:
        for case in _KINDS.get(primitive.name, _general)(primitive, dtype, source):
            if _is_allowed(case, source):
                yield case
    except DTypeError:
        return


def _is_allowed(case: Case, source: Source) -> bool:
    operands = [*case.arrays, *case.operands()]
    shape, dtype = case.primitive.infer(case.operands(), case.params)
    dtypes_fit = all(map(source.capabilities.supports, [dtype, *(x.dtype for x in case.arrays)]))
    return dtypes_fit and source.fits(shape, *(x.shape for x in operands))


def domain(primitive: Primitive, x: Array) -> Array:
    """`x` without what is not promised for `primitive`: angles too large to reduce."""
    if primitive.name not in _ANGLES or x.dtype.kind != "f":
        return x
    limit = MAX_ANGLE[x.dtype.name]
    with np.errstate(invalid="ignore"):
        reduced = np.fmod(x, x.dtype.type(limit))
    return np.where(np.isfinite(x) & (np.abs(x) > limit), reduced, x)


def _unary(primitive: Primitive, dtype: DType, source: Source) -> Iterator[Case]:
    pool = source.hot(dtype)
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            bends = np.array([*_BENDS, *(-b for b in _BENDS)]).astype(dtype)
            spread = 10.0 ** source.rng.uniform(-6, 4, 60) * source.rng.choice([-1, 1], 60)
            pool = np.concatenate([pool, bends, spread.astype(dtype)])
        pool = pool if source.capabilities.nan_inf else pool[np.isfinite(pool)]
    pool = domain(primitive, pool)
    yield Case(primitive, (pool,))
    for shape in source.some(source.shapes(), dtype):
        yield Case(primitive, (values.filled(pool, shape, source.rng),))


_BROADCASTS: tuple[tuple[Shape, ...], ...] = (
    ((), ()), ((33,), ()), ((3, 5), (5,)), ((5, 5), (5,)), ((), (4,)),
    ((3, 1), (1, 5)), ((2, 1, 4), (3, 1)), ((5,), (3, 5)),
    ((1,), (7,)), ((2, 3, 1, 2), (1, 3, 4, 1)), ((0,), (1,)), ((3, 1), (0,)), ((127,), (127,)),
    ((17, 33), (33,)), ((17, 33), (17, 1)), ((1025,), (1025,)), ((70_001,), (70_001,)),
)  # fmt: skip


def _binary(primitive: Primitive, dtype: DType, source: Source) -> Iterator[Case]:
    pool = source.hot(dtype)
    counts = pool
    if primitive.name.startswith("shift"):
        bits = dtype.itemsize * 8
        counts = np.array([0, 1, 2, bits - 1, bits, bits + 1, 100], dtype)
    yield Case(primitive, values.pairs(pool, counts))
    every = _BROADCASTS if source.full else _BROADCASTS[2:12]
    for shape, other in source.some(every, dtype):
        large = max(int(np.prod(shape)), int(np.prod(other))) > 10_000
        if large and dtype.name not in {"float32", "int32", "bool"}:
            continue
        left = values.ordinary(dtype, shape, source.rng)
        right = values.filled(counts, other, source.rng)
        yield Case(primitive, (left, right))


_CHOICES: tuple[tuple[Shape, ...], ...] = (
    ((33,),) * 3, ((3, 1), (5,), (3, 5)), ((), (4,), (4,)), ((2, 3, 4), (), (3, 1)),
)  # fmt: skip


def _where(primitive: Primitive, dtype: DType, source: Source) -> Iterator[Case]:
    for shapes in source.some(_CHOICES, dtype):
        condition = values.ordinary(np.dtype("bool"), shapes[0], source.rng)
        a, b = (values.filled(source.hot(dtype), s, source.rng) for s in shapes[1:])
        yield Case(primitive, (condition, a, b))


def _cast(primitive: Primitive, dtype: DType, source: Source) -> Iterator[Case]:
    pool = np.concatenate([source.hot(dtype), _beyond_integers(dtype, source)])
    for target in source.dtypes():
        yield Case(primitive, (pool,), (target,))
    for target in source.some(source.dtypes(), dtype):
        yield Case(primitive, (values.ordinary(dtype, (3, 5), source.rng),), (target,))


def _beyond_integers(dtype: DType, source: Source) -> Array:
    """Numbers at the ends of every integer type, and ties of every float type, as `dtype`."""
    if dtype.kind != "f":
        return np.array([], dtype)
    powers = [2.0**n for n in (7, 8, 15, 16, 31, 32, 63, 64)]
    found = [s * (p + d) for p in powers for d in (-1, -0.5, 0, 0.5, 1) for s in (1, -1)]
    found += [1 + 2.0**-11, 1 + 2.0**-11 + 2.0**-30, 1 + 2.0**-24, 1 + 3 * 2.0**-24, 65519.0, 65520]
    made = np.array(found)
    with np.errstate(over="ignore"):
        cut = made.astype(dtype)
    return cut if source.capabilities.nan_inf else cut[np.isfinite(cut)]


def _bitcast(primitive: Primitive, dtype: DType, source: Source) -> Iterator[Case]:
    for target in source.dtypes():
        if target.itemsize == dtype.itemsize and target.kind != "b":
            yield Case(primitive, (source.hot(dtype),), (target,))


def _tagged(primitive: Primitive, dtype: DType, source: Source) -> Iterator[Case]:
    yield Case(primitive, (source.hot(dtype),), ("constant",))


def _general(primitive: Primitive, dtype: DType, source: Source) -> Iterator[Case]:
    """By the table of arguments, with values that suit the kind."""
    large = dtype.name in {"float32", "int32"} and source.full
    for shapes, params in source.some(arguments.ARGUMENTS[primitive.name], dtype):
        if max(map(np.prod, shapes), default=0) > 5_000 and not large:
            continue
        yield Case(primitive, _operands(primitive, dtype, shapes, source), params)
    if primitive.name in _POOLS:
        yield from _POOLS[primitive.name](primitive, dtype, source)


def _operands(
    primitive: Primitive, dtype: DType, shapes: tuple[Shape, ...], source: Source
) -> tuple[Array, ...]:
    name, rng = primitive.name, source.rng
    if name in {"prod", "cumprod"} and dtype.kind == "f":
        return tuple((1 + 0.3 * rng.uniform(-1, 1, s)).astype(dtype) for s in shapes)
    if primitive.kind in (Kind.VIEW, Kind.SORT) or name in {"max", "min", "cummax", "cummin"}:
        return tuple(values.filled(source.hot(dtype), s, rng) for s in shapes)
    if name in {"argmax", "argmin"}:
        return tuple(values.exact(dtype, s, rng) for s in shapes)
    return tuple(values.ordinary(dtype, s, rng) for s in shapes)


def _every_row(axis_params: Params) -> Callable[..., Iterator[Case]]:
    """Rows that each hold one hot spot among ordinary values, reduced along axis 1."""

    def made(primitive: Primitive, dtype: DType, source: Source) -> Iterator[Case]:
        hot = source.hot(dtype)
        if dtype.kind == "f" and primitive.name in {"sum", "cumsum", "prod", "cumprod"}:
            hot = hot[~np.isfinite(hot) | (np.abs(hot) < 1e2)]
        rows = values.exact(dtype, (hot.size, 9), source.rng)
        rows[np.arange(hot.size), source.rng.integers(0, 9, hot.size)] = hot
        yield Case(primitive, (rows,), axis_params)

    return made


def _ties(primitive: Primitive, dtype: DType, source: Source) -> Iterator[Case]:
    axis: Any = 0 if primitive.kind is Kind.SORT else (0,)
    pool = source.hot(dtype)[:3]
    yield Case(primitive, (values.filled(pool, (300,), source.rng),), (axis,))


def _many_terms(primitive: Primitive, dtype: DType, source: Source) -> Iterator[Case]:
    """More terms of one size than a narrow or naive sum survives."""
    if dtype.kind == "f":
        size = 5_000 if dtype.name == "float16" else 100_000
        value = 1.0 if dtype.name == "float16" else 0.1
        yield Case(primitive, (np.full((size,), value, dtype),), ((0,),))
        yield Case(primitive, (np.full((3, 5_000), value, dtype),), ((1,),))


def _special_dot(primitive: Primitive, dtype: DType, source: Source) -> Iterator[Case]:
    if dtype.kind != "f":
        full = [values.filled(source.hot(dtype), s, source.rng) for s in ((5, 9), (9, 4))]
        yield Case(primitive, tuple(full), ((1,), (0,), (), ()))
        return
    if source.capabilities.nan_inf:
        left = values.exact(dtype, (6, 8), source.rng)
        left[np.arange(4), [0, 3, 7, 5]] = [np.nan, np.inf, -np.inf, np.inf]
        right = values.exact(dtype, (8, 5), source.rng)
        yield Case(primitive, (left, right), ((1,), (0,), (), ()))
    many = np.full((2, 5_000), 1.0, dtype)
    yield Case(primitive, (many, many), ((1,), (1,), (), ()))


def _indexed(primitive: Primitive, dtype: DType, source: Source) -> Iterator[Case]:
    """Gather and scatter: every index dtype; out of bounds, repeated, and many at once."""
    names = ("int32", "int64", "uint8", "int8", "uint32") if source.full else ("int32", "int64")
    for x_shape, index_shape, axis in source.some(arguments.INDEXED, dtype):
        for name in names if x_shape == (5,) else names[:1]:
            size = x_shape[axis]
            low = -2 if name.startswith("i") else 0
            indices = source.rng.integers(low, size + 2, index_shape).astype(name)
            yield from _at(primitive, dtype, source, x_shape, indices, axis)
    crowd = source.rng.integers(0, 3, (4_097,)).astype("int32")
    if dtype.name in {"float32", "int32"}:
        yield from _at(primitive, dtype, source, (3,), crowd, 0)


def _at(
    primitive: Primitive, dtype: DType, source: Source, shape: Shape, indices: Array, axis: int
) -> Iterator[Case]:
    x = values.exact(dtype, shape, source.rng)
    if primitive.name == "gather":
        yield Case(primitive, (x, indices), (axis,))
        return
    updates = values.exact(dtype, shape[:axis] + indices.shape + shape[axis + 1 :], source.rng)
    for mode in ("add", "set") if dtype.kind != "b" else ("set",):
        yield Case(primitive, (x, indices, updates), (axis, mode))


def _full(primitive: Primitive, dtype: DType, source: Source) -> Iterator[Case]:
    for value in source.hot(dtype).tolist():
        yield Case(primitive, (), ((3,), value, dtype))
    for shape in source.some(source.shapes(), dtype):
        yield Case(primitive, (), (shape, dtype.type(1).item(), dtype))


def _iota(primitive: Primitive, dtype: DType, source: Source) -> Iterator[Case]:
    if dtype.kind != "b":
        for size in (1, 2, 33, 100, *((1025, 5000) if dtype.itemsize > 1 else ())):
            yield Case(primitive, (), (size, dtype))


def _random_bits(primitive: Primitive, dtype: DType, source: Source) -> Iterator[Case]:
    if dtype.name not in {"uint32", "uint64"}:
        return
    for words in ((0, 0), (1, 2), (2**32 - 1, 2**32 - 1), (0, 2**31)):
        yield Case(primitive, (np.array(words, "uint32"),), ((131,), dtype))
    for shape in ((), (3, 5), (17, 33), (1025,)):
        yield Case(primitive, (np.array((7, 42), "uint32"),), (shape, dtype))


Maker = Callable[[Primitive, DType, Source], Iterator[Case]]
_KINDS: Mapping[str, Maker] = {
    "where": _where, "cast": _cast, "bitcast": _bitcast, "alias": _tagged, "gather": _indexed,
    "scatter": _indexed, "full": _full, "iota": _iota, "random_bits": _random_bits,
    **{
        p.name: _unary if p.arity == 1 else _binary
        for p in PRIMITIVES.values()
        if p.kind is Kind.ELEMENTWISE and p.name not in {"where", "cast", "bitcast", "alias"}
    },
}  # fmt: skip
_POOLS: Mapping[str, Maker] = {
    "sum": lambda *a: iter([*_every_row(((1,),))(*a), *_many_terms(*a)]),
    **dict.fromkeys(("prod", "max", "min"), _every_row(((1,),))),
    **dict.fromkeys(("cumsum", "cumprod", "cummax", "cummin"), _every_row((1,))),
    **dict.fromkeys(("argmax", "argmin"), lambda *a: iter([*_every_row(((1,),))(*a), *_ties(*a)])),
    **dict.fromkeys(("sort", "argsort"), lambda *a: iter([*_every_row((1,))(*a), *_ties(*a)])),
    "dot_general": _special_dot,
}

# placeholder has no value; every other row of the table is tried.
TRIED: tuple[Primitive, ...] = tuple(p for p in PRIMITIVES.values() if p.name != "placeholder")


def takes(primitive: Primitive, dtype: DType) -> bool:
    """Whether there is a case of `primitive` with `dtype` at all, whatever a backend declares."""
    everything = Source(np.random.default_rng(0), Capabilities())
    return next(_each(primitive, as_dtype(dtype), everything), None) is not None
