"""What is refused, and with which words; several threads; devices by name."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import allumette_core as al
import numpy as np
import pytest
from allumette_core.errors import BackendError, DeviceError, DeviceLostError, DTypeError
from allumette_gpu.plugin import PORTABLE


def test_float64_is_refused_with_a_remedy() -> None:
    with pytest.raises(DTypeError, match=r"shader-f64.*astype\(al\.float32\)"):
        al.tensor(np.ones(3), dtype=al.float64, device="gpu") + 1
    with pytest.raises(DTypeError, match="float64"):
        al.ones(3, device="gpu").astype(al.float64).numpy()


@pytest.mark.parametrize(
    ("name", "feature"),
    [("float16", "shader-f16"), ("int64", "shader-int64"), ("uint64", "shader-int64")],
)
def test_a_dtype_without_its_feature_is_refused_with_both_and_a_remedy(
    device: Any, monkeypatch: pytest.MonkeyPatch, name: str, feature: str
) -> None:
    monkeypatch.setattr(device, "dtypes", PORTABLE)
    x = al.tensor(np.ones(3, np.int32), device="gpu")
    with pytest.raises(DTypeError, match=rf"{name}.*'{feature}'.*cast to a 32-bit dtype"):
        x.astype(name).numpy()


def test_an_unknown_device_is_refused_with_those_there_are(backend: Any) -> None:
    with pytest.raises(DeviceError, match="gpu"):
        backend.device("gpu:99")


def test_what_no_binding_holds_is_refused_with_the_limit(
    device: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device.pool, "limits", replace(device.limits, binding=1 << 20))
    with pytest.raises(BackendError, match=r"1,048,580 bytes.*1,048,576"):
        device.upload(np.zeros((1 << 18) + 1, np.float32))


def test_out_of_memory_says_what_is_in_use(device: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(size: int) -> Any:
        raise RuntimeError("not enough memory left")

    device.pool.trim()  # of what earlier tests left
    monkeypatch.setattr(device.pool, "_create", refuse)
    with pytest.raises(BackendError, match=r"out of memory: 1,310,720 bytes.*in use.*not enough"):
        device.upload(np.zeros(300_000, np.float32))


def test_a_memory_limit_is_kept_and_named(device: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    limit = device.pool.live_bytes + (3 << 20)
    monkeypatch.setattr(device.pool, "limits", replace(device.limits, memory=limit))
    assert device.pool.stats().limit_bytes == limit
    held = device.upload(np.zeros(1 << 19, np.float32))
    used = device.pool.live_bytes
    with pytest.raises(BackendError) as caught:
        device.upload(np.zeros((1 << 18) + 1, np.float32))
    text = f"out of memory: 1,310,720 bytes were asked for with {used:,} of {limit:,} in use"
    assert text in str(caught.value)
    del held
    device.upload(np.zeros((1 << 18) + 1, np.float32))  # free blocks do not count


def test_free_blocks_give_way_to_the_memory_limit(
    device: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    device.pool.trim()
    limit = device.pool.live_bytes + (3 << 20)
    monkeypatch.setattr(device.pool, "limits", replace(device.limits, memory=limit))
    for megabytes in (1, 2, 3):  # another size class each, of which the others are kept
        device.upload(np.zeros(megabytes << 18, np.float32))


def test_memory_comes_back(device: Any) -> None:
    before = device.pool.stats().live_bytes
    held = al.ones((1000, 100), device="gpu") * 2
    al.evaluate(held)
    assert device.pool.stats().live_bytes >= before + 400_000
    del held
    assert device.pool.stats().live_bytes == before


FORKING = """
import os, sys
import allumette_core as al

def tried(what):
    try:
        return str(what())
    except Exception as error:
        return f"{type(error).__name__}: {error}"

def in_a_child(what):
    into, out = os.pipe()
    if os.fork() == 0:
        os.write(out, tried(what).encode())
        os._exit(0)
    os.wait()
    return os.read(into, 1000).decode()

made = lambda: (al.ones(3, device="gpu") + 1).tolist()
print(in_a_child(made))
if "find" in sys.argv:
    al.backends()
    print(in_a_child(made))
x = al.ones(3, device="gpu") + 1
al.evaluate(x)
print(in_a_child(x.numpy))
print(in_a_child(made))
print(in_a_child(lambda: al.reset_device("gpu")))
print(tried(made))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("found", [(), ("find",)])
def test_use_after_a_fork_is_refused(found: tuple[str, ...]) -> None:
    """A child may be the first to use the GPU, but not after its parent."""
    command = [sys.executable, "-c", FORKING, *found]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    first, *refused, last = done.stdout.splitlines()
    assert first == last == "[2.0, 2.0, 2.0]"
    assert len(refused) == 3 + len(found)
    assert all(line.startswith("DeviceError: gpu: a GPU cannot be used after") for line in refused)


def test_threads_do_not_mix_up_their_values() -> None:
    def work(number: int) -> bool:
        x = al.full((100,), float(number), device="gpu")
        for _ in range(5):
            x = (x * 2).astype(al.float32) / 2
            al.evaluate(x)
        return bool((x.numpy() == number).all())

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(16)))


def test_threads_may_train_at_the_same_time() -> None:
    """Runs wait for one another's submits, memory goes from one to the other, and is donated."""
    move = al.jit(lambda x, rate: x * 0.5 + rate, donate_argnums=0)

    def work(number: int) -> list[float]:
        x, last = al.full((150, 150), float(number), device="gpu"), []
        for i in range(30):
            x = move(x, float(i))
            if i % 10 == 9:
                last.append(float(al.max(x).item()))
        return last

    alone = [work(number) for number in range(4)]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, range(4))) == alone


def test_a_lost_device_is_an_error_and_can_be_opened_anew(backend: Any) -> None:
    x = al.ones((4,), device="gpu")
    assert (x + 1).tolist() == [2.0] * 4
    backend.device("gpu").raw.destroy()
    with pytest.raises(DeviceLostError, match=r"lost.*al\.reset_device\('gpu'\)"):
        al.tensor(np.ones(70_001, np.float32), device="gpu").numpy()
    with pytest.raises(DeviceLostError, match="reset_device"):
        x.numpy()
    al.reset_device("gpu")
    with pytest.raises(DeviceLostError, match="opened anew"):
        (x + 1).numpy()
    with pytest.raises(DeviceLostError, match="opened anew"):
        x.numpy()
    assert (al.ones((4,), device="gpu") + 1).tolist() == [2.0] * 4


def test_a_run_on_a_lost_device_is_an_error(backend: Any) -> None:
    x = al.tensor(np.ones(5, np.float32), device="gpu")
    double = al.jit(lambda x: x * 2)
    double(x)
    backend.device("gpu").raw.destroy()
    for _ in range(2):
        with pytest.raises(DeviceLostError, match="reset_device"):
            double(x).numpy()
    al.reset_device("gpu")


def test_a_run_that_waits_is_lost_with_its_device(backend: Any) -> None:
    double = al.jit(lambda x: x * 2)
    x, lost = double(al.ones(5, device="gpu")), backend.device("gpu")
    al.reset_device("gpu")
    assert lost.commands._encoder is None
    with pytest.raises(DeviceLostError, match="opened anew"):
        x.numpy()
    assert double(al.ones(5, device="gpu")).tolist() == [2.0] * 5


def test_functions_under_jit_work_on_a_device_opened_anew() -> None:
    table = np.arange(5, dtype=np.float32)
    looked_up = al.jit(lambda x: x + al.tensor(table, device="gpu"))
    x = al.ones(5, device="gpu")
    assert looked_up(x).tolist() == [1.0, 2.0, 3.0, 4.0, 5.0]
    al.reset_device("gpu")
    with pytest.raises(DeviceLostError, match="opened anew"):
        looked_up(x).numpy()
    assert looked_up(al.ones(5, device="gpu")).tolist() == [1.0, 2.0, 3.0, 4.0, 5.0]
