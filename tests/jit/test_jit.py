"""jit: one program per signature, trees in and out, and never a stale answer."""

import dataclasses
import threading
from collections import namedtuple
from functools import partial
from types import SimpleNamespace

import allumette_core as al
import numpy as np
import pytest

Point = namedtuple("Point", "x y")
WEIGHT = None  # set by tests: a global that jitted functions read
SCALE = 1.0
SETTINGS = {"scale": 1.0}


@dataclasses.dataclass
class Layer:
    w: al.Tensor
    name: str = dataclasses.field(default="layer", metadata={"static": True})


def t(values, dtype="float32"):
    return al.tensor(np.asarray(values, dtype), device="numpy")


@pytest.fixture
def general(monkeypatch):
    """The calls of jitted functions that go the general way."""
    taken = []
    flatten = type(al.jit(abs))._flatten

    def counted(self, *arguments):
        taken.append(self)
        return flatten(self, *arguments)

    monkeypatch.setattr(type(al.jit(abs)), "_flatten", counted)
    return taken


@pytest.fixture(autouse=True)
def on_numpy(monkeypatch):
    monkeypatch.setenv("ALLUMETTE_BACKEND", "numpy")


# ---- signatures --------------------------------------------------------------------------------


def test_traced_once_per_signature():
    calls = []

    @al.jit
    def f(x):
        calls.append(x.shape)
        return x + 1

    for _ in range(3):
        assert f(t([1.0])).tolist() == [2.0]
    assert f(t([1.0, 2.0])).tolist() == [2.0, 3.0]
    assert f(t([1.0], "float64")).dtype == np.float64
    assert calls == [(1,), (2,), (1,)]


def test_trees_in_and_out():
    @al.jit
    def f(tree, more, *, named):
        return {
            "list": [tree["a"] + 1, more],
            "point": Point(named.x * 2, None),
            "layer": Layer(tree["l"].w * 3, tree["l"].name),
            "constant": 7,
            "text": "kept",
        }

    tree = {"a": t([1.0]), "l": Layer(t([2.0]), "first")}
    out = f(tree, (t(3.0), [t(4.0)]), named=Point(t(5.0), t(6.0)))
    assert out["list"][0].tolist() == [2.0]
    assert out["list"][1][1][0].item() == 4.0
    assert out["point"].x.item() == 10.0
    assert out["point"].y is None
    assert (out["layer"].w.tolist(), out["layer"].name) == ([6.0], "first")
    assert (out["constant"], out["text"]) == (7, "kept")


def test_differing_trees_are_traced_apart():
    f = al.jit(lambda d: sum(al.sum(v) for v in d.values()))
    assert f({"a": t([1.0])}).item() == 1.0
    assert f({"a": t([1.0]), "b": t([2.0])}).item() == 3.0
    assert f({"b": t([5.0])}).item() == 5.0


def test_static_fields_of_dataclasses_are_part_of_the_signature():
    f = al.jit(lambda layer: layer.w * len(layer.name))
    assert f(Layer(t(2.0), "ab")).item() == 4.0
    assert f(Layer(t(2.0), "abc")).item() == 6.0


def test_numbers_are_inputs_and_weak():
    f = al.jit(lambda x, a: x * a)
    for a in (2.0, 3.5, -0.0):
        assert f(t([1.0], "float16"), a).tolist() == [a]
    assert f(t([1.0], "float16"), 2.0).dtype == np.float16
    assert f(t([3], "int8"), 2).dtype == np.int8
    assert len(f.traces()) == 2


def test_bools_strings_and_none_are_static():
    f = al.jit(lambda x, flag, how: (x + 1 if flag else x) * (2 if how == "double" else 1))
    assert f(t(1.0), True, "double").item() == 4.0
    assert f(t(1.0), False, "double").item() == 2.0
    assert f(t(1.0), False, None).item() == 1.0


def test_static_arguments():
    @partial(al.jit, static_argnums=1, static_argnames="times")
    def f(x, n, times=1):
        return al.broadcast_to(x, (n,)) * times

    assert f(t(1.0), 2).tolist() == [1.0, 1.0]
    assert f(t(1.0), 3, times=2).tolist() == [2.0, 2.0, 2.0]
    with pytest.raises(al.ArgumentError, match="hashable"):
        f(t(1.0), [2])


def test_an_unhashable_argument_is_refused():
    class Odd:
        __hash__ = None

    with pytest.raises(al.ArgumentError, match=r"Odd.*al\.tree\.register"):
        al.jit(lambda x, o: x)(t(1.0), Odd())


def test_arrays_are_inputs():
    f = al.jit(lambda x: x * 2)
    assert f(np.float32([1, 2])).tolist() == [2.0, 4.0]
    assert f(np.float32([3, 4])).tolist() == [6.0, 8.0]
    assert f(np.float32(2)).item() == 4.0
    assert len(f.traces()) == 2


def test_methods_bind():
    class Model:
        def __init__(self, w):
            self.w = w

        @al.jit
        def __call__(self, x):
            return x * self.w

    model = Model(t([2.0]))
    assert model(t([3.0])).tolist() == [6.0]
    model.w = t([5.0])
    assert model(t([3.0])).tolist() == [15.0]


def test_results_may_be_inputs_constants_and_repeated():
    w = t([9.0])
    f = al.jit(lambda x: (x, x + 1, x, w, al.tensor([4.0], device="numpy"), 3, None))
    x = t([1.0])
    a, b, c, d, e, three, none = f(x)
    assert [v.tolist() for v in (a, b, c, d, e)] == [[1.0], [2.0], [1.0], [9.0], [4.0]]
    assert (three, none) == (3, None)
    a += 1
    assert x.tolist() == c.tolist() == [1.0]


def test_the_same_result_twice_gives_independent_handles():
    def f(x):
        y = x + 1
        return y, y

    a, b = al.jit(f)(t([1.0]))
    a += 10
    assert (a.tolist(), b.tolist()) == ([12.0], [2.0])


# ---- never stale -------------------------------------------------------------------------------


def test_a_closed_over_tensor_changed_in_place():
    w = t([1.0])
    f = al.jit(lambda x: x * w)
    assert f(t([2.0])).tolist() == [2.0]
    w += 1
    assert f(t([2.0])).tolist() == [4.0]
    w[0] = 10.0
    assert f(t([2.0])).tolist() == [20.0]
    assert len(f.traces()) == 1


def test_a_closed_over_name_bound_anew():
    w = t([1.0])
    f = al.jit(lambda x: x * w)
    assert f(t([2.0])).tolist() == [2.0]
    w = t([3.0])
    assert f(t([2.0])).tolist() == [6.0]
    w = t([3.0, 4.0])  # another shape: traced anew
    assert f(t([2.0])).tolist() == [6.0, 8.0]
    w = 5.0  # not even a tensor
    assert f(t([2.0])).tolist() == [10.0]


def test_a_global_tensor_bound_anew():
    global WEIGHT
    WEIGHT = t([1.0])
    f = al.jit(lambda x: x * WEIGHT)
    assert f(t([2.0])).tolist() == [2.0]
    WEIGHT = t([3.0])
    assert f(t([2.0])).tolist() == [6.0]
    assert len(f.traces()) == 1


def helper(x):
    return x * WEIGHT


def test_a_global_of_a_function_that_is_called():
    global WEIGHT
    WEIGHT = t([1.0])
    f = al.jit(lambda x: helper(x) + 1)
    assert f(t([2.0])).tolist() == [3.0]
    WEIGHT = t([3.0])
    assert f(t([2.0])).tolist() == [7.0]


def test_tensors_in_closed_over_containers_and_objects():
    class Holder:
        pass

    holder = Holder()
    holder.params = {"w": [t([1.0])]}
    f = al.jit(lambda x: x * holder.params["w"][0])
    assert f(t([2.0])).tolist() == [2.0]
    holder.params["w"][0] = t([5.0])
    assert f(t([2.0])).tolist() == [10.0]
    holder.params = {"w": [t([7.0])]}
    assert f(t([2.0])).tolist() == [14.0]


def test_a_closed_over_array_changed_in_place():
    a = np.float32([1.0, 2.0])
    f = al.jit(lambda x: x + a)
    assert f(t([0.0, 0.0])).tolist() == [1.0, 2.0]
    a[0] = 50.0
    assert f(t([0.0, 0.0])).tolist() == [50.0, 2.0]


def test_plain_values_that_change():
    global SCALE
    SCALE = 1.0
    SETTINGS["scale"] = 1.0
    local = 1.0
    f = al.jit(lambda x: x * SCALE * SETTINGS["scale"] * local)
    assert f(t(1.0)).item() == 1.0
    SCALE = 2.0
    assert f(t(1.0)).item() == 2.0
    SETTINGS["scale"] = 3.0
    assert f(t(1.0)).item() == 6.0
    local = 5.0
    assert f(t(1.0)).item() == 30.0
    SCALE = -0.0
    assert np.signbit(f(t(1.0)).item())
    SCALE = 0.0
    assert not np.signbit(f(t(1.0)).item())


@pytest.mark.parametrize("name", ["plain", "a.b", "class", "two words", "__mangled", "\ufb01"])
def test_what_changes_under_any_name(name):
    holder = SimpleNamespace(fi=t(0.0))  # as code would read the ligature
    setattr(holder, name, t(2.0))
    f = al.jit(lambda x: x * getattr(holder, name))
    assert f(t(1.0)).item() == f(t(1.0)).item() == 2.0
    setattr(holder, name, t(3.0))
    assert f(t(1.0)).item() == 3.0


def test_what_changes_far_inside():
    class Link:
        def __init__(self, following):
            self.following = following

    last = chain = Link(t(2.0))
    for _ in range(3000):
        chain = Link(chain)

    def f(x):
        link = chain
        while isinstance(link.following, Link):
            link = link.following
        return x * link.following

    g = al.jit(f)
    assert g(t(1.0)).item() == g(t(1.0)).item() == 2.0
    last.following = t(3.0)
    assert g(t(1.0)).item() == 3.0


def test_defaults_and_partials():
    w = t([2.0])

    def f(x, v=w):
        return x * v

    g = al.jit(partial(f, v=w))
    assert al.jit(f)(t([3.0])).tolist() == [6.0]
    assert g(t([3.0])).tolist() == [6.0]
    w += 1
    assert g(t([3.0])).tolist() == [9.0]


def test_jit_of_grad_of_a_closure():
    w = t([2.0])
    g = al.jit(al.grad(lambda x: al.sum(x * x * w)))
    assert g(t([3.0])).tolist() == [12.0]
    w += 1
    assert g(t([3.0])).tolist() == [18.0]


def test_a_tensor_that_cannot_be_found_again_is_refused():
    held = iter([t([1.0])] * 3)
    with pytest.raises(al.TracingError, match="pass it as an argument"):
        al.jit(lambda x: x + next(held))(t([1.0]))


def test_python_side_effects_happen_while_tracing_only():
    seen = []

    @al.jit
    def f(x):
        seen.append(1)
        return x + len(seen)

    f(t(1.0))
    count = len(seen)
    f(t(1.0))
    assert len(seen) >= count


def test_random_keys_are_inputs():
    f = al.jit(lambda key: al.random.uniform(key, (2,)))
    a, b = f(al.random.key(0)).tolist(), f(al.random.key(1)).tolist()
    assert a != b
    assert f(al.random.key(0)).tolist() == a


# ---- refusals while tracing --------------------------------------------------------------------


@pytest.mark.parametrize(
    "read",
    [
        lambda x: bool(x > 0),
        float,
        lambda x: int(x),
        lambda x: x.item(),
        lambda x: x.tolist(),
        np.asarray,
        lambda x: al.evaluate(x),
        lambda x: range(x.astype("int32")),
    ],
)
def test_reading_while_tracing_names_the_line(read):
    def f(x):
        read(x)
        return x

    with pytest.raises(al.TracingError, match=r"test_jit\.py, line \d+"):
        al.jit(f)(t(1.0))


def test_reading_a_captured_tensor_while_tracing_is_refused():
    w = t(1.0)
    with pytest.raises(al.TracingError, match="read while"):
        al.jit(lambda x: x if w.item() > 0 else -x)(t(1.0))


def test_a_failed_trace_leaves_things_sound():
    def f(x):
        if x.item():
            return x
        return -x

    with pytest.raises(al.TracingError):
        al.jit(f)(t(1.0))
    assert (t(1.0) + 1).item() == 2.0  # reading works again


def test_in_place_change_of_an_outside_tensor_is_refused():
    w = t([1.0])

    def f(x):
        nonlocal w
        w += x
        return w

    with pytest.raises(al.TracingError, match="return the new value"):
        al.jit(f)(t([1.0]))
    assert w.tolist() == [1.0]


def test_in_place_change_of_an_argument_is_local():
    def f(x):
        x += 1
        x[0] = 7.0
        return x

    x = t([1.0, 2.0])
    assert al.jit(f)(x).tolist() == [7.0, 3.0]
    assert x.tolist() == [1.0, 2.0]


def test_a_tensor_that_escapes_the_trace_is_refused_when_read():
    out = []

    def f(x):
        out.append(x + 1)
        return x

    al.jit(f)(t([1.0]))
    with pytest.raises(al.TracingError, match="return it from the function"):
        out[0].tolist()
    assert "traced" in repr(out[0])


# ---- donation ----------------------------------------------------------------------------------


def test_donated_tensors_are_gone():
    f = al.jit(lambda p, g: p - g, donate_argnums=0)
    p, g = t([3.0]), t([1.0])
    q = f(p, g)
    assert q.tolist() == [2.0]
    for use in (p.tolist, lambda: (p + 1).tolist(), lambda: f(p, g)):
        with pytest.raises(al.DeviceError, match="donated"):
            use()
    assert "donated" in repr(p)
    assert g.tolist() == [1.0]


def test_donating_trees_and_passing_through():
    f = al.jit(lambda p: {"w": p["w"] * 2, "b": p["b"]}, donate_argnums=0)
    p = {"w": t([1.0]), "b": t([5.0])}
    for i in range(3):
        p = f(p)
        assert p["w"].tolist() == [2.0 ** (i + 1)]
    assert p["b"].tolist() == [5.0]


def test_donating_one_tensor_twice_is_refused():
    f = al.jit(lambda a, b: a + b, donate_argnums=0)
    x = t([1.0])
    with pytest.raises(al.DeviceError, match="twice"):
        f(x, x)
    assert x.tolist() == [1.0]


# ---- composition -------------------------------------------------------------------------------


def test_jit_inside_jit_grad_and_vmap():
    f = al.jit(lambda x: al.sin(x) * x)
    x = t([0.5, 1.0], "float64")
    plain = lambda x: al.sin(x) * x  # noqa: E731
    np.testing.assert_array_equal(al.jit(lambda x: f(x) + 1)(x), plain(x) + 1)
    g, h = al.grad(lambda x: al.sum(f(x))), al.grad(lambda x: al.sum(plain(x)))
    np.testing.assert_array_equal(g(x), h(x))
    np.testing.assert_array_equal(al.vmap(f)(x), plain(x))
    w = al.tensor([2.0], requires_grad=True, device="numpy")
    assert f(w).sum().backward()[w].shape == (1,)


def test_backward_inside_jit():
    w = al.tensor([2.0, 3.0], requires_grad=True, device="numpy")
    step = al.jit(lambda x: al.sum(w * w * x).backward()[w])
    assert step(t([1.0, 2.0])).tolist() == [4.0, 12.0]
    with al.no_grad():
        w += 1
    assert step(t([1.0, 2.0])).tolist() == [6.0, 16.0]


def test_a_training_step_is_one_program():
    @partial(al.jit, donate_argnums=0)
    def step(p, x, y):
        loss, g = al.value_and_grad(lambda p: al.mean((x @ p["w"] - y) ** 2))(p)
        return al.tree.map(lambda p, g: p - 0.1 * g, p, g), loss

    x, p = t(np.eye(3)), {"w": t([0.0, 0.0, 0.0])}
    for _ in range(200):
        p, _ = step(p, x, t([1.0, 2.0, 3.0]))
    np.testing.assert_allclose(p["w"].tolist(), [1, 2, 3], atol=1e-4)
    assert len(step.traces()) == 1


def test_jit_agrees_with_eager_on_lazy_inputs():
    x = t([1.0, 2.0]) * 3 + 1
    assert al.jit(lambda x: x * 2)(x).tolist() == [8.0, 14.0]


# ---- threads -----------------------------------------------------------------------------------


def test_two_threads_share_a_jitted_function():
    w = t([1.0])
    barrier, results = threading.Barrier(8), []

    @al.jit
    def f(x, n):
        return x * w + n

    def work(i):
        barrier.wait()
        for j in range(50):
            n = float(100 * i + j)
            x = t(np.ones(1 + j % 3))
            results.append(f(x, n).tolist() == [1 + n] * (1 + j % 3))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 400
    assert all(results)
    assert len(f.traces()) == 3


def test_tracing_in_one_thread_does_not_stop_another_from_reading():
    tracing, done = threading.Event(), threading.Event()

    def f(x):
        tracing.set()
        assert done.wait(10)
        return x + 1

    results = []
    worker = threading.Thread(target=lambda: results.append(al.jit(f)(t(1.0)).item()))
    worker.start()
    assert tracing.wait(10)
    value = (t(1.0) + 1).item()
    done.set()
    worker.join()
    assert value == 2.0
    assert results == [2.0]


class AnyName:
    """Answers to every name, as the libraries of foreign functions do."""

    @property
    def __dict__(self):
        return self

    def __getattr__(self, name):
        return self


class NoName:
    """Has an error of its own for a name that it does not know."""

    __slots__ = ("unset",)

    def __getattr__(self, name):
        raise KeyError(name)


@pytest.mark.parametrize("kind", [AnyName, NoName])
def test_an_object_is_not_asked_for_attributes_that_it_would_invent(kind):
    strange = kind()
    assert al.jit(lambda x: x + (strange is not None))(t(1.0)).item() == 2.0


def test_a_shortcut_is_taken_only_by_calls_that_it_was_made_for(general):
    f = al.jit(lambda a, b: {"sum": a + b, "twice": a * 2.0})
    a, b, c = t([1.0, 2.0]), t([3.0, 4.0]), t([[5.0], [6.0]])

    def check(a, b):
        got = f(a, b)
        np.testing.assert_array_equal(got["sum"].numpy(), np.asarray(a) + np.asarray(b))
        np.testing.assert_array_equal(got["twice"].numpy(), np.asarray(a) * 2.0)

    for _ in range(3):
        check(a, b)
    general.clear()
    check(a, b)
    assert general == []  # the shortcut
    check(a, c)  # another shape
    check(a, b)
    assert len(general) == 2
    check(a, b.astype(al.int32))  # another dtype
    check(np.array([1.0, 2.0], np.float32), b)
    check(a, 3.0)
    np.testing.assert_array_equal(f(b=b, a=a)["sum"].numpy(), [4.0, 6.0])
    np.testing.assert_array_equal(f(a, b=b)["sum"].numpy(), [4.0, 6.0])
    with pytest.raises(TypeError):
        f(a)
    with pytest.raises(TypeError):
        f(a, b, c)
    check(a + 0.0, b)  # not computed yet
    grad = al.grad(lambda a: f(a, b)["sum"].sum())(a)
    np.testing.assert_array_equal(grad.numpy(), [1.0, 1.0])
    outer = al.jit(lambda a: f(a, b)["sum"] * f(b, b)["twice"])
    np.testing.assert_array_equal(outer(a).numpy(), [24.0, 48.0])
    assert f(a.requires_grad_(), b)["sum"].requires_grad


def test_a_shortcut_sees_what_the_function_finds_outside():
    outside = {"weight": t([1.0]), "by": 2.0}
    f = al.jit(lambda x: x * outside["weight"] * outside["by"] + np.float32(1.0))
    x = t([1.0, 2.0])
    for _ in range(3):
        assert f(x).tolist() == [3.0, 5.0]
    outside["weight"] = t([10.0])
    assert f(x).tolist() == [21.0, 41.0]
    outside["by"] = 1.0
    for _ in range(2):
        assert f(x).tolist() == [11.0, 21.0]
    del outside["by"]
    with pytest.raises(KeyError):
        f(x)


def test_a_donated_tensor_is_refused_by_a_shortcut_too():
    f, give = al.jit(lambda x: x + 1.0), al.jit(lambda x: x + 1.0, donate_argnums=0)
    x = t([1.0])
    for _ in range(2):
        f(x)
    give(x)
    with pytest.raises(al.DeviceError, match="donated"):
        f(x)


def test_the_number_of_signatures_kept_is_bounded():
    f = al.jit(lambda x, how: x)
    for i in range(300):
        f(t(1.0), f"how {i}")
    assert len(f.traces()) <= 256


def test_a_function_that_rebinds_what_it_captures_is_refused():
    global WEIGHT
    WEIGHT = t([1.0])

    def f(x):
        global WEIGHT
        y = x * WEIGHT
        WEIGHT = None
        return y

    with pytest.raises(al.TracingError, match="pass it as an argument"):
        al.jit(f)(t([1.0]))


def test_static_objects_are_compared_by_equality():
    calls = []

    class Config:
        def __init__(self, n):
            self.n = n

        def __eq__(self, other):
            return isinstance(other, Config) and other.n == self.n

        def __hash__(self):
            return hash(self.n)

    @partial(al.jit, static_argnums=1)
    def f(x, config):
        calls.append(config.n)
        return x * config.n

    assert f(t(1.0), Config(2)).item() == 2.0
    assert f(t(1.0), Config(2)).item() == 2.0
    assert f(t(1.0), Config(3)).item() == 3.0
    assert calls == [2, 3]


def test_a_weakly_typed_result_stays_what_it_was_when_called_directly():
    assert al.jit(lambda a: a * 2)(3.0).dtype == np.float32
    assert al.jit(lambda a, x: a * x)(3, t([1.0], "float16")).dtype == np.float16


def test_a_shortcut_takes_containers_apart(general):
    f = al.jit(lambda p, x: ([q * x for q in p["layers"]], p["bias"][0] + x))
    x = t([1.0, 2.0])
    p = {"layers": [t([3.0, 4.0]), t([5.0, 6.0])], "bias": (t([7.0, 8.0]),)}

    def check(p):
        scaled, moved = f(p, x)
        assert type(scaled) is type(p["layers"])
        assert [q.tolist() for q in scaled] == [
            (np.asarray(q) * [1, 2]).tolist() for q in p["layers"]
        ]
        assert moved.tolist() == (np.asarray(p["bias"][0]) + [1, 2]).tolist()

    check(p)
    general.clear()
    check(p)
    check(dict(reversed(p.items())))
    assert general == []
    check({**p, "layers": p["layers"][:1]})
    check(p)
    check({**p, "layers": p["layers"] * 2})
    check({**p, "bias": p["bias"] * 2})
    check({**p, "bias": [*p["bias"]]})
    check({**p, "more": x})
    assert len(general) == 6
    with pytest.raises(KeyError, match="bias"):
        f({"layers": p["layers"], "other": p["bias"]}, x)
    with pytest.raises(TypeError):
        f({"layers": p["layers"], "bias": None}, x)


@dataclasses.dataclass
class Scaled:
    weight: al.Tensor
    bias: al.Tensor | None
    scale: float = dataclasses.field(default=1.0, metadata={"static": True})


def test_a_shortcut_takes_dataclasses_numbers_and_flags(general):
    f = al.jit(lambda n, x, by, how: (x * n.weight * n.scale if how else x) * by)
    x, w = t([1.0, 2.0]), t([3.0, 4.0])
    assert f(Scaled(w, None), x, 2.0, True).tolist() == [6.0, 16.0]
    general.clear()
    assert f(Scaled(w, None), x, 3.0, True).tolist() == [9.0, 24.0]
    assert general == []
    assert f(Scaled(w, None, 2.0), x, 2.0, True).tolist() == [12.0, 32.0]
    assert f(Scaled(w, None), x, 2.0, False).tolist() == [2.0, 4.0]
    assert f(Scaled(w, w), x, 2.0, True).tolist() == [6.0, 16.0]
    assert f(Scaled(w, None), x, 2, True).tolist() == [6.0, 16.0]
    assert f(Scaled(w, None), x, t(2.0), True).tolist() == [6.0, 16.0]
    assert len(general) == 5
    with pytest.raises(AttributeError):
        f([w, None], x, 2.0, True)


def test_a_shortcut_donates(general):
    f = al.jit(lambda p, x: [q + x for q in p], donate_argnums=0)
    p, x = [t([1.0]), t([2.0])], t([10.0])
    p = f(p, x)
    general.clear()
    for _ in range(3):
        before, p = p, f(p, x)
        assert all("donated" in repr(q) for q in before)
    assert [q.tolist() for q in p] == [[41.0], [42.0]]
    assert general == []
    shown = p[0].numpy()
    f(p, x)
    assert shown.tolist() == [41.0]
    with pytest.raises(al.DeviceError, match="donated"):
        f(p, x)
    with pytest.raises(al.DeviceError, match="twice"):
        f([x, x], t([1.0]))


def test_a_donated_tensor_that_is_captured_too_is_refused():
    w = t([1.0])
    f = al.jit(lambda p: p + w, donate_argnums=0)
    for _ in range(2):
        f(t([2.0]))
    with pytest.raises(al.DeviceError, match="twice"):
        f(w)


def test_without_a_tensor_the_default_device_decides():
    makes, takes = al.jit(lambda: al.ones(3) * 2.0), al.jit(lambda x: x * 2.0)
    try:
        for name in ("seq", "numpy", "seq"):
            al.set_default_device(name)
            for _ in range(2):
                assert makes().device == takes(1.0).device == name
    finally:
        al.set_default_device(None)
