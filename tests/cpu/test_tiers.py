"""When programs are compiled, and that it makes no difference to what they compute."""

import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import allumette_core as al
import numpy as np
import pytest
from allumette_core import primitives as P
from allumette_core.backend.registry import open_backend
from allumette_core.compiler.program import Aval, Instruction, Program
from allumette_cpu import executable
from allumette_cpu.executable import Tiered, compile_mode
from allumette_cpu.runtime.driver import thread_count

AVAL = Aval((3,), np.dtype("float32"))
PROGRAM = Program((AVAL, AVAL), 1, (Instruction(P.neg, (0,), ()),), (1,))


def counting(compiled: list[int]) -> Callable[[], Any]:
    def compile_() -> Any:
        compiled.append(1)
        return lambda buffers: ["native"]

    return compile_


def runs(mode: str, monkeypatch: pytest.MonkeyPatch, uses: int) -> list[Any]:
    monkeypatch.setenv("ALLUMETTE_CPU_COMPILE", mode)
    tiered = Tiered(PROGRAM, lambda buffers: ["eager"], counting([]))
    return [tiered([])[0] for _ in range(uses)]


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
    tiered = Tiered(PROGRAM, lambda buffers: ["eager"], counting([]))
    assert [tiered([])[0] for _ in range(3)] == ["eager", "native", "native"]


def test_what_cannot_be_rendered_stays_on_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLUMETTE_CPU_COMPILE", "always")

    def refuse() -> Any:
        raise NotImplementedError

    tiered = Tiered(PROGRAM, lambda buffers: ["eager"], refuse)
    assert [tiered([])[0] for _ in range(3)] == ["eager"] * 3


def test_threads_compile_a_program_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLUMETTE_CPU_COMPILE", "always")
    compiled: list[int] = []
    tiered = Tiered(PROGRAM, lambda buffers: ["eager"], counting(compiled))
    threads = [threading.Thread(target=tiered, args=([],)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert compiled == [1]


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
