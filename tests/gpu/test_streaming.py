"""Programs whose temporaries do not fit run over pieces of rows: the same values in less memory."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import allumette_core as al
import numpy as np
import pytest
from allumette_core.backend.registry import backend_of
from allumette_core.compiler.explain import program_of
from allumette_core.errors import BackendError
from allumette_gpu.executable import GpuExecutable
from allumette_gpu.streamed import StreamedRun
from networks import forward, loss, network, some, step

ROWS = 1000  # not whole pieces
Check = Callable[..., float]


@pytest.fixture
def check(device: Any, backend: Any, monkeypatch: pytest.MonkeyPatch) -> Check:
    """Asserts that a function gives what it gives on `numpy`, streamed and at once; how much less
    memory it needs besides its results then."""

    def peak(program: Any, arrays: list[Any]) -> tuple[int, list[Any]]:
        buffers = [backend.from_host(x, "gpu") for x in arrays]
        run = GpuExecutable(device, program)
        device.pool.peak_bytes = before = device.pool.live_bytes
        made = run(buffers)
        results = device.pool.live_bytes - before
        return device.pool.peak_bytes - before - results, [backend.to_host(b) for b in made]

    def compare(
        function: Callable[..., Any], *arguments: Any, between: int = 300_000, rtol: float = 2e-5
    ) -> float:
        program = program_of(function, arguments, {})
        arrays = [np.asarray(leaf) for leaf in al.tree.leaves(arguments)]
        used, at_once = peak(program, arrays)
        monkeypatch.setattr(device, "limits", replace(device.limits, between=between))
        runner = GpuExecutable(device, program).runner
        assert isinstance(runner, StreamedRun)
        less, streamed = peak(program, arrays)
        assert less <= 1.25 * runner.plan.temporaries  # and size classes
        monkeypatch.undo()
        with np.errstate(all="ignore"):
            right = backend_of("numpy").compile(program, "numpy")(arrays)
        for got, same, wanted in zip(streamed, at_once, right, strict=True):
            assert (got.shape, got.dtype) == (wanted.shape, wanted.dtype)
            size = float(np.max(np.abs(wanted), initial=0)) if wanted.dtype.kind == "f" else 0
            for values in (got, same):
                np.testing.assert_allclose(values, wanted, rtol=rtol, atol=rtol * size)
        return less / used

    return compare


def wide(rows: int = ROWS, hidden: int = 256) -> tuple[Any, ...]:
    weights, *others = network(rows, hidden)
    return [w / 8 for w in weights], *others


@pytest.mark.parametrize("rows", [ROWS, 1024, 2049])
def test_a_training_step(check: Check, rows: int) -> None:
    assert check(step, *wide(rows), between=800_000) < 0.6


def test_what_each_row_has_is_put_together(check: Check) -> None:
    def both(w: Any, b: Any, x: Any, y: Any) -> Any:
        o = forward(w, b, x)
        return o, o > 0.5, loss(w, b, x, y), al.max(o), al.min(o), al.prod(1 + o / 1000)

    assert check(both, *wide(), between=500_000) < 0.6


def test_phases_that_wait_for_one_another(check: Check) -> None:
    def normed(w: Any, v: Any, x: Any) -> Any:
        h = x @ w
        mean = al.mean(h, axis=0)
        scale = 1 / al.sqrt(al.mean((h - mean) ** 2, axis=0) + 1e-3)
        h = al.tanh(al.relu((h - mean) * scale @ v) @ v)
        return al.mean(h**2)

    check(
        lambda w, v, x: al.value_and_grad(normed, (0, 1))(w, v, x),
        some(7, 300), some(300, 300, seed=1) / 8, some(3 * ROWS, 7, seed=2), rtol=1e-4,
    )  # fmt: skip


def test_what_is_numbered_goes_on(check: Check) -> None:
    """Positions of rows, and random bits, which are those of the row."""

    def dropped(w: Any, v: Any, x: Any, key: Any) -> Any:
        h = al.tanh(x @ w)
        kept = al.random.bernoulli(key, 0.5, h.shape)
        ramp = al.arange(len(x), dtype=al.float32)[:, None] / len(x)
        h = al.where(kept, h, ramp) @ v
        return al.sum(h, axis=0), al.sum(al.tanh(h) @ v, axis=1)

    check(dropped, some(6, 300), some(300, 300, seed=1) / 8, some(ROWS, 6, seed=2),
          np.array([3, 7], np.uint32), between=500_000)  # fmt: skip


def test_integers_bools_and_extremes_fold_up(check: Check) -> None:
    def folded(x: Any, w: Any, v: Any) -> Any:
        h = al.tanh(x @ w) @ v
        whole = al.floor(h * 8).astype(al.int32)
        return (
            al.sum(whole, axis=0), al.max(whole - 100), al.min(whole + 100, axis=0),
            al.any(h > 3, axis=0), al.all(h > -3, axis=0), al.max(h), al.min(h, axis=0),
        )  # fmt: skip

    check(folded, some(ROWS, 6), some(6, 300, seed=1), some(300, 300, seed=2) / 8)


def test_embeddings_gather_and_scatter(check: Check) -> None:
    rows = np.random.default_rng(1).integers(0, 40, (ROWS, 4)).astype(np.int32)

    def lookup(table: Any, w: Any, rows: Any) -> Any:
        h = al.sum(table[rows], axis=1)
        return al.mean(al.tanh(al.tanh(h @ w) @ w) ** 2)

    check(
        lambda table, w, rows: al.value_and_grad(lookup, (0, 1))(table, w, rows),
        some(40, 300), some(300, 300, seed=1) / 8, rows, rtol=1e-4,
    )  # fmt: skip


def test_half_precision_and_labels(check: Check, device: Any) -> None:
    if "float16" not in device.dtypes:
        pytest.skip("this adapter has no float16")

    def half(x: Any, w: Any) -> Any:
        h = x.astype(al.float16)
        h = al.tanh(h @ w)
        return al.tanh(h @ w), h[:, 0] > 0

    check(
        half, some(3 * ROWS - 1, 201), (some(201, 201, seed=1) / 16).astype(np.float16), rtol=2e-3
    )


def test_the_same_bits_every_time(
    device: Any, backend: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = wide()
    program = program_of(step, arguments, {})
    monkeypatch.setattr(device, "limits", replace(device.limits, between=400_000))
    run = GpuExecutable(device, program)
    buffers = [backend.from_host(np.asarray(x), "gpu") for x in al.tree.leaves(arguments)]
    first, second = ([backend.to_host(b) for b in run(buffers)] for _ in range(2))
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)


def test_what_does_not_fit_the_memory_runs_in_pieces(
    backend: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step whose activations take 4 MB, on a device with 3 MB for everything."""

    def loss_on(name: str, rows: int) -> float:
        on = al.tree.map(lambda x: al.tensor(x, device=name), wide(rows))
        return float(al.jit(step)(*on)[1].item())

    try:
        monkeypatch.setenv("ALLUMETTE_GPU_LIMITS", "memory=3000000")
        al.reset_device("gpu")
        assert loss_on("gpu", 4000) == pytest.approx(loss_on("numpy", 4000), rel=1e-5)
        assert backend.memory("gpu").peak_bytes <= 3_000_000
        device = backend.device("gpu")
        device.limits = replace(device.limits, between=1 << 30)
        with pytest.raises(BackendError, match=r"out of memory.*of 3,000,000 in use"):
            loss_on("gpu", 4001)
    finally:
        monkeypatch.undo()
        al.reset_device("gpu")
