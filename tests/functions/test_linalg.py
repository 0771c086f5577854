"""Products of tensors against NumPy's, in numbers small enough to be exact, and their refusals."""

import math
import string
from typing import Any

import allumette_core as al
import numpy as np
import pytest
from allumette_core import primitives as P
from allumette_core.expr import ancestors, apply, pending
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from strategies import FLOATS, INTEGERS, NUMBERS, Array, assert_same

often = settings(max_examples=80)
SIDES = st.integers(0, 4)


def small(data: st.DataObject, shape: tuple[int, ...], dtype: Any) -> Array:
    """Whole numbers whose products and sums every dtype holds."""
    generator = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    return generator.integers(0, 3, shape).astype(dtype)


dtypes = st.sampled_from(NUMBERS)


# ---- matmul and its kin --------------------------------------------------------------------------


@given(data=st.data(), dtype=dtypes)
@settings(max_examples=150)
def test_matmul_is_numpys(data: st.DataObject, dtype: Any) -> None:
    drawn = data.draw(
        hnp.mutually_broadcastable_shapes(signature="(m?,n),(n,p?)->(m?,p?)", min_side=0)
    )
    a, b = (small(data, shape, dtype) for shape in drawn.input_shapes)
    assert_same(al.matmul(a, b), np.matmul(a, b))


@given(data=st.data(), a=dtypes, b=dtypes)
@often
def test_matmul_promotes(data: st.DataObject, a: Any, b: Any) -> None:
    x, y = small(data, (2, 3), a), small(data, (3,), b)
    try:
        wanted = (al.asarray(x)[0, 0] * al.asarray(y)[0]).dtype
    except al.DTypeError:
        with pytest.raises(al.DTypeError):
            al.matmul(x, y)
        return
    assert_same(al.asarray(x) @ y, (x.astype(int) @ y.astype(int)).astype(wanted))


def test_matmul_of_infinities_and_nan() -> None:
    x = np.array([[np.inf, 1], [np.nan, 2]], np.float32)
    y = np.array([[0, 1], [1, 1]], np.float32)
    with np.errstate(invalid="ignore"):
        assert_same(al.matmul(x, y), x @ y)


@pytest.mark.parametrize("dtype", FLOATS)
def test_long_sums_are_accurate(dtype: Any) -> None:
    generator = np.random.default_rng(0)
    x, y = (generator.normal(size=4096).astype(dtype) for _ in range(2))
    exact = (x.astype(np.float64) * y.astype(np.float64)).sum()
    scale = np.abs(x.astype(np.float64) * y).sum()
    bound = 2 * np.finfo(dtype).eps * max(1.0, abs(exact)) + 1e-6 * scale
    assert abs(al.vecdot(x, y).item() - exact) < bound


@given(data=st.data(), dtype=dtypes)
@often
def test_tensordot(data: st.DataObject, dtype: Any) -> None:
    a_rank, b_rank = data.draw(st.integers(0, 3)), data.draw(st.integers(0, 3))
    count = data.draw(st.integers(0, min(a_rank, b_rank)))
    left = data.draw(st.permutations(range(a_rank)))[:count]
    right = data.draw(st.permutations(range(b_rank)))[:count]
    a_shape = [data.draw(SIDES) for _ in range(a_rank)]
    b_shape = [data.draw(SIDES) for _ in range(b_rank)]
    for i, j in zip(left, right, strict=True):
        b_shape[j] = a_shape[i]
    a, b = small(data, tuple(a_shape), dtype), small(data, tuple(b_shape), dtype)
    assert_same(al.tensordot(a, b, axes=(left, right)), np.tensordot(a, b, axes=(left, right)))


@pytest.mark.parametrize("axes", [0, 1, 2])
def test_tensordot_of_a_number_of_axes(axes: int) -> None:
    a, b = np.arange(6).reshape(2, 3), np.arange(6).reshape((3, 2) if axes == 1 else (2, 3))
    assert_same(al.tensordot(a, b, axes=axes), np.tensordot(a, b, axes=axes))


@given(data=st.data(), dtype=dtypes)
@often
def test_vecdot(data: st.DataObject, dtype: Any) -> None:
    drawn = data.draw(hnp.mutually_broadcastable_shapes(signature="(n),(n)->()", min_side=0))
    a, b = (small(data, shape, dtype) for shape in drawn.input_shapes)
    assert_same(al.vecdot(a, b), np.vecdot(a, b))
    if a.ndim == b.ndim:
        axis = data.draw(st.integers(0, a.ndim - 1))
        a, b = np.moveaxis(a, -1, axis), np.moveaxis(b, -1, axis)
        assert_same(al.vecdot(a, b, axis=axis), np.vecdot(a, b, axis=axis))


@given(data=st.data(), dtype=dtypes, m=SIDES, n=SIDES)
@often
def test_outer(data: st.DataObject, dtype: Any, m: int, n: int) -> None:
    a, b = small(data, (m,), dtype), small(data, (n,), dtype)
    assert_same(al.outer(a, b), np.outer(a, b))


# ---- einsum --------------------------------------------------------------------------------------


@st.composite
def contractions(draw: st.DrawFn) -> tuple[str, list[tuple[int, ...]]]:
    """Subscripts with repeated letters, ellipses and any result, and shapes that fit them."""
    sizes = {letter: draw(st.integers(0, 3)) for letter in "abcde"}
    hidden = draw(st.sampled_from([(), (2,), (3, 1)]))
    inputs, shapes = [], []
    for _ in range(draw(st.integers(1, 4))):
        letters = "".join(draw(st.lists(st.sampled_from("abcde"), max_size=3)))
        cut = draw(st.integers(0, len(letters)))
        dots = draw(st.booleans())
        own = hidden[draw(st.integers(0, len(hidden))) :] if dots else ()
        own = tuple(draw(st.sampled_from([1, n])) for n in own)
        text = letters[:cut] + ("..." if dots else "") + letters[cut:]
        before, after = (tuple(sizes[x] for x in part) for part in (letters[:cut], letters[cut:]))
        inputs.append(text)
        shapes.append((*before, *own, *after))
    subscripts = ",".join(inputs)
    used = sorted(set("".join(inputs)) - {"."})
    if draw(st.booleans()):
        kept = draw(st.permutations(used))[: draw(st.integers(0, len(used)))]
        cut = draw(st.integers(0, len(kept)))
        dots_out = "..." if "." in subscripts else ""
        subscripts += "->" + "".join(kept[:cut]) + dots_out + "".join(kept[cut:])
    return subscripts, shapes


@given(data=st.data(), drawn=contractions(), dtype=st.sampled_from(["int64", "float64"]))
@settings(max_examples=250)
def test_einsum_is_numpys(
    data: st.DataObject, drawn: tuple[str, list[tuple[int, ...]]], dtype: str
) -> None:
    subscripts, shapes = drawn
    operands = [small(data, shape, dtype) for shape in shapes]
    assert_same(al.einsum(subscripts, *operands), np.einsum(subscripts, *operands))


@pytest.mark.parametrize(("subscripts", "shapes"), [
    ("bhqd,bhkd->bhqk", [(2, 3, 4, 5), (2, 3, 6, 5)]), (",", [(), ()]),
    ("ij,jk,kl,li", [(2, 3), (3, 4), (4, 2), (2, 2)]),
    (" i j , j -> i ", [(2, 3), (3,)]), ("...ij,...jk->...ik", [(2, 1, 3, 4), (5, 4, 2)]),
    ("ii->i", [(3, 3)]), ("iij,jk->ik", [(3, 3, 2), (2, 2)]), ("i,i,i", [(3,)] * 3),
    ("...->...", [(2, 3)]), ("ab...->...ba", [(2, 3, 4)]),
    ("a,b,c,d->dcba", [(2,), (3,), (1,), (2,)]),
])  # fmt: skip
def test_einsum_of_many_forms(subscripts: str, shapes: list[tuple[int, ...]]) -> None:
    generator = np.random.default_rng(0)
    operands = [generator.integers(-3, 3, shape).astype(np.float64) for shape in shapes]
    wanted = np.einsum(subscripts, *operands)
    assert_same(al.einsum(subscripts, *operands), wanted, signed_zeros=False)
    al.check_grads(lambda *xs: al.einsum(subscripts, *xs), [al.asarray(x) for x in operands])


def test_einsum_contracts_a_chain_in_a_cheap_order() -> None:
    long, thin = np.ones((500, 1), np.float32), np.ones((1, 500), np.float32)
    out = al.einsum("ij,jk,kl,l->i", long, thin, long, np.ones(1, np.float32))
    made = ancestors([out._node], pending)
    assert max(math.prod(node.shape) for node in made) <= 500
    assert out[0].item() == 500


def test_einsum_has_room_for_many_letters() -> None:
    letters = string.ascii_lowercase[:25]
    x = np.ones((1,) * 25)
    assert al.einsum(f"{letters},{letters}->", x, x).item() == 1


# ---- refusals and derivatives --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("a", "b"), [((2, 3), (2, 3)), ((3,), (2,)), ((2, 3), (2,)), ((3,), (4, 2))]
)
def test_matmul_names_the_sizes_that_differ(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    with pytest.raises(al.ShapeError, match=r"matmul.*must be equal"):
        al.matmul(al.zeros(a), al.zeros(b))


def test_refusals() -> None:
    with pytest.raises(al.ShapeError, match="rank 0"):
        al.matmul(2.0, al.zeros(2))
    with pytest.raises(al.ShapeError, match=r"matmul.*broadcast"):
        al.matmul(al.zeros((2, 3, 3)), al.zeros((4, 3, 3)))
    with pytest.raises(al.DTypeError):
        al.matmul([True], [False])
    with pytest.raises(al.ShapeError, match="tensordot"):
        al.tensordot(al.zeros((2, 3)), al.zeros((2, 3)), axes=1)
    with pytest.raises(al.ShapeError, match="pairs"):
        al.tensordot(al.zeros((2, 3)), al.zeros((2, 3)), axes=((0, 0), (0, 1)))
    with pytest.raises(al.ShapeError, match="not both"):
        al.tensordot(al.zeros(3), al.zeros(3), axes=2)
    with pytest.raises(al.ShapeError, match="outer"):
        al.outer(al.zeros((1, 2)), al.zeros(2))
    with pytest.raises(al.ShapeError, match="vecdot"):
        al.vecdot(al.zeros(2), al.zeros(3))
    with pytest.raises(al.ArgumentError, match="vecdot"):
        al.vecdot(al.zeros((2, 2)), al.zeros(2), axis=0)


@pytest.mark.parametrize(("subscripts", "shapes", "error", "message"), [
    ("ij,jk", [(2, 3)], al.ArgumentError, "2 operands"),
    ("i!", [(2, 3)], al.ArgumentError, "letters"),
    ("ij->iz", [(2, 3)], al.ArgumentError, "'z'"), ("ij->ii", [(2, 3)], al.ArgumentError, "'i'"),
    ("ijk", [(2, 3)], al.ShapeError, "3 letters"), ("i", [(2, 3)], al.ShapeError, "1 letters"),
    ("ij,jk", [(2, 3), (4, 2)], al.ShapeError, "'j' has sizes 3 and 4"),
    ("ii", [(2, 3)], al.ShapeError, "'i' has sizes 2 and 3"),
    ("...i,...i", [(2, 3), (4, 3)], al.ShapeError, "ellipsis"),
])  # fmt: skip
def test_einsum_refusals(
    subscripts: str, shapes: list[tuple[int, ...]], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        al.einsum(subscripts, *(al.zeros(shape) for shape in shapes))


@pytest.mark.parametrize(("a", "b"), [
    ((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 2)), ((2, 3), (3, 2)), ((2, 2, 3), (3, 2)),
    ((2, 3), (2, 3, 2)), ((2, 1, 2, 3), (3, 3, 2)), ((3,), (2, 3, 2)), ((0, 3), (3, 2)),
])  # fmt: skip
def test_derivatives_of_matmul(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    generator = np.random.default_rng(0)
    operands = [al.asarray(generator.normal(size=shape)) for shape in (a, b)]
    al.check_grads(al.matmul, operands)


def test_derivatives_of_the_others() -> None:
    generator = np.random.default_rng(0)
    x, y = (al.asarray(generator.normal(size=(2, 3))) for _ in range(2))
    al.check_grads(lambda x, y: al.tensordot(x, y, axes=((0, 1), (0, 1))), [x, y])
    al.check_grads(lambda x, y: al.tensordot(x, y, axes=((1,), (1,))), [x, y])
    al.check_grads(al.vecdot, [x, y])
    al.check_grads(lambda x, y: al.outer(x[0], y[1]), [x, y])


def test_integers_of_every_width_multiply() -> None:
    for dtype in INTEGERS:
        out = al.matmul(np.full((2, 2), 3, dtype), np.full((2, 2), 5, dtype))
        assert out.dtype == dtype
        assert out.tolist() == [[30, 30], [30, 30]]


# ---- the reference's own ways round NumPy's slow paths -------------------------------------------


@given(data=st.data(), dtype=st.sampled_from(["float16", "float32", "int32"]))
@often
def test_contractions_of_views_in_any_memory_order(data: st.DataObject, dtype: str) -> None:
    letters = "abcdef"
    sizes = dict(zip(letters, data.draw(st.permutations([1, 2, 3, 2, 4, 1])), strict=True))
    terms = ["".join(data.draw(st.permutations(letters))[:4]) for _ in range(2)]
    stored = [data.draw(st.permutations(range(4))) for _ in terms]
    operands = []
    for term, order in zip(terms, stored, strict=True):
        x = small(data, tuple(sizes[term[i]] for i in order), dtype)
        operands.append(x.transpose(np.argsort(order)))
    common = [x for x in terms[0] if x in terms[1]]
    batch = "".join(x for x in common if data.draw(st.booleans()))
    free = "".join(x for term in terms for x in term if x not in common)
    wanted = np.einsum(f"{terms[0]},{terms[1]}->{batch}{free}", *operands).astype(dtype)
    contract = [x for x in common if x not in batch]
    params = [tuple(term.index(x) for x in which) for which in (contract, batch) for term in terms]
    views = [
        al.permute_dims(al.asarray(x.transpose(order)), tuple(np.argsort(order).tolist()))
        for x, order in zip(operands, stored, strict=True)
    ]
    out = apply(P.dot_general, *(v._node for v in views), params=tuple(params))
    assert_same(al.Tensor(out), wanted)


@pytest.mark.parametrize("dtype", ["float16", "float32", "int32", "bool"])
def test_reductions_of_many_small_windows(dtype: str) -> None:
    generator = np.random.default_rng(0)
    x = generator.integers(-2, 3, (40, 50, 2, 3)).astype(dtype)
    if dtype.startswith("float"):
        x[3, 4, 1, 1] = np.nan
    for name, exact in (("max", np.max), ("min", np.min)):
        assert_same(getattr(al, name)(x, axis=(2, 3)), exact(x, axis=(2, 3)), signed_zeros=False)
        assert_same(getattr(al, name)(x, axis=3), exact(x, axis=3), signed_zeros=False)
    wanted = np.sum(x, axis=(2, 3), dtype="int32" if dtype == "bool" else dtype)
    assert_same(al.sum(x, axis=(2, 3)), wanted, signed_zeros=False)


def test_long_sums_of_half_precision_keep_their_dtype() -> None:
    out = al.sum(np.ones((3000, 2), np.float16), axis=0)
    assert out.dtype == np.float16
    assert out.numpy().dtype == np.float16
    assert out.tolist() == [3000, 3000]
