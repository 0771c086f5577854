"""Plans run by the native driver: binding, temporaries, scratch, aliases, threads."""

import os
import threading

import numpy as np
import pytest
from allumette_core import primitives as P
from allumette_core.compiler.program import Aval, Instruction, Program
from allumette_cpu.plan import Call, Plan, scratch_stride
from allumette_cpu.runtime import bind
from allumette_cpu.runtime.bind import Bound
from allumette_cpu.runtime.memory import Allocator, Frames, plan_offsets

F32 = np.dtype("float32")

SQUARE = """
def square(block, thread, args):
    n, rows = args[0], args[1]
    x, y = f32(args[2]), f32(args[3])
    for i in range(block * rows, min(n, (block + 1) * rows)):
        y[i] = x[i] * x[i]
"""
ADD_SCRATCH = f"""
def add_scratch(block, thread, args):
    n, rows, value = args[0], args[1], f64(args[5] * 0 + args[6])[0]
    x, y = f32(args[2]), f32(args[3])
    s = f32(args[4] + thread * {scratch_stride(16)})
    s[0] = np.float32(value)
    for i in range(block * rows, min(n, (block + 1) * rows)):
        y[i] = x[i] + s[0]
"""


def program(n: int, outputs: int = 1) -> Program:
    aval = Aval((n,), F32)
    steps = tuple(Instruction(P.neg, (0,), ()) for _ in range(outputs))
    return Program((aval,) * (1 + outputs), 1, steps, tuple(range(1, 1 + outputs)))


def bound(n: int, threads: int, work: int = 10**9, blocks: int = 7) -> Bound:
    rows = -(-n // blocks)
    first = Call(SQUARE, "square", blocks, (("const", n), ("const", rows), ("in", 0), ("temp", 0)), work)
    last = Call(SQUARE, "square", blocks, (("const", n), ("const", rows), ("temp", 0), ("out", 0)), work)
    memory = Allocator()
    return Bound(program(n), Plan((first, last), (4 * n,)), threads, memory, Frames(memory))


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_calls_of_a_plan_run_in_order_through_a_temporary(threads: int) -> None:
    run = bound(1000, threads)
    for shift in range(20):
        x = np.arange(1000, dtype=np.float32) + shift
        (out,) = run([x])
        np.testing.assert_array_equal(out, (x * x) * (x * x))


def test_fallback_for_unknown_object_layouts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bind, "_known_layout", lambda: False)
    x = np.arange(1000, dtype=np.float32)
    np.testing.assert_array_equal(bound(1000, 1)([x])[0], (x * x) * (x * x))
    assert bind.addresses([x])[1] == -1


def test_an_aliased_output_is_the_input_written_in_place() -> None:
    memory = Allocator()
    call = Call(SQUARE, "square", 1, (("const", 5), ("const", 5), ("in", 0), ("in", 0)))
    run = Bound(program(5), Plan((call,), (), ((0, 0),)), 1, memory, Frames(memory))
    x = np.arange(5, dtype=np.float32)
    (out,) = run([x])
    assert out is x
    assert out.tolist() == [0, 1, 4, 9, 16]


def test_scratch_belongs_to_a_thread_and_floats_travel_as_bits() -> None:
    source = ADD_SCRATCH.replace("f64(args[5] * 0 + args[6])[0]", "float_bits(args[5])")
    memory = Allocator()
    args = (("const", 999), ("const", 100), ("in", 0), ("out", 0), ("scratch", 16), ("float", 0.5))
    call = Call(source, "add_scratch", 10, args, 10**9)
    run = Bound(program(999), Plan((call,)), 3, memory, Frames(memory))
    x = np.arange(999, dtype=np.float32)
    np.testing.assert_array_equal(run([x])[0], x + np.float32(0.5))


def test_several_threads_may_run_one_program() -> None:
    run = bound(5000, 2)
    failures = []

    def work(seed: int) -> None:
        for i in range(200):
            x = np.full(5000, seed + i % 3, np.float32)
            if not (run([x])[0] == x**4).all():
                failures.append(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_runs_in_parallel_too() -> None:
    run, x = bound(1000, 2), np.ones(1000, np.float32)
    run([x])
    child = os.fork()
    if child == 0:
        os._exit(0 if (run([x])[0] == 1).all() else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_temporaries_share_memory_only_when_never_alive_together() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        n = int(rng.integers(1, 30))
        sizes = [int(s) for s in rng.integers(1, 5000, n)]
        firsts = rng.integers(0, 20, n)
        lives = [(int(f), int(f + rng.integers(0, 6))) for f in firsts]
        offsets, total = plan_offsets(sizes, lives)
        for i in range(n):
            assert offsets[i] % 64 == 0
            assert offsets[i] + sizes[i] <= total
            for j in range(i):
                apart = lives[i][1] < lives[j][0] or lives[j][1] < lives[i][0]
                below = offsets[i] + sizes[i] <= offsets[j] or offsets[j] + sizes[j] <= offsets[i]
                assert apart or below
    assert plan_offsets([640, 640, 640], [(0, 0), (1, 1), (2, 2)])[1] == 640


def test_large_arrays_are_reused_and_counted() -> None:
    memory = Allocator()
    x = memory.array((1 << 20,), F32)
    assert x.ctypes.data % 64 == 0
    assert x.flags.c_contiguous
    view = x[5:]
    del x
    assert memory.live >= 4 << 20
    address = view.ctypes.data - 20
    del view
    assert memory.live == 0
    assert memory.array((1 << 20,), F32).ctypes.data == address
    assert memory.stats().peak_bytes >= 4 << 20
