"""Sizes around those of workgroups and grids, and arrays that lie oddly."""

from collections.abc import Callable

import numpy as np
import pytest

Same = Callable[..., None]
SIZES = (0, 1, 63, 64, 65, 255, 256, 257)
GRID = 65_535 * 256 + 1


def some(shape: int | tuple[int, ...], dtype: str = "float32") -> np.ndarray:
    drawn = np.random.default_rng(7).integers(-50, 50, shape)
    return (drawn / 8).astype(dtype) if dtype == "float32" else drawn.astype(dtype)


@pytest.mark.parametrize("size", SIZES)
def test_elementwise(same: Same, size: int) -> None:
    x = some(size)
    same([x, x], ("mul", (0, 1), ()), ("add", (2, 0), ()), outputs=(2, 3))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("axes", [(0,), (1,), (0, 1)])
def test_sums_of_exact_numbers(same: Same, size: int, axes: tuple[int, ...]) -> None:
    same([some((size, 3))], ("sum", (0,), (axes,)))
    same([some((3, size), "int32")], ("sum", (0,), (axes,)))


@pytest.mark.parametrize("size", SIZES[1:])
def test_what_needs_elements(same: Same, size: int) -> None:
    x = some((2, size))
    same([x], ("max", (0,), ((1,),)), ("argmin", (0,), ((1,),)), outputs=(1, 2))
    same(
        [x],
        ("cumsum", (0,), (1,)),
        ("argsort", (0,), (1,)),
        ("sort", (0,), (1,)),
        outputs=(1, 2, 3),
    )


def test_more_elements_than_the_grid_has_invocations(same: Same) -> None:
    x = np.arange(GRID, dtype=np.int32)
    same(
        [x],
        ("add", (0, 0), ()),
        ("max", (1,), ((0,),)),
        ("argmax", (0,), ((0,),)),
        outputs=(1, 2, 3),
    )


def test_long_rows_and_columns(same: Same) -> None:
    rows, columns = some((3, 20_000)), some((20_000, 3))
    same([rows], ("sum", (0,), ((1,),)), ("max", (0,), ((1,),)), outputs=(1, 2))
    same([columns], ("sum", (0,), ((0,),)), ("min", (0,), ((0,),)), outputs=(1, 2))
    same([rows], ("cumsum", (0,), (1,)), ("cummax", (0,), (1,)), outputs=(1, 2))


def test_sums_of_ten_million_are_accurate(both: Callable[..., list]) -> None:
    x = np.random.default_rng(0).random(10_000_000, np.float32)
    ((got, _),) = both([x], ("sum", (0,), ((0,),)))
    exact = x.sum(dtype=np.float64)
    assert abs(got - exact) <= 1e-6 * exact


@pytest.mark.parametrize("shape", [(128, 300), (1000, 300), (10**6, 3), (300, 8000), (3, 20_000)])
@pytest.mark.parametrize("axis", [0, 1])
def test_errors_of_a_sum_do_not_add_up(
    both: Callable[..., list], shape: tuple[int, int], axis: int
) -> None:
    """Equal numbers are rounded the same way again and again."""
    x = np.full(shape, 0.1, np.float32)
    ((got, _),) = both([x], ("sum", (0,), ((axis,),)))
    exact = x.sum(axis, dtype=np.float64)
    np.testing.assert_allclose(got, exact, rtol=6e-7)


@pytest.mark.parametrize("size", [1000, 1025, 5000])
def test_sorting_is_stable_over_several_merges(same: Same, size: int) -> None:
    x = some((2, size, 2))
    x[0, 3, 0], x[1, 5, 1] = np.nan, -np.inf
    same([x], ("argsort", (0,), (1,)), ("sort", (0,), (1,)), outputs=(1, 2))


def test_views(same: Same) -> None:
    x = some((4, 6, 5))
    same(
        [x],
        ("permute", (0,), ((2, 0, 1),)),
        ("flip", (1,), ((0, 2),)),
        ("slice", (2,), ((1, 0, 1), (5, 4, 6), (2, 1, 2))),
        ("reshape", (3,), ((2, 12),)),
        ("windows", (4,), ((1,), (3,), (2,), (2,))),
        ("broadcast", (5,), ((2, 2, 4, 3),)),
        outputs=(1, 2, 3, 4, 5, 6),
    )


def test_pad_and_concat(same: Same) -> None:
    x, y = some((3, 4)), some((3, 2))
    value = np.float32(np.nan)
    same([x, np.array(value)], ("pad", (0, 1), ((1, 0), (0, 2), (2, 1))))
    same([x, y], ("concat", (0, 1, 0), (1,)), ("concat", (2,) * 11, (0,)), outputs=(2, 3))


@pytest.mark.parametrize("layout", ["flipped", "transposed", "strided", "broadcast"])
def test_host_arrays_that_lie_oddly(same: Same, layout: str) -> None:
    x = some((6, 6))
    odd = {
        "flipped": x[::-1, ::-1],
        "transposed": x.T,
        "strided": x[::2, 1::2],
        "broadcast": np.broadcast_to(x[0], (6, 6)),
    }[layout]
    same([odd], ("add", (0, 0), ()), ("sum", (1,), ((0,),)), outputs=(1, 2))


def test_loops_turn_as_often_as_they_should(same: Same) -> None:
    """Mesa's software driver leaves a loop after 65,535 turns."""
    ones = np.ones(70_000, np.int32)
    where = np.zeros(70_000, np.int32)
    same([np.zeros(2, np.int32), where, ones], ("scatter", (0, 1, 2), (0, "add")))
