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


@pytest.fixture(params=["a processor", "a card", "a small card"])
def kind(request: pytest.FixtureRequest, device: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    """The limits that reductions are written for."""
    narrow = {"invocations": 64} if request.param == "a small card" else {}
    limits = replace(device.limits, software=request.param == "a processor", **narrow)
    monkeypatch.setattr(device, "limits", limits)
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
