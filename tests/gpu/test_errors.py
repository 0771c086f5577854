"""What is refused, and with which words; several threads; devices by name."""

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import allumette_core as al
import numpy as np
import pytest
from allumette_core.errors import BackendError, DeviceError, DTypeError
from allumette_gpu.errors import DeviceLostError


def test_float64_is_refused_with_a_remedy() -> None:
    with pytest.raises(DTypeError, match=r"shader-f64.*astype\(al\.float32\)"):
        al.tensor(np.ones(3), dtype=al.float64, device="gpu") + 1
    with pytest.raises(DTypeError, match="float64"):
        al.ones(3, device="gpu").astype(al.float64).numpy()


def test_an_unknown_device_is_refused_with_those_there_are(backend: Any) -> None:
    with pytest.raises(DeviceError, match="gpu"):
        backend.device("gpu:99")


def test_what_no_binding_holds_is_refused_with_the_limit(
    device: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device.pool, "largest", 1 << 20)
    with pytest.raises(BackendError, match=r"1,048,580 bytes.*1,048,576"):
        device.upload(np.zeros((1 << 18) + 1, np.float32))


def test_out_of_memory_says_what_is_in_use(device: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(size: int) -> Any:
        raise RuntimeError("not enough memory left")

    monkeypatch.setattr(device.pool, "_create", refuse)
    with pytest.raises(BackendError, match=r"out of memory: 1,310,720 bytes.*in use"):
        device.upload(np.zeros(300_000, np.float32))


def test_memory_comes_back(device: Any) -> None:
    before = device.pool.stats().live_bytes
    held = al.ones((1000, 100), device="gpu") * 2
    al.evaluate(held)
    assert device.pool.stats().live_bytes >= before + 400_000
    del held
    assert device.pool.stats().live_bytes == before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_use_after_a_fork_is_refused(device: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "process", -1)  # as if it had been opened by a parent
    with pytest.raises(DeviceError, match="fork"):
        device.upload(np.ones(3, np.float32))


def test_threads_do_not_mix_up_their_values() -> None:
    def work(number: int) -> bool:
        x = al.full((100,), float(number), device="gpu")
        for _ in range(5):
            x = (x * 2).astype(al.float32) / 2
            al.evaluate(x)
        return bool((x.numpy() == number).all())

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(16)))


def test_a_lost_device_is_an_error_and_can_be_opened_anew(backend: Any) -> None:
    x = al.ones((4,), device="gpu")
    assert (x + 1).tolist() == [2.0] * 4
    backend.device("gpu").raw.destroy()
    with pytest.raises(DeviceLostError, match="lost"):
        al.tensor(np.ones(70_001, np.float32), device="gpu").numpy()
    with pytest.raises(DeviceLostError):
        x.numpy()
    backend.reset("gpu")
    with pytest.raises(DeviceLostError, match="make it anew"):
        (x + 1).numpy()
    assert (al.ones((4,), device="gpu") + 1).tolist() == [2.0] * 4
