"""Random numbers: known answers of the cipher, moments, independence, refusals."""

import math
from collections.abc import Callable
from typing import Any

import allumette_core as al
import numpy as np
import pytest
from allumette_core import random
from allumette_core.threefry import threefry
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import FLOATS, SHAPES, Array, assert_same

KEY = 20_111_112
N = 40_000
WORDS = st.integers(0, 2**32 - 1)


def drawn(function: Callable[..., al.Tensor], *args: Any, **options: Any) -> Array:
    return function(random.key(KEY), *args, **options).numpy()


# ---- the cipher ----------------------------------------------------------------------------------

# Random123's kat_vectors, "threefry2x32 20": counter, key, result.
KNOWN = [
    ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
    ((0xFFFFFFFF,) * 2, (0xFFFFFFFF,) * 2, (0x1CB996FC, 0xBB002BE7)),
    ((0x243F6A88, 0x85A308D3), (0x13198A2E, 0x03707344), (0xC4923A9C, 0x483DF7A0)),
]


@pytest.mark.parametrize(("counter", "key", "result"), KNOWN)
@pytest.mark.parametrize("make", [np.asarray, al.asarray])
def test_known_answers(make: Any, counter: Any, key: Any, result: Any) -> None:
    words = [make(np.array([word], np.uint32)) for word in (*key, *counter)]
    assert tuple(int(word[0]) for word in threefry(*words)) == result


def test_words_are_the_cipher_of_the_index() -> None:
    key = random.key((0x13198A2E << 32) | 0x03707344)
    index = np.arange(6, dtype=np.uint32)
    k0, k1 = (np.full(1, word, np.uint32) for word in (0x13198A2E, 0x03707344))
    a, b = threefry(k0, k1, np.zeros_like(index), index)
    assert_same(random.bits(key, (2, 3)), (a ^ b).reshape(2, 3))
    wide = (a.astype(np.uint64) << np.uint64(32)) | b
    assert_same(random.bits(key, (2, 3), "uint64"), wide.reshape(2, 3))
    assert_same(random.bits(key, 6, "uint8"), ((a ^ b) >> 24).astype(np.uint8))
    assert_same(random.bits(key, 6, "uint16"), ((a ^ b) >> 16).astype(np.uint16))


DRAWS: list[tuple[str, dict[str, Any]]] = [
    ("bits", {}), ("uniform", {}), ("normal", {}), ("gumbel", {}),
    ("uniform", {"dtype": "float64", "low": -3, "high": 5}),
    ("normal", {"dtype": "float16", "std": 2}),
    ("randint", {"low": -5, "high": 7}), ("randint", {"low": -(2**31), "high": 2**31 - 3}),
    ("randint", {"low": 0, "high": 2**60, "dtype": "int64"}), ("choice", {"a": 10}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "options"), DRAWS)
def test_a_longer_draw_begins_with_the_shorter_one(name: str, options: dict[str, Any]) -> None:
    function = getattr(random, name)
    flat = drawn(function, **options, shape=(60,))
    assert_same(drawn(function, **options, shape=(7,)), flat[:7])
    assert_same(drawn(function, **options, shape=(3, 4, 5)), flat.reshape(3, 4, 5))
    assert_same(drawn(function, **options, shape=()), flat[0])
    assert drawn(function, **options, shape=(0, 2)).shape == (0, 2)


@pytest.mark.parametrize(("name", "options"), DRAWS)
def test_the_same_key_gives_the_same_numbers_traced_or_not(
    name: str, options: dict[str, Any]
) -> None:
    function = getattr(random, name)
    once = drawn(function, **options, shape=(9,))
    traced = al.jit(lambda key: function(key, **options, shape=(9,)))
    assert_same(traced(random.key(KEY)), once)
    other = np.asarray(function(random.key(KEY + 1), **options, shape=(9,)))
    assert not np.array_equal(other, once)


# ---- keys ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("seed", "words"), [
    (0, [0, 0]), (7, [0, 7]), (2**32, [1, 0]), (-1, [2**32 - 1] * 2), (2**64 - 1, [2**32 - 1] * 2),
    (np.int64(5), [0, 5]), (True, [0, 1]),
])  # fmt: skip
def test_keys_of_seeds(seed: int, words: list[int]) -> None:
    assert_same(random.key(seed), np.array(words, np.uint32))


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "uint32", "int64", "uint64"])
def test_keys_of_tensors_are_those_of_their_values(dtype: str) -> None:
    ends = np.iinfo(dtype)
    for seed in (0, 7, int(ends.max), int(ends.min)):
        made = random.key(al.asarray(np.array(seed, dtype)))
        assert made.tolist() == random.key(seed).tolist()
    assert al.jit(random.key)(3).tolist() == [0, 3]


def test_splits_repeat_nothing() -> None:
    root = random.key(0)
    keys = [root, *random.split(root, 3)]
    keys += [child for key in keys[1:] for child in random.split(key)]
    keys += [random.fold_in(key, i) for key in keys for i in range(3)]
    keys += [random.key(i) for i in range(1, 30)]
    assert len({tuple(key.tolist()) for key in keys}) == len(keys)
    words = np.concatenate([random.bits(key, 500, "uint64").numpy() for key in keys])
    assert len(np.unique(words)) == len(words)
    # Nor is a key among the words that its parent draws.
    assert not np.isin(random.split(root, 4).numpy(), random.bits(root, 1000).numpy()).any()


def test_folding_in_is_not_symmetric() -> None:
    made = {
        tuple(random.fold_in(random.key(a), b).tolist()) for a in range(20) for b in range(-5, 20)
    }
    assert len(made) == 20 * 25
    step = al.jit(lambda key, i: random.fold_in(key, i))
    assert step(random.key(3), 4).tolist() == random.fold_in(random.key(3), 4).tolist()


def test_streams_of_neighbouring_seeds_are_not_correlated() -> None:
    rows = np.stack([random.uniform(random.key(seed), 4000).numpy() for seed in range(20)])
    correlations = np.corrcoef(rows) - np.eye(20)
    assert np.abs(correlations).max() < 5 / math.sqrt(4000)


# ---- distributions -------------------------------------------------------------------------------


def assert_uniform(counts: Array, alpha: float = 6.0) -> None:
    """Chi-squared: within `alpha` standard deviations of its mean."""
    expected = counts.sum() / len(counts)
    chi2 = ((counts - expected) ** 2 / expected).sum()
    freedom = len(counts) - 1
    assert abs(chi2 - freedom) < alpha * math.sqrt(2 * freedom)


def test_every_bit_is_fair() -> None:
    words = drawn(random.bits, N)
    ones = np.unpackbits(words.view(np.uint8).reshape(N, 4), axis=1).mean(axis=0)
    assert np.abs(ones - 0.5).max() < 5 * 0.5 / math.sqrt(N)
    pairs = np.bincount((words[:-1] >> 28) * 16 + (words[1:] >> 28), minlength=256)
    assert_uniform(pairs)


@pytest.mark.parametrize("dtype", FLOATS)
def test_uniform_is_uniform(dtype: Any) -> None:
    x = drawn(random.uniform, N, dtype)
    assert x.dtype == dtype
    assert x.min() >= 0
    assert x.max() < 1
    wide = x.astype(np.float64)
    assert abs(wide.mean() - 0.5) < 5 / math.sqrt(12 * N)
    assert_uniform(np.histogram(wide, 64, (0, 1))[0])
    steps = wide * 2.0 ** (np.finfo(dtype).nmant + 1)
    assert_same(steps, np.floor(steps))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(("low", "high"), [(1, 2), (-1, 1), (0, 3), (1000, 1001), (5, 5)])
def test_uniform_stays_below_its_end(dtype: Any, low: float, high: float) -> None:
    x = drawn(random.uniform, 5000, dtype, low=low, high=high)
    assert x.dtype == dtype
    assert x.min() >= low
    assert x.max() < high or low == high


def test_uniform_between_tensors() -> None:
    low = al.tensor([0.0, 10.0, -5.0])
    x = drawn(random.uniform, (1000, 3), low=low, high=low + 1)
    assert ((x >= low.numpy()) & (x < low.numpy() + 1)).all()
    assert np.abs(x.mean(axis=0) - low.numpy() - 0.5).max() < 0.05
    with pytest.raises(al.ShapeError):
        random.uniform(random.key(0), (2,), low=low)


@pytest.mark.parametrize("dtype", FLOATS)
def test_normal_is_normal(dtype: Any) -> None:
    x = drawn(random.normal, N + 1, dtype, mean=3, std=2)
    assert x.dtype == dtype
    z = (x.astype(np.float64) - 3) / 2
    assert np.isfinite(z).all()
    moments = [(z**k).mean() for k in (1, 2, 3, 4)]
    spread = [1, 2, 15, 96]  # the variances of the first four powers
    for got, wanted, variance in zip(moments, (0, 1, 0, 3), spread, strict=True):
        assert abs(got - wanted) < 5 * math.sqrt(variance / N) + 2 * np.finfo(dtype).eps
    edges = [-2.5, -2, -1.5, -1, -0.5, 0, 0.5, 1, 1.5, 2, 2.5]
    below = np.array([(z < edge).mean() for edge in edges])
    exact = np.array([0.5 * (1 + math.erf(edge / math.sqrt(2))) for edge in edges])
    assert np.abs(below - exact).max() < 0.012
    lag = np.corrcoef(z[:-1], z[1:])[0, 1]
    assert abs(lag) < 5 / math.sqrt(N)
    assert abs(np.corrcoef(z[:-1] ** 2, z[1:] ** 2)[0, 1]) < 5 / math.sqrt(N)


def test_normal_is_differentiable_in_its_parameters() -> None:
    def f(mean: al.Tensor, std: al.Tensor) -> al.Tensor:
        return random.normal(random.key(1), (3,), "float64", mean=mean, std=std)

    at = [al.tensor(v, dtype="float64") for v in (0.5, 2.0)]
    al.check_grads(f, at)


def test_gumbel_has_its_moments() -> None:
    x = drawn(random.gumbel, N)
    assert np.isfinite(x).all()
    assert abs(x.mean() - 0.5772157) < 5 * 1.2825 / math.sqrt(N)
    assert abs(x.std() - math.pi / math.sqrt(6)) < 0.05


def test_bernoulli() -> None:
    x = drawn(random.bernoulli, 0.3, N)
    assert x.dtype == bool
    assert abs(x.mean() - 0.3) < 5 * math.sqrt(0.21 / N)
    each = drawn(random.bernoulli, [0.0, 1.0, 0.5])
    assert each[:2].tolist() == [False, True]
    assert drawn(random.bernoulli).shape == ()


@pytest.mark.parametrize(("low", "high", "dtype"), [
    (0, 1, "int32"), (0, 6, "int32"), (-3, 4, "int8"), (-128, 128, "int8"), (0, 256, "uint8"),
    (0, 2**16, "uint16"), (0, 3 * 2**30, "uint32"), (-(2**31), 2**31, "int32"),
    (0, 2**32, "uint32"), (0, 100_003, "int32"), (-(2**63), 2**63, "int64"),
    (-5, 6, "int64"), (0, 2**64, "uint64"),
    (2**63, 2**63 + 10, "uint64"), (2**31 - 5, 2**31, "int32"),
])  # fmt: skip
def test_randint_is_uniform(low: int, high: int, dtype: str) -> None:
    x = drawn(random.randint, low, high, N, dtype)
    assert x.dtype == dtype
    assert int(x.min()) >= low
    assert int(x.max()) < high
    buckets = min(high - low, 64)
    if buckets > 1:
        shifted = [(int(v) - low) * buckets // (high - low) for v in x[:20_000]]
        assert_uniform(np.bincount(shifted, minlength=buckets))


@given(words=st.lists(WORDS, min_size=2, max_size=2), span=WORDS.filter(bool))
@settings(max_examples=60)
def test_high_words_are_exact(words: list[int], span: int) -> None:
    from allumette_core.random.choices import _high

    edge = [0, 1, 2**16 - 1, 2**16, 2**32 - 1]
    x = np.array(words + edge, np.uint32)
    for s in (span, 1, 2**16 - 1, 2**16, 2**16 + 1, 2**32 - 1):
        assert _high(al.asarray(x), s).tolist() == [int(w) * s >> 32 for w in x]


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if shape])
def test_permutations_hold_every_element_once(shape: tuple[int, ...]) -> None:
    x = np.arange(np.prod(shape)).reshape(shape)
    for axis in range(len(shape)):
        out = drawn(random.permutation, x, axis=axis)
        assert out.shape == shape
        assert_same(np.sort(out, axis=axis), x)


def test_permutations_are_uniform() -> None:
    keys = random.split(random.key(5), 3000)
    orders = al.vmap(lambda key: random.permutation(key, 4))(keys).numpy()
    codes = orders @ np.array([64, 16, 4, 1])
    kinds, counts = np.unique(codes, return_counts=True)
    assert len(kinds) == 24
    assert_uniform(counts)


def test_categorical_follows_its_probabilities() -> None:
    p = np.array([0.5, 0.2, 0.0, 0.3])
    with np.errstate(divide="ignore"):
        x = drawn(random.categorical, np.log(p), shape=(N,))
    assert x.dtype == np.int32
    assert np.abs(np.bincount(x, minlength=4) / N - p).max() < 0.015
    logits = np.zeros((2, 5, 3), np.float32)
    assert drawn(random.categorical, logits, axis=1).shape == (2, 3)
    assert drawn(random.categorical, logits, axis=1, shape=(7, 2, 3)).shape == (7, 2, 3)


def test_choice() -> None:
    values = np.array([[1, 2], [3, 4], [5, 6]])
    out = drawn(random.choice, values, (4, 5))
    assert out.shape == (4, 5, 2)
    assert set(map(tuple, out.reshape(-1, 2))) <= set(map(tuple, values))
    assert sorted(drawn(random.choice, 50, 50, replace=False).tolist()) == list(range(50))
    p = [0.7, 0.0, 0.3]
    picked = drawn(random.choice, 3, N, p=p)
    assert np.abs(np.bincount(picked, minlength=3) / N - p).max() < 0.015
    assert sorted(drawn(random.choice, 3, 2, replace=False, p=p).tolist()) == [0, 2]


# ---- refusals ------------------------------------------------------------------------------------


def test_refusals() -> None:
    key = random.key(0)
    with pytest.raises(al.ArgumentError, match="64 bits"):
        random.key(2**64)
    with pytest.raises(al.DTypeError, match="integer"):
        random.key(0.5)  # type: ignore[arg-type]
    with pytest.raises(al.DTypeError, match="integer scalar"):
        random.key(al.tensor([1, 2]))
    for bad in (0, al.tensor([0, 0]), random.split(key, 3)):
        with pytest.raises(al.ArgumentError, match=r"uniform: the key.*random\.key"):
            random.uniform(bad, (2,))  # type: ignore[arg-type]
    with pytest.raises(al.ShapeError, match="negative"):
        random.normal(key, (-1,))
    with pytest.raises(al.DTypeError, match="float"):
        random.uniform(key, dtype="int32")
    with pytest.raises(al.DTypeError, match="unsigned"):
        random.bits(key, dtype="int32")
    with pytest.raises(al.ArgumentError, match="low"):
        random.uniform(key, low=2, high=1)
    with pytest.raises(al.ArgumentError, match="randint"):
        random.randint(key, 3, 3)
    with pytest.raises(al.ArgumentError, match="randint"):
        random.randint(key, 0, 300, dtype="uint8")
    with pytest.raises(al.DTypeError, match="randint"):
        random.randint(key, 0, 3, dtype="float32")
    with pytest.raises(al.ArgumentError, match="choice"):
        random.choice(key, 3, 4, replace=False)
    with pytest.raises(al.ArgumentError, match="choice"):
        random.choice(key, 0)
    with pytest.raises(al.ArgumentError, match="split"):
        random.split(key, -1)
