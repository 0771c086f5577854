"""What `al.explain` prints of functions as users write them."""

import allumette_core as al
import numpy as np
import pytest


def test_arguments_are_those_of_jit(capsys: pytest.CaptureFixture[str]) -> None:
    def f(x: al.Tensor, rate: float, mode: str, more: dict[str, np.ndarray]) -> al.Tensor:
        assert mode == "mean"
        return al.mean(al.exp(x) * rate) + more["bias"].sum()

    al.explain(al.jit(f), al.ones((5000, 3)), 0.5, "mean", more={"bias": np.ones(3, np.float32)})
    text = capsys.readouterr().out
    assert "streams over" in text
    assert "exp" in text


def test_a_training_step_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    def step(w: al.Tensor, v: al.Tensor, x: al.Tensor) -> al.Tensor:
        return w - 0.1 * al.grad(lambda w: al.mean((al.relu(x @ w) @ v) ** 2))(w)

    al.explain(step, al.ones((8, 64)), al.ones((64, 40)), al.ones((4000, 8)))
    text = capsys.readouterr().out
    assert "streams over 4000 rows" in text
    assert "product" in text
