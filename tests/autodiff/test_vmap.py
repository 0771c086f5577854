"""vmap, and the Jacobians made with it, against loops over examples."""

import allumette_core as al
import numpy as np
import pytest
from allumette_core import primitives as P
from allumette_core.expr import apply

RNG = np.random.default_rng(0)


def t(shape):
    return al.tensor(RNG.standard_normal(shape), device="numpy")


def bind(primitive, *params):
    return lambda *xs: al.Tensor(apply(primitive, *[x._node for x in xs], params=params))


def scatter(x, i, u):
    return bind(P.scatter, 0, "add")(x, i, u)


INDICES = al.tensor([[0, 2], [1, 1], [2, -7], [9, 0]], device="numpy")
CASES = {
    "add": (lambda a, b: a + b, [(4, 3), (4, 3)]),
    "rank": (lambda a, b: a + b, [(4, 2, 3), (4, 3)]),
    "where": (lambda a, b: al.where(a > 0, a, b), [(4, 3), (4, 1)]),
    "reshape": (lambda a: al.reshape(a, (3, 2)), [(4, 2, 3)]),
    "permute": (lambda a: a.T, [(4, 2, 3)]),
    "broadcast": (lambda a: al.broadcast_to(a, (5, 2, 3)), [(4, 3)]),
    "slice": (lambda a: a[1:, ::-2], [(4, 3, 5)]),
    "concat": (lambda a, b: al.concat([a, b, al.ones(2, dtype="float64")]), [(4, 2), (4, 3)]),
    "pad": (lambda a: al.pad(a, ((1, 2),)), [(4, 3)]),
    "pad value": (lambda a, v: bind(P.pad, (1,), (2,), (1,))(a, v), [(4, 3), (4,)]),
    "windows": (lambda a: bind(P.windows, (0,), (2,), (1,), (1,))(a), [(4, 5)]),
    "fold": (lambda a: bind(P.fold, (0,), (2,), (1,), (1,), (4,))(a), [(4, 3, 2)]),
    "sum": (lambda a: al.sum(a, axis=0), [(4, 3, 2)]),
    "max": (lambda a: al.max(a), [(4, 3, 2)]),
    "argmax": (lambda a: al.argmax(a, axis=1), [(4, 3, 2)]),
    "cumsum": (lambda a: al.cumulative_sum(a, axis=0), [(4, 3, 2)]),
    "sort": (lambda a: bind(P.sort, 0)(a), [(4, 5)]),
    "matmul": (lambda a, b: a @ b, [(4, 2, 3), (4, 3, 5)]),
    "batched matmul": (lambda a, b: a @ b, [(4, 7, 2, 3), (4, 7, 3, 5)]),
    "dot": (lambda a, b: a @ b, [(4, 3), (4, 3)]),
    "softmax": (lambda a: al.exp(a) / al.sum(al.exp(a)), [(4, 3)]),
    "grad": (lambda a: al.grad(lambda x: al.sum(al.sin(x) ** 2))(a), [(4, 3)]),
}


def looped(f, *args):
    return np.stack([np.asarray(f(*[a[i] for a in args])) for i in range(args[0].shape[0])])


@pytest.mark.parametrize("name", CASES)
def test_all_arguments_batched(name):
    f, shapes = CASES[name]
    args = [t(shape) for shape in shapes]
    np.testing.assert_allclose(np.asarray(al.vmap(f)(*args)), looped(f, *args), rtol=1e-12)


@pytest.mark.parametrize("name", [n for n, (_, shapes) in CASES.items() if len(shapes) == 2])
@pytest.mark.parametrize("which", [0, 1])
def test_one_argument_batched(name, which):
    f, shapes = CASES[name]
    args = [t(shape) for shape in shapes]
    args[1 - which] = args[1 - which][0]
    axes = tuple(0 if i == which else None for i in range(2))
    got = al.vmap(f, in_axes=axes)(*args)
    wanted = [f(*[a[i] if i_ == which else a for i_, a in enumerate(args)]) for i in range(4)]
    np.testing.assert_allclose(np.asarray(got), np.stack(wanted), rtol=1e-12)


@pytest.mark.parametrize("of_x", [True, False])
@pytest.mark.parametrize("axis", [0, 1])
def test_gather(of_x, axis):
    gather = bind(P.gather, axis)
    x = t((4, 3, 3)) if of_x else t((3, 3))
    got = al.vmap(gather, in_axes=(0 if of_x else None, 0))(x, INDICES)
    wanted = [gather(x[i] if of_x else x, INDICES[i]) for i in range(4)]
    np.testing.assert_array_equal(np.asarray(got), np.stack(wanted))
    if of_x:
        one = al.vmap(gather, in_axes=(0, None))(x, INDICES)
        np.testing.assert_array_equal(np.asarray(one), looped(lambda v: gather(v, INDICES), x))


@pytest.mark.parametrize("axes", [(0, 0, 0), (None, 0, 0), (0, 0, None), (None, 0, None)])
@pytest.mark.parametrize("axis", [0, 1])
def test_scatter(axes, axis):
    x, updates = t((4, 3, 3)), t((4, 2, 3) if axis == 0 else (4, 3, 2))
    args = [v if a == 0 else v[0] for v, a in zip((x, INDICES, updates), axes, strict=True)]
    scatter = bind(P.scatter, axis, "add")
    got = al.vmap(scatter, in_axes=axes)(*args)
    wanted = [
        scatter(*[v[i] if a == 0 else v for v, a in zip(args, axes, strict=True)]) for i in range(4)
    ]
    np.testing.assert_allclose(np.asarray(got), np.stack(wanted), rtol=1e-12)


def test_axes_in_and_out():
    a = t((3, 4))
    got = al.vmap(lambda v: v * 2, in_axes=1, out_axes=1)(a)
    np.testing.assert_array_equal(np.asarray(got), np.asarray(a) * 2)


def test_nested_and_trees():
    a, b = t((4, 3)), t((5, 3))
    outer = al.vmap(lambda x: al.vmap(lambda y: {"d": x @ y})(b))(a)
    np.testing.assert_allclose(np.asarray(outer["d"]), np.asarray(a) @ np.asarray(b).T)


def test_a_result_that_does_not_depend_on_the_batch_is_repeated():
    assert al.vmap(lambda x: al.ones(2))(t((3, 1))).shape == (3, 2)


def test_grad_through_vmap_and_vmap_inside_jit():
    x, w = t((4, 3)), t((3,))
    f = lambda w: al.sum(al.vmap(lambda row: al.sin(row @ w))(x))  # noqa: E731
    g = lambda w: al.sum(al.sin(x @ w))  # noqa: E731
    np.testing.assert_allclose(np.asarray(al.grad(f)(w)), np.asarray(al.grad(g)(w)), rtol=1e-12)
    np.testing.assert_allclose(
        np.asarray(al.jit(al.grad(f))(w)), np.asarray(al.grad(g)(w)), rtol=1e-12
    )


def test_jacobians_agree():
    f = lambda x: al.sin(x)[:, None] * x[None, :2]  # noqa: E731
    x = t((3,))
    forward, reverse = al.jacfwd(f)(x), al.jacrev(f)(x)
    assert forward.shape == (3, 2, 3)
    np.testing.assert_allclose(np.asarray(forward), np.asarray(reverse), rtol=1e-12)


def test_hessian_is_right():
    x = t((3,))
    h = al.hessian(lambda x: al.sum(x**3) + x[0] * x[1])(x)
    wanted = np.diag(6 * np.asarray(x))
    wanted[0, 1] = wanted[1, 0] = 1
    np.testing.assert_allclose(np.asarray(h), wanted, rtol=1e-12)


def test_refusals():
    with pytest.raises(al.ShapeError, match=r"\[3, 4\]"):
        al.vmap(lambda a, b: a)(t((3,)), t((4,)))
    with pytest.raises(al.ArgumentError, match="no argument"):
        al.vmap(lambda a: a, in_axes=None)(t((3,)))
    with pytest.raises(al.ArgumentError, match="2 entries for 1"):
        al.vmap(lambda a: a, in_axes=(0, 0))(t((3,)))
    with pytest.raises(al.TracingError, match="no value"):
        al.vmap(lambda a: a if a.item() > 0 else -a)(t((3,)))
