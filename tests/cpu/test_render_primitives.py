"""Every primitive as compiled code, against the NumPy reference."""

from typing import Any

import allumette_core as al
import numpy as np
import pytest
from allumette_core.compiler import rows
from allumette_core.compiler.expand import expand
from allumette_core.compiler.fusion import fuse
from allumette_core.compiler.lowering import renders
from allumette_core.compiler.simplify import simplify
from allumette_core.compiler.stream import stream
from allumette_core.expr import Node

from .rendering import check, make, program_of

Array = np.ndarray[Any, Any]
FLOATS = ("float16", "float32", "float64")
INTS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
SPECIAL = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    -2.5,
    1e-40,
    -1e-40,
    np.inf,
    -np.inf,
    np.nan,
    3.0,
    1e30,
    -7.25,
]


def numbers(shape: tuple[int, ...], dtype: str = "float32", seed: int = 0) -> Array:
    random = np.random.default_rng(seed)
    if dtype == "bool":
        return random.random(shape) < 0.5
    if dtype[0] in "iu":
        return random.integers(0 if dtype[0] == "u" else -50, 100, shape).astype(dtype)
    return random.standard_normal(shape).astype(dtype)


UNARY = "neg abs sign floor ceil round sqrt".split()
BINARY = "add sub mul div maximum minimum eq ne lt le".split()


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", UNARY)
def test_exact_functions_of_special_values(name: str, dtype: str) -> None:
    with np.errstate(all="ignore"):
        x = np.array(SPECIAL * 3, dtype)
    check(getattr(make, name), x)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", BINARY)
def test_exact_operations_on_special_values(name: str, dtype: str) -> None:
    with np.errstate(all="ignore"):
        x = np.array(SPECIAL, dtype)
    check(lambda a, b: getattr(make, name)(a, b), x[:, None], x[None, :])


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", "mod floordiv".split())
def test_division_with_remainder(name: str, dtype: str) -> None:
    x = np.array([7.5, -7.5, 0.0, -0.0, 3.0, 1.0, -1.0, 100.25], dtype)
    check(lambda a, b: getattr(make, name)(a, b), x[:, None], x[None, :])


@pytest.mark.parametrize("dtype", INTS)
@pytest.mark.parametrize(
    "name", "add sub mul floordiv mod pow maximum minimum bit_and bit_or bit_xor lt eq".split()
)
def test_integer_operations(name: str, dtype: str) -> None:
    ends = np.iinfo(dtype)
    x = np.array([0, 1, 2, 3, 7, 100, ends.max, ends.min, ends.max - 1], dtype)
    check(lambda a, b: getattr(make, name)(a, b), x[:, None], x[None, :])


@pytest.mark.parametrize("dtype", INTS)
@pytest.mark.parametrize("name", ["shift_left", "shift_right"])
def test_shifts(name: str, dtype: str) -> None:
    x = np.array([0, 1, 5, 100, np.iinfo(dtype).max, np.iinfo(dtype).min], dtype)
    by = np.array([0, 1, 3, 7, 8, 31, 63, 64, 100], dtype)
    check(lambda a, b: getattr(make, name)(a, b), x[:, None], by[None, :])


@pytest.mark.parametrize("dtype", (*INTS, "bool"))
def test_invert(dtype: str) -> None:
    check(make.invert, numbers((13,), dtype))


@pytest.mark.parametrize("source", ("bool", *INTS, *FLOATS))
@pytest.mark.parametrize("to", ("bool", *INTS, *FLOATS))
def test_casts(source: str, to: str) -> None:
    x = numbers((37,), source)
    if source[0] == "f":
        with np.errstate(all="ignore"):
            x = np.concatenate(
                [x, np.array([*SPECIAL, 300.7, -300.7, 65519.0, 65520.0, 1e20], source)]
            )
    check(lambda a: make.cast(a, np.dtype(to)), x)


@pytest.mark.parametrize("source", FLOATS)
@pytest.mark.parametrize("to", INTS)
def test_casts_about_the_ends_of_integers(source: str, to: str) -> None:
    ends = [float(np.iinfo(to).min), float(np.iinfo(to).max) + 1.0]
    with np.errstate(over="ignore"):
        near = np.array([e + d for e in ends for d in (-1, -0.5, 0, 0.5)], source)
    beside = [np.nextafter(near, np.array(way, source)) for way in (-np.inf, np.inf)]
    check(lambda a: make.cast(a, np.dtype(to)), np.concatenate([near, *beside]))


def test_bitcasts() -> None:
    check(lambda a: make.bitcast(a, np.dtype("int32")), np.array(SPECIAL, "float32"))
    check(lambda a: make.bitcast(a, np.dtype("float64")), numbers((9,), "int64"))
    check(lambda a: make.bitcast(a, np.dtype("uint16")), numbers((9,), "float16"))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", "exp log tanh logistic erf sin expm1 log1p".split())
def test_transcendental(name: str, dtype: str) -> None:
    check(getattr(make, name), np.abs(numbers((1003,), dtype)))


REDUCTIONS = [(0,), (1,), (2,), (0, 1), (1, 2), (0, 2), (0, 1, 2)]


@pytest.mark.parametrize("axes", REDUCTIONS)
@pytest.mark.parametrize("name", "sum prod max min".split())
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int32", "uint8"])
def test_reductions(name: str, axes: tuple[int, ...], dtype: str) -> None:
    x = numbers((5, 7, 11), dtype)
    x = x if name != "prod" else (x / 2).astype(dtype)
    check(lambda a: getattr(make, name)(a, axes), x)


@pytest.mark.parametrize("shape", [(3000, 3), (3, 3000), (700, 90), (1, 9), (9, 1), (70000,)])
@pytest.mark.parametrize("name", "sum max argmax argmin".split())
def test_reductions_of_every_form(name: str, shape: tuple[int, ...]) -> None:
    x = numbers(shape) + 2  # not around 0, where sums cancel
    for axis in range(len(shape)):
        check(lambda a, axis=axis: getattr(make, name)(a, (axis,)), x)


def test_extremes_of_nan_and_bools() -> None:
    x = numbers((40, 30))
    x[3, 4] = x[20, 4] = np.nan
    for name in ("max", "min", "argmax", "argmin"):
        for axis in (0, 1):
            check(lambda a, name=name, axis=axis: getattr(make, name)(a, (axis,)), x)
    for name in ("max", "min"):
        check(lambda a, name=name: getattr(make, name)(a, (0,)), numbers((5, 6), "bool"))


@pytest.mark.parametrize("name", "cumsum cumprod cummax cummin".split())
@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("dtype", ["float32", "float16", "int32"])
def test_scans(name: str, axis: int, dtype: str) -> None:
    check(lambda a: getattr(make, name)(a, axis), numbers((6, 5, 4), dtype))


@pytest.mark.parametrize("name", ["sort", "argsort"])
def test_what_has_no_native_form_runs_on_the_host(name: str) -> None:
    check(lambda a: getattr(make, name)(make.add(a, a), 1), numbers((60, 50)))
    check(lambda a: getattr(make, name)(make.permute(a, (1, 0)), 1), numbers((60, 50)))


def test_views() -> None:
    x = numbers((6, 8, 10))
    check(lambda a: make.permute(a, (2, 0, 1)), x)
    check(lambda a: make.reshape(make.permute(a, (2, 0, 1)), (60, 8)), x)
    check(lambda a: make.add(make.reshape(a, (48, 10)), make.reshape(a, (48, 10))), x)
    check(lambda a: make.slice(a, (1, 0, 2), (5, 8, 9), (2, 1, 3)), x)
    check(lambda a: make.flip(a, (0, 2)), x)
    check(lambda a: make.broadcast(a, (3, 6, 8, 10)), x)
    check(lambda a: make.windows(a, (1, 2), (3, 2), (2, 1), (1, 2)), x)
    check(lambda a: make.exp(make.reshape(make.permute(make.exp(a), (0, 2, 1)), (6, 80))), x)


def turned(a: Node) -> Node:
    return make.reshape(make.permute(a, (2, 0, 1)), (60, 8))


@pytest.mark.parametrize("shape", [(1, 1000), (127, 129), (128, 128), (300, 257), (5, 40, 300)])
def test_transpositions_of_every_size(shape: tuple[int, ...]) -> None:
    """A strip of columns at a time, of which the last one is shorter."""
    x = np.arange(np.prod(shape), dtype="float32").reshape(shape)
    turn = tuple(reversed(range(len(shape))))

    def turned(x: Node, y: Node) -> list[Node]:
        across = make.permute(make.flip(x, (0,)), turn)
        return [make.neg(across), make.add(across, y), make.exp(make.mul(y, make.const(1e-5)))]

    check(turned, x, np.ascontiguousarray(x.T))


def test_outputs_that_are_reshapes() -> None:
    x = numbers((6, 8, 10))
    check(lambda a: make.alias(turned(a), 0), x)
    check(lambda a: make.alias(make.permute(turned(make.exp(a)), (1, 0)), 0), x)
    check(lambda a: [made := turned(make.exp(a)), make.sum(made, (0,))], x)
    check(lambda a: [make.alias(made := turned(a), 0), make.add(made, made)], x)
    check(lambda a: make.reshape(make.slice(a, (0, 0, 0), (6, 8, 10), (1, 2, 1)), (240,)), x)
    check(lambda a: turned(make.reshape(make.permute(a, (1, 0, 2)), (6, 8, 10))), x)


def test_a_tile_is_written_once() -> None:
    program = program_of(
        lambda a: make.alias(al.tile(al.Tensor(a), (2, 2))._node), [numbers((6, 8))]
    )
    (phase,) = stream(expand(simplify(program)), renders)
    assert len(fuse(phase).statements) == 1


def test_pads_and_concatenations() -> None:
    x, y = numbers((6, 8)), numbers((3, 8), seed=1)
    check(lambda a: make.pad(a, make.const(2.0), (1, 0), (0, 2), (1, 3)), x)
    check(lambda a, b: make.concat(a, b, a, 0), x, y)
    check(lambda a: make.mul(make.concat(a, a, 1), make.concat(a, a, 1)), x)
    check(
        lambda a: make.pad(
            make.slice(a, (0, 1), (6, 5), (1, 1)), make.const(0.0), (0, 1), (0, 3), (0, 0)
        ),
        x,
    )


def test_folds() -> None:
    windows = numbers((5, 4, 7, 3, 2))
    check(lambda a: make.fold(a, (1, 2), (3, 2), (2, 1), (1, 2), (5, 9, 9)), windows)
    check(lambda a: make.fold(a, (0,), (3,), (1,), (1,), (6,)), numbers((4, 3)))


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("shape", [(), (5,), (2, 40)])
@pytest.mark.parametrize("dtype", ["int32", "int64", "uint8"])
def test_gathers_and_scatters(axis: int, shape: tuple[int, ...], dtype: str) -> None:
    x = numbers((4, 6, 5))
    index = np.random.default_rng(1).integers(0, 9, shape).astype(dtype)
    updates = numbers(x.shape[:axis] + shape + x.shape[axis + 1 :], seed=2)
    check(lambda a, i: make.gather(a, i, axis), x, index)
    check(lambda a, i, u: make.scatter(a, i, u, axis, "add"), x, index, updates)
    check(lambda a, i, u: make.scatter(a, i, u, axis, "set"), x, index, updates)


def test_negative_indices_are_out_of_bounds() -> None:
    x, index = numbers((5, 3)), np.array([-1, 2, -7, 4])
    check(lambda a, i: make.gather(a, i, 0), x, index)
    check(lambda a, i, u: make.scatter(a, i, u, 0, "add"), x, index, numbers((4, 3)))


def test_scatters_over_many_rows() -> None:
    index = np.random.default_rng(1).integers(0, 10, 5000)
    zeros = np.zeros((10, 8), "float32")
    check(
        lambda z, i, u: make.scatter(z, i, u, 0, "add"),
        zeros,
        index,
        numbers((5000, 8)),
        tolerance=10,
    )


def test_creation() -> None:
    check(
        lambda a: make.add(a, make.cast(make.iota(50, np.dtype("int32")), np.dtype("float32"))),
        numbers((7, 50)),
    )
    key = np.array([12, 34], "uint32")
    check(lambda k: make.random_bits(k, (700, 3), np.dtype("uint32")), key)
    check(lambda k: make.random_bits(k, (41,), np.dtype("uint64")), key)
    check(lambda k: make.random_bits(k, (), np.dtype("uint32")), key)
    check(lambda a: [make.full((3, 4), 2.5, np.dtype("float32")), a, a], numbers((4,)))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int32", "uint8"])
def test_contractions(dtype: str) -> None:
    a, b = numbers((9, 12), dtype), numbers((12, 8), dtype, 1)
    check(lambda x, y: make.dot_general(x, y, (1,), (0,), (), ()), a, b)
    check(lambda x, y: make.dot_general(x, y, (0,), (1,), (), ()), b, a)
    check(lambda x, y: make.dot_general(x, y, (1,), (1,), (), ()), a, numbers((7, 12), dtype))
    c, d = numbers((3, 9, 12), dtype), numbers((3, 12, 8), dtype, 1)
    check(lambda x, y: make.dot_general(x, y, (2,), (1,), (0,), (0,)), c, d)
    check(
        lambda x, y: make.dot_general(x, y, (1, 2), (0, 1), (), ()), c, numbers((9, 12, 5), dtype)
    )
    check(lambda x, y: make.dot_general(x, y, (2,), (0,), (), ()), c, numbers((12, 5), dtype))


@pytest.mark.parametrize("rows", [0, 1, 2, 3, 31, 1000])
@pytest.mark.parametrize("inner", [1, 3, 5, 20])
@pytest.mark.parametrize("columns", [1, 2, 17])
def test_products_of_every_size(rows: int, inner: int, columns: int) -> None:
    a, b = numbers((rows, inner)), numbers((inner, columns), seed=1)
    check(lambda x, y: make.dot_general(x, y, (1,), (0,), (), ()), a, b)
    check(
        lambda x, y: make.dot_general(x, y, (0,), (0,), (), ()),
        a,
        numbers((rows, columns)),
        tolerance=3,
    )


@pytest.mark.parametrize("m", [1, 2, 3])
@pytest.mark.parametrize("n", [1, 2, 9])
def test_narrow_products(m: int, n: int) -> None:
    a, b = numbers((m, 30)), numbers((30, n), seed=1)
    check(lambda x, y: make.dot_general(x, y, (1,), (0,), (), ()), a, b)
    a, b = numbers((4, 30, m)), numbers((4, n, 30), seed=1)
    check(lambda x, y: make.dot_general(x, y, (1,), (2,), (0,), (0,)), a, b)
    a, b = numbers((6, 5, m, 2)), numbers((2, 6, n, 5), seed=1)
    check(lambda x, y: make.dot_general(x, y, (0, 1), (1, 3), (), ()), a, b)


@pytest.mark.parametrize("rows", [66, 3000])
def test_every_row_has_a_product_of_its_own(rows: int) -> None:
    a = numbers((rows, 5, 3))
    check(lambda x: make.neg(make.neg(make.dot_general(x, x, (1,), (1,), (0,), (0,)))), a)
    b = numbers((rows, 3, 6), seed=1)

    def twice(x: Node, y: Node) -> Node:
        inner = make.tanh(make.dot_general(x, y, (2,), (1,), (0,), (0,)))
        return make.sum(make.dot_general(x, inner, (1,), (1,), (0,), (0,)), (0,))

    check(twice, a, b, tolerance=3)


def test_a_product_whose_rows_are_not_the_outermost_free_axis() -> None:
    a = numbers((5, 3, 70, 2))
    check(lambda x: make.tanh(make.tanh(make.dot_general(x, x, (0,), (0,), (), ()))), a)


@pytest.mark.parametrize("rows", [3, 70, 5001])
def test_what_is_the_same_for_every_row_is_spread_over_the_rows_by_a_view(rows: int) -> None:
    a, b = numbers((1, 2)), numbers((2, 1, rows), seed=1)

    def spread(x: Node) -> Node:
        return make.reshape(make.broadcast(make.tanh(x), (rows, 1, 2)), (2, 1, rows))

    check(spread, a)
    check(lambda x, y: make.tanh(make.add(spread(x), y)), a, b)
    c = numbers((2, 7), seed=2)
    flat = (2, rows)
    check(lambda x, y: make.dot_general(make.reshape(spread(x), flat), y, (0,), (0,), (), ()), a, c)


def test_transposed_and_viewed_operands() -> None:
    a, b = numbers((40, 30)), numbers((40, 20), seed=1)
    check(lambda x, y: make.dot_general(make.permute(x, (1, 0)), y, (1,), (0,), (), ()), a, b)
    check(
        lambda x, y: make.dot_general(
            make.slice(x, (0, 2), (40, 29), (1, 3)), y, (0,), (0,), (), ()
        ),
        a,
        b,
    )
    check(lambda x: make.dot_general(x, make.permute(x, (1, 0)), (1,), (0,), (), ()), a)


def test_empty_arrays() -> None:
    x = np.zeros((0, 5), "float32")
    check(lambda a: make.exp(a), x)
    check(lambda a: make.sum(a, (0,)), x)
    check(lambda a: make.sum(a, (1,)), x)
    check(lambda a: make.concat(a, a, 0), x)
    check(lambda a: make.max(a, (1,)), x)
    a, b = np.ones((3000, 0, 40), "float32"), np.ones((3000, 0, 30), "float32")
    check(lambda x, y: make.dot_general(x, y, (0, 1), (0, 1), (), ()), a, b)


def test_scans_along_different_axes_are_loops_of_their_own() -> None:
    x = numbers((4, 5, 6))
    check(lambda a: [make.cummax(a, 1), make.cumsum(a, 2), make.argmax(a, (0,))], x)


def test_a_view_that_the_host_reads_is_made() -> None:
    """The reshape is a loop of its own, and nothing but a view of what it reads."""
    x = numbers((15,))
    check(lambda x: make.sort(make.reshape(x, (3, 5)), 0), x)
    check(lambda x: make.argsort(make.reshape(make.neg(x), (5, 3)), 0), x)

    def both(x: Node) -> list[Node]:
        turned = make.reshape(x, (3, 5))
        return [turned, make.sort(turned, 0), make.neg(turned)]

    check(both, x)


def test_what_a_product_copies_in_its_own_order_is_viewed_in_another() -> None:
    x = numbers((66, 5, 5))

    def both(x: Node) -> list[Node]:
        twice = make.broadcast(make.reshape(x, (66, 1, 5, 5)), (66, 2, 5, 5))
        product = make.dot_general(x, twice, (1,), (2,), (0,), (0,))
        return [product, make.neg(make.reshape(twice, (66, 50)))]

    check(both, x)


def test_what_windows_slide_over_is_read_whole_beside_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "MANY_ROWS", 1)
    x = numbers((3, 70, 2))

    def product(x: Node) -> Node:
        windows = make.windows(x, (0,), (1,), (1,), (1,))
        return make.tanh(make.dot_general(windows, x, (0, 2), (0, 2), (), ()))

    check(product, x)


def test_windows_of_which_both_axes_lie_alike() -> None:
    x, y = numbers((40, 23)), numbers((2, 3, 23), seed=1)

    def product(x: Node, y: Node) -> Node:
        left = make.windows(x, (1,), (12,), (1,), (1,))
        right = make.windows(make.permute(y, (1, 0, 2)), (2,), (12,), (1,), (1,))
        return make.dot_general(left, right, (1, 2), (2, 3), (), ())

    check(product, x, y, tolerance=10)


@pytest.mark.parametrize(
    ("batch", "channels", "size", "window", "step"),
    [(n, *rest) for n in (1, 5, 16, 17, 70) for rest in ((1, 12, 5, 1), (3, 9, 3, 2))]
    + [(64, 1, 74, 3, 1)],  # more runs than a table has room for
)
def test_convolutions_and_both_their_gradients(
    batch: int, channels: int, size: int, window: int, step: int
) -> None:
    image = numbers((batch, channels, size, size))
    kernel = numbers((6, channels, window, window), seed=1)
    count = (size - window) // step + 1
    weight = numbers((6, batch, count, count), seed=2)
    params = (2, 3), (window, window), (step, step), (1, 1)

    def all_three(x: Node, w: Node, g: Node) -> list[Node]:
        view = make.windows(make.tanh(x), *params)
        out = make.dot_general(w, view, (1, 2, 3), (1, 4, 5), (), ())
        g = make.mul(g, make.tanh(out))
        columns = make.dot_general(g, w, (0,), (0,), (), ())  # (N, *counts, C, *windows)
        image = make.fold(make.permute(columns, (0, 3, 1, 2, 4, 5)), *params, x.shape)
        return [out, make.dot_general(g, view, (1, 2, 3), (0, 2, 3), (), ()), image]

    check(all_three, image, kernel, weight, tolerance=10)


@pytest.mark.parametrize(
    ("batch", "channels", "size", "filters"),
    # Rows are lines, lines, filters, filters, lines of several images, images.
    [(1, 8, 56, 16), (1, 9, 35, 5), (1, 16, 20, 128), (1, 8, 18, 40), (3, 8, 37, 16),
     (8, 64, 36, 64)],
)  # fmt: skip
def test_convolutions_of_few_images(batch: int, channels: int, size: int, filters: int) -> None:
    def conv(x: Node, w: Node) -> Node:
        view = make.windows(x, (2, 3), (3, 3), (1, 1), (1, 1))
        made = make.dot_general(w, view, (1, 2, 3), (1, 4, 5), (), ())
        return make.permute(made, (1, 0, 2, 3))

    image = numbers((batch, channels, size, size))
    check(conv, image, numbers((filters, channels, 3, 3), seed=1), tolerance=10)


def test_sums_of_what_cancels_keep_its_nan() -> None:
    x = np.full(100, 3e38, np.float32)
    check(lambda x: make.sum(make.sub(make.mul(x, x), make.mul(x, x)), (0,)), x)
