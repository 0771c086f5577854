"""Plans run by the native driver: binding, temporaries, scratch, aliases, threads."""

import os
import threading
from typing import Any

import numpy as np
import pytest
from allumette_core import primitives as P
from allumette_core.backend.spec import Executable
from allumette_core.compiler.program import Aval, Instruction, Program
from allumette_cpu.plan import Call, HostCall, Plan, scratch_stride
from allumette_cpu.runtime import entry
from allumette_cpu.runtime import memory as memory_module
from allumette_cpu.runtime.bind import bind
from allumette_cpu.runtime.memory import Allocator, Frames, plan_offsets

F32 = np.dtype("float32")

LOOP = """
define void @{name}(i64 %block, i64 %thread, ptr %args) {{
entry:
  %n = load i64, ptr %args
  %rows.at = getelementptr i64, ptr %args, i64 1
  %rows = load i64, ptr %rows.at
  %x.at = getelementptr i64, ptr %args, i64 2
  %x = load ptr, ptr %x.at
  %y.at = getelementptr i64, ptr %args, i64 3
  %y = load ptr, ptr %y.at
{before}
  %lo = mul i64 %block, %rows
  %end = add i64 %lo, %rows
  %short = icmp slt i64 %end, %n
  %hi = select i1 %short, i64 %end, i64 %n
  br label %head
head:
  %i = phi i64 [ %lo, %entry ], [ %next, %body ]
  %some = icmp slt i64 %i, %hi
  br i1 %some, label %body, label %done
body:
  %source = getelementptr float, ptr %x, i64 %i
  %v = load float, ptr %source
{step}
  %target = getelementptr float, ptr %y, i64 %i
  store float %w, ptr %target
  %next = add i64 %i, 1
  br label %head
done:
  ret void
}}
"""
SQUARE = LOOP.format(name="square", before="", step="  %w = fmul float %v, %v")
ADD_SCRATCH = LOOP.format(
    name="add_scratch",
    before=f"""
  %scratch.at = getelementptr i64, ptr %args, i64 4
  %scratch = load ptr, ptr %scratch.at
  %offset = mul i64 %thread, {scratch_stride(16)}
  %mine = getelementptr i8, ptr %scratch, i64 %offset
  %value.at = getelementptr i64, ptr %args, i64 5
  %value = load double, ptr %value.at
  store double %value, ptr %mine""",
    step="""
  %again = load double, ptr %mine
  %single = fptrunc double %again to float
  %w = fadd float %v, %single""",
)


def program(n: int, outputs: int = 1) -> Program:
    aval = Aval((n,), F32)
    steps = tuple(Instruction(P.neg, (0,), ()) for _ in range(outputs))
    return Program((aval,) * (1 + outputs), 1, steps, tuple(range(1, 1 + outputs)))


def bound(n: int, threads: int, work: int = 10**9, blocks: int = 7) -> Executable:
    rows = -(-n // blocks)
    first = Call(
        SQUARE, "square", blocks, (("const", n), ("const", rows), ("in", 0), ("temp", 0)), work
    )
    last = Call(
        SQUARE, "square", blocks, (("const", n), ("const", rows), ("temp", 0), ("out", 0)), work
    )
    memory = Allocator()
    return bind(program(n), Plan((first, last), (4 * n,)), threads, memory, Frames(memory))


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_calls_of_a_plan_run_in_order_through_a_temporary(threads: int) -> None:
    run = bound(1000, threads)
    for shift in range(20):
        x = np.arange(1000, dtype=np.float32) + shift
        (out,) = run([x])
        np.testing.assert_array_equal(out, (x * x) * (x * x))


def test_fallback_for_unknown_object_layouts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entry, "_known_layout", lambda: False)
    called, plain = [], entry._through_ctypes

    def counted(*arguments: Any) -> None:
        called.append(1)
        plain(*arguments)

    monkeypatch.setattr(entry, "_through_ctypes", counted)
    x = np.arange(1000, dtype=np.float32)
    np.testing.assert_array_equal(bound(1000, 1)([x])[0], (x * x) * (x * x))
    assert called == [1]


def test_an_aliased_output_is_the_input_written_in_place() -> None:
    memory = Allocator()
    call = Call(SQUARE, "square", 1, (("const", 5), ("const", 5), ("in", 0), ("in", 0)))
    run = bind(program(5), Plan((call,), (), ((0, 0),)), 1, memory, Frames(memory))
    x = np.arange(5, dtype=np.float32)
    (out,) = run([x])
    assert out is x
    assert out.tolist() == [0, 1, 4, 9, 16]


def test_scratch_belongs_to_a_thread_and_floats_travel_as_bits() -> None:
    memory = Allocator()
    args = (("const", 999), ("const", 100), ("in", 0), ("out", 0), ("scratch", 16), ("float", 0.5))
    call = Call(ADD_SCRATCH, "add_scratch", 10, args, 10**9)
    run = bind(program(999), Plan((call,)), 3, memory, Frames(memory))
    x = np.arange(999, dtype=np.float32)
    np.testing.assert_array_equal(run([x])[0], x + np.float32(0.5))


def test_host_calls_take_their_place_between_native_ones() -> None:
    aval, memory = Aval((10,), F32), Allocator()
    args = (("const", 10), ("const", 10))
    plan = Plan(
        (
            Call(SQUARE, "square", 1, (*args, ("in", 0), ("temp", 0))),
            HostCall(P.flip, ((("temp", 0), aval),), ((0,),), (("temp", 1), aval)),
            HostCall(P.cumsum, ((("temp", 1), aval),), (0,), (("temp", 2), aval)),
            Call(SQUARE, "square", 1, (*args, ("temp", 2), ("out", 0))),
        ),
        (40, 40, 40),
    )
    x = np.arange(10, dtype=np.float32)
    (out,) = bind(program(10), plan, 1, memory, Frames(memory))([x])
    np.testing.assert_array_equal(out, np.cumsum((x * x)[::-1]) ** 2)


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


def test_an_array_that_does_not_fit_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(size: int) -> Any:
        raise MemoryError(size)

    allocator = Allocator()
    monkeypatch.setattr(memory_module, "aligned", full)
    with pytest.raises(MemoryError):
        allocator.array((1 << 20,), F32)
    stats = allocator.stats()
    assert (stats.live_bytes, stats.peak_bytes, stats.live_buffers) == (0, 0, 0)
