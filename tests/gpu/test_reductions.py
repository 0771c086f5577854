"""Rows that one invocation folds up, or some of a workgroup together, on a card and a processor."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from allumette_gpu.kernels import reduce
from allumette_gpu.plan.build import build
from allumette_gpu.plan.prepare import prepare

Same = Callable[..., None]


KINDS: dict[str, dict[str, Any]] = {
    "a processor": {"software": True},
    "a processor without subgroups": {"software": True, "subgroups": 0},
    "a card": {"software": False},
    "a card without subgroups": {"software": False, "subgroups": 0},
    "a small card": {"software": False, "invocations": 64},
}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest, device: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    """The limits that reductions are written for."""
    monkeypatch.setattr(device, "limits", replace(device.limits, **KINDS[request.param]))
    return str(request.param)


@pytest.mark.usefixtures("kind")
@pytest.mark.parametrize("rows", [1, 3, 33, reduce.SOFTWARE_ROWS - 1, reduce.SOFTWARE_ROWS + 1])
@pytest.mark.parametrize("depth", [reduce.ALONE, reduce.ALONE + 1, 200, 1000, 9001])
def test_rows(same: Same, rows: int, depth: int) -> None:
    x = (np.random.default_rng(5).integers(-40, 40, (rows, depth)) / 8).astype(np.float32)
    same(
        [x],
        ("sum", (0,), ((1,),)), ("mul", (1, 1), ()),  # and an epilogue
        ("max", (0,), ((1,),)), ("min", (0,), ((1,),)),
        outputs=(1, 2, 3, 4),
    )  # fmt: skip


@pytest.mark.usefixtures("kind")
@pytest.mark.parametrize("shape", [(3, 300, 4), (300, 3, 40), (1, 1000), (1000, 1)])
def test_other_axes(same: Same, shape: tuple[int, ...]) -> None:
    x = np.random.default_rng(5).integers(-40, 40, shape).astype(np.int32)
    for axes in ((0,), (1,), tuple(range(len(shape)))):
        same([x], ("sum", (0,), (axes,)), ("max", (0,), (axes,)), outputs=(1, 2))


@pytest.mark.usefixtures("kind")
@pytest.mark.parametrize("depth", [100, 200])
def test_what_is_behind_the_rows_is_left_alone(
    device: Any, build_program: Callable[..., Any], depth: int
) -> None:
    """Read from the code: this driver drops what is out of bounds, others need not."""
    program = build_program([np.ones((33, depth), np.float32)], ("sum", (0,), ((1,),)))
    (step,) = build(prepare(program, device.dtypes), device.limits).steps
    source = step.dispatch.source
    alone = "if (i >= 33u) { return; }" in source
    together = "let near = min(i, 32u);" in source and "&& i < 33u" in source
    assert alone or together


@pytest.mark.usefixtures("kind")
def test_nan_and_infinities_come_through(same: Same) -> None:
    """Whichever of the invocations that fold up a row together has them."""
    x = np.random.default_rng(5).uniform(-1, 1, (256, 300)).astype(np.float32)
    x[np.arange(256), np.arange(256)] = np.where(np.arange(256) % 3, np.nan, np.inf)
    same([x], ("max", (0,), ((1,),)), ("min", (0,), ((1,),)), outputs=(1, 2))
    same([x], ("sum", (0,), ((1,),)), rtol=1e-5)


@pytest.mark.usefixtures("kind")
@pytest.mark.parametrize("dtype", ["int32", "uint8", "bool", "float16", "int64"])
def test_dtypes(same: Same, device: Any, dtype: str) -> None:
    if dtype not in device.dtypes:
        pytest.skip(f"this adapter has no {dtype}")
    x = np.random.default_rng(5).integers(0, 2, (40, 300)).astype(dtype)
    same([x], ("max", (0,), ((1,),)), ("min", (0,), ((1,),)), outputs=(1, 2))
    if dtype != "bool":
        same([x], ("sum", (0,), ((1,),)), ("prod", (0,), ((1,),)), outputs=(1, 2))
