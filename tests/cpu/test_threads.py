"""One program on any number of threads, several programs at a time, and forks in between."""

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import allumette_core as al
import numpy as np
import pytest
from allumette_core.compiler.fusion import fuse
from allumette_core.compiler.lowering import renders
from allumette_core.compiler.program import Program
from allumette_core.compiler.simplify import simplify
from allumette_core.compiler.stream import stream
from allumette_cpu.plan import Call
from allumette_cpu.render import plan, sizes
from allumette_cpu.runtime import bind, cache, driver
from hypothesis import given, settings
from networks import network, step

from .rendering import native, traced
from .test_render_random import programs


@settings(max_examples=80, deadline=None, derandomize=True)
@given(program=programs())
def test_any_number_of_threads_gives_the_same_bits(program: Program) -> None:
    random = np.random.default_rng(0)
    shapes = [aval.shape for aval in program.avals[: program.num_inputs]]
    arrays = [random.standard_normal(shape).astype("float32") for shape in shapes]
    with pytest.MonkeyPatch.context() as patch:  # cut into pieces and shared, however small
        patch.setattr(sizes, "BLOCK_WORK", 1)
        patch.setattr(bind, "SHARED_WORK", 0)
        wanted = [a.tobytes() for a in native(program, arrays, 1)]
        for threads in (2, 3, 5):
            assert [a.tobytes() for a in native(program, arrays, threads)] == wanted


@pytest.mark.parametrize("chunk_bytes", [1 << 19, 1 << 20])
@pytest.mark.parametrize(("rows", "blocks"), [(10_000, 16), (100_000, 64), (1_000_000, 64)])
def test_threads_have_equal_shares_of_a_training_step(
    rows: int, blocks: int, chunk_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sizes, "CHUNK_BYTES", chunk_bytes)
    phase = stream(simplify(traced(step, *network(rows))[0]), renders)[0]
    cut = sizes.measure(fuse(phase), []).rows
    assert cut.blocks == blocks
    assert rows - (blocks - 1) * cut.block > cut.block // 2


@pytest.mark.parametrize(("name", "least"), [("abs", 160_000), ("exp", 19_000), ("sin", 19_000)])
def test_what_takes_some_twenty_microseconds_is_shared(name: str, least: int) -> None:
    """And functions that take tens of instructions take as many times as long as one that does."""
    for size, shared in ((least, True), (least // 3, False)):
        program, _ = traced(getattr(al, name), np.ones(size, np.float32))
        (call,) = plan(program).calls
        assert isinstance(call, Call)
        assert (call.blocks > 1) is shared, (name, size, call.blocks)


SCRIPT = """
import allumette_core as al, numpy as np, hashlib
x = al.asarray(np.random.default_rng(0).normal(size=(20_000, 30)).astype("float32"), device="par")
w = al.asarray(np.random.default_rng(1).normal(size=(30, 20)).astype("float32"), device="par")
step = al.jit(lambda x, w: al.value_and_grad(lambda w: al.mean(al.tanh(x @ w) ** 2))(w))
digest = hashlib.sha256()
for made in (*step(x, w), al.cumulative_sum(x, axis=0), al.softmax(x @ w, axis=0)):
    digest.update(np.asarray(made).tobytes())
print(digest.hexdigest())
"""


def test_allumette_num_threads_changes_no_bit() -> None:
    def run(threads: int) -> str:
        environment = {**os.environ, "ALLUMETTE_NUM_THREADS": str(threads)}
        command = [sys.executable, "-c", SCRIPT]
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, check=True
        ).stdout

    assert len({run(threads) for threads in (1, 2, 3, 5)}) == 1


def steps() -> list[tuple[Any, Any]]:
    """Jitted functions and arguments, large enough to be shared between threads."""
    rng = np.random.default_rng(0)
    x = al.asarray(rng.normal(size=(30_000, 8)).astype("float32"), device="par")
    functions = [
        lambda x: al.tanh(x).sum(axis=0),
        lambda x: (x.T @ x) / 3.0,
        lambda x: al.softmax(x, axis=1),
        lambda x: al.exp(x) * 2.0 + x,
    ]
    return [(al.jit(f), x) for f in functions]


def test_several_python_threads_run_at_a_time() -> None:
    wanted = [f(x).numpy().tobytes() for f, x in steps()]

    def work(number: int) -> bool:
        own = steps()
        turns = [(number + turn) % len(own) for turn in range(40)]
        return all(own[i][0](own[i][1]).numpy().tobytes() == wanted[i] for i in turns)

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(work, range(6)))


def test_a_program_runs_while_another_runs_on_the_host() -> None:
    """A sort is NumPy's, in the middle of a program whose other parts share the pool."""
    f = al.jit(lambda x: al.exp(al.sort(al.tanh(x), axis=0)).sum(axis=0))
    x = al.asarray(np.random.default_rng(0).normal(size=(40_000, 4)).astype("f"), device="par")
    wanted = f(x).numpy().tobytes()
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(lambda _: f(x).numpy().tobytes(), range(60))) == {wanted}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_fork_while_another_thread_compiles() -> None:
    started, finish = threading.Event(), threading.Event()

    def produce() -> bytes:
        started.set()
        finish.wait(10)
        raise RuntimeError("given up")

    def compile_() -> None:
        with pytest.raises(RuntimeError):
            cache.loaded("slow", produce)

    other = threading.Thread(target=compile_)
    other.start()
    started.wait(10)
    threading.Timer(0.2, finish.set).start()
    child = os.fork()
    if child == 0:
        f, x = steps()[3]
        os._exit(0 if np.isfinite(f(x).numpy()).all() else 1)
    for _ in range(600):
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            break
        threading.Event().wait(0.1)
    else:
        os.kill(child, 9)
        os.waitpid(child, 0)
        pytest.fail("the child waits for a lock that no thread of it holds")
    other.join()
    assert status == 0


def test_workers_that_cannot_be_started_are_done_without(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[str] = []

    class Refusing(threading.Thread):
        def start(self) -> None:
            started.append(self.name)
            if len(started) > 1:
                raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading, "Thread", Refusing)
    pool = driver.Pool(4)
    pool.wake()
    pool.wake()
    assert started == ["allumette-1", "allumette-2"]


def test_ctrl_c_while_workers_start_gives_no_number_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[str] = []

    class Interrupted(threading.Thread):
        def start(self) -> None:
            started.append(self.name)
            if len(started) == 2:
                raise KeyboardInterrupt

    monkeypatch.setattr(threading, "Thread", Interrupted)
    pool = driver.Pool(4)
    with pytest.raises(KeyboardInterrupt):
        pool.wake()
    pool.wake()
    assert started == ["allumette-1", "allumette-2", "allumette-3"]
