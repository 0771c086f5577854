"""What a program keeps of the device's memory goes back with it."""

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
        assert run.plan.temps
        assert device.pool.live_blocks == before + len(made) + len(run.plan.temps)
    del run, made
    assert device.pool.live_blocks == before


def test_a_process_ends_in_silence_with_values_still_held() -> None:
    code = """
import allumette_core as al
f = al.jit(lambda x: al.sum(al.sin(al.sum(x, 1)), 0))
x = al.ones((300, 70), device="gpu")
print(f(x).shape, f(x).shape)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("() ()\n", "")
