"""Tests of the GPU package; they skip where no driver offers an adapter, unless one is required."""

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import allumette_core as al
import numpy as np
import pytest
from allumette_core.backend.registry import backend_of
from allumette_core.compiler.program import Aval, Instruction, Program
from allumette_core.primitives import PRIMITIVES
from numpy.typing import NDArray

Array = NDArray[Any]
Step = tuple[str, tuple[int, ...], tuple[Any, ...]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip, with the reason, where there is nothing to test on."""
    here = [item for item in items if "tests/gpu" in item.path.as_posix()]
    if not here or "gpu" in os.environ.get("ALLUMETTE_REQUIRE", "").replace(",", " ").split():
        return
    reason = missing()
    if reason:
        for item in here:
            item.add_marker(pytest.mark.skip(reason=reason))


def missing() -> str:
    """Why there is no GPU to test on, empty if there is one."""
    try:
        from allumette_gpu.adapters import find_adapters
    except ImportError as error:
        return f"allumette-gpu cannot be imported: {error}"
    if find_adapters():
        return ""
    return "no Vulkan, Metal or DX12 adapter: apt-get install mesa-vulkan-drivers libvulkan1"


@pytest.fixture(scope="session")
def backend() -> Any:
    """The backend `gpu`."""
    return backend_of("gpu")


@pytest.fixture
def device(backend: Any) -> Any:
    """Its first device."""
    return backend.device("gpu")


# The least that any adapter has, and less.
LOW = "buffers=8 binding=1048576 groups=64 shared_bytes=16384 invocations=256"


@pytest.fixture(scope="module")
def low(backend: Any) -> Iterator[Any]:
    """The first device, opened with limits far below those of the adapter."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ALLUMETTE_GPU_LIMITS", LOW)
        al.reset_device("gpu")
        yield backend.device("gpu")
    al.reset_device("gpu")


def program(arrays: Sequence[Array], *steps: Step, outputs: Sequence[int] = ()) -> Program:
    """The program of `steps` (primitive, inputs, params) on inputs like `arrays`."""
    avals = [Aval(x.shape, x.dtype) for x in arrays]
    made = []
    for name, inputs, params in steps:
        primitive = PRIMITIVES[name]
        avals.append(Aval(*primitive.infer([avals[i] for i in inputs], params)))
        made.append(Instruction(primitive, inputs, params))
    return Program(tuple(avals), len(arrays), tuple(made), tuple(outputs or [len(avals) - 1]))


@pytest.fixture
def build_program() -> Callable[..., Program]:
    """Builds the program of steps (primitive, inputs, params) on inputs like some arrays."""
    return program


Run = Callable[..., list[Array]]


def _run(device_name: str, arrays: Sequence[Array], made: Program) -> list[Array]:
    backend = backend_of(device_name)
    buffers = [backend.from_host(x, device_name) for x in arrays]
    with np.errstate(all="ignore"):
        outputs = backend.compile(made, device_name)(buffers)
    return [np.array(backend.to_host(b)) for b in outputs]


@pytest.fixture
def both() -> Run:
    """Runs steps on `gpu` and on `numpy`, and returns the outputs of both."""

    def run(
        arrays: Sequence[Array], *steps: Step, outputs: Sequence[int] = ()
    ) -> list[tuple[Array, Array]]:
        made = program(arrays, *steps, outputs=outputs)
        return list(zip(_run("gpu", arrays, made), _run("numpy", arrays, made), strict=True))

    return run


def assert_equal(pairs: Sequence[tuple[Array, Array]], rtol: float = 0.0) -> None:
    """Shapes, dtypes and values are the same."""
    assert pairs
    for got, wanted in pairs:
        assert (got.shape, got.dtype) == (wanted.shape, wanted.dtype)
        if rtol and got.dtype.kind == "f":
            np.testing.assert_allclose(got, wanted, rtol=rtol, atol=rtol)
        else:
            np.testing.assert_array_equal(got, wanted)


@pytest.fixture
def same(both: Run) -> Callable[..., None]:
    """Asserts that steps give the same on `gpu` and `numpy`."""

    def check(
        arrays: Sequence[Array], *steps: Step, outputs: Sequence[int] = (), rtol: float = 0.0
    ) -> None:
        assert_equal(both(arrays, *steps, outputs=outputs), rtol)

    return check
