"""What a profile tells of kernels: how often, how long, how much they move and compute."""

from typing import Any

import allumette_core as al
import numpy as np
import pytest


@al.jit
def work(a: Any, b: Any) -> Any:
    return al.exp(a @ b)


def operands() -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    a, b = (rng.uniform(-1, 1, s).astype(np.float32) for s in ((300, 200), (200, 70)))
    return al.tensor(a, device="gpu"), al.tensor(b, device="gpu")


def test_kernels_are_measured(device: Any) -> None:
    if "timestamp-query" not in device.features:
        pytest.skip("this adapter has no timestamps")
    a, b = operands()
    plain = np.asarray(work(a, b))
    with al.profile(kernels=True) as p:
        made = [np.asarray(work(a, b)) for _ in range(3)]
    for array in made:
        np.testing.assert_array_equal(array, plain)
    ((name, kernel),) = p.kernels.items()
    assert name == "product -> float32[300,70]"
    assert kernel.runs == 3
    assert kernel.nanoseconds > 0
    assert kernel.bytes == 3 * 4 * (300 * 200 + 200 * 70 + 300 * 70)
    assert kernel.operations == 3 * (2 * 300 * 200 * 70 + 300 * 70)
    assert kernel.gigaflops == pytest.approx(kernel.operations / kernel.nanoseconds)
    assert name in str(p)
    assert p.counts["dot_general", "native"] == 3


def test_nothing_is_measured_unless_asked_for_or_without_a_clock(
    device: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = operands()
    with al.profile() as p:
        work(a, b)
    assert not p.kernels
    monkeypatch.setattr(device, "features", frozenset())
    with al.profile(kernels=True) as p:
        work(a, b)
    assert not p.kernels
    assert "dot_general (native)" in str(p)
