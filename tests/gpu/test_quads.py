"""Kernels that move four neighbours at a time: the same values, however read."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import allumette_core as al
import numpy as np
import pytest
from allumette_core.compiler.explain import program_of
from allumette_core.primitives import PRIMITIVES, Kind
from allumette_gpu.plan import quads
from allumette_gpu.plan.build import build
from allumette_gpu.plan.prepare import prepare

Function = Callable[..., Any]
SHAPE = (64, 256)
ROWS: dict[str, Function] = {
    "sums": lambda a, b: al.sum(a, axis=1),
    "of everything": lambda a, b: al.sum(a * b),
    "of a column and a row": lambda a, b: al.sum(a * b[:, :1] + b[0], axis=1),
    "flipped beside aligned": lambda a, b: al.max(al.flip(a, axis=1) - b, axis=1),
    "several, and an epilogue": lambda a, b: (al.sum(a, axis=1) * b[:, 3], al.max(a, axis=1)),
    "of what the epilogue reads": lambda a, b: al.sum(a * b, axis=1) + al.reshape(b, (-1,))[:64],
    "nan and infinite": lambda a, b: (al.max(al.log(a), axis=1), al.min(b / (a - a), axis=1)),
    "beside a map and columns": lambda a, b: (a + b, al.min(a, axis=1), al.sum(b, axis=0)),
    "means of exp": lambda a, b: al.mean(al.exp(a + b), axis=1),
    "integers": lambda a, b: al.prod((a * 9).astype(al.int8), axis=1),
}  # fmt: skip
FUNCTIONS: dict[str, Function] = {
    "aligned": lambda a, b: a * b + 1,
    "reshaped": lambda a, b: al.reshape(al.reshape(a, (-1,)) * 2, a.shape) - b,
    "a column and a row": lambda a, b: a * b[:, :1] + b[0],
    "flipped": lambda a, b: al.flip(a, axis=1) + b,
    "transposed": lambda a, b: al.reshape(al.permute_dims(a, (1, 0)), a.shape) + b,
    "aligned and not": lambda a, b: a + al.flip(a, axis=0) * b,
    "sliced and padded": lambda a, b: al.pad(a[:, 1:], ((0, 0), (0, 1))) + b,
    "joined": lambda a, b: al.concat([a[:32], b[32:]]) * a,
    "numbered": lambda a, b: a * al.reshape(al.arange(a.size, dtype=al.float32), a.shape),
    "bools": lambda a, b: al.where(a < b, a, -b) + (a > 0).astype(al.float32),
    "several results": lambda a, b: (a + b, a < b, (a * 9).astype(al.int8), a.astype(al.int32)),
    "beside a sum": lambda a, b: (a + b, al.sum(a, axis=1), al.max(b)),
    "beside other fours": lambda a, b: (a + b, al.reshape(al.flip(a, axis=0)[:, :64], (-1,)) * 2),
}  # fmt: skip


def arrays(shape: tuple[int, ...]) -> list[Any]:
    rng = np.random.default_rng(0)
    return [rng.uniform(-1, 1, shape).astype(np.float32) for _ in range(2)]


def sources(function: Function, given: list[Any], device: Any) -> list[str]:
    program = prepare(program_of(function, given, {}), device.dtypes)
    return [step.dispatch.source for step in build(program, device.limits).steps]


def check(function: Function, given: list[Any]) -> None:
    made, wanted = (
        al.tree.leaves(al.jit(function)(*[al.tensor(x, device=device) for x in given]))
        for device in ("gpu", "numpy")
    )
    for got, right in zip(made, wanted, strict=True):
        assert got.dtype == right.dtype
        np.testing.assert_allclose(got.numpy(), right.numpy(), rtol=2e-6, atol=1e-5)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_four_at_a_time(name: str, device: Any) -> None:
    given = arrays(SHAPE)
    assert any("array<vec4<f32>>" in source for source in sources(FUNCTIONS[name], given, device))
    check(FUNCTIONS[name], given)


@pytest.mark.parametrize("software", [True, False], ids=["processor", "card"])
@pytest.mark.parametrize("name", ROWS)
def test_rows_four_at_a_time(
    name: str, software: bool, device: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "limits", replace(device.limits, software=software))
    given = arrays(SHAPE)
    assert any("array<vec4<f32>>" in source for source in sources(ROWS[name], given, device))
    check(ROWS[name], given)


@pytest.mark.parametrize("shape", [(4096, 4), (128, 132), (4, 16384), (1, 1 << 17), (128, 130)])
def test_rows_of_any_length(same: Any, shape: tuple[int, ...], device: Any) -> None:
    """Exactly: in one piece or several, folded up alone or together."""
    x = (np.random.default_rng(5).integers(-40, 40, shape) / 8).astype(np.float32)
    (source, *_) = sources(lambda x: al.sum(x, axis=1), [x], device)
    assert ("vec4" in source) is (shape[1] % 4 == 0)
    for kind in (True, False):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(device, "limits", replace(device.limits, software=kind))
            same([x], ("sum", (0,), ((1,),)), ("max", (0,), ((1,),)), outputs=(1, 2))


def test_half_precision(device: Any) -> None:
    if "float16" not in device.dtypes:
        pytest.skip("this adapter has no float16")
    given = [x.astype(np.float16) for x in arrays(SHAPE)]
    (source,) = sources(lambda a, b: a * b, given, device)
    assert "array<vec4<f16>>" in source
    check(lambda a, b: a * b, given)


@pytest.mark.parametrize("shape", [(64, 255), (4, 16), (64, 257), (1 << 14,), ((1 << 14) + 2,)])
def test_not_where_elements_are_few_or_left_over(shape: tuple[int, ...], device: Any) -> None:
    given = arrays(shape)
    size = given[0].size
    (source,) = sources(lambda a, b: a * b, given, device)
    assert ("vec4" in source) is (size >= quads.SMALLEST and size % 4 == 0)
    check(lambda a, b: a * b, given)


def test_windows_of_a_shared_block(backend: Any, device: Any, build_program: Any) -> None:
    """Small results of a run share a block; what reads them begins in the middle of it."""
    steps = [("neg", (0,), ()), ("abs", (0,), ())]
    x = arrays((40, 20))[0]
    first, second = backend.compile(build_program([x], *steps, outputs=(1, 2)), "gpu")(
        [backend.from_host(x, "gpu")]
    )
    assert first.room is second.room
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(quads, "SMALLEST", 4)
        run = backend.compile(build_program([x, x], ("sub", (0, 1), ())), "gpu")
    assert "vec4" in run.runner.plan.steps[0].dispatch.source
    (made,) = run([first, second])
    np.testing.assert_array_equal(backend.to_host(made), -x - np.abs(x))


def test_functions_by_fours(same: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quads, "DEAREST", 1000)
    x = np.linspace(0.01, 0.99, 1 << 14, dtype=np.float32)
    for primitive in PRIMITIVES.values():
        unary = primitive.kind is Kind.ELEMENTWISE and primitive.arity == 1 and not primitive.params
        if unary and primitive.name not in ("acosh", "invert"):  # of more than 1, of integers
            same([x], (primitive.name, (0,), ()), rtol=1e-6)
