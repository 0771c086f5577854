"""The same answers with few buffers, small workgroups and small grids, and in checked mode."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from allumette_core.errors import BackendError
from allumette_gpu import limits
from allumette_gpu.limits import Limits
from allumette_gpu.plan.build import build
from allumette_gpu.plan.prepare import prepare

Same = Callable[..., None]
LOW = Limits(buffers=8, invocations=64, groups=64, shared_bytes=16384, software=True)


@pytest.fixture
def lowered(device: Any, monkeypatch: pytest.MonkeyPatch) -> Limits:
    limits = replace(LOW, software=device.limits.software)
    monkeypatch.setattr(device, "limits", limits)
    return limits


def some(*shape: int) -> np.ndarray:
    return (np.random.default_rng(5).integers(-40, 40, shape) / 8).astype(np.float32)


def test_limits_are_lowered_never_raised() -> None:
    low = limits.lowered(Limits(), "buffers=4, binding=1048576 memory=7")
    assert (low.buffers, low.binding, low.memory) == (4, 1 << 20, 7)
    assert limits.lowered(Limits(), "groups=100000") == Limits()
    for text in ("buffers", "buffers=many", "software=1", "cores=7", "buffers=-1"):
        with pytest.raises(BackendError, match=r"ALLUMETTE_GPU_LIMITS.*binding, buffer, buffers"):
            limits.lowered(Limits(), text)


def test_grids_fold(same: Same, lowered: Limits) -> None:
    x = some(64 * 64 * 3 + 1)
    same(
        [x],
        ("add", (0, 0), ()),
        ("sum", (1,), ((0,),)),
        ("argmax", (0,), ((0,),)),
        outputs=(1, 2, 3),
    )
    rows = some(5000, 150)
    same(
        [rows],
        ("sum", (0,), ((1,),)),
        ("max", (0,), ((0,),)),
        ("cumsum", (0,), (1,)),
        outputs=(1, 2, 3),
    )


def test_products_and_sorts(same: Same, lowered: Limits) -> None:
    a, b = np.round(some(70, 90)), np.round(some(90, 33))
    same([a, b], ("dot_general", (0, 1), ((1,), (0,), (), ())))
    same([some(3, 700)], ("argsort", (0,), (1,)))


def test_a_sum_of_many_inputs_is_split(
    same: Same, lowered: Limits, build_program: Callable[..., Any]
) -> None:
    arrays = [some(300) for _ in range(20)]
    steps = [("add", (0, 1), ())]
    for i in range(2, 20):
        steps.append(("add", (18 + i, i), ()))
    same(arrays, *steps)
    plan = build(prepare(build_program(arrays, *steps), frozenset(("float32",))), lowered)
    assert len(plan.steps) > 1
    assert all(len(step.buffers) <= lowered.buffers for step in plan.steps)


def test_a_concatenation_of_many_inputs_is_split(same: Same, lowered: Limits) -> None:
    arrays = [some(3, 2) for _ in range(20)]
    same(arrays, ("concat", tuple(range(20)), (0,)))


def test_checked_mode_gives_the_same_and_submits_each_dispatch(
    same: Same, device: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "checked", True)
    before = device.commands.submits
    same(
        [some(40, 40)],
        ("dot_general", (0, 0), ((1,), (0,), (), ())),
        ("exp", (0,), ()),
        rtol=1e-6,
        outputs=(1, 2),
    )
    assert device.commands.submits > before


def test_the_public_api_is_a_fallback(same: Same, monkeypatch: pytest.MonkeyPatch) -> None:
    from allumette_gpu import native

    monkeypatch.setattr(native, "CAN_ENCODE", False)
    monkeypatch.setattr(native, "HAS_TRUSTED", False)
    same([some(41, 3)], ("sum", (0,), ((1,),)))


@pytest.mark.parametrize("step", [("neg", ()), ("flip", ((0,),)), ("reshape", ((5,),))])
def test_a_long_chain_is_cut_before_the_writer_recurses_too_far(same: Same, step: Any) -> None:
    name, params = step
    x = some(5)
    chain = [(name, (i,), params) for i in range(2000)]
    same([x], *chain)
    same([x], *chain, outputs=(1000, 2000))


def test_a_kernel_that_needs_more_than_there_is_is_refused_with_the_limit(
    build_program: Callable[..., Any],
) -> None:
    def plan(low: Limits, arrays: list[np.ndarray], *steps: Any) -> Any:
        return build(prepare(build_program(arrays, *steps), frozenset(("float32", "int32"))), low)

    index, update = np.zeros(3, np.int32), some(3)
    with pytest.raises(BackendError, match=r"scatter.* 5 storage buffers; the limit is 3"):
        plan(replace(LOW, buffers=3), [some(4), index, update], ("scatter", (0, 1, 2), (0, "add")))
    with pytest.raises(BackendError, match=r"reduce.* 256 bytes of workgroup memory.* 100"):
        plan(replace(LOW, shared_bytes=100), [some(2, 300)], ("sum", (0,), ((1,),)))
