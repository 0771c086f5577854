"""Matrix products: shapes, transposes, batches, many terms, through shared memory and without."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from allumette_gpu.kernels import dot
from allumette_gpu.plan.build import Plan, build
from allumette_gpu.plan.prepare import prepare

Same = Callable[..., None]
PLAIN = ((1,), (0,), (), ())


def whole(*shape: int, dtype: str = "float32") -> np.ndarray:
    """Small whole numbers, whose products are exact in any order."""
    return np.random.default_rng(3).integers(-4, 5, shape).astype(dtype)


@pytest.fixture(params=["direct", "direct, large tiles", "shared"])
def path(request: pytest.FixtureRequest, device: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    software = request.param != "shared"
    if request.param == "direct, large tiles":
        monkeypatch.setattr(dot, "LONG", 1)
    monkeypatch.setattr(device, "limits", replace(device.limits, software=software))
    return str(request.param)


@pytest.mark.parametrize(
    ("m", "k", "n"),
    [
        (5, 6, 7),
        (16, 16, 16),
        (17, 33, 65),
        (3, 700, 5),
        (64, 5, 64),
        (1, 9, 9),
        (9, 9, 1),
        (7, 0, 3),
    ],
)
def test_shapes(same: Same, path: str, m: int, k: int, n: int) -> None:
    same([whole(m, k), whole(k, n)], ("dot_general", (0, 1), PLAIN))


def test_many_terms_are_cut_into_pieces(same: Same, path: str, plan_of: Any) -> None:
    arrays, step = [whole(3000, 9), whole(3000, 8)], ("dot_general", (0, 1), ((0,), (0,), (), ()))
    assert len(plan_of(arrays, step).steps) == 2
    assert len(plan_of([x[:900] for x in arrays], step).steps) == 1
    same(arrays, step)


@pytest.mark.parametrize(
    ("left", "right", "params"),
    [
        ((700, 300), (300, 1), PLAIN),
        ((1, 300), (300, 700), PLAIN),
        ((3, 200, 100), (3, 100, 1), ((2,), (1,), (0,), (0,))),
    ],
    ids=["matrix by vector", "vector by matrix", "batches"],
)
def test_a_vector_is_folded_up_without_tiles(
    same: Same, path: str, plan_of: Any, left: Any, right: Any, params: Any
) -> None:
    """It would leave most of a tile idle: these are sums, epilogues included."""
    arrays = [whole(*left), whole(*right)]
    steps = ("dot_general", (0, 1), params), ("maximum", (2, 2), ()), ("neg", (3,), ())
    assert [step.dispatch.name for step in plan_of(arrays, *steps).steps] == ["reduce"]
    same(arrays, *steps)


def test_large_tiles(same: Same, path: str) -> None:
    same([whole(260, 20), whole(20, 260)], ("dot_general", (0, 1), PLAIN))


def test_axes_in_any_order(same: Same, path: str) -> None:
    a, b = whole(4, 5, 3, 6), whole(6, 3, 7, 4)
    same([a, b], ("dot_general", (0, 1), ((3, 2), (0, 1), (0,), (3,))))


@pytest.mark.parametrize("dtype", ["int32", "uint8", "int8"])
def test_integers_wrap_around(same: Same, dtype: str) -> None:
    a, b = whole(6, 40, dtype=dtype), whole(40, 5, dtype=dtype)
    same([a, b], ("dot_general", (0, 1), PLAIN))


def test_epilogue_and_prologue_fuse(same: Same, device: Any, path: str) -> None:
    arrays = [whole(20, 10), whole(10, 12), whole(12)]
    before = device.counters.dispatches
    same(
        arrays,
        ("permute", (0,), ((1, 0),)),
        ("neg", (3,), ()),
        ("dot_general", (4, 1), ((0,), (0,), (), ())),
        ("add", (5, 2), ()),
        ("maximum", (6, 5), ()),
    )
    assert device.counters.dispatches - before == 1


FOURS: dict[str, tuple[tuple[int, ...], tuple[int, ...], tuple[Any, ...], bool]] = {
    "rows by columns": ((20, 36), (36, 28), ((1,), (0,), (), ()), True),
    "both transposed": ((36, 20), (28, 36), ((0,), (1,), (), ()), True),
    "both along the terms": ((20, 36), (28, 36), ((1,), (1,), (), ()), True),
    "neither along the terms": ((36, 20), (36, 28), ((0,), (0,), (), ()), True),
    "one of them": ((21, 36), (36, 27), ((1,), (0,), (), ()), True),
    "none of them": ((20, 35), (35, 27), ((1,), (0,), (), ()), False),
    "batches": ((3, 17, 8), (3, 8, 12), ((2,), (1,), (0,), (0,)), True),
    "batches inside": ((17, 8, 4), (8, 12, 4), ((1,), (0,), (2,), (2,)), False),
    "several axes of terms": ((9, 3, 8), (3, 8, 20), ((1, 2), (0, 1), (), ()), True),
    "in another order": ((9, 3, 8), (8, 3, 20), ((2, 1), (0, 1), (), ()), True),
    "several free axes": ((5, 8, 4), (8, 6, 4), ((1,), (0,), (), ()), True),
    "of one element": ((20, 40, 1), (40, 1, 28), ((1, 2), (0, 1), (), ()), True),
    "more tiles than one": ((132, 68), (68, 136), ((1,), (0,), (), ()), True),
    "many terms": ((2000, 8), (2000, 12), ((0,), (0,), (), ()), True),
}


@pytest.mark.parametrize("name", FOURS)
def test_four_at_a_time(same: Same, path: str, name: str, program_code: Any) -> None:
    left, right, params, fours = FOURS[name]
    arrays, step = [whole(*left), whole(*right)], ("dot_general", (0, 1), params)
    assert ("array<vec4<f32>>" in program_code(arrays, step)) is fours
    same(arrays, step)


def test_four_at_a_time_of_what_is_computed(same: Same, path: str, program_code: Any) -> None:
    """Operands that are transposed, and that are broadcast along neighbours and across them."""
    arrays = [whole(*shape) for shape in ((24, 20), (24, 28), (1, 28), (24, 1))]
    steps = [
        ("mul", (0, 0), ()),
        ("permute", (4,), ((1, 0),)),
        ("add", (1, 2), ()),
        ("mul", (6, 3), ()),
        ("dot_general", (5, 7), PLAIN),
        ("mul", (8, 2), ()),
    ]
    code = program_code(arrays, *steps)
    assert code.count("array<vec4<f32>>") == 2
    if path != "shared":
        assert "min(column + tx * 4u + 0u, 24u)" in code  # not 27: the row beside has no more
    same(arrays, *steps)


def test_single_elements_where_an_epilogue_reads_them(
    same: Same, path: str, program_code: Any
) -> None:
    arrays = [whole(24, 24), whole(24, 24)]
    steps = [("dot_general", (0, 1), PLAIN), ("sub", (2, 0), ())]
    assert program_code(arrays, *steps).count("array<vec4<f32>>") == 1
    same(arrays, *steps)


def test_neighbours_read_neighbours_through_transposes(
    device: Any, program_code: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "limits", replace(device.limits, software=False))
    arrays = [whole(35, 21), whole(35, 27)]
    transposed = ("permute", (0,), ((1, 0),)), ("dot_general", (2, 1), PLAIN)
    plain = ("dot_general", (0, 1), ((0,), (0,), (), ()))
    assert program_code(arrays, *transposed) == program_code(arrays, plain)


@pytest.fixture
def plan_of(device: Any, build_program: Callable[..., Any]) -> Callable[..., Plan]:
    """The plan of steps on inputs like some arrays."""

    def plan(arrays: list[np.ndarray], *steps: Any, outputs: tuple[int, ...] = ()) -> Plan:
        program = prepare(build_program(arrays, *steps, outputs=outputs), device.dtypes)
        return build(program, device.limits)

    return plan


@pytest.fixture
def program_code(plan_of: Callable[..., Plan]) -> Callable[..., str]:
    """The shaders of steps on inputs like some arrays."""

    def code(*arguments: Any, outputs: tuple[int, ...] = ()) -> str:
        steps = plan_of(*arguments, outputs=outputs).steps
        return "\n".join(step.dispatch.source for step in steps)

    return code
