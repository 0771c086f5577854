"""Phases that run as one kernel, a tile of rows at a time: the reference's values, at any size."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import allumette_core as al
import numpy as np
import pytest
from allumette_core.backend.registry import backend_of
from allumette_core.compiler.explain import program_of
from allumette_core.compiler.program import Program
from allumette_gpu.limits import Limits
from allumette_gpu.plan.build import Plan, build
from allumette_gpu.plan.prepare import prepare, tiles
from allumette_gpu.plan.tiles import tiled
from allumette_gpu.wgsl.writer import Writer
from networks import forward, loss, network, some, step
from numpy.typing import NDArray

Array = NDArray[Any]
CARD = Limits(buffers=16, software=False)
SMALL = Limits(buffers=16, invocations=64, groups=64, shared_bytes=1 << 14)
LEAST = Limits()
SIZES = (0, 1, 2, 7, 15, 16, 17, 31, 32, 33, 64, 100, 127, 500)


def planned(program: Program, limits: Limits, backend: Any) -> Plan:
    return build(prepare(program, backend.device("gpu").dtypes), limits)


def names(plan: Plan) -> list[str]:
    return [s.dispatch.name for s in plan.steps]


def flat(arguments: Any) -> list[Array]:
    return [np.asarray(leaf) for leaf in al.tree.leaves(arguments)]


def run(name: str, program: Program, arrays: list[Array]) -> list[Array]:
    backend = backend_of(name)
    buffers = [backend.from_host(x, name) for x in arrays]
    with np.errstate(all="ignore"):
        made = backend.compile(program, name)(buffers)
    return [np.array(backend.to_host(b)) for b in made]


Check = Callable[..., None]


@pytest.fixture(params=["as it is", "a card", "small", "least"])
def limits(request: pytest.FixtureRequest, device: Any, monkeypatch: pytest.MonkeyPatch) -> Limits:
    """The adapter's limits, those of a graphics card, small ones, and what every adapter has."""
    others = {"a card": CARD, "small": SMALL, "least": LEAST}
    found = others.get(request.param, device.limits)
    monkeypatch.setattr(device, "limits", found)
    return found


@pytest.fixture
def check(limits: Limits, backend: Any) -> Check:
    """Asserts that a function gives what it gives on `numpy`, by a kernel in tiles if `tiled`."""

    def compare(
        function: Callable[..., Any], *arguments: Any, tiled: bool = True, rtol: float = 2e-5
    ) -> None:
        program = program_of(function, arguments, {})
        if tiled:
            assert "tiles" in ", ".join(names(planned(program, limits, backend)))
        arrays = flat(arguments)
        pairs = zip(run("gpu", program, arrays), run("numpy", program, arrays), strict=True)
        for got, wanted in pairs:
            assert (got.shape, got.dtype) == (wanted.shape, wanted.dtype)
            finite = wanted[np.isfinite(wanted)] if wanted.dtype.kind == "f" else np.zeros(0)
            size = float(np.max(np.abs(finite), initial=0))
            np.testing.assert_allclose(got, wanted, rtol=rtol, atol=rtol * size)

    return compare


@pytest.mark.parametrize("rows", SIZES)
def test_a_training_step(check: Check, rows: int) -> None:
    check(step, *network(rows), tiled=rows >= 64)


@pytest.mark.parametrize("hidden", [5, 8, 33, 64])
def test_networks_of_other_widths(check: Check, hidden: int) -> None:
    check(step, *network(130, hidden))


def test_more_rows_than_workgroups_take_at_once(check: Check) -> None:
    check(step, *network(20_001, 8))


def test_two_dispatches_and_the_same_bits_every_time(device: Any, backend: Any) -> None:
    for rows in (100, 1000, 10_000):
        arguments = network(rows)
        program = program_of(step, arguments, {})
        assert names(planned(program, CARD, backend))[0] == "tiles"
        assert len(planned(program, CARD, backend).steps) <= 3
        assert len(planned(program, replace(device.limits, buffers=16), backend).steps) == 2
        first, second = (run("gpu", program, flat(arguments)) for _ in range(2))
        for a, b in zip(first, second, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("rows", [100, 1000, 10_000])
def test_small_inputs_share_a_buffer_where_there_are_few(backend: Any, rows: int) -> None:
    program = program_of(step, network(rows), {})
    for limits in (LEAST, replace(LEAST, buffers=7)):
        found = planned(program, limits, backend)
        assert "tiles" in names(found)
        assert all(len(s.buffers) <= limits.buffers for s in found.steps)
        assert len(found.steps) <= 6 or limits != LEAST


def test_inputs_are_read_where_they_lie(backend: Any) -> None:
    found = tiled(program_of(step, network(10_000), {}), CARD)
    assert found is not None
    (plan,) = {i.params[0] for i in found.instructions if i.primitive is tiles}
    assert plan.rooms
    assert all(value < len(plan.loop.phase.program.avals) for value in plan.rooms)


def test_records_fit_the_largest_binding(backend: Any) -> None:
    low = replace(CARD, binding=1 << 20)
    found = planned(program_of(step, network(100_000), {}), low, backend)
    assert names(found)[0] == "tiles"
    assert max(found.temps) <= low.binding


def test_what_each_row_has_is_stored_beside_what_is_folded_up(check: Check) -> None:
    def both(w: Any, b: Any, x: Any, y: Any) -> Any:
        o = forward(w, b, x)
        hidden = al.relu(x @ w[0] + b[0])
        return o, hidden, loss(w, b, x, y), al.max(o), al.min(hidden, axis=0)

    check(both, *network(130))


def test_predictions_alone(check: Check) -> None:
    check(forward, *network(130)[:3])


def test_softmax_of_rows_and_labels(check: Check) -> None:
    rows, classes = 75, 10
    labels = np.random.default_rng(1).integers(0, classes, rows).astype(np.int32)

    def cross_entropy(w: Any, v: Any, x: Any, labels: Any) -> Any:
        z = al.tanh(x @ w) @ v
        z = z - al.max(z, axis=1, keepdims=True)
        z = z - al.log(al.sum(al.exp(z), axis=1, keepdims=True))
        hit = al.argmax(z, axis=1) == labels
        picked = al.where(labels[:, None] == al.arange(classes, dtype=al.int32), z, 0.0)
        return -al.mean(al.sum(picked, axis=1)), al.sum(hit.astype(al.int32))

    def trained(w: Any, v: Any, x: Any, labels: Any) -> Any:
        gradients = al.grad(lambda w, v: cross_entropy(w, v, x, labels)[0], (0, 1))(w, v)
        return gradients, cross_entropy(w, v, x, labels)

    check(trained, some(6, 12), some(12, classes, seed=1), some(rows, 6, seed=2), labels)


def test_phases_that_wait_for_one_another(check: Check) -> None:
    def normed(w: Any, v: Any, x: Any) -> Any:
        h = x @ w
        mean = al.mean(h, axis=0)
        scale = 1 / al.sqrt(al.mean((h - mean) ** 2, axis=0) + 1e-3)
        return al.mean(al.tanh(((h - mean) * scale) @ v) ** 2)

    check(
        lambda w, v, x: al.value_and_grad(normed, (0, 1))(w, v, x),
        some(7, 20), some(20, 6, seed=1), some(150, 7, seed=2), rtol=1e-4,
    )  # fmt: skip


def test_a_product_for_each_row(check: Check) -> None:
    def attention(q: Any, k: Any, w: Any) -> Any:
        scores = al.exp((q @ al.swapaxes(k, 1, 2)) / 4)
        return al.sum(scores / al.sum(scores, axis=2, keepdims=True) @ k @ w, axis=0)

    check(attention, some(70, 5, 6), some(70, 5, 6, seed=1), some(6, 6, seed=2))


def test_random_bits_are_those_of_the_row(check: Check) -> None:
    key = np.array([3, 7], np.uint32)

    def dropped(w: Any, v: Any, x: Any, key: Any) -> Any:
        h = al.relu(x @ w)
        kept = al.random.bernoulli(key, 0.5, h.shape)
        return al.sum(al.where(kept, h, 0.0) @ v, axis=0)

    check(dropped, some(6, 16), some(16, 6, seed=1), some(133, 6, seed=2), key)


def test_integers_bools_and_extremes_fold_up(check: Check, limits: Limits) -> None:
    def folded(x: Any, w: Any, v: Any) -> Any:
        h = al.tanh(x @ w) @ v
        whole = al.floor(h * 8).astype(al.int32)
        small = al.floor(h * 8).astype(al.int8)
        return (
            al.sum(whole, axis=0), al.sum(small, axis=0, dtype=al.int8), al.max(whole),
            al.any(h > 2), al.all(h > -2, axis=0), al.prod(1 + h / 100, axis=0),
        )  # fmt: skip

    # With the least of buffers, kernels of their own are as few.
    arguments = some(140, 6), some(6, 9, seed=1), some(9, 7, seed=2)
    check(folded, *arguments, tiled=limits != LEAST)


def test_nan_and_infinity_stay_in_their_rows(check: Check) -> None:
    x = some(90, 6)
    x[3], x[17, 2], x[89, 0] = np.nan, np.inf, -np.inf

    def rows(x: Any, w: Any, v: Any) -> Any:
        h = al.relu(x @ w)
        return al.max(h @ v, axis=1), al.max(h, axis=0)

    check(rows, x, some(6, 11, seed=1), some(11, 5, seed=2))


def test_no_name_is_one_of_the_language() -> None:
    writer = Writer()
    names = {writer.fresh(prefix) for _ in range(70) for prefix in "fiuv"}
    assert len(names) == 280
    assert not names & {f"{kind}{bits}" for kind in "fiu" for bits in (16, 32, 64)}
