"""Every decomposition gives what the reference kernel gives, and no chain of them is endless."""

import math
from collections.abc import Callable
from typing import Any

import allumette_core as al
import numpy as np
import pytest
from allumette_core import expr
from allumette_core import primitives as P
from allumette_core.backend.reference import KERNELS
from allumette_core.compiler.decompose import lower
from allumette_core.compiler.program import build
from allumette_core.decompositions import DECOMPOSITIONS
from allumette_core.decompositions.bits import counters
from allumette_core.primitives import Kind, Primitive
from allumette_core.threefry import threefry
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import ALL, FLOATS, Array, arrays, assert_same, broadcastable, fill, with_axis

quickly = settings(max_examples=25)
ELEMENTWISE = [p for p in DECOMPOSITIONS if p.kind is Kind.ELEMENTWISE and p is not P.alias]
# Units in the last place; what is not listed is exact.
ULPS = {
    P.expm1: 5, P.log1p: 5, P.tanh: 5, P.sinh: 8, P.cosh: 6, P.asinh: 5, P.acosh: 5, P.atanh: 5,
    P.tan: 5, P.asin: 4, P.acos: 4, P.atan2: 4, P.logistic: 2,
}  # fmt: skip


def _kernel(primitive: Primitive, *arguments: Any) -> Array:
    with np.errstate(all="ignore"):
        return np.asarray(KERNELS[primitive](*arguments))


def _decomposed(primitive: Primitive, arrays_: tuple[Array, ...], *params: Any) -> Array:
    out = DECOMPOSITIONS[primitive](*[al.tensor(a) for a in arrays_], *params)
    shape, dtype = primitive.infer(arrays_, params)
    assert (out.shape, out.dtype) == (shape, dtype)
    return out.numpy()


def _takes(primitive: Primitive, dtype: Any) -> bool:
    sample = np.zeros((), dtype)
    try:
        primitive.infer([sample] * (primitive.arity or 1), ())
    except al.DTypeError:
        return False
    return True


@pytest.mark.parametrize("primitive", ELEMENTWISE, ids=repr)
@given(data=st.data())
@quickly
def test_elementwise(primitive: Primitive, data: st.DataObject) -> None:
    dtypes = [dtype for dtype in ALL if _takes(primitive, dtype)]
    operands = data.draw(broadcastable(dtypes, count=primitive.arity or 1))
    expected = _kernel(primitive, *operands)
    got = _decomposed(primitive, operands)
    if primitive not in ULPS:
        signed = primitive not in (P.sign, P.maximum, P.minimum)
        assert_same(got, expected, signed_zeros=signed)
        return
    np.testing.assert_array_equal(np.isnan(got), np.isnan(expected))
    with np.errstate(all="ignore"):
        bound = ULPS[primitive] * np.spacing(np.abs(expected))
        near = np.abs(got - expected) <= bound
    assert np.all(near | (got == expected) | np.isnan(expected))
    zero = expected == 0
    np.testing.assert_array_equal(np.signbit(got[zero]), np.signbit(expected[zero]))


@pytest.mark.parametrize("primitive", [P.sum_, P.prod, P.max_, P.min_], ids=repr)
@given(x=arrays(ALL), data=st.data())
@quickly
def test_reductions(primitive: Primitive, x: Array, data: st.DataObject) -> None:
    if not _takes_along(primitive, x):
        x = x.astype(np.int32)
    axes = tuple(i for i in range(x.ndim) if data.draw(st.booleans()))
    if primitive in (P.max_, P.min_) and any(x.shape[a] == 0 for a in axes):
        return
    if x.dtype.kind == "f" and primitive in (P.sum_, P.prod):
        x = np.round(np.clip(np.nan_to_num(x), -2, 2))  # exact in any order
    assert_same(_decomposed(primitive, (x,), axes), _kernel(primitive, x, axes), signed_zeros=False)


def _takes_along(primitive: Primitive, x: Array) -> bool:
    return x.dtype.kind != "b" or primitive in (P.max_, P.min_)


@pytest.mark.parametrize("primitive", [P.argmax, P.argmin], ids=repr)
@given(case=with_axis(ALL))
@quickly
def test_places_of_extremes(primitive: Primitive, case: tuple[Array, int]) -> None:
    x, axis = case
    axes = (axis % x.ndim,)
    if x.shape[axis]:
        assert_same(_decomposed(primitive, (x,), axes), _kernel(primitive, x, axes))


@pytest.mark.parametrize("primitive", [P.cumsum, P.cumprod, P.cummax, P.cummin, P.sort], ids=repr)
@given(case=with_axis(ALL))
@quickly
def test_along_an_axis(primitive: Primitive, case: tuple[Array, int]) -> None:
    x, axis = case
    if primitive in (P.cumsum, P.cumprod):
        x = x.astype(np.int8) if x.dtype.kind == "b" else x
        if x.dtype.kind == "f":
            x = np.round(np.clip(np.nan_to_num(x), -2, 2))
    place = axis % x.ndim
    expected = _kernel(primitive, x, place)
    assert_same(_decomposed(primitive, (x,), place), expected, signed_zeros=primitive is P.sort)


def test_long_scans_cover_every_power_of_two() -> None:
    for size in (1, 2, 3, 8, 9, 127, 128, 129):
        x = np.arange(size, dtype=np.int32)
        assert_same(_decomposed(P.cumsum, (x,), 0), np.cumsum(x, dtype=np.int32))


def test_running_products_are_exact_beside_zeros() -> None:
    x = np.array([3.0, 0.0, 5.0, 0.0, 2.0])
    assert _decomposed(P.cumprod, (x,), 0).tolist() == [3.0, 0.0, 0.0, 0.0, 0.0]


@given(case=with_axis(ALL), data=st.data())
@quickly
def test_flip_and_broadcast(case: tuple[Array, int], data: st.DataObject) -> None:
    x, axis = case
    assert_same(_decomposed(P.flip, (x,), (axis % x.ndim,)), np.flip(x, axis))
    shape = (2, *(n if n != 1 else data.draw(st.sampled_from([0, 1, 3])) for n in x.shape))
    assert_same(_decomposed(P.broadcast, (x,), shape), np.broadcast_to(x, shape))


@given(x=arrays(ALL), data=st.data())
@quickly
def test_pad(x: Array, data: st.DataObject) -> None:
    params = tuple(tuple(data.draw(st.integers(0, 2)) for _ in x.shape) for _ in range(3))
    value = np.ones((), x.dtype)
    assert_same(_decomposed(P.pad, (x, value), *params), _kernel(P.pad, x, value, *params))


@given(dtype=st.sampled_from(ALL), seed=st.integers(0, 999), data=st.data())
@quickly
def test_windows_and_fold(dtype: Any, seed: int, data: st.DataObject) -> None:
    shape = data.draw(st.sampled_from([(5,), (4, 5), (2, 6, 5), (1, 3, 1, 4)]))
    chosen = data.draw(st.lists(st.sampled_from(range(len(shape))), unique=True, max_size=2))
    axes = tuple(sorted(chosen))
    small = st.integers(1, 2)
    sizes, strides = (tuple(data.draw(small) for _ in axes) for _ in range(2))
    sizes = tuple(min(n, shape[a]) for n, a in zip(sizes, axes, strict=True))
    dilations = tuple(
        data.draw(st.integers(1, max(1, shape[a] - 1))) if n > 1 else 1
        for n, a in zip(sizes, axes, strict=True)
    )
    params = (axes, sizes, strides, dilations)
    x = fill(np.random.default_rng(seed), shape, dtype)
    windows = _kernel(P.windows, x, *params)
    assert_same(_decomposed(P.windows, (x,), *params), windows)
    if dtype.kind != "b":
        y = np.clip(np.nan_to_num(windows), 0, 3) if dtype.kind == "f" else windows
        y = np.round(y).astype(dtype)
        expected = _kernel(P.fold, y, *params, shape)
        assert_same(_decomposed(P.fold, (y,), *params, shape), expected, signed_zeros=False)


# ---- random words --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "counter", "words"),
    [
        ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
        ((2**32 - 1, 2**32 - 1), (2**32 - 1, 2**32 - 1), (0x1CB996FC, 0xBB002BE7)),
        (
            (0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3), (0xC4923A9C, 0x483DF7A0),
        ),
    ],
)  # fmt: skip
def test_threefry_gives_the_published_words(key: Any, counter: Any, words: Any) -> None:
    """The known answers of the Random123 library, for arrays and for tensors."""
    arguments = [np.array([word], np.uint32) for word in (*key, *counter)]
    assert tuple(word.item() for word in threefry(*arguments)) == words
    tensors = threefry(*[al.tensor(a) for a in arguments])
    assert tuple(word.item() for word in tensors) == words


@pytest.mark.parametrize("dtype", [al.uint32, al.uint64])
@pytest.mark.parametrize("shape", [(), (0,), (1,), (7,), (3, 5), (2, 0, 3)])
def test_random_bits(shape: tuple[int, ...], dtype: Any) -> None:
    key = np.array([1, 2**32 - 1], np.uint32)
    expected = _kernel(P.random_bits, key, shape, dtype)
    assert_same(_decomposed(P.random_bits, (key,), shape, dtype), expected)


@pytest.mark.parametrize("size", [0, 1, 7, 8, 9, 24, 29])
def test_counters_carry_into_the_high_word(size: int) -> None:
    high, low = counters(size, block=8)
    assert high.tolist() == [i // 8 for i in range(size)]
    assert low.tolist() == [i % 8 for i in range(size)]
    assert high.dtype == low.dtype == np.uint32


# ---- as a whole ----------------------------------------------------------------------------------


def _example(primitive: Primitive) -> tuple[tuple[Array, ...], tuple[Any, ...]]:
    x = np.array([[0.5, 0.25, 0.125], [0.75, 0.375, 0.5]], np.float32)
    special: dict[Primitive, tuple[tuple[Array, ...], tuple[Any, ...]]] = {
        P.alias: ((x,), ("tag",)),
        P.invert: ((x > 0.3,), ()),
        P.pad: ((x, np.zeros((), np.float32)), ((1, 0), (0, 2), (1, 1))),
        P.broadcast: ((x,), (2, 2, 3)),
        P.flip: ((x,), (0, 1)),
        P.windows: ((x,), ((1,), (2,), (1,), (1,))),
        P.fold: ((x.reshape(1, 3, 2),), ((1,), (2,), (1,), (1,), (1, 4))),
        P.random_bits: ((np.array([1, 2], np.uint32),), ((2, 2), al.uint32)),
    }
    if primitive in (P.broadcast, P.flip):
        operands, params = special[primitive]
        return operands, (params,)
    if primitive in special:
        return special[primitive]
    if primitive.params == ("axes",):
        return (x,), ((1,),)
    if primitive.params == ("axis",):
        return (x,), (1,)
    return (x, x[::-1].copy())[: primitive.arity], ()


@pytest.mark.parametrize("primitive", DECOMPOSITIONS, ids=repr)
def test_lowering_ends_in_primitives_without_a_decomposition(primitive: Primitive) -> None:
    """Even for a backend that has nothing but these."""
    operands, params = _example(primitive)
    inputs = [expr.placeholder(a.shape, a.dtype, None) for a in operands]
    program, _ = build(inputs, [expr.apply(primitive, *inputs, params=params)])
    lowered = lower(program, lambda p: p not in DECOMPOSITIONS)
    assert not {i.primitive for i in lowered.instructions} & set(DECOMPOSITIONS)
    executable = al.backend.registry.open_backend("numpy").compile(lowered, "numpy")
    (got,) = executable([np.asarray(a) for a in operands])
    expected = _kernel(primitive, *operands, *params)
    np.testing.assert_allclose(got, expected, rtol=1e-5)
    assert got.dtype == expected.dtype


@pytest.mark.parametrize(
    ("primitive", "function"),
    [
        (P.cumprod, lambda x: al.cumulative_prod(x, axis=0)),
        (P.cummax, lambda x: al.cummax(x, 0)),
        (P.cummin, lambda x: al.cummin(x, 0)),
        (P.sort, lambda x: al.sort(x, axis=0)),
    ],
    ids=["cumprod", "cummax", "cummin", "sort"],
)
def test_decompositions_carry_derivatives(
    primitive: Primitive, function: Callable[[al.Tensor], al.Tensor]
) -> None:
    assert primitive in DECOMPOSITIONS
    x = al.tensor(np.array([[0.5, -2.0], [1.5, 0.0], [-0.75, 3.0], [2.5, 1.0]]))
    al.check_grads(function, (x,), order=2)


@pytest.mark.parametrize("dtype", FLOATS)
def test_transcendental_decompositions_at_the_ends_of_the_range(dtype: Any) -> None:
    large = float(np.finfo(dtype).max)
    x = np.array([large, -large, math.inf, -math.inf], dtype)
    for primitive in (P.tanh, P.asinh, P.sinh, P.expm1, P.log1p, P.logistic):
        got, expected = _decomposed(primitive, (x,)), _kernel(primitive, x)
        np.testing.assert_allclose(
            got.astype(np.float64), expected.astype(np.float64), rtol=4 * float(np.finfo(dtype).eps)
        )
