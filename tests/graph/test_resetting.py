"""Opening a device anew: what was compiled for it is forgotten."""

from typing import Any

import allumette_core as al
import numpy as np
import pytest
from allumette_core import evaluation
from allumette_core.backend.reference import NumpyBackend
from allumette_core.errors import BackendError, DeviceError
from allumette_core.jit import forget as forget_traces


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the reference backend is asked to reset and to compile."""
    asked: list[str] = []
    compile_ = NumpyBackend.compile

    def compiled(self: Any, program: Any, device: str) -> Any:
        asked.append("compile")
        return compile_(self, program, device)

    monkeypatch.setattr(NumpyBackend, "compile", compiled)
    monkeypatch.setattr(NumpyBackend, "reset", lambda self, device: asked.append(device))
    return asked


def test_what_cannot_be_opened_anew_is_refused() -> None:
    with pytest.raises(BackendError, match="'numpy' has no way to open 'numpy' anew"):
        al.reset_device("numpy:0")
    with pytest.raises(DeviceError, match="numpy:7"):
        al.reset_device("numpy:7")


def test_programs_are_compiled_anew(seen: list[str]) -> None:
    def use() -> None:
        assert (al.ones((3, 7), device="numpy") * 5 + 4).tolist() == [[9.0] * 7] * 3

    use()
    seen.clear()
    use()
    assert seen == []
    al.reset_device("numpy")
    use()
    assert seen == ["numpy", "compile"]


def test_functions_under_jit_are_traced_anew(seen: list[str]) -> None:
    traced = []

    @al.jit
    def f(x: Any) -> Any:
        traced.append(x.shape)
        return x + al.tensor(np.arange(3.0), device="numpy")

    x = al.zeros(3, device="numpy")
    for _ in range(2):
        assert f(x).tolist() == [0.0, 1.0, 2.0]
    al.reset_device("numpy")
    assert not f.traces()
    for _ in range(2):
        assert f(x).tolist() == [0.0, 1.0, 2.0]
    assert traced == [(3,), (3,)]


def test_other_devices_keep_what_they_have(seen: list[str]) -> None:
    f = al.jit(lambda x: x * 3)
    f(al.ones(2, device="numpy"))
    kept = dict(evaluation._executables)
    evaluation.forget("elsewhere")
    forget_traces("elsewhere")
    assert len(f.traces()) == 1
    assert dict(evaluation._executables) == kept


def test_what_is_compiled_while_a_device_is_reset_is_not_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compile_ = NumpyBackend.compile

    def reset_meanwhile(self: Any, program: Any, device: str) -> Any:
        made = compile_(self, program, device)
        evaluation.forget(device)
        return made

    monkeypatch.setattr(NumpyBackend, "compile", reset_meanwhile)
    (al.ones((2, 9), device="numpy") - 8).numpy()
    assert not any(key[0] == "numpy" for key in evaluation._executables)
