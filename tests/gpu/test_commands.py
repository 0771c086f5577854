"""Commands wait for others before they are submitted, and what is seen is as if they did not."""

import gc
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import allumette_core as al
import numpy as np
import pytest
from allumette_core.compiler.program import Program
from allumette_gpu import commands, memory, native

Run = Callable[..., Any]


@pytest.fixture(params=["directly", "publicly"])
def device(device: Any, request: pytest.FixtureRequest) -> Iterator[Any]:
    """The device with nothing waiting, by way of the C library or of the public API."""
    device.commands.submit()
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "publicly":
            patch.setattr(native, "CAN_ENCODE", False)
        yield device
        device.commands.submit()


@pytest.fixture
def increment(backend: Any, build_program: Callable[..., Program]) -> Run:
    """A compiled x + 1 of an array of any size."""

    def made(size: int) -> Run:
        one = np.ones((), np.float32)
        given = backend.from_host(one, "gpu")
        step = ("add", (0, 1), ())
        run = backend.compile(build_program([np.ones(size, np.float32), one], step), "gpu")
        return lambda x: run([x, given])[0]

    return made


def upload(backend: Any, *values: float) -> Any:
    return backend.from_host(np.array(values, np.float32), "gpu")


def test_runs_wait_until_a_value_is_read(device: Any, backend: Any, increment: Run) -> None:
    run, x = increment(2), upload(backend, 1.0, 5.0)
    before = device.commands.submits
    for _ in range(20):
        x = run(x)
    assert device.commands.submits == before
    assert backend.to_host(x).tolist() == [21.0, 25.0]
    assert device.commands.submits == before + 1  # the copy to be read is one of them


def test_to_synchronize_is_to_submit(device: Any, backend: Any, increment: Run) -> None:
    x = increment(1)(upload(backend, 1.0))
    before = device.commands.submits
    for _ in range(2):
        backend.synchronize("gpu")
        assert device.commands.submits == before + 1
    assert backend.to_host(x).tolist() == [2.0]


def test_so_many_commands_wait_at_most(device: Any, backend: Any, increment: Run) -> None:
    run, x = increment(1), upload(backend, 0.0)
    before = device.commands.submits
    for _ in range(2 * commands.MOST_COMMANDS + 1):
        x = run(x)
    assert device.commands.submits == before + 2
    assert backend.to_host(x).tolist() == [2.0 * commands.MOST_COMMANDS + 1]


def test_what_takes_long_does_not_wait(device: Any, backend: Any, increment: Run) -> None:
    size = commands.MOST_WORK // 8
    x = backend.from_host(np.zeros(size, np.float32), "gpu")
    before = device.commands.submits
    x = increment(size)(x)
    assert device.commands.submits == before + 1
    assert (backend.to_host(x) == 1).all()


@pytest.mark.parametrize("size", [1, 1000, 20_000])
def test_what_is_written_does_not_overtake(
    device: Any, backend: Any, increment: Run, size: int
) -> None:
    """Memory that a run reads is free, and written anew, before that run is submitted."""
    run, made = increment(size), []
    before = device.commands.submits
    blocks = set()
    for number in range(30):
        x = backend.from_host(np.full(size, number, np.float32), "gpu")
        blocks.add(x.room.block)
        made.append(run(x))
        del x
    assert len(blocks) < 30
    if size == 1:
        assert device.commands.submits == before
    for number, y in enumerate(made):
        np.testing.assert_array_equal(backend.to_host(y), np.full(size, number + 1, np.float32))


def test_memory_is_given_back_once_nothing_waits_for_it(
    device: Any, backend: Any, increment: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    device.pool.trim()
    monkeypatch.setattr(memory, "_KEPT_BYTES", 0)
    run, x = increment(3), upload(backend, 1.0, 2.0, 3.0)
    for _ in range(5):
        x = run(x)
    gc.collect()
    assert device.commands._destroyed
    assert backend.to_host(x).tolist() == [6.0, 7.0, 8.0]
    assert not device.commands._destroyed


def test_memory_that_waits_is_found_where_there_is_no_other(
    device: Any, backend: Any, increment: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    device.pool.trim()
    small, large = increment(1 << 18), increment(1 << 19)
    limit = device.pool.live_bytes + (5 << 20)
    monkeypatch.setattr(device.pool, "limits", replace(device.limits, memory=limit))
    x = small(backend.from_host(np.zeros(1 << 18, np.float32), "gpu"))
    y = large(backend.from_host(np.zeros(1 << 19, np.float32), "gpu"))
    assert not device.commands._destroyed
    assert (backend.to_host(x) == 1).all()
    assert (backend.to_host(y) == 1).all()


def test_numbers_that_change_with_every_call_do_not_submit(device: Any) -> None:
    @al.jit
    def moved(x: Any, rate: float) -> Any:
        return x * 0.5 + rate

    x, wanted = al.zeros(3, device="gpu"), np.zeros(3, np.float32)
    moved(x, 0.5)
    before = device.commands.submits
    for i in range(15):
        x = moved(x, i / 4)
        wanted = wanted * np.float32(0.5) + np.float32(i / 4)
    assert device.commands.submits == before
    np.testing.assert_array_equal(x.numpy(), wanted)


@pytest.mark.parametrize("shape", [(), (1,), (3,), (2, 3, 5), (0, 4)])
def test_what_is_read_is_what_was_written(
    device: Any, backend: Any, shape: tuple[int, ...]
) -> None:
    """In every dtype; an odd number of float16 ends within a word, and none shares memory."""
    numbers = np.random.default_rng(0).random(shape) * 100
    given = [numbers.astype(name) for name in sorted(device.dtypes)]
    kept = [backend.from_host(x, "gpu") for x in given]
    read = [backend.to_host(x) for x in kept]
    for x, y in zip(given, read, strict=True):
        assert (x.shape, x.dtype) == (y.shape, y.dtype)
        np.testing.assert_array_equal(x, y)
