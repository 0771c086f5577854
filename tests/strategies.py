"""What tests of every area draw from: dtypes, adversarial shapes, and arrays full of hot spots."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import ArrayLike, NDArray

Array = NDArray[Any]

BOOL = np.dtype("bool")
SIGNED = [np.dtype(f"int{n}") for n in (8, 16, 32, 64)]
UNSIGNED = [np.dtype(f"uint{n}") for n in (8, 16, 32, 64)]
INTEGERS = SIGNED + UNSIGNED
FLOATS = [np.dtype(f"float{n}") for n in (16, 32, 64)]
NUMBERS = INTEGERS + FLOATS
ALL = [BOOL, *NUMBERS]

# Rank 0, no elements, one element, primes, ones among others, and a rank of 8.
SHAPES: list[tuple[int, ...]] = [
    *((), (0,), (1,), (2,), (7,), (13,), (1, 1), (2, 3), (0, 3), (3, 0, 2), (5, 1, 7), (3, 2, 2)),
    *((2, 1, 3, 1, 2), (1, 2, 1, 2, 1, 2, 1, 2)),
]


def hot_values(dtype: Any) -> Array:
    """Where functions change their mind: zeros, ones, ties, ends of the range, NaN and so on."""
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return np.array([False, True])
    if dtype.kind in "iu":
        ends = np.iinfo(dtype)
        values = {0, 1, 2, 3, 7, ends.min, ends.max, ends.min + 1, ends.max - 1, ends.bits}
        return np.array(sorted(values | ({-1, -2, -7} if dtype.kind == "i" else set())), dtype)
    info = np.finfo(dtype)
    positive = [0, info.smallest_subnormal, info.tiny, info.eps, 0.5, 1, 1 + info.eps, 1.5, 2.5, 3]
    positive += [np.pi / 2, 10, 100, info.max, np.inf]
    with np.errstate(over="ignore"):
        halves = np.array(positive, dtype)
    return np.concatenate([halves, -halves, np.array([np.nan], dtype)])


def fill(generator: np.random.Generator, shape: Sequence[int], dtype: Any) -> Array:
    """An array of hot spots, of numbers of ordinary size, and of values that occur twice."""
    dtype = np.dtype(dtype)
    hot = generator.choice(hot_values(dtype), shape)
    if dtype.kind == "b":
        return hot
    if dtype.kind == "f":
        ordinary = (generator.normal(size=shape) * 3).astype(dtype)
    else:
        ends = np.iinfo(dtype)
        ordinary = generator.integers(max(ends.min, -9), 9, shape, endpoint=True).astype(dtype)
    out = np.where(generator.random(shape) < 0.4, hot, ordinary)
    if out.size > 1:
        flat = out.reshape(-1)
        flat[generator.integers(out.size)] = flat[generator.integers(out.size)]
    return out


def shapes(max_rank: int = 8) -> st.SearchStrategy[tuple[int, ...]]:
    """Adversarial shapes of small size."""
    fixed = st.sampled_from([shape for shape in SHAPES if len(shape) <= max_rank])
    return fixed | hnp.array_shapes(min_dims=0, max_dims=min(max_rank, 4), min_side=0, max_side=5)


@st.composite
def arrays(
    draw: st.DrawFn,
    dtypes: Sequence[Any] = ALL,
    shape: st.SearchStrategy[tuple[int, ...]] | tuple[int, ...] | None = None,
) -> Array:
    """An array of one of `dtypes`; every float strategy has NaN, infinities, -0.0 and ties."""
    size = shape if isinstance(shape, tuple) else draw(shapes() if shape is None else shape)
    dtype = draw(st.sampled_from(list(dtypes)))
    return fill(np.random.default_rng(draw(st.integers(0, 2**32 - 1))), size, dtype)


@st.composite
def broadcastable(
    draw: st.DrawFn, dtypes: Sequence[Any] = ALL, count: int = 2, same_dtype: bool = True
) -> tuple[Array, ...]:
    """Arrays whose shapes broadcast, of one dtype or each of its own."""
    drawn = draw(
        hnp.mutually_broadcastable_shapes(num_shapes=count, min_dims=0, max_dims=4, max_side=4)
    )
    kinds = [draw(st.sampled_from(list(dtypes))) for _ in range(1 if same_dtype else count)]
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return tuple(
        fill(generator, shape, kinds[i % len(kinds)]) for i, shape in enumerate(drawn.input_shapes)
    )


@st.composite
def with_axis(draw: st.DrawFn, dtypes: Sequence[Any] = ALL) -> tuple[Array, int]:
    """An array of rank 1 or more, and one of its axes, counted from either end."""
    x = draw(arrays(dtypes, shapes().filter(bool)))
    return x, draw(st.integers(-x.ndim, x.ndim - 1))


@st.composite
def with_axes(
    draw: st.DrawFn, dtypes: Sequence[Any] = ALL
) -> tuple[Array, int | tuple[int, ...] | None]:
    """An array, and an axis, several or None."""
    x = draw(arrays(dtypes))
    if x.ndim == 0:
        return x, draw(st.sampled_from([None, ()]))
    one = st.integers(-x.ndim, x.ndim - 1)
    several = st.lists(st.integers(0, x.ndim - 1), unique=True).map(tuple)
    return x, draw(st.none() | one | several)


# ---- comparison ----------------------------------------------------------------------------------


def assert_same(got: Any, wanted: ArrayLike, signed_zeros: bool = True) -> None:
    """Equal shape, dtype and elements; NaN equals NaN, and zeros have their signs."""
    actual, expected = np.asarray(got), np.asarray(wanted)
    assert actual.shape == expected.shape
    assert actual.dtype == expected.dtype
    np.testing.assert_array_equal(actual, expected)
    if signed_zeros and expected.dtype.kind == "f":
        number = ~np.isnan(expected)
        np.testing.assert_array_equal(np.signbit(actual[number]), np.signbit(expected[number]))


def assert_ulps(got: Any, wanted: ArrayLike, dtype: Any, ulps: float) -> None:
    """Equal shape, of `dtype`, and within `ulps` units in the last place of the exact value.

    `wanted` is the value in a wider type; NaN and infinities have to be where they are there.
    """
    actual, exact = np.asarray(got), np.asarray(wanted)
    assert actual.shape == exact.shape
    assert actual.dtype == dtype
    with np.errstate(all="ignore"):
        expected = exact.astype(dtype)
        np.testing.assert_array_equal(np.isnan(actual), np.isnan(expected))
        finite = np.isfinite(expected) & np.isfinite(actual)
        near = np.abs(actual.astype(exact.dtype) - np.where(finite, exact, 0))
        unit = np.spacing(np.abs(expected)).astype(exact.dtype)
        close = np.where(finite, near <= ulps * unit, (actual == expected) | np.isnan(expected))
        # Beside the largest finite number, that and infinity are neighbours.
        largest = np.finfo(dtype).max
        edge = np.abs(np.abs(exact) - largest) <= np.spacing(largest) * ulps
        close |= ~finite & edge & (np.sign(actual) == np.sign(exact))
    if not np.all(close):
        worst = np.argwhere(~close)[0]
        place = tuple(worst.tolist())
        raise AssertionError(
            f"{(~close).sum()} of {close.size} differ by more than {ulps} ULP, first at {place}: "
            f"got {actual[place]!r}, expected {expected[place]!r}"
        )
