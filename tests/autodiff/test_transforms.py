"""grad, value_and_grad, vjp, jvp and backward: what they return, refuse, and how they nest."""

import gc
import weakref

import allumette_core as al
import numpy as np
import pytest


def t(values, **more):
    return al.tensor(values, dtype="float64", device="numpy", **more)


def test_grad_keeps_the_structure_of_trees():
    def loss(p, x):
        return al.sum((x @ p["w"] + p["b"][0]) ** 2)

    p = {"w": t([[1.0], [2.0]]), "b": [t([0.5])]}
    g = al.grad(loss)(p, t([[1.0, 1.0], [2.0, 0.0]]))
    assert g["w"].tolist() == [[17.0], [7.0]]
    assert g["b"][0].tolist() == [12.0]


def test_argnums_and_aux():
    f = lambda x, y: (x * x * y, {"twice": x + x})  # noqa: E731
    (value, aux), (gx, gy) = al.value_and_grad(f, argnums=(0, -1), has_aux=True)(t(3.0), t(2.0))
    assert (value.item(), aux["twice"].item(), gx.item(), gy.item()) == (18.0, 6.0, 12.0, 9.0)
    gradient, aux = al.grad(f, argnums=1, has_aux=True)(t(3.0), t(2.0))
    assert (gradient.item(), aux["twice"].item()) == (9.0, 6.0)


def test_shared_subexpressions_accumulate():
    def f(x):
        y = x * x
        return al.sum(y * y + y + x)

    assert al.grad(f)(t([2.0])).tolist() == [4 * 8.0 + 2 * 2.0 + 1.0]


def test_nested_to_any_depth():
    f = lambda x: x**5  # noqa: E731
    expected = [5 * 16.0, 20 * 8.0, 60 * 4.0, 120 * 2.0, 120.0, 0.0]
    for depth, wanted in enumerate(expected, 1):
        g = f
        for _ in range(depth):
            g = al.grad(g)
        assert g(t(2.0)).item() == wanted


def test_forward_over_reverse_and_reverse_over_forward_agree():
    f = lambda x: al.sum(al.sin(x) * x[::-1])  # noqa: E731
    x, v = t([0.3, 1.0, 2.0]), t([1.0, -1.0, 0.5])
    over_reverse = al.jvp(al.grad(f), [x], [v])[1]
    over_forward = al.grad(lambda x: al.jvp(f, [x], [v])[1])(x)
    np.testing.assert_allclose(over_reverse.tolist(), over_forward.tolist(), rtol=1e-12)


def test_perturbations_are_not_confused():
    # d/dx (x * d/dy (x + y)) is 1: a derivative with respect to y must not see x move.
    f = lambda x: x * al.grad(lambda y: x + y)(t(1.0))  # noqa: E731
    assert al.grad(f)(t(1.0)).item() == 1.0
    g = lambda x: x * al.jvp(lambda y: x * y, [t(2.0)], [t(1.0)])[1]  # noqa: E731
    assert al.jvp(g, [t(3.0)], [t(1.0)])[1].item() == 6.0


def test_vjp_of_trees_and_none():
    value, pull = al.vjp(lambda x: {"a": x * 2, "b": (x**2, None)}, t([3.0]))
    assert value["a"].tolist() == [6.0]
    (g,) = pull({"a": t([1.0]), "b": (t([10.0]), None)})
    assert g.tolist() == [62.0]
    assert pull({"a": t([0.0]), "b": (t([1.0]), None)})[0].tolist() == [6.0]  # and again


def test_vjp_still_works_after_the_value_was_read():
    value, pull = al.vjp(lambda x: al.exp(x) * x, t([1.0]))
    value.tolist()
    assert pull(t([1.0]))[0].item() == pytest.approx(2 * np.e)


def test_an_unused_argument_has_a_zero_gradient():
    g = al.grad(lambda x, y: al.sum(x), argnums=1)(t([1.0]), t([[2.0, 3.0]]))
    assert g.tolist() == [[0.0, 0.0]]


def test_values_may_be_read_inside_grad():
    def f(x):
        return x * 2 if x.item() > 0 else x * -3

    assert al.grad(f)(t(1.0)).item() == 2.0
    assert al.grad(f)(t(-1.0)).item() == -3.0


def test_numpy_on_the_left_reaches_the_tensor():
    a = np.array([2.0, 3.0])
    x = t([1.0, 4.0])
    hessian = al.hessian(lambda x: al.sum(a * x * x + a @ x))(x)
    assert hessian.tolist() == [[4.0, 0.0], [0.0, 6.0]]


# ---- backward ----------------------------------------------------------------------------------


def test_backward_reads_by_wrt_and_by_item():
    w, b = t([1.0, 2.0], requires_grad=True), t(3.0, requires_grad=True)
    grads = al.sum(w * w + b).backward()
    assert grads.wrt(w).tolist() == grads[w].tolist() == [2.0, 4.0]
    assert grads[b].item() == 2.0
    assert w in grads
    assert len(grads) == 2


def test_backward_after_the_loss_was_read_and_twice():
    w = t([1.0, 2.0], requires_grad=True)
    loss = (w**3).sum()
    assert loss.item() == 9.0
    assert loss.backward()[w].tolist() == [3.0, 12.0]
    assert loss.backward()[w].tolist() == [3.0, 12.0]


def test_backward_can_be_differentiated():
    w = t([1.0, 2.0], requires_grad=True)
    g = (w**3).sum().backward()[w]
    assert (g * g).sum().backward()[w].tolist() == [2 * 3 * 6.0, 2 * 12 * 12.0]


def test_detach_and_stop_gradient():
    w = t([2.0], requires_grad=True)
    assert (w * w.detach()).sum().backward()[w].tolist() == [2.0]
    assert not w.detach().requires_grad
    assert al.grad(lambda x: x * al.stop_gradient(x))(t(3.0)).item() == 3.0


def test_no_grad_records_nothing_and_nests():
    w = t([2.0], requires_grad=True)
    with al.no_grad():
        with al.no_grad():
            pass
        y = w * w
        assert not y.requires_grad
    assert (w * w).requires_grad
    with pytest.raises(al.GradientError, match="requires a gradient"):
        y.sum().backward()


def test_grad_inside_no_grad_still_differentiates():
    with al.no_grad():
        assert al.grad(lambda x: x * x)(t(3.0)).item() == 6.0


def test_a_step_in_place_under_no_grad_keeps_the_parameter():
    w = t([1.0, 2.0], requires_grad=True)
    for _ in range(3):
        grads = (w * w).sum().backward()
        with al.no_grad():
            w -= 0.25 * grads[w]
    assert w.requires_grad
    assert w.tolist() == [0.125, 0.25]


def test_in_place_on_a_parameter_while_recording_is_refused():
    w = t([1.0], requires_grad=True)
    with pytest.raises(al.GradientError, match="no_grad"):
        w += 1.0


def test_a_tensor_that_the_loss_does_not_use_has_zeros_and_others_are_refused():
    w, unused = t([1.0], requires_grad=True), t([1.0, 2.0], requires_grad=True)
    grads = (w * 2).sum().backward()
    assert grads[unused].tolist() == [0.0, 0.0]
    with pytest.raises(al.GradientError, match="requires_grad=True"):
        grads.wrt(t([1.0]))


def test_refusals_say_what_and_what_would_work():
    with pytest.raises(al.GradientError, match=r"shape \(2,\).*\.sum\(\)"):
        t([1.0, 2.0], requires_grad=True).backward()
    with pytest.raises(al.DTypeError, match="int32"):
        al.grad(lambda x: x)(al.tensor(1, device="numpy"))
    with pytest.raises(al.GradientError, match=r"\(2,\)"):
        al.grad(lambda x: x)(t([1.0, 2.0]))
    with pytest.raises(al.GradientError, match="argnums 3"):
        al.grad(lambda x: x, argnums=3)(t(1.0))
    with pytest.raises(al.GradientError, match="has_aux"):
        al.grad(lambda x: 3.0)(t(1.0))
    with pytest.raises(al.ShapeError, match="cotangent"):
        al.vjp(lambda x: x, t([1.0]))[1](t([1.0, 2.0]))
    with pytest.raises(al.DTypeError, match="requires_grad"):
        al.tensor([1, 2], device="numpy").requires_grad_()


# ---- what is kept alive ------------------------------------------------------------------------


def test_results_of_grad_do_not_keep_the_graph():
    w = t([1.0])
    losses = []
    for _ in range(3):
        loss, g = al.value_and_grad(lambda w: (w * w).sum())(w)
        w = w - 0.1 * g
        losses.append(loss)
    assert not w.requires_grad
    al.evaluate(w, losses)
    assert w._node.inputs == ()
    assert all(loss._node.inputs == () for loss in losses)


def test_a_released_graph_is_collected():
    x = t([1.0, 2.0])
    value, gradient = al.value_and_grad(lambda x: (x * x).sum())(x)
    node = weakref.ref(gradient)
    al.evaluate(value, gradient)
    del gradient
    gc.collect()
    assert node() is None


def test_a_long_chain_has_a_gradient_without_recursion():
    def f(x):
        for _ in range(20_000):
            x = x * 1.0001
        return x

    assert al.grad(f)(t(1.0)).item() == pytest.approx(1.0001**20_000)
