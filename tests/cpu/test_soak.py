"""A long training loop with changing batch sizes: memory and what is compiled stay bounded."""

import sys
from pathlib import Path
from typing import Any

import allumette_core as al
import numpy as np
import pytest
from allumette_cpu.runtime import cache

STEPS = 10_000
SIZES = range(1, 65)


def resident() -> int:
    """Bytes of this process in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_ten_thousand_steps_with_changing_batch_sizes() -> None:
    @al.jit
    def step(p: dict[str, al.Tensor], x: al.Tensor, y: al.Tensor) -> tuple[Any, al.Tensor]:
        def loss(p: dict[str, al.Tensor]) -> al.Tensor:
            h = al.relu(x @ p["w1"] + p["b1"])
            return al.mean((h @ p["w2"] - y) ** 2)

        value, gradients = al.value_and_grad(loss)(p)
        return al.tree.map(lambda p, g: p - 0.05 * g, p, gradients), value

    rng = np.random.default_rng(0)
    weights = {"w1": (3, 16), "b1": (16,), "w2": (16, 1)}
    p = {
        k: al.asarray(rng.normal(size=s).astype("float32") / 4, device="par")
        for k, s in weights.items()
    }
    before = len(cache._modules)
    after_warm_up, losses, sizes = 0, [], []
    for turn in range(STEPS):
        rows = int(rng.integers(SIZES.start, SIZES.stop))
        x = rng.normal(size=(rows, 3)).astype("float32")
        y = x.sum(axis=1, keepdims=True)
        p, value = step(p, al.asarray(x, device="par"), al.asarray(y, device="par"))
        if turn % 500 == 0:
            losses.append(value.item())
        if turn == STEPS // 5:
            after_warm_up = resident()
        if turn > STEPS // 5 and turn % 500 == 0:
            sizes.append(resident())
    assert losses[-1] < losses[0] / 10
    assert len(step.traces()) <= len(SIZES)
    assert len(cache._modules) - before <= len(SIZES)
    assert max(sizes) - after_warm_up < 4 << 20
