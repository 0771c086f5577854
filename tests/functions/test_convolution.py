"""Convolutions and pooling against loops over every window, and their derivatives."""

import itertools
from collections.abc import Callable
from typing import Any

import allumette_core as al
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import FLOATS, INTEGERS, Array, assert_same

often = settings(max_examples=60)
Sizes = tuple[int, ...]


# ---- the oracle: loops ---------------------------------------------------------------------------


def windows(x: Array, sizes: Sizes, strides: Sizes, dilations: Sizes) -> tuple[Sizes, Any]:
    """How many windows there are, and each with its place."""
    spans = [(k - 1) * d + 1 for k, d in zip(sizes, dilations, strict=True)]
    counts = [(n - span) // s + 1 for n, span, s in zip(x.shape[2:], spans, strides, strict=True)]

    def each() -> Any:
        for place in itertools.product(*map(range, counts)):
            cut = [
                slice(i * s, i * s + span, d)
                for i, s, span, d in zip(place, strides, spans, dilations, strict=True)
            ]
            yield place, x[(slice(None), slice(None), *cut)]

    return tuple(counts), each


def padded(x: Array, pads: Any, value: float = 0) -> Array:
    return np.pad(x, [(0, 0), (0, 0), *pads], constant_values=value)


def conv(x: Array, w: Array, strides: Sizes, pads: Any, dilations: Sizes, groups: int) -> Array:
    counts, each = windows(padded(x, pads), w.shape[2:], strides, dilations)
    out = np.zeros((x.shape[0], w.shape[0], *counts), x.dtype)
    channels, outputs = w.shape[1], w.shape[0] // groups
    for place, window in each():
        for o in range(w.shape[0]):
            first = o // outputs * channels
            products = window[:, first : first + channels] * w[o]
            out[(slice(None), o, *place)] = products.sum(axis=tuple(range(1, products.ndim)))
    return out


def pool(
    x: Array, sizes: Sizes, strides: Sizes, pads: Any, dilations: Sizes,
    reduce: Callable[..., Array], value: float,
) -> Array:  # fmt: skip
    counts, each = windows(padded(x, pads, value), sizes, strides, dilations)
    out = np.zeros((*x.shape[:2], *counts), x.dtype)
    for place, window in each():
        out[(slice(None), slice(None), *place)] = reduce(window, axis=tuple(range(2, window.ndim)))
    return out


def mean_of_numbers(window: Array, axis: Sizes) -> Array:
    with np.errstate(invalid="ignore"):
        return np.asarray(np.nansum(window, axis=axis) / (~np.isnan(window)).sum(axis=axis))


# ---- arguments to draw ---------------------------------------------------------------------------


def each(data: st.DataObject, n: int, low: int, high: int) -> Sizes:
    return tuple(data.draw(st.integers(low, high)) for _ in range(n))


def small(data: st.DataObject, shape: Sizes, dtype: Any = "float64") -> Array:
    """Whole numbers, so that sums are exact in any order."""
    generator = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    return generator.integers(0, 4, shape).astype(dtype)


def geometry(data: st.DataObject, n: int) -> tuple[Sizes, Sizes, Sizes, Any, Sizes]:
    """Window sizes, strides, dilations, pads, and sizes of x that hold a window."""
    sizes, strides = each(data, n, 1, 3), each(data, n, 1, 3)
    dilations = each(data, n, 1, 2)
    spans = [(k - 1) * d + 1 for k, d in zip(sizes, dilations, strict=True)]
    pads = [each(data, 2, 0, span - 1) for span in spans]
    spatial = tuple(
        data.draw(st.integers(max(1, span - sum(p)), span + 4))
        for span, p in zip(spans, pads, strict=True)
    )
    return sizes, strides, dilations, pads, spatial


ranks = st.integers(1, 3)


# ---- values --------------------------------------------------------------------------------------


@given(data=st.data(), n=ranks)
@often
def test_conv(data: st.DataObject, n: int) -> None:
    sizes, strides, dilations, pads, spatial = geometry(data, n)
    groups, per_in, per_out = each(data, 3, 1, 3)
    rows = data.draw(st.integers(0, 3))
    x = small(data, (rows, groups * per_in, *spatial))
    w = small(data, (groups * per_out, per_in, *sizes))
    got = al.conv(x, w, stride=strides, padding=pads, dilation=dilations, groups=groups)
    assert_same(got, conv(x, w, strides, pads, dilations, groups))


@given(data=st.data(), n=ranks)
@often
def test_conv_transpose_adds_up_kernels(data: st.DataObject, n: int) -> None:
    sizes, strides, dilations, pads, _ = geometry(data, n)
    spatial = each(data, n, 1, 4)
    groups, per_in, per_out = each(data, 3, 1, 2)
    extra = tuple(data.draw(st.integers(0, s - 1)) for s in strides)
    x = small(data, (2, groups * per_in, *spatial))
    w = small(data, (groups * per_in, per_out, *sizes))
    spans = [(k - 1) * d + 1 for k, d in zip(sizes, dilations, strict=True)]
    full = [
        (m - 1) * s + span + e for m, s, span, e in zip(spatial, strides, spans, extra, strict=True)
    ]
    out = np.zeros((2, groups * per_out, *full))
    for place in itertools.product(*map(range, spatial)):
        cut = [
            slice(i * s, i * s + span, d)
            for i, s, span, d in zip(place, strides, spans, dilations, strict=True)
        ]
        for c in range(groups * per_in):
            first = c // per_in * per_out
            values = x[(slice(None), c, *place)]
            part = (slice(None), slice(first, first + per_out), *cut)
            out[part] += np.multiply.outer(values, w[c])
    if any(sum(p) > m for p, m in zip(pads, full, strict=True)):
        return
    crop = tuple(slice(lo, m - hi) for (lo, hi), m in zip(pads, full, strict=True))
    got = al.conv_transpose(
        x, w, stride=strides, padding=pads, output_padding=extra, dilation=dilations, groups=groups
    )
    assert_same(got, out[(slice(None), slice(None), *crop)])


@given(data=st.data(), n=ranks, dtype=st.sampled_from([*FLOATS, *INTEGERS]))
@often
def test_max_pool(data: st.DataObject, n: int, dtype: Any) -> None:
    sizes, strides, dilations, pads, spatial = geometry(data, n)
    x = small(data, (2, 2, *spatial), dtype) - np.array(2, dtype)
    dtype = x.dtype
    lowest = -np.inf if dtype.kind == "f" else np.iinfo(dtype).min
    got = al.max_pool(x, sizes, stride=strides, padding=pads, dilation=dilations)
    assert_same(got, pool(x, sizes, strides, pads, dilations, np.max, lowest))


@given(data=st.data(), n=ranks)
@often
def test_avg_pool(data: st.DataObject, n: int) -> None:
    sizes, strides, dilations, pads, spatial = geometry(data, n)
    x = small(data, (2, 2, *spatial))
    options: dict[str, Any] = {"stride": strides, "padding": pads, "dilation": dilations}
    mean = pool(x, sizes, strides, pads, dilations, np.mean, 0)
    np.testing.assert_allclose(al.avg_pool(x, sizes, **options).numpy(), mean, rtol=1e-12)
    inside = pool(x, sizes, strides, pads, dilations, mean_of_numbers, np.nan)
    got = al.avg_pool(x, sizes, **options, count_padding=False)
    np.testing.assert_allclose(got.numpy(), inside, rtol=1e-12)


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("kernel", [1, 2, 3, 4])
@pytest.mark.parametrize("size", [1, 4, 5])
def test_same_padding_keeps_one_window_a_stride(size: int, kernel: int, stride: int) -> None:
    x, w = np.ones((1, 1, size)), np.ones((1, 1, kernel))
    count = -(-size // stride)
    assert al.conv(x, w, padding="same", stride=stride).shape == (1, 1, count)
    assert al.max_pool(x, kernel, padding="same", stride=stride).tolist() == [[[1.0] * count]]
    assert al.conv_transpose(x, w, padding="same", stride=stride).shape == (1, 1, size * stride)


def test_forms_of_arguments() -> None:
    x = np.arange(30.0).reshape(1, 1, 5, 6)
    w = np.arange(6.0).reshape(1, 1, 2, 3)
    wanted = conv(x, w, (2, 2), [(1, 1), (1, 1)], (1, 1), 1)
    for padding in (1, (1, 1), [(1, 1), (1, 1)], np.array([1, 1])):
        assert_same(al.conv(x, w, stride=2, padding=padding), wanted)
    assert_same(al.conv(x, w, [100.0], stride=2, padding=1), wanted + 100)
    assert_same(al.conv(x, w, padding="valid"), conv(x, w, (1, 1), [(0, 0)] * 2, (1, 1), 1))
    assert_same(al.max_pool(x, (2, 3)), al.max_pool(x, (2, 3), stride=(2, 3)))


@pytest.mark.parametrize("dtype", FLOATS)
def test_dtypes(dtype: Any) -> None:
    x, w = np.full((1, 64, 3, 3), 0.1, dtype), np.full((1, 64, 3, 3), 0.1, dtype)
    got = al.conv(x, w)
    assert got.dtype == dtype
    assert got.item() == pytest.approx(5.76, rel=4 * float(np.finfo(dtype).eps) + 1e-6)
    assert al.conv(np.ones((1, 1, 3), "int8"), np.ones((1, 1, 2), "int32")).dtype == np.int32
    assert al.avg_pool(np.ones((1, 1, 2), "int32"), 2).dtype == np.float32


def test_the_kernel_is_one_contraction() -> None:
    from allumette_core.expr import ancestors, pending

    x, w = al.zeros((2, 3, 8, 8)), al.zeros((4, 3, 3, 3))
    al.evaluate(x, w)
    nodes = ancestors([al.conv(x, w)._node], pending)
    names = [node.primitive.name for node in nodes if node.primitive]
    assert names == ["windows", "dot_general", "permute"]


def test_nan_and_infinity_pass_through_windows() -> None:
    x = np.array([[[1, np.nan, 2, np.inf, -np.inf, -1]]], np.float32)
    assert np.isnan(al.max_pool(x, 2).numpy()[0, 0, 0])
    assert al.max_pool(x, 2)[0, 0, 1:].tolist() == [np.inf, -1]
    lowest = np.array([[[-np.inf, -np.inf]]], np.float32)
    assert al.max_pool(lowest, 2, padding=1).tolist() == [[[-np.inf, -np.inf]]]


# ---- derivatives ---------------------------------------------------------------------------------

GEOMETRIES: list[dict[str, Any]] = [
    {}, {"stride": 2, "padding": 1}, {"dilation": 2, "padding": (2, 1)}, {"groups": 2},
    {"groups": 2, "stride": (2, 1), "padding": "same"},
]  # fmt: skip


@pytest.mark.parametrize("options", GEOMETRIES)
def test_derivatives_of_conv(options: dict[str, Any]) -> None:
    generator = np.random.default_rng(0)
    groups = options.get("groups", 1)
    x = al.asarray(generator.normal(size=(2, 2, 4, 3)))
    w = al.asarray(generator.normal(size=(2, 2 // groups, 2, 2)))
    b = al.asarray(generator.normal(size=(2,)))
    al.check_grads(lambda x, w, b: al.square(al.conv(x, w, b, **options)), [x, w, b])
    al.check_grads(lambda x, w, b: al.conv_transpose(x, w, b, **options), [x, w, b])


def test_conv_transpose_is_the_transpose_of_conv() -> None:
    generator = np.random.default_rng(0)
    x = al.asarray(generator.normal(size=(2, 3, 7, 6)))
    w = al.asarray(generator.normal(size=(5, 3, 3, 2)))
    options: dict[str, Any] = {"stride": (2, 1), "padding": (1, 0), "dilation": (1, 2)}
    y, pull = al.vjp(lambda x: al.conv(x, w, **options), x)
    t = al.asarray(generator.normal(size=y.shape))
    pulled = pull(t)
    pulled = pulled[0] if isinstance(pulled, tuple) else pulled
    got = al.conv_transpose(t, w, **options)
    np.testing.assert_allclose(got.numpy(), pulled.numpy(), atol=1e-12)


def test_derivatives_of_pooling() -> None:
    generator = np.random.default_rng(0)
    x = al.asarray(generator.normal(size=(2, 1, 5, 4)))
    for options in ({}, {"stride": 1, "padding": 1}, {"dilation": 2, "stride": 1}):
        al.check_grads(lambda x, o=options: al.max_pool(x, 2, **o), [x])
        al.check_grads(lambda x, o=options: al.avg_pool(x, 2, **o, count_padding=False), [x])


def test_equal_largest_elements_share_the_derivative() -> None:
    x = al.tensor([[[1.0, 1.0, 0.0, 3.0]]])
    assert al.grad(lambda x: al.max_pool(x, 2).sum())(x).tolist() == [[[0.5, 0.5, 0, 1]]]


# ---- refusals ------------------------------------------------------------------------------------

IMAGE = np.zeros((1, 2, 5, 5), np.float32)
KERNEL = np.zeros((4, 2, 3, 3), np.float32)


@pytest.mark.parametrize(("x", "w", "options", "error", "message"), [
    (IMAGE, KERNEL[:, :1], {}, al.ShapeError, "2 channels"),
    (IMAGE, KERNEL, {"groups": 2}, al.ShapeError, "groups=2 takes 4"),
    (IMAGE, KERNEL[:3, :1], {"groups": 2}, al.ShapeError, "divide"),
    (IMAGE[0], KERNEL, {}, al.ShapeError, "as many axes"),
    (IMAGE, KERNEL[0], {}, al.ShapeError, "as many axes"),
    (IMAGE[..., :2], KERNEL, {}, al.ShapeError, "spans 3 elements of axis 3"),
    (IMAGE, KERNEL, {"stride": 0}, al.ArgumentError, "stride must be an integer of at least 1"),
    (IMAGE, KERNEL, {"stride": (1, 1, 1)}, al.ArgumentError, "or 2 of them"),
    (IMAGE, KERNEL, {"dilation": 1.5}, al.ArgumentError, "dilation"),
    (IMAGE, KERNEL, {"padding": -1}, al.ArgumentError, "padding must be"),
    (IMAGE, KERNEL, {"padding": (1, 1, 1)}, al.ArgumentError, "padding must be"),
    (IMAGE, KERNEL, {"padding": "full"}, al.ArgumentError, "'same' or 'valid'"),
    (IMAGE, KERNEL, {"bias": np.zeros(3)}, al.ShapeError, "bias"),
])  # fmt: skip
def test_refused_convolutions(
    x: Array, w: Array, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        al.conv(x, w, **options)


def test_other_refusals() -> None:
    with pytest.raises(al.ArgumentError, match="output_padding"):
        al.conv_transpose(IMAGE, KERNEL[:2], output_padding=1)
    with pytest.raises(al.ShapeError, match="cuts off"):
        al.conv_transpose(IMAGE[..., :1], KERNEL[:2], padding=3)
    with pytest.raises(al.ShapeError, match="conv_transpose"):
        al.conv_transpose(IMAGE, KERNEL)
    with pytest.raises(al.ArgumentError, match="nothing but padding"):
        al.max_pool(IMAGE, 2, padding=2)
    with pytest.raises(al.ShapeError, match="max_pool"):
        al.max_pool(IMAGE[0, 0], 2)
    with pytest.raises(al.ShapeError, match="avg_pool: a window"):
        al.avg_pool(IMAGE, 6)
    with pytest.raises(al.ArgumentError, match="size"):
        al.max_pool(IMAGE, 0)
