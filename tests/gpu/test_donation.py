"""Donated inputs are written over where nothing needs them any more, and nowhere else."""

import copy
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import allumette_core as al
import numpy as np
import pytest
from allumette_core.compiler.explain import program_of
from allumette_core.compiler.program import Program
from allumette_gpu.executable import GpuExecutable
from allumette_gpu.plan import donation
from hypothesis import HealthCheck, given, settings
from networks import network, some, step

from ..cpu.test_render_random import programs

N, M = 300, 64  # above the size that is worth it


@pytest.fixture(scope="module")
def smallest() -> Iterator[None]:
    """Everything is large enough, while nothing shares a buffer."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(donation, "SMALLEST", -1)
        yield


def pairs_of(device: Any, backend: Any, program: Program, arrays: list[Any]) -> dict[int, int]:
    """Outputs and the inputs that they were written over, when all are donated; fails if that
    changes a bit, or an input besides."""
    everything = replace(program, donated=frozenset(range(program.num_inputs)))
    results, pairs = [], dict[int, int]()
    for one in (replace(program, donated=frozenset()), everything):
        buffers = [backend.from_host(x, "gpu") for x in arrays]
        with np.errstate(all="ignore"):
            made = GpuExecutable(device, one)(buffers)
        results.append([backend.to_host(b) for b in made])
        places = {id(b): i for i, b in enumerate(buffers) if i not in program.outputs}
        pairs = {j: places[id(b)] for j, b in enumerate(made) if id(b) in places}
        for i in set(range(len(arrays))) - set(pairs.values()):
            np.testing.assert_array_equal(backend.to_host(buffers[i]), arrays[i])
    for got, wanted in zip(*results, strict=True):
        np.testing.assert_array_equal(got, wanted)
    return pairs


# fmt: off
FUNCTIONS: dict[str, tuple[Callable[..., Any], dict[int, int]]] = {
    "at each element": (lambda x, y: x * 2 + y, {0: 0}),
    "one elsewhere": (lambda x, y: x[::-1] + y, {0: 1}),
    "both elsewhere": (lambda x, y: x[::-1] + y[:, ::-1], {}),
    "here and elsewhere": (lambda x, y: x[::-1] + x + y, {0: 1}),
    "read before": (lambda x, y: x - al.mean(x, axis=0), {0: 0}),
    "read beside": (lambda x, y: (x + 1, al.sum(x[::-1], axis=0)), {0: 0}),
    "put off": (lambda x, y: (x + y, al.exp(x + y) @ x.T @ y), {0: 0}),
    "needed after": (lambda x, y: (x + y, al.cumulative_sum(x + y, axis=0) @ x.T @ y), {1: 0}),
    "two from two": (lambda x, y: (x + y, x - y), {0: 0, 1: 1}),
    "crosswise": (lambda x, y: (y + 1, x + 1), {0: 0, 1: 1}),
    "one twice": (lambda x, y: (x + 1, (x - 1) * al.sum(y[::-1])), {0: 1, 1: 0}),
    "needed by who is put off": (
        lambda x, y: (x + al.sum(x), x[::-1] + y, al.sum(y[::-1], axis=0)), {0: 0},
    ),
    "needed in its turn": (
        lambda x, y: (z := x * 2, al.cumulative_sum(z, axis=0), al.sum(x[::-1] * y[::-1], axis=0)),
        {1: 0},
    ),
    "nobody needs it": (lambda x, y: x[::-1] * 2, {0: 1}),
    "a product's epilogue": (lambda x, y: x - y @ (y.T @ y), {0: 0}),
    "a product's operand": (lambda x, y: al.tanh(x.T @ x), {}),
    "of another shape": (lambda x, y: (x + 1).reshape(-1), {}),
    "of another dtype": (lambda x, y: x > y, {}),
}
# fmt: on


@pytest.mark.parametrize("shape", [(N, M), (N + 1, M - 1)], ids=["in fours", "not in fours"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_is_written_over_what(
    device: Any, backend: Any, name: str, shape: tuple[int, int]
) -> None:
    function, wanted = FUNCTIONS[name]
    arrays = [some(*shape, seed=seed) for seed in (1, 2)]
    assert pairs_of(device, backend, program_of(function, arrays, {}), arrays) == wanted


@settings(max_examples=100, deadline=None, derandomize=True,
          suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
@given(program=programs())
@pytest.mark.usefixtures("smallest")
def test_random_programs_compute_the_same(device: Any, backend: Any, program: Program) -> None:
    random = np.random.default_rng(0)
    shapes = [aval.shape for aval in program.avals[: program.num_inputs]]
    arrays = [random.integers(-8, 9, shape).astype("float32") / 4 for shape in shapes]
    pairs_of(device, backend, program, arrays)


def test_a_training_step_needs_no_memory_for_new_parameters(device: Any) -> None:
    """All matrices give way, though gradients of what is before are computed with them, too."""
    run = al.jit(lambda p, x, y: step(*p, x, y), donate_argnums=0)
    weights, *others = network(200, hidden=200)
    plain = [w / 8 for w in weights], *others
    wanted, right = step(*al.tree.map(lambda x: al.tensor(x, device="numpy"), plain))
    weights, biases, x, y = al.tree.map(lambda x: al.tensor(x, device="gpu"), plain)
    rooms = [weights[1]._node.buffer.room]
    for _ in range(3):
        (weights, biases), loss = run((weights, biases), x, y)
        rooms.append(weights[1]._node.buffer.room)
        if len(rooms) == 2:
            assert loss.item() == pytest.approx(right.item(), rel=1e-5)
            first = [al.tensor(w.numpy(), device="numpy") for w in map(copy.copy, weights)]
    assert len(set(rooms)) == 1
    for got, new in zip(first, wanted[0], strict=True):
        np.testing.assert_allclose(got.numpy(), new.numpy(), rtol=2e-5, atol=1e-6)


def test_what_was_shown_or_is_checked_stays(
    device: Any, backend: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = al.tensor(some(N, M), device="gpu")
    shown = x.numpy().copy()
    array = x.numpy()
    al.jit(lambda x: x + 1, donate_argnums=0)(x)
    np.testing.assert_array_equal(array, shown)
    monkeypatch.setattr(device, "checked", True)
    arrays = [some(N, M), some(N, M, seed=1)]
    program = program_of(FUNCTIONS["at each element"][0], arrays, {})
    assert pairs_of(device, backend, program, arrays) == {}
