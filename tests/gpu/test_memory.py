"""What a program keeps of the device's memory goes back with it."""

import gc
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from allumette_core.compiler.program import Program


def test_temporaries_go_back_with_their_program(
    backend: Any, device: Any, build_program: Callable[..., Program]
) -> None:
    x = np.ones((300, 70), np.float32)
    chain = ("sum", (0,), ((1,),)), ("sin", (1,), ()), ("sum", (2,), ((0,),))
    given = backend.from_host(x, "gpu")
    before = device.pool.live_blocks
    run = backend.compile(build_program([x], *chain), "gpu")
    for _ in range(2):
        made = run([given])
        assert run.runner.plan.temps
        assert device.pool.live_blocks == before + len(made) + len(run.runner.plan.temps)
    del run, made
    assert device.pool.live_blocks == before


def test_a_value_in_a_cycle_of_references_gives_back_a_block_that_works(
    backend: Any, device: Any
) -> None:
    """The collector finalizes all of a cycle, which must not include the driver's buffer."""
    x = np.arange(1000, dtype=np.float32)
    before = device.pool.live_blocks
    for _ in range(3):
        cycle: list[Any] = [backend.from_host(x, "gpu")]
        cycle.append(cycle)
        del cycle
        gc.collect()
        assert device.pool.live_blocks == before
        assert np.array_equal(backend.to_host(backend.from_host(x, "gpu")), x)


def test_small_results_of_a_run_share_a_block_for_as_long_as_one_is_held(
    backend: Any, device: Any, build_program: Callable[..., Program]
) -> None:
    x = np.arange(5, dtype=np.float32)
    given = backend.from_host(x, "gpu")
    before = device.pool.live_blocks
    steps = ("neg", (0,), ()), ("abs", (0,), ()), ("sum", (0,), ((0,),))
    made = backend.compile(build_program([x], *steps, outputs=(1, 2, 3)), "gpu")([given])
    assert device.pool.live_blocks == before + 1
    assert len({b.offset for b in made}) == 3
    assert all(b.offset % 256 == 0 for b in made)
    twice = backend.compile(build_program([x, x], ("mul", (0, 1), ())), "gpu")
    (kept,) = twice([made[0], made[1]])  # windows of one block
    (other,) = twice([made[1], made[1]])
    last = made[2]
    np.testing.assert_array_equal(backend.to_host(kept), -x * x)
    del made
    np.testing.assert_array_equal(backend.to_host(last), x.sum())
    np.testing.assert_array_equal(backend.to_host(other), x * x)
    del last, other, kept
    assert device.pool.live_blocks == before


def test_a_large_result_has_a_block_of_its_own_and_so_has_what_is_read_again(
    backend: Any, device: Any, build_program: Callable[..., Program]
) -> None:
    x, y = np.ones((200, 300), np.float32), np.ones((40, 3), np.float32)
    before = device.pool.live_blocks
    run = backend.compile(
        build_program(
            [x, y],
            ("neg", (0,), ()), ("sum", (1,), ((0,),)), ("sin", (1,), ()),
            ("sum", (4,), ((1,),)), ("sum", (5,), ((0,),)), outputs=(2, 3, 5, 6),
        ),
        "gpu",
    )  # fmt: skip
    given = [backend.from_host(a, "gpu") for a in (x, y)]
    made = run(given)
    wanted = [-x, y.sum(0), np.sin(y).sum(1), np.sin(y).sum()]
    for got, right in zip(made, wanted, strict=True):
        np.testing.assert_allclose(backend.to_host(got), right, rtol=1e-6)
    assert len({b.room for b in made}) == 3
    assert device.pool.live_blocks == before + len(given) + 3 + len(run.runner.plan.temps)


def test_a_process_ends_in_silence_with_values_still_held() -> None:
    code = """
import allumette_core as al
f = al.jit(lambda x: al.sum(al.sin(al.sum(x, 1)), 0))
x = al.ones((300, 70), device="gpu")
print(f(x).shape, f(x).shape)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("() ()\n", "")


def test_a_process_may_end_while_the_device_works() -> None:
    """Without a wait, one in three crashed while a software driver compiled."""
    code = """
import atexit, random
atexit.register(lambda: print(device.commands._encoder))  # is called after those to come
import allumette_core as al
from allumette_core.backend.registry import backend_of
c = random.random()  # in no cache of the driver
f = al.jit(lambda a: al.pow(a, a) + al.atan2(a, a) + al.erf(a) + al.sin(a) * c)
x = f(al.ones((1 << 16, 64), device="gpu"))
device = backend_of("gpu").device("gpu")
device.commands.submit()
y = al.ones(3, device="gpu") + 1
al.evaluate(y)  # waits to be submitted
"""
    environment = os.environ | {"MESA_SHADER_CACHE_DISABLE": "1"}
    for _ in range(6):
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        assert (done.returncode, done.stdout, done.stderr) == (0, "None\n", "")
