"""When values are computed, how often, and what is kept."""

import gc
import threading

import allumette_core as al
import numpy as np
import pytest
from allumette_core import expr


def t(values):
    return al.tensor(values, device="numpy")


def test_nothing_is_computed_before_it_is_looked_at():
    with al.profile() as p:
        y = al.exp(t([1.0])) + 1
    assert sum(p.counts.values()) == 0
    assert y._node.buffer is None
    assert y.shape == (1,)


@pytest.mark.parametrize(
    "look",
    [
        lambda y: y.item(),
        lambda y: y.tolist(),
        np.asarray,
        repr,
        bool,
        float,
        al.evaluate,
        lambda y: al.evaluate({"a": [y]}),
    ],
)
def test_looking_computes(look):
    y = t([1.0]) + 1
    look(y)
    assert y._node.buffer is not None


def test_what_a_live_handle_holds_is_computed_once():
    x = t([1.0, 2.0])
    y = al.exp(x)
    z = y * 2
    with al.profile() as p:
        z.tolist()
        y.tolist()
        (y + 1).tolist()
        z.tolist()
    assert p.counts["exp", "native"] == 1
    assert p.counts["mul", "native"] == 1


def test_what_no_handle_holds_is_not_kept():
    x = t([1.0])
    y = al.exp(x)
    node = y._node
    z = y + 1
    del y
    z.tolist()
    assert node.buffer is None


def test_evaluating_together_shares_work():
    x = t([1.0])
    e = al.exp(x)
    a, b = e + 1, e + 2
    with al.profile() as p:
        al.evaluate(a, b)
    assert p.counts["exp", "native"] == 1


def test_evaluation_lets_inputs_go():
    y = (t([1.0]) + 1) * 2
    y.tolist()
    assert y._node.inputs == ()


def test_a_loop_that_never_looks_stays_bounded():
    x = t([0.0])
    for _ in range(3 * expr.MAX_PENDING_DEPTH):
        x = x + 1
    assert x._node.depth <= expr.MAX_PENDING_DEPTH + 2
    gc.collect()
    held = sum(isinstance(o, expr.Node) for o in gc.get_objects())
    assert held < 3 * expr.MAX_PENDING_DEPTH
    assert x.item() == 3 * expr.MAX_PENDING_DEPTH


def test_handles_rebind_and_others_keep_their_value():
    a = t([1.0, 2.0])
    b = a
    c = a + 0
    a += 1
    a[0] = 9.0
    assert b is a
    assert a.tolist() == [9.0, 3.0]
    assert c.tolist() == [1.0, 2.0]


def test_in_place_keeps_shape_and_dtype():
    a = al.tensor([1, 2], device="numpy")
    with pytest.raises(al.ShapeError, match=r"float32\[2\].*int32\[2\]"):
        a += 0.5
    with pytest.raises(al.ShapeError):
        a += al.ones((3, 2), dtype="int32", device="numpy")
    assert a.tolist() == [1, 2]


def test_values_are_read_only_and_inputs_are_copied():
    source = np.ones(3, np.float32)
    x = al.asarray(source, device="numpy")
    source[:] = 7
    assert x.tolist() == [1.0, 1.0, 1.0]
    with pytest.raises(ValueError, match="read-only"):
        np.asarray(x)[0] = 3


def test_threads_evaluate_one_graph():
    x = t(np.arange(1000.0))
    shared = al.exp(x * 1e-3)
    results = []

    def work(i):
        y = shared + i
        results.append(float(np.sum(np.asarray(y))) - 1000 * i)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 8
    np.testing.assert_allclose(results, results[0], rtol=1e-6)


def test_structurally_equal_graphs_compile_once(monkeypatch):
    from allumette_core.backend.reference import NumpyBackend

    compiled = []
    original = NumpyBackend.compile
    monkeypatch.setattr(NumpyBackend, "compile", lambda *a: (compiled.append(1), original(*a))[1])
    for i in range(5):
        (t([float(i), 1.2345678]) * 0.987654321 - 0.5).tolist()
    assert len(compiled) <= 1


@pytest.mark.parametrize("pair", [(0.0, -0.0), (float("nan"), 1.0), (True, 1.0), (1, 2)])
def test_literals_are_told_apart_in_the_cache(pair):
    for value in (*pair, *pair):
        got = np.asarray(al.where(t([True]), value * t([1.0]), 0.0))
        np.testing.assert_array_equal(got, np.float32([value]))
        assert np.signbit(got[0]) == np.signbit(np.float32(value))


def test_devices_are_not_mixed(monkeypatch):
    a = t([1.0])
    b = al.Tensor(expr.Data(np.ones(1, np.float32), expr.signature((1,), al.float32, "elsewhere")))
    with pytest.raises(al.DeviceError, match=r"'numpy' and 'elsewhere'.*\.to\("):
        a + b


def test_a_program_prints():
    f = al.jit(lambda x: al.sum(x * 2.0))
    f(t([1.0, 2.0]))
    text = str(f.traces()[0].program)
    assert "inputs  %0: float32[2]" in text
    assert "sum(%2, axes=(0,))" in text
