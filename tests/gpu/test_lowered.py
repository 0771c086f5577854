"""The same answers on a device with low limits: 8 buffers, 64 workgroups, bindings of 1 MiB."""

from collections.abc import Callable
from itertools import islice
from typing import Any

import allumette_core as al
import numpy as np
import pytest
from allumette_core.conformance.cases import cases
from allumette_core.conformance.level1 import rows, source
from allumette_core.conformance.running import run_cases
from allumette_core.conformance.subject import Subject
from allumette_core.errors import BackendError
from networks import network, step
from public_functions import SMOOTH

pytestmark = pytest.mark.usefixtures("low")
Same = Callable[..., None]
COMMON = [(p, d) for p, d in rows() if d.name in ("float32", "int32", "bool")]
ODDLY: dict[str, Callable[[Any], Any]] = {
    "as it is": lambda x: x,
    "flipped": lambda x: np.ascontiguousarray(x[::-1])[::-1],
    "transposed": lambda x: np.asfortranarray(x),
    "broadcast": lambda x: np.broadcast_to(x.reshape(-1)[:1], x.shape),
}


def test_the_device_has_the_lowered_limits(low: Any) -> None:
    limits = low.limits
    assert (limits.buffers, limits.binding, limits.groups) == (8, 1 << 20, 64)
    assert (limits.shared_bytes, limits.invocations) == (16384, 256)
    assert low.raw.limits["max-compute-workgroups-per-dimension"] == 64


@pytest.mark.parametrize("row", COMMON, ids=str)
def test_every_primitive(backend: Any, row: tuple[Any, Any]) -> None:
    primitive, dtype = row
    subject = Subject(backend)
    drawn = cases(primitive, dtype, source(subject, primitive, dtype))
    assert run_cases(subject, islice(drawn, 2)).ulp <= 16


def value_and_gradients(name: str, device: str, layout: str) -> list[Any]:
    function, *arrays = SMOOTH[name]
    change = ODDLY[layout]
    args = [al.tensor(change(np.asarray(a, np.float32)), device=device) for a in arrays]

    def weighted(*args: Any) -> Any:
        out = function(*args)
        weights = np.cos(np.arange(out.size)).reshape(out.shape).astype(np.float32)
        return al.sum(out * al.tensor(weights, device=device)), out

    gradients, out = al.grad(weighted, argnums=tuple(range(len(args))), has_aux=True)(*args)
    return [np.asarray(v) for v in (out, *gradients)]


@pytest.mark.parametrize("name", SMOOTH)
def test_every_public_function_and_its_gradients(name: str) -> None:
    for layout in ODDLY if name in ("matmul", "softmax", "add", "conv") else ["as it is"]:
        found = []
        for device in ("gpu", "numpy"):
            al.set_default_device(device)
            try:
                found.append(value_and_gradients(name, device, layout))
            finally:
                al.set_default_device(None)
        for got, wanted in zip(*found, strict=True):
            scale = np.max(np.abs(wanted), initial=1.0)
            np.testing.assert_allclose(got, wanted, rtol=2e-5, atol=2e-6 * scale)


@pytest.mark.parametrize("size", [0, 1, 63, 64, 65, 255, 256, 257, 64 * 64 * 3 + 1, 1 << 18])
def test_sizes_up_to_the_largest_value(same: Same, size: int) -> None:
    x = (np.arange(size) % 61 - 30).astype(np.float32) / 4
    same([x], ("add", (0, 0), ()), ("sum", (0,), ((0,),)), outputs=(1, 2))
    if size:
        same([x], ("flip", (0,), ((0,),)), ("cumsum", (1,), (0,)), ("argmax", (0,), ((0,),)))


def test_the_largest_value_comes_back_where_buffers_are_no_larger(
    backend: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALLUMETTE_GPU_LIMITS", "buffer=1310700 binding=1310700")
    al.reset_device("gpu")
    x = np.arange(1310700 // 4, dtype=np.float32)
    np.testing.assert_array_equal((al.tensor(x, device="gpu") + 1).numpy(), x + 1)
    monkeypatch.undo()
    al.reset_device("gpu")
    assert backend.device("gpu").limits.binding == 1 << 20


def test_a_value_above_the_binding_limit_is_refused_with_both_sizes() -> None:
    x = np.ones((1 << 18) + 1, np.float32)
    with pytest.raises(BackendError, match=r"1,048,580 bytes.*1,048,576"):
        al.tensor(x, device="gpu")
    half = al.tensor(x[: 1 << 17], device="gpu")
    with pytest.raises(BackendError, match=r"1,572,864 bytes.*1,048,576"):
        al.concat([half, half, half]).numpy()
    # In between it takes no memory, and is no matter.
    total = al.sum(al.concat([half, half, half])).item()
    assert total == 3 << 17


def test_what_no_binding_holds_between_kernels_is_computed_in_pieces() -> None:
    """3,000 rows of 256 elements take three bindings; the parameters and the loss do not."""
    weights, *others = network(3000, 256)
    arguments = [w / 8 for w in weights], *others

    def loss_on(device: str) -> float:
        args = al.tree.map(lambda x: al.tensor(x, device=device), arguments)
        return float(step(*args)[1].item())

    assert loss_on("gpu") == pytest.approx(loss_on("numpy"), rel=1e-5)


def test_a_training_step_takes_few_dispatches(low: Any) -> None:
    arguments = al.tree.map(lambda x: al.tensor(x, device="gpu"), network(500))
    run = al.jit(step)
    run(*arguments)
    before = low.counters.dispatches
    _, value = run(*arguments)
    assert low.counters.dispatches - before <= 6
    wanted = step(*al.tree.map(lambda x: al.tensor(x, device="numpy"), network(500)))[1]
    assert value.item() == pytest.approx(wanted.item(), rel=1e-5)


def test_more_workgroups_than_the_grid_holds(same: Same, low: Any) -> None:
    count = low.limits.groups**2 + 70  # rows, each summed up by a workgroup
    x = np.arange(200, dtype=np.int32)
    same([x], ("broadcast", (0,), ((count, 200),)), ("sum", (1,), ((1,),)))
    same([x], ("broadcast", (0,), ((count, 200),)), ("argmax", (1,), ((1,),)))
    same([x], ("broadcast", (0,), ((50 * count, 200),)), ("sum", (1,), ((0,),)))
