"""Lookup, normalisation, dropout and attention against float64 formulas."""

from typing import Any

import allumette_core as al
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import ALL, FLOATS, INTEGERS, Array, arrays, assert_same

often = settings(max_examples=40)
AXES = st.sampled_from([-1, 0, (1, 2), (0, -1)])


# ---- one_hot and embedding -----------------------------------------------------------------------


@given(data=st.data(), x=arrays(INTEGERS), dtype=st.sampled_from(ALL), classes=st.integers(0, 12))
@often
def test_one_hot(data: st.DataObject, x: Array, dtype: Any, classes: int) -> None:
    axis = data.draw(st.integers(-x.ndim - 1, x.ndim))
    wanted = (np.expand_dims(x, -1) == np.arange(classes)).astype(dtype)
    got = al.one_hot(x, classes, axis=axis, dtype=dtype)
    assert_same(got, np.moveaxis(wanted, -1, axis))


def test_one_hot_of_narrow_indices_and_many_classes() -> None:
    got = al.one_hot(np.array([3, -1], np.int8), 300, dtype="int32")
    assert got.numpy().sum() == 1
    assert got[0, 3].item() == 1
    for bad in ([0.5], [True]):
        with pytest.raises(al.DTypeError, match="one_hot"):
            al.one_hot(bad, 2)
    with pytest.raises(al.ArgumentError, match="num_classes"):
        al.one_hot([0], -1)
    with pytest.raises(al.IndexingError, match="axis"):
        al.one_hot([0], 2, axis=2)


def test_embedding_adds_up_the_gradients_of_equal_rows() -> None:
    table = al.asarray(np.arange(6.0).reshape(3, 2))
    indices = [[0, 2], [2, 2]]
    assert_same(al.embedding(table, indices), table.numpy()[indices])
    slope = al.grad(lambda w: al.embedding(w, al.tensor(indices)).sum())(table)
    assert slope.tolist() == [[1, 1], [0, 0], [3, 3]]
    with pytest.raises(al.IndexingError, match="out of bounds"):
        al.embedding(table, [3])
    with pytest.raises(al.ShapeError, match="embedding"):
        al.embedding([1.0, 2.0], [0])


# ---- normalisation -------------------------------------------------------------------------------


@given(data=st.data(), axis=AXES, dtype=st.sampled_from(FLOATS))
@often
def test_norms(data: st.DataObject, axis: Any, dtype: Any) -> None:
    generator = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    x = (generator.normal(size=(3, 4, 5)) * 10 + generator.normal() * 3).astype(dtype)
    w, b = (generator.normal(size=5).astype(dtype) for _ in range(2))
    wide = x.astype(np.float64)
    centred = wide - wide.mean(axis=axis, keepdims=True)
    layer = centred / np.sqrt(wide.var(axis=axis, keepdims=True) + 1e-5) * w + b
    rms = wide / np.sqrt((wide**2).mean(axis=axis, keepdims=True) + 1e-6) * w
    tolerance = 30 * float(np.finfo(dtype).eps)
    for got, wanted in (
        (al.layer_norm(x, w, b, axis=axis), layer), (al.rms_norm(x, w, axis=axis), rms),
    ):  # fmt: skip
        assert got.dtype == dtype
        np.testing.assert_allclose(got.numpy(), wanted, rtol=tolerance, atol=tolerance)


def test_norms_of_half_precision_do_not_overflow() -> None:
    x = np.array([300.0, -300.0, 600.0, 0.0], np.float16)
    assert np.isfinite(al.layer_norm(x).numpy()).all()
    assert np.isfinite(al.rms_norm(x).numpy()).all()


def test_constant_rows_are_normalised_to_0() -> None:
    assert al.layer_norm(np.full((2, 3), 7.0)).tolist() == [[0] * 3] * 2
    x = al.tensor([[1.0, 1.0, 1.0], [0.0, 0.0, 0.0]], dtype="float64")
    assert np.isfinite(al.grad(lambda x: al.layer_norm(x).sum())(x).numpy()).all()


def test_derivatives_of_norms() -> None:
    generator = np.random.default_rng(0)
    x, w, b = (al.asarray(generator.normal(size=(2, 3))) for _ in range(3))
    al.check_grads(lambda x, w, b: al.layer_norm(x, w, b), [x, w, b])
    al.check_grads(lambda x, w: al.rms_norm(x, w, axis=0), [x, w])


# ---- dropout -------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_dropout_keeps_the_mean(rate: float) -> None:
    x = np.full(20_000, 3.0, np.float32)
    out = al.dropout(x, rate, al.random.key(1)).numpy()
    kept = 3 / (1 - rate)
    np.testing.assert_allclose(np.unique(out), [0, kept], rtol=1e-6)
    assert abs((out == 0).mean() - rate) < 0.015


def test_dropout_at_its_ends() -> None:
    key, x = al.random.key(0), al.tensor([1.0, 2.0])
    assert al.dropout(x, 0, key).tolist() == [1, 2]
    assert al.dropout(x, 1, key).tolist() == [0, 0]
    with pytest.raises(al.ArgumentError, match="rate"):
        al.dropout(x, 1.5, key)


def test_dropout_drops_the_derivative_too_and_nan() -> None:
    key = al.random.key(3)
    x = al.asarray(np.where(np.arange(50) % 2, 1.0, np.nan))
    out, slope = al.value_and_grad(lambda x: al.dropout(x, 0.5, key).sum())(x)
    dropped = al.dropout(al.ones(50), 0.5, key).numpy() == 0
    assert (slope.numpy()[dropped] == 0).all()
    assert (slope.numpy()[~dropped] == 2).all()
    assert np.isnan(out.item())
    assert al.dropout(x, 0.5, key).numpy()[dropped].tolist() == [0] * int(dropped.sum())


# ---- attention -----------------------------------------------------------------------------------


def attention(q: Array, k: Array, v: Array, allowed: Array | None, bias: Any = 0) -> Array:
    scores = q @ np.swapaxes(k, -1, -2) / np.sqrt(q.shape[-1]) + bias
    if allowed is not None:
        scores = np.where(allowed, scores, -np.inf)
    with np.errstate(all="ignore"):
        top = np.max(scores, axis=-1, keepdims=True)
        powers = np.nan_to_num(np.exp(scores - top))
        return np.asarray(np.nan_to_num(powers / powers.sum(axis=-1, keepdims=True)) @ v)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("masked", ["no", "bool", "float"])
def test_attention(masked: str, causal: bool) -> None:
    generator = np.random.default_rng(0)
    q, k, v = (generator.normal(size=(2, 3, n, 4)) for n in (5, 5, 5))
    mask: Any = None
    allowed = np.ones((5, 5), bool)
    bias: Any = 0
    if masked == "bool":
        mask = generator.random((2, 1, 5, 5)) < 0.6
        mask[0, 0, 1] = False  # may attend to nothing
        allowed = allowed & mask
    if masked == "float":
        mask = bias = generator.normal(size=(5, 5))
    if causal:
        allowed = allowed & np.tril(np.ones((5, 5), bool))
    got = al.scaled_dot_product_attention(q, k, v, mask, causal=causal)
    wanted = attention(q, k, v, allowed if causal or masked == "bool" else None, bias)
    np.testing.assert_allclose(got.numpy(), wanted, atol=1e-12)


def test_attention_to_nothing_is_0_and_has_finite_derivatives() -> None:
    q = al.asarray(np.ones((2, 3)))
    mask = np.array([[False, False], [True, False]])
    out, slopes = al.value_and_grad(lambda q: al.scaled_dot_product_attention(q, q, q, mask).sum())(
        q
    )
    assert out.item() == 3
    assert np.isfinite(slopes.numpy()).all()
    with pytest.raises(al.ShapeError, match="attention"):
        al.scaled_dot_product_attention(q[0], q, q)


def test_derivatives_of_attention() -> None:
    generator = np.random.default_rng(0)
    q, k, v = (al.asarray(generator.normal(size=(2, 3, 2))) for _ in range(3))
    al.check_grads(
        lambda q, k, v: al.scaled_dot_product_attention(q, k, v, causal=True, scale=0.7), [q, k, v]
    )
