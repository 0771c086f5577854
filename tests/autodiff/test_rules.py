"""Every primitive has a derivative, says that it is constant, or decomposes into ones that have."""

import allumette_core as al
import numpy as np
import pytest
from allumette_core import primitives as P
from allumette_core.autodiff import rules
from allumette_core.autodiff import vmap as batching
from allumette_core.autodiff.check import check_grads
from allumette_core.decompositions import DECOMPOSITIONS
from allumette_core.expr import apply
from allumette_core.primitives import PRIMITIVES, Kind

F64 = np.float64


def t(values, dtype="float64"):
    return al.tensor(np.asarray(values, dtype), device="numpy")


@pytest.mark.parametrize("primitive", PRIMITIVES.values(), ids=str)
def test_every_primitive_has_a_derivative_or_says_why_not(primitive):
    has = [primitive in table for table in (rules.RULES, rules.CONSTANT)]
    assert sum(has) == 1 or (not any(has) and primitive in DECOMPOSITIONS)


@pytest.mark.parametrize("primitive", PRIMITIVES.values(), ids=str)
def test_every_primitive_can_be_batched(primitive):
    unbatchable = primitive in (P.full, P.iota, P.placeholder)  # they have no inputs
    assert (
        primitive.kind is Kind.ELEMENTWISE
        or primitive in batching.RULES
        or primitive in DECOMPOSITIONS
        or unbatchable
    )


def bind(primitive, *params):
    return lambda *xs: al.Tensor(apply(primitive, *[x._node for x in xs], params=params))


UNARY = {
    P.neg: (-2.0, 0.0, 1.5),
    P.abs_: (-2.0, 1.5),
    P.sign: (-2.0, 1.5),
    P.floor: (-2.5, 1.5),
    P.ceil: (-2.5, 1.5),
    P.round_: (-2.2, 1.7),
    P.sqrt: (0.3, 1.0, 9.0),
    P.exp: (-3.0, 0.0, 2.0),
    P.expm1: (-3.0, 0.0, 2.0),
    P.log: (0.3, 1.0, 9.0),
    P.log1p: (-0.5, 0.0, 9.0),
    P.sin: (-2.0, 0.0, 4.0),
    P.cos: (-2.0, 0.0, 4.0),
    P.tan: (-1.0, 0.0, 1.2),
    P.asin: (-0.6, 0.0, 0.5),
    P.acos: (-0.6, 0.0, 0.5),
    P.atan: (-2.0, 0.0, 4.0),
    P.sinh: (-2.0, 0.0, 1.0),
    P.cosh: (-2.0, 0.0, 1.0),
    P.tanh: (-2.0, 0.0, 1.0),
    P.asinh: (-2.0, 0.0, 4.0),
    P.acosh: (1.5, 2.0, 4.0),
    P.atanh: (-0.6, 0.0, 0.5),
    P.erf: (-2.0, 0.0, 1.0),
    P.logistic: (-4.0, 0.0, 3.0),
}


@pytest.mark.parametrize("primitive", UNARY, ids=str)
def test_unary(primitive):
    check_grads(bind(primitive), [t(UNARY[primitive])], order=3)


def test_the_unary_list_is_complete():
    float_unary = {
        p
        for p in PRIMITIVES.values()
        if p.kind is Kind.ELEMENTWISE and p.arity == 1 and not p.params and p is not P.invert
    }
    assert float_unary == set(UNARY)


@pytest.mark.parametrize(
    "primitive", [P.add, P.sub, P.mul, P.div, P.atan2, P.maximum, P.minimum, P.pow_], ids=str
)
@pytest.mark.parametrize("shapes", [((3,), (3,)), ((2, 3), (3,)), ((2, 1), (1, 3)), ((), (2,))])
def test_binary_with_broadcasting(primitive, shapes):
    generator = np.random.default_rng(1)
    a, b = (t(generator.uniform(0.5, 2, shape)) for shape in shapes)
    check_grads(bind(primitive), [a, b], order=2)


def test_mod_and_floordiv():
    check_grads(bind(P.mod), [t([5.3, -5.3, 7.1]), t([2.0, 2.0, -3.0])])
    check_grads(bind(P.floordiv), [t([5.3, -5.3, 7.1]), t([2.0, 2.0, -3.0])])


def test_where_and_cast():
    mask = al.tensor([True, False, True], device="numpy")
    check_grads(lambda a, b: al.where(mask, a * a, b), [t([1.0, 2.0, 3.0]), t(4.0)])
    g = al.grad(lambda x: al.sum(x.astype("float32").astype("float64") ** 2))(t([1.0, 2.0]))
    assert g.dtype == F64
    assert g.tolist() == [2.0, 4.0]


MOVES = {
    "reshape": lambda x: al.reshape(x, (4, 3)) ** 2,
    "permute": lambda x: al.permute_dims(x, (2, 0, 1)) ** 3,
    "broadcast": lambda x: al.broadcast_to(x, (5, 2, 3, 2)) ** 2,
    "slice": lambda x: x[1:, ::2, 1] ** 2,
    "slice steps": lambda x: x[::-1, 2:0:-1] ** 2,
    "flip": lambda x: al.flip(x, axis=1) * x,
    "concat": lambda x: al.concat([x, x * x], axis=1) ** 2,
    "windows": lambda x: bind(P.windows, (1,), (2,), (1,), (1,))(x) ** 2,
    "windows strided": lambda x: bind(P.windows, (0, 1), (1, 2), (1, 2), (1, 1))(x) ** 2,
    "fold": lambda x: bind(P.fold, (0,), (2,), (1,), (1,), (3, 3))(x) ** 2,
    "pad": lambda x: al.pad(x, ((1, 0), (0, 2), (1, 1)), constant_values=3.0) ** 2,
    "sum": lambda x: al.sum(x, axis=(0, 2)) ** 2,
    "mean": lambda x: al.mean(x, axis=1) ** 2,
    "prod": lambda x: al.prod(x, axis=(0, 1)),
    "max": lambda x: al.max(x, axis=1) ** 2,
    "min": lambda x: al.min(x, axis=(0, 2)) ** 2,
    "cumsum": lambda x: al.cumulative_sum(x, axis=1) ** 2,
    "cumprod": lambda x: al.cumulative_prod(x, axis=1) ** 2,
    "cummax": lambda x: bind(P.cummax, 1)(x) ** 2,
    "sort": lambda x: bind(P.sort, 1)(x) ** 2,
    "gather": lambda x: x[al.tensor([0, 1, 1], device="numpy")] ** 2,
    "take 2": lambda x: x[:, [[2, 0], [0, 0]]] ** 2,
    "var": lambda x: al.var(x, axis=0),
    "logsumexp": lambda x: al.logsumexp(x, axis=-1),
}


@pytest.mark.parametrize("name", MOVES)
def test_moves_reductions_and_scans(name):
    x = t(np.random.default_rng(2).permutation(12).reshape(2, 3, 2) / 5 + 0.1)
    check_grads(MOVES[name], [x], order=2)


CONTRACTIONS = [
    ((2, 3), (3, 4), ((1,), (0,), (), ())),
    ((3, 2), (3, 4), ((0,), (0,), (), ())),
    ((5, 2, 3), (5, 3, 4), ((2,), (1,), (0,), (0,))),
    ((2, 5, 3), (3, 4, 5), ((2,), (0,), (1,), (2,))),
    ((2, 3, 4), (4, 3, 2), ((1, 2), (1, 0), (), ())),
    ((2, 3, 4), (4, 3, 2), ((2, 1), (0, 1), (0,), (2,))),
    ((2,), (3,), ((), (), (), ())),
    ((3,), (3,), ((0,), (0,), (), ())),
]


@pytest.mark.parametrize(("a", "b", "axes"), CONTRACTIONS)
def test_dot_general(a, b, axes):
    generator = np.random.default_rng(3)
    x, y = t(generator.standard_normal(a)), t(generator.standard_normal(b))
    check_grads(bind(P.dot_general, *axes), [x, y], order=2)


@pytest.mark.parametrize("mode", ["add", "set"])
@pytest.mark.parametrize("axis", [0, 1])
def test_scatter_with_repeated_and_outside_indices(mode, axis):
    generator = np.random.default_rng(4)
    x = t(generator.standard_normal((3, 3)))
    indices = al.tensor([1, 1, 7, 0, -9], device="numpy")
    updates = t(generator.standard_normal((5, 3) if axis == 0 else (3, 5)))

    def f(x, updates):
        node = apply(P.scatter, x._node, indices._node, updates._node, params=(axis, mode))
        return al.Tensor(node) ** 2

    check_grads(f, [x, updates], order=2)


def test_gather_outside_reads_the_nearest_and_its_gradient_goes_there():
    x, indices = t([1.0, 2.0, 3.0]), al.tensor([-5, 1, 99], device="numpy")
    g = al.grad(lambda x: al.sum(bind(P.gather, 0)(x, indices)))(x)
    assert g.tolist() == [1.0, 1.0, 1.0]
    assert bind(P.gather, 0)(x, indices).tolist() == [1.0, 2.0, 3.0]


# ---- hot spots: where a derivative is a convention, or a limit ----------------------------------

HOT = [
    (
        "relu at 0 and -0",
        lambda x: al.where(x <= 0, 0.0, x),
        [0.0, -0.0, 1.0, -1.0],
        [0.0, 0.0, 1.0, 0.0],
    ),
    ("abs at 0", al.abs, [0.0, -0.0, -3.0], [0.0, 0.0, -1.0]),
    ("sqrt at 0", al.sqrt, [0.0], [np.inf]),
    ("log at 0", al.log, [0.0], [np.inf]),
    ("square at 0", lambda x: x**2, [0.0, -0.0, -2.0], [0.0, 0.0, -4.0]),
    ("power 0 at 0", lambda x: x**0, [0.0, 2.0], [0.0, 0.0]),
    ("power 1 at 0", lambda x: x**1.0, [0.0, 2.0], [1.0, 1.0]),
    ("exponent at 0", lambda x: 0.0**x, [2.0], [0.0]),
    ("sigmoid far out", lambda x: bind(P.logistic)(x), [1000.0, -1000.0], [0.0, 0.0]),
    ("tanh far out", al.tanh, [1000.0, -1000.0], [0.0, 0.0]),
    ("equal maximum", lambda x: al.maximum(x, 1.0), [1.0, 2.0, 0.0], [0.5, 1.0, 0.0]),
    ("equal maxima", lambda x: al.max(x), [2.0, 2.0, 1.0], [0.5, 0.5, 0.0]),
    ("product with a zero", lambda x: al.prod(x), [0.0, 2.0, 3.0], [6.0, 0.0, 0.0]),
    ("product with two zeros", lambda x: al.prod(x), [0.0, 0.0, 3.0], [0.0, 0.0, 0.0]),
    (
        "cumulative product with a zero",
        lambda x: al.cumulative_prod(x),
        [2.0, 0.0, 3.0],
        [1.0, 2.0 + 6.0, 0.0],
    ),
    ("where hides an infinity", lambda x: al.where(x > 0, x, 0.0), [-1.0, 1.0], [0.0, 1.0]),
    ("logsumexp of equals", lambda x: al.logsumexp(x), [0.0, 0.0], [0.5, 0.5]),
]


@pytest.mark.parametrize(("name", "f", "at", "expected"), HOT, ids=[row[0] for row in HOT])
def test_hot_spots(name, f, at, expected):
    x = t(at)
    g = al.grad(lambda x: al.sum(f(x)))(x)
    np.testing.assert_array_equal(np.asarray(g), expected)
    _, tangent = al.jvp(lambda x: al.sum(f(x)), [x], [al.ones_like(x)])
    assert tangent.item() == sum(expected)


def test_a_nan_reaches_the_gradient_of_a_product():
    g = al.grad(lambda x: al.sum(x * x))(t([np.nan, 1.0]))
    assert np.isnan(g.tolist()[0])
    assert g.tolist()[1] == 2.0


@pytest.mark.parametrize("size", [0, 1])
def test_empty_and_single(size):
    g = al.grad(lambda x: al.sum(al.exp(x) * x))(al.ones((size, 3), dtype="float64"))
    assert g.shape == (size, 3)


def test_check_grads_finds_a_wrong_derivative(monkeypatch):
    monkeypatch.setitem(rules.RULES, P.sin, rules.Pointwise((lambda t, y, x: t * 2,)))
    with pytest.raises(al.GradientError, match=r"jvp is off"):
        check_grads(al.sin, [t([0.3])], modes=["fwd"])
    with pytest.raises(al.GradientError, match=r"vjp is off"):
        check_grads(al.sin, [t([0.3])], modes=["rev"])


def test_check_grads_finds_a_wrong_second_derivative(monkeypatch):
    def wrong_twice(t, y, x):
        return t * al.stop_gradient(al.cos(x))

    monkeypatch.setitem(rules.RULES, P.sin, rules.Pointwise((wrong_twice,)))
    check_grads(al.sin, [t([0.3])], order=1)
    with pytest.raises(al.GradientError, match="off"):
        check_grads(al.sin, [t([0.3])], order=2)
