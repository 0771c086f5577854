"""Whatever fails comes with a script that fails without the kit, and passes on a right backend."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from allumette_core import primitives as P
from allumette_core.backend import registry
from allumette_core.backend.reference import KERNELS
from allumette_core.backend.spec import Buffer, Capabilities, Executable
from allumette_core.compiler.program import Program
from allumette_core.conformance import training
from allumette_core.conformance.check import Outcome, perform
from allumette_core.conformance.levels import checks
from allumette_core.conformance.subject import Subject
from allumette_core.primitives import Primitive
from faulty import Faulty, Make, wrapped
from mutants import MUTANTS
from numpy.typing import NDArray
from sabotage import failures, opened

pytestmark = [
    pytest.mark.filterwarnings("ignore::RuntimeWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning"),
]
FULL_ONLY = {"add: is wrong above 2**24 elements", "gather: holds indices in float32"}

MOODY = "backend: rounds differently from run to run"


@pytest.fixture(autouse=True)
def backends_of_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scripts find the backends that `opened` registers."""
    monkeypatch.setattr(registry, "open_backend", lambda name: registry.REGISTRY._devices[name][1])


def holds(found: Outcome, make: Make) -> None:
    """Fail unless the script of `found` fails on what `make` makes, and on that alone."""
    script = found.repro
    assert script, found.check.id
    assert len(script.splitlines()) <= 15, script
    name = next(n for n in registry.REGISTRY._devices if repr(n) in script)
    wrong, right = opened(make), opened(None)  # type: ignore[arg-type]
    renamed = script.replace(repr(name), repr(wrong.info.name))

    def several_times() -> None:  # a leak first uses up what memory earlier tests gave back
        for _ in range(5):
            exec(renamed, {})

    with pytest.raises(Exception):  # noqa: B017, PT011  whatever the backend raises
        several_times()
    exec(script.replace(repr(name), repr(right.info.name)), {})


def names(level: str) -> list[str]:
    """The mutants that are more than a wrong kernel."""
    return [name for name in MUTANTS if name.startswith("backend") is (level == "backend")]


@pytest.mark.parametrize("name", names("backend"))
def test_the_script_of_a_wrong_backend(name: str) -> None:
    primitive, make = MUTANTS[name]
    found = failures(primitive, opened(make), full=False)  # type: ignore[arg-type]
    # What is moody may fail anywhere, once in a hundred times.
    holds(next(o for o in found if name != MOODY or o.check.name == "deterministic"), make)


@pytest.mark.slow
@pytest.mark.parametrize("name", names("kernel"))
def test_the_script_of_a_wrong_kernel(name: str) -> None:
    primitive, make = MUTANTS[name]
    full = name in FULL_ONLY
    holds(next(failures(primitive, opened(make), full)), make)  # type: ignore[arg-type]


class Raises(Faulty):
    """Refuses float16, powers, square roots, and what is large."""

    def from_host(self, array: NDArray[Any], device: str) -> Any:
        if array.dtype == np.float16 or array.size > 65_535:
            raise RuntimeError("not this one")
        return super().from_host(array, device)

    @property
    def kernels(self) -> Mapping[Primitive, Any]:
        return {**KERNELS, P.mul: _refuse, P.sqrt: _refuse}


def _refuse(*given: Any) -> Any:
    raise RuntimeError("not this one")


class NoFloats(Faulty):
    """Does not declare a dtype that every backend has to have."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        declared = Capabilities(dtypes=frozenset({"int32", "float32"}))
        self.info = self.info.__class__(name, capabilities=declared)


def _rank(program: Program, run: Executable, buffers: Sequence[Buffer]) -> list[Buffer]:
    return [x + 1 if x.ndim > 6 else x for x in run(buffers)]


def _unused(program: Program, run: Executable, buffers: Sequence[Buffer]) -> list[Buffer]:
    """Takes the last instruction for an output."""
    return run(buffers) if program.outputs[-1] != 2 else [*run(buffers)[:-1], run(buffers)[0]]


class Cyclic(Faulty):
    """Frees what a cycle of references holds, though it is in use."""

    def from_host(self, array: NDArray[Any], device: str) -> Any:
        count = self.__dict__["count"] = self.__dict__.get("count", 0) + 1
        return super().from_host(array, device) * (1 if count < 6 else 0)


@pytest.mark.parametrize(
    ("make", "check"),
    [
        (Raises, "L0-transfer-float16"), (Raises, "L0-shape-65537"), (Raises, "L1-sqrt-float32"),
        (Raises, "L2-mul-view-flip"), (Raises, "L3-mul-reference"), (Raises, "L3-sin-differences"),
        (Raises, "L3-at-sqrt"), (Raises, "L4-training-softmax"), (Raises, "L5-add-70001"),
        (Raises, "L5-many-calls"), (NoFloats, "L0-declaration"), (wrapped(_rank), "L0-max-rank"),
        (wrapped(_unused), "L0-unused-values"), (Cyclic, "L5-in-cycles"),
    ],
)  # fmt: skip
def test_the_script_of_what_no_mutant_fails(make: Make, check: str) -> None:
    found = perform(
        next(c for c in checks() if c.id == check),
        Subject(opened(make)),  # type: ignore[arg-type]
    )
    assert found.state == "failed", found
    holds(found, make)


@pytest.mark.parametrize("name", training.RECIPES)
def test_the_losses_of_training_fall(name: str) -> None:
    data = training._data(Subject(opened(None)).rng("training", name))
    found = training.losses(name, data, "numpy", "float64")
    assert found[-1] < 0.99 * found[1]
