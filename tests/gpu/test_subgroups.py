"""Exchanges within subgroups: only where these are in order, of any size, and switched off."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from allumette_gpu import limits, subgroups
from allumette_gpu.kernels import reduce
from allumette_gpu.limits import Limits
from allumette_gpu.plan.build import build
from allumette_gpu.plan.prepare import prepare

Same = Callable[..., None]
WIDTH = 64


def told(size: int, order: Callable[[Any], Any] = lambda lanes: lanes) -> np.ndarray:
    """What invocations tell where `order` gives the places of the lanes by subgroups of `size`."""
    lanes = np.arange(WIDTH)
    place = order(lanes)
    lane_at = np.argsort(place)
    groups = place // size
    sums = np.bincount(groups, weights=lanes)[groups]
    neighbour = lane_at[np.minimum(place ^ 1, WIDTH - 1)]
    columns = np.full(WIDTH, size), place, sums, neighbour
    return np.stack(columns, axis=1).astype(np.uint32)


@pytest.mark.parametrize("size", [4, 8, 16, 32, 64])
def test_subgroups_in_order_are_used(size: int) -> None:
    assert subgroups.in_order(told(size))


@pytest.mark.parametrize(
    "found",
    [
        told(8, lambda lanes: lanes[::-1]),
        told(8, lambda lanes: lanes.reshape(8, 8).T.reshape(-1)),
        told(8, lambda lanes: lanes ^ 8),  # subgroups numbered in another order
        told(2),
        told(12),
        told(128),  # not full
        np.zeros((WIDTH, 4), np.uint32),
    ],
)
def test_subgroups_in_another_order_are_not(found: np.ndarray) -> None:
    assert not subgroups.in_order(found)


def test_a_subgroup_of_which_some_are_missing_is_not() -> None:
    found = told(8)
    found[8:16, 2] -= 15  # as if the last of them had not taken part
    assert not subgroups.in_order(found)


def test_a_driver_that_fails_has_none() -> None:
    class Failing:
        def create_shader_module(self, **_: Any) -> Any:
            raise RuntimeError("not after all")

    assert not subgroups.are_neighbours(Failing(), WIDTH)


def test_they_can_be_switched_off() -> None:
    assert limits.lowered(Limits(subgroups=1), "subgroups=0").subgroups == 0
    assert limits.lowered(Limits(subgroups=0), "subgroups=1").subgroups == 0


def test_a_device_without_them_does_without(
    device: Any, build_program: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = build_program([np.ones((40, 300), np.float32)], ("sum", (0,), ((1,),)))
    for on in (0, 1):
        lowered = replace(device.limits, subgroups=on)
        (step,) = build(prepare(program, device.dtypes), lowered).steps
        assert ("subgroup" in step.dispatch.source) is bool(on)


@pytest.mark.parametrize("share", [16, 32, 64, 128])
def test_rows_shorter_and_longer_than_subgroups(
    same: Same, device: Any, monkeypatch: pytest.MonkeyPatch, share: int
) -> None:
    """2 to 128 invocations share a row."""
    if not device.limits.subgroups:
        pytest.skip("this adapter has no subgroups, or not in order")
    monkeypatch.setattr(reduce, "SHARE", share)
    monkeypatch.setattr(device, "limits", replace(device.limits, software=False))
    for depth in (200, 260, 1000, 2001):
        x = np.random.default_rng(5).integers(-9, 9, (37, depth)).astype(np.float32)
        same([x], ("sum", (0,), ((1,),)), ("max", (0,), ((1,),)), outputs=(1, 2))


SUMS = """
import allumette_core as al, numpy as np
from dataclasses import replace
from allumette_core.backend.registry import backend_of
device = backend_of("gpu").device("gpu")
print(device.limits.subgroups)
x = np.random.default_rng(5).integers(-9, 9, (300, 1000)).astype(np.float32)
for software in (True, False):
    device.limits = replace(device.limits, software=software)
    for axis in (0, 1, None):
        got = al.sum(al.tensor(x, device="gpu") * (1 + software), axis=axis).numpy()
        assert (got == x.sum(axis=axis) * (1 + software)).all(), (software, axis)
"""


@pytest.mark.parametrize("bits", [128, 512])
def test_subgroups_of_other_sizes(device: Any, bits: int) -> None:
    """llvmpipe's have as many invocations as there are words in its vectors."""
    if "llvmpipe" not in device.adapter_name:
        pytest.skip("only of llvmpipe's can the size be chosen")
    environment = {**os.environ, "LP_NATIVE_VECTOR_WIDTH": str(bits)}
    command = [sys.executable, "-c", SUMS]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "1"
