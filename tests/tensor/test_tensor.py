"""The handle: how it prints, converts, copies, pickles and meets NumPy."""

import copy
import pickle

import allumette_core as al
import numpy as np
import pytest


def t(values, dtype=None):
    return al.tensor(values, dtype=dtype, device="numpy")


REPRS = [
    (t([1.0, 2.5]), "tensor([1. , 2.5], dtype=float32, device='numpy')"),
    (t(3), "tensor(3, dtype=int32, device='numpy')"),
    (t(True), "tensor(True, dtype=bool, device='numpy')"),
    (t([]), "tensor([], shape=(0,), dtype=float32, device='numpy')"),
    (
        al.zeros((2, 0), dtype="int8", device="numpy"),
        "tensor([], shape=(2, 0), dtype=int8, device='numpy')",
    ),
    (
        t([[1, 2], [3, 4]]),
        "tensor([[1, 2],\n        [3, 4]], dtype=int32, device='numpy')",
    ),
    (t([np.nan, np.inf, -0.0]), "tensor([nan, inf, -0.], dtype=float32, device='numpy')"),
]


@pytest.mark.parametrize(("tensor", "text"), REPRS, ids=[text[:24] for _, text in REPRS])
def test_repr(tensor, text):
    assert repr(tensor) == text


def test_repr_of_large_tensors_is_short():
    assert len(repr(al.zeros(10**6, device="numpy"))) < 200


def test_conversions():
    assert (float(t(1.5)), int(t(3)), bool(t([0.0])), complex(t(2.0).item())) == (1.5, 3, False, 2)
    assert [10, 20, 30][t(1)] == 20
    assert list(range(t(3))) == [0, 1, 2]
    assert f"{t(1.23456):.2f} {t([1.0])}" == "1.23 tensor([1.], dtype=float32, device='numpy')"
    assert t([[1, 2], [3, 4]]).tolist() == [[1, 2], [3, 4]]
    assert len(t([[1, 2], [3, 4], [5, 6]])) == 3
    assert [row.tolist() for row in t([[1, 2], [3, 4]])] == [[1, 2], [3, 4]]
    assert 2.0 in t([1.0, 2.0])
    assert 5.0 not in t([1.0, 2.0])


def test_refused_conversions():
    with pytest.raises(al.ShapeError, match=r"\(2,\)"):
        float(t([1.0, 2.0]))
    with pytest.raises(al.ShapeError, match=r"\(2,\)"):
        bool(t([1.0, 2.0]))
    with pytest.raises(TypeError, match="float32"):
        [1, 2][t(1.0)]
    with pytest.raises(TypeError, match="rank 0"):
        len(t(1.0))
    with pytest.raises(TypeError, match="rank 0"):
        iter(t(1.0))


def test_numpy_interop():
    x = t([1.0, 2.0])
    a = np.float64([10, 20])
    assert isinstance(a * x, al.Tensor)
    assert (a * x).dtype == np.float64
    assert (a - x).tolist() == [9.0, 18.0]
    assert (np.float32(2) * x).tolist() == [2.0, 4.0]
    assert (np.arange(2.0) @ x).item() == 2.0
    assert (a > x).tolist() == [True, True]
    assert np.asarray(x, dtype="float64").dtype == np.float64
    assert np.array(x).flags.writeable
    assert np.sum(np.asarray(x)) == 3
    with pytest.raises(TypeError):
        np.sin(x)  # __array_ufunc__ is None: a ufunc would leave the graph


def test_equality_is_elementwise_and_hash_is_identity():
    x, y = t([1.0, np.nan]), t([1.0, np.nan])
    assert (x == y).tolist() == [True, False]
    assert (x != y).tolist() == [False, True]
    assert len({x, y}) == 2
    assert {x: 1}[x] == 1


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy])
def test_copies_are_independent(duplicate):
    x = t([1.0, 2.0]) + 1
    y = duplicate(x)
    x += 1
    assert y.tolist() == [2.0, 3.0]
    assert x.tolist() == [3.0, 4.0]


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_pickle(protocol):
    x = t([[1.0, -0.0]], "float16") * 2
    back = pickle.loads(pickle.dumps({"x": x}, protocol))["x"]
    assert (back.dtype, back.shape, back.device) == (x.dtype, x.shape, "numpy")
    assert np.asarray(back).tobytes() == np.asarray(x).tobytes()


def test_transposes():
    x = t([[1, 2, 3], [4, 5, 6]])
    assert x.T.tolist() == x.mT.tolist() == [[1, 4], [2, 5], [3, 6]]
    with pytest.raises(al.ShapeError, match="rank 2"):
        _ = al.zeros((2, 2, 2), device="numpy").T


def test_properties_do_not_compute():
    x = t([[1.0, 2.0]]) + 1
    assert (x.shape, x.ndim, x.size, x.dtype, x.device) == ((1, 2), 2, 2, np.float32, "numpy")
    assert x._node.buffer is None


@pytest.mark.parametrize(
    ("name", "result"),
    [
        ("__add__", 9.0),
        ("__radd__", 9.0),
        ("__sub__", 5.0),
        ("__rsub__", -5.0),
        ("__mul__", 14.0),
        ("__rmul__", 14.0),
        ("__truediv__", 3.5),
        ("__rtruediv__", 2 / 7),
        ("__floordiv__", 3.0),
        ("__rfloordiv__", 0.0),
        ("__mod__", 1.0),
        ("__rmod__", 2.0),
        ("__pow__", 49.0),
        ("__rpow__", 128.0),
    ],
)
def test_arithmetic_operators(name, result):
    assert getattr(t(7.0, "float64"), name)(2.0).item() == pytest.approx(result)


def test_bit_operators():
    x = t([6, 3])
    assert [(x & 5).tolist(), (5 & x).tolist()] == [[4, 1], [4, 1]]
    assert [(x | 8).tolist(), (8 | x).tolist()] == [[14, 11], [14, 11]]
    assert [(x ^ 1).tolist(), (1 ^ x).tolist()] == [[7, 2], [7, 2]]
    assert [(x << 1).tolist(), (1 << x).tolist()] == [[12, 6], [64, 8]]
    assert [(x >> 1).tolist(), (64 >> x).tolist()] == [[3, 1], [1, 8]]
    assert [(~x).tolist(), (~t([True, False])).tolist()] == [[-7, -4], [False, True]]
    assert [v.tolist() for v in divmod(x, 4)] == [[1, 0], [2, 3]]


def test_in_place_operators():
    x = t([8.0, 6.0])
    x += 2
    x -= 1
    x *= 4
    x /= 2
    x //= 3
    x %= 5
    x **= 2
    assert x.tolist() == [1.0, 16.0]
    y = t([[1, 2], [3, 4]])
    y @= t([[0, 1], [1, 0]])
    y &= 3
    y |= 8
    y ^= 1
    assert y.tolist() == [[11, 8], [9, 10]]


def test_methods_agree_with_functions():
    x = t([[3.0, 1.0], [2.0, 5.0]])
    assert x.sum().item() == 11
    assert x.mean(axis=0).tolist() == [2.5, 3.0]
    assert x.max(axis=1, keepdims=True).tolist() == [[3.0], [5.0]]
    assert x.min().item() == 1
    assert x.prod(axis=(0, 1)).item() == 30
    assert (x.argmax().item(), x.argmin(axis=0).tolist()) == (3, [1, 0])
    assert ((x > 2).any().item(), (x > 2).all(axis=0).tolist()) == (True, [False, False])
    assert x.reshape(4).shape == x.reshape((4,)).shape == x.reshape(2, -1).flatten().shape == (4,)
    assert x.permute(1, 0).tolist() == x.T.tolist()
    assert x.astype("int8").dtype == np.int8
    np.testing.assert_allclose(x.log().exp().sqrt().tanh(), np.tanh(np.sqrt(x.tolist())), rtol=1e-6)
    assert (-x).relu().sum().item() == 0
    assert t(0.0).sigmoid().item() == 0.5


def test_to_the_same_device_is_itself_and_gradients_do_not_move():
    x = t([1.0])
    assert x.to("numpy") is x
    w = al.tensor([1.0], device="numpy", requires_grad=True)
    with pytest.raises(al.GradientError, match="before differentiating"):
        (w * 2).to("elsewhere")


def test_diagrams():
    x = t([1.0, 2.0])
    diagram = al.graph(al.sum(x * x + 1.0))
    assert diagram.mermaid.startswith("flowchart TD\n")
    assert diagram.mermaid.count("-->") == len(diagram.arrows) == 5
    assert "sum<br>axes=(0,)<br>float32[]" in str(diagram)
    assert "shape=cylinder" in diagram.dot
    assert diagram.dot.count("->") == 5
    assert set(diagram._repr_mimebundle_()) >= {"text/plain", "text/markdown"}


def test_a_diagram_of_too_much_is_refused():
    x = t([1.0])
    for _ in range(2500):
        x = x + x
    with pytest.raises(al.ArgumentError, match="too many to draw"):
        al.graph(x)
