"""The original's network, 2-50-50-1: the reference's loss, in few dispatches and submits."""

import json
from pathlib import Path
from typing import Any

import allumette_core as al
import numpy as np
import pytest
from allumette_core.cli.app import run

ROWS = 64


def data() -> tuple[np.ndarray, np.ndarray]:
    x = np.random.default_rng(0).uniform(-1, 1, (ROWS, 2)).astype(np.float32)
    return x, ((x**2).sum(1, keepdims=True) < 0.5).astype(np.float32)


def parameters(device: str) -> dict[str, Any]:
    rng = np.random.default_rng(1)
    made = {}
    for i, (rows, columns) in enumerate(((2, 50), (50, 50), (50, 1))):
        weights = rng.normal(size=(rows, columns)) * np.sqrt(2 / rows)
        made[f"w{i}"] = al.tensor(weights.astype(np.float32), device=device)
        made[f"b{i}"] = al.zeros((columns,), device=device)
    return made


def loss(p: dict[str, Any], x: Any, y: Any) -> Any:
    h = al.relu(x @ p["w0"] + p["b0"])
    h = al.relu(h @ p["w1"] + p["b1"])
    z = h @ p["w2"] + p["b2"]
    return al.mean(al.maximum(z, 0.0) - z * y + al.log1p(al.exp(-al.abs(z))))


@al.jit
def step(p: dict[str, Any], x: Any, y: Any) -> tuple[dict[str, Any], Any]:
    value, gradient = al.value_and_grad(loss)(p, x, y)
    return {k: p[k] - 0.5 * gradient[k] for k in p}, value


def trained(device: str, iterations: int) -> float:
    x, y = (al.tensor(a, device=device) for a in data())
    p, value = parameters(device), None
    for _ in range(iterations):
        p, value = step(p, x, y)
    assert value is not None
    return float(value.item())


@pytest.mark.parametrize("iterations", [1, 500])
def test_same_loss_as_the_reference(iterations: int) -> None:
    assert trained("gpu", iterations) == pytest.approx(trained("numpy", iterations), abs=1e-3)


def test_few_submits_and_nothing_grows(device: Any) -> None:
    trained("gpu", 5)
    before, live, created = _counts(device), device.pool.live_blocks, device.pool.created
    trained("gpu", 55)
    after = _counts(device)
    assert after["submits"] - before["submits"] <= 55 / 10
    assert (after["dispatches"] - before["dispatches"]) / 55 <= MOST_DISPATCHES
    assert after["pipelines"] == before["pipelines"]
    assert after["bind_groups"] - before["bind_groups"] <= 8 * MOST_DISPATCHES
    assert device.pool.live_blocks == live
    assert device.pool.created == created


MOST_DISPATCHES = 3


def _counts(device: Any) -> dict[str, int]:
    names = ("dispatches", "pipelines", "bind_groups")
    counts = {name: getattr(device.counters, name) for name in names}
    return counts | {"submits": device.commands.submits}


def test_the_command_trains_as_on_the_processor(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    losses = []
    for backend in ("gpu", "par"):
        command = ["train", "-b", backend, "-p", "3", "-i", "500", "-s", "0", "--json"]
        assert run(command) == 0
        losses.append(json.loads(capfd.readouterr().out.splitlines()[-1])["loss"])
    assert losses[0] == pytest.approx(losses[1], abs=1e-3)
    assert losses[0] < 0.3
