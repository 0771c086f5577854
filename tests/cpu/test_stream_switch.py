"""ALLUMETTE_CPU_STREAM: off, and nothing is kept from one loop to the next but whole values."""

import allumette_core as al
import numpy as np
import pytest
from allumette_cpu.plan import Plan
from allumette_cpu.render import plan, streams

from .rendering import program_of


def temporaries(streamed: bool) -> Plan:
    x = np.ones((5000, 40), np.float32)
    w = np.ones((40, 40), np.float32)

    def chain(x: object, w: object) -> object:
        h = al.tanh(al.Tensor(x) @ al.Tensor(w))  # type: ignore[arg-type]
        return al.sum(al.tanh(h @ al.Tensor(w)), 0)._node  # type: ignore[arg-type]

    return plan(program_of(chain, [x, w]), streamed=streamed)


def test_without_streaming_every_value_is_whole() -> None:
    whole = 5000 * 40 * 4
    assert whole not in temporaries(True).temps
    assert temporaries(False).temps.count(whole) >= 3


def test_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    for text, on in (("", True), ("on", True), ("off", False)):
        monkeypatch.setenv("ALLUMETTE_CPU_STREAM", text)
        assert streams() is on
    monkeypatch.setenv("ALLUMETTE_CPU_STREAM", "0")
    with pytest.raises(ValueError, match="must be on or off, got '0'"):
        streams()


def test_a_jitted_function_heeds_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLUMETTE_CPU_STREAM", "off")
    x = np.random.default_rng(0).random((3000, 7), dtype=np.float32)
    found = al.jit(lambda x: al.sum(al.exp(x) * 2, 0))(al.tensor(x, device="seq"))
    np.testing.assert_allclose(np.asarray(found), (np.exp(x) * 2).sum(0), rtol=1e-5)
