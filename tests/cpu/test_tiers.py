"""When programs are compiled, and that it makes no difference to what they compute."""

import subprocess
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import allumette_core as al
import numpy as np
import pytest
from allumette_core import evaluation
from allumette_core import primitives as P
from allumette_core.backend.registry import open_backend
from allumette_core.compiler.decompose import replay
from allumette_core.compiler.program import Aval, Instruction, Program
from allumette_core.expr import apply
from allumette_cpu import executable
from allumette_cpu.executable import compile_mode, is_exact, tiered
from allumette_cpu.runtime.driver import thread_count
from hypothesis import given, settings

from .rendering import native
from .test_render_random import programs

AVAL = Aval((3,), np.dtype("float32"))
PROGRAM = Program((AVAL, AVAL), 1, (Instruction(P.neg, (0,), ()),), (1,))


def counting(compiled: list[int]) -> Callable[[], Any]:
    def compile_() -> Any:
        compiled.append(1)
        return lambda buffers: ["native"]

    return compile_


def runs(mode: str, monkeypatch: pytest.MonkeyPatch, uses: int) -> list[Any]:
    monkeypatch.setenv("ALLUMETTE_CPU_COMPILE", mode)
    run = tiered(PROGRAM, lambda buffers: ["eager"], counting([]))
    return [run([])[0] for _ in range(uses)]


def test_modes(monkeypatch: pytest.MonkeyPatch) -> None:
    assert runs("always", monkeypatch, 2) == ["native"] * 2
    assert runs("never", monkeypatch, 50) == ["eager"] * 50
    auto = runs("auto", monkeypatch, 50)
    assert auto == ["eager"] * (executable.WORTH_USES - 1) + ["native"] * (
        51 - executable.WORTH_USES
    )


def test_an_unknown_mode_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLUMETTE_CPU_COMPILE", "sometimes")
    with pytest.raises(ValueError, match="always, auto, never"):
        compile_mode()


def test_slow_programs_are_compiled_sooner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLUMETTE_CPU_COMPILE", "auto")
    monkeypatch.setattr(executable, "WORTH_SECONDS", 0.0)
    run = tiered(PROGRAM, lambda buffers: ["eager"], counting([]))
    assert [run([])[0] for _ in range(3)] == ["eager", "native", "native"]


@pytest.mark.parametrize("mode", ["always", "auto"])
def test_what_cannot_be_rendered_stays_on_numpy(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLUMETTE_CPU_COMPILE", mode)
    tried: list[int] = []

    def refuse() -> Any:
        tried.append(1)
        raise NotImplementedError

    run = tiered(PROGRAM, lambda buffers: ["eager"], refuse)
    assert [run([])[0] for _ in range(50)] == ["eager"] * 50
    assert tried == [1]


def test_threads_compile_a_program_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLUMETTE_CPU_COMPILE", "auto")
    monkeypatch.setattr(executable, "WORTH_SECONDS", 0.0)
    compiled: list[int] = []
    run = tiered(PROGRAM, lambda buffers: ["eager"], counting(compiled))
    threads = [threading.Thread(target=lambda: [run([]) for _ in range(50)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert compiled == [1]


def some(*shape: int) -> Any:
    values = np.random.default_rng(len(shape)).standard_normal(shape)
    values.flat[:3] = 0.0, -0.0, np.nan
    return values


ON_EVERY_USE: dict[str, Callable[[], Any]] = {
    "product": lambda: al.asarray(some(33, 65)) @ al.asarray(some(65, 17)),
    "exp": lambda: al.exp(al.asarray(some(1000), dtype=al.float32)),
    "sum": lambda: al.asarray(some(1000, 7), dtype=al.float32).sum(axis=0),
    "softmax": lambda: al.softmax(al.asarray(some(50, 20), dtype=al.float32), axis=1),
    "relu": lambda: al.maximum(0.0, al.asarray(some(1000), dtype=al.float32)),
    "exact": lambda: al.sqrt(al.asarray(some(1000)) * 2.0 - 1.0) / 3.0,
    "integers": lambda: al.asarray(np.arange(99).reshape(9, 11)).sum(axis=1),
    "half": lambda: al.asarray(some(100), dtype=al.float16) * 1.5 + 2.0,
}


@pytest.mark.parametrize("name", ON_EVERY_USE)
def test_every_use_gives_the_same_bits(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLUMETTE_CPU_COMPILE", "auto")
    monkeypatch.setattr(evaluation, "_executables", OrderedDict())
    al.set_default_device("seq")
    try:
        uses = [ON_EVERY_USE[name]().numpy().tobytes() for _ in range(executable.WORTH_USES + 4)]
    finally:
        al.set_default_device(None)
    assert len(set(uses)) == 1


@settings(max_examples=150, deadline=None, derandomize=True)
@given(program=programs())
def test_what_counts_as_exact_is_the_same_on_numpy_and_compiled(program: Program) -> None:
    outputs = [v for v in range(program.num_inputs, len(program.avals)) if exact(program, v)]
    if not outputs:
        return
    program = only(program, outputs)
    assert is_exact(program)
    arrays = [some(*aval.shape).astype("float32") for aval in program.avals[: program.num_inputs]]
    backend: Any = open_backend("seq")
    with np.errstate(all="ignore"):
        eager = backend.interpreter(program, "seq")(arrays)
    for a, b in zip(eager, native(program, arrays), strict=True):
        assert plain(a) == plain(b)


def plain(array: Any) -> bytes:
    """The bits of an array, every NaN being the same one."""
    return np.where(np.isnan(array), np.float32(np.nan), array).tobytes()


def only(program: Program, outputs: list[int]) -> Program:
    """What computes `outputs`, and no more."""
    wanted = replace(program, outputs=tuple(outputs))
    return replay(wanted, lambda i, inputs: apply(i.primitive, *inputs, params=i.params))


def exact(program: Program, value: int) -> bool:
    return is_exact(only(program, [value]))


def test_large_programs_are_compiled_at_first_sight(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLUMETTE_CPU_COMPILE", "auto")
    for rows, expected in ((100, "eager"), (executable.WORTH_WORK, "native")):
        aval = Aval((rows,), np.dtype("float32"))
        program = Program((aval, aval), 1, (Instruction(P.exp, (0,), ()),), (1,))
        run = tiered(program, lambda buffers: ["eager"], counting([]))
        assert [run([])[0] for _ in range(40)] == [expected] * 40
    square = Aval((1000, 1000), np.dtype("float32"))
    params = ((1,), (0,), (), ())
    product = Program((square,) * 3, 2, (Instruction(P.dot_general, (0, 1), params),), (2,))
    assert executable.work(product) > executable.WORTH_WORK


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5"])
def test_a_wrong_number_of_threads_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLUMETTE_NUM_THREADS", text)
    with pytest.raises(ValueError, match="ALLUMETTE_NUM_THREADS"):
        thread_count()


def test_the_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLUMETTE_NUM_THREADS", "3")
    assert thread_count() == 3
    monkeypatch.delenv("ALLUMETTE_NUM_THREADS")
    assert thread_count() >= 1


def test_nothing_is_compiled_to_start_with() -> None:
    script = (
        "import sys; import allumette_core as al;"
        "assert 'llvmlite' not in sys.modules, 'core';"
        "print((al.ones(3, device='par') + 1).tolist());"
        "print(not {'numba', 'scipy', 'llvmlite'} & set(sys.modules))"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert result.stdout.split("\n")[:2] == ["[2.0, 2.0, 2.0]", "True"], result.stderr


def test_seq_and_par_give_the_same_bits_at_any_number_of_threads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(5000, 30)).astype("f"), rng.normal(size=(30, 20)).astype("f")

    @al.jit
    def step(x: al.Tensor, w: al.Tensor) -> tuple[al.Tensor, ...]:
        y = al.tanh(x @ w)
        return y.sum(), (y * y).mean(axis=0), x.T @ y

    def on(device: str) -> list[Any]:
        return [t.numpy() for t in step(al.tensor(x, device=device), al.tensor(w, device=device))]

    wanted = on("seq")
    for _ in range(5):
        for got, want in zip(on("par"), wanted, strict=True):
            np.testing.assert_array_equal(got, want)


def test_memory_is_reported_and_given_back() -> None:
    backend = open_backend("seq")
    before = backend.memory("seq").live_bytes
    assert before is not None
    x = al.tensor(np.zeros(10**6, np.float32), device="seq")
    during = backend.memory("seq")
    assert during.live_bytes is not None
    assert during.live_bytes >= before + 4 * 10**6
    assert during.peak_bytes is not None
    assert during.peak_bytes >= during.live_bytes
    del x
    assert backend.memory("seq").live_bytes == before
