"""A failure comes with a script that fails without the kit, and passes on a right backend."""

import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from allumette_core.conformance import repro, values
from allumette_core.conformance.check import perform
from allumette_core.conformance.levels import checks
from allumette_core.conformance.subject import Subject
from faulty import Faulty
from sabotage import MUTANTS, failures, opened

KERNEL = [
    "exp: overflows too early", "maximum: loses NaN", "sum: adds one after another",
    "neg: loses the sign of zero", "flip: ignores a negative stride of the last axis",
    "cast: wraps what does not fit", "scatter: loses updates in a race",
    "dot_general: drops the last, incomplete tile",
]  # fmt: skip


@pytest.mark.parametrize("name", KERNEL)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_repro_fails_on_the_mutant_and_passes_on_a_right_backend(name: str) -> None:
    primitive, make = MUTANTS[name]
    backend = opened(make)  # type: ignore[arg-type]
    found = next(o for o in failures(primitive, backend, full=False) if o.repro)
    assert len(found.repro.splitlines()) <= 15
    named = {"open_backend": lambda _: backend}
    script = found.repro.replace("from allumette_core.backend.registry import open_backend", "")
    with pytest.raises(AssertionError):
        exec(script, dict(named))
    exec(script, {"open_backend": lambda _: Faulty(backend.info.name)})


FUSED = "backend: is wrong when it fuses two primitives"
SEEN_BY = {
    "program": FUSED, "lazy": FUSED, "jit": FUSED, "eager": "min: leaves out the last element",
    "streamed": FUSED,
}  # fmt: skip


@pytest.mark.parametrize("way", SEEN_BY)
def test_random_programs_shrink_to_a_script(way: str) -> None:
    _, make = MUTANTS[SEEN_BY[way]]
    backend = opened(make)  # type: ignore[arg-type]
    subject = Subject(backend)
    named = [c for c in checks((4,)) if c.name.startswith(f"{way}-12")]
    found = next((o for o in (perform(c, subject) for c in named) if o.failed), None)
    assert found is not None
    assert len(found.repro.splitlines()) <= 15
    script = found.repro.replace(
        "from allumette_core.backend.registry import open_backend", "open_backend = lambda _: B"
    )
    with pytest.raises(AssertionError):
        exec(script, {"B": backend})


@pytest.mark.parametrize("layout", values.HOST_LAYOUTS)
def test_a_literal_keeps_values_and_strides(layout: str) -> None:
    x = values.HOST_LAYOUTS[layout](np.arange(12, dtype="float32").reshape(3, 4))
    made = eval(repro.literal(x), _NAMES)
    assert np.array_equal(made, x)
    assert made.dtype == x.dtype
    if not x.flags.c_contiguous:
        assert made.strides == x.strides


_NAMES: dict[str, object] = {"np": np, "array": np.array, "inf": np.inf, "nan": np.nan}
exec("import base64, zlib", _NAMES)


def test_a_large_literal_is_packed() -> None:
    x = np.resize(values.hot_spots(np.dtype("float64")), (100, 70))
    assert eval(repro.literal(x), _NAMES).tobytes() == x.tobytes()


PLUGIN = """
    import numpy as np
    from allumette_core import primitives as P
    from allumette_core.backend.hooks import hookimpl
    from allumette_core.backend.reference import KERNELS, NumpyBackend
    from allumette_core.backend.spec import BackendInfo

    INFO = BackendInfo("broken")

    class Broken(NumpyBackend):
        info = INFO
        kernels = {**KERNELS, P.tanh: lambda x: np.tanh(x) * x.dtype.type(1.001)}

        def devices(self):
            return ("broken",)

    @hookimpl
    def allumette_backend():
        return INFO

    @hookimpl
    def allumette_open(name):
        return Broken()
"""


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """A folder that is a site directory with a distribution, whose backend is called broken."""
    (tmp_path / "broken_plugin.py").write_text(textwrap.dedent(PLUGIN))
    info = tmp_path / "broken_plugin-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-plugin\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[allumette.backends.v1]\nbroken = broken_plugin\n")
    return tmp_path


def test_the_printed_script_fails_when_it_is_pasted_and_run(broken: Path) -> None:
    environment = {"PYTHONPATH": str(broken), "PATH": ""}
    command = [
        *(sys.executable, "-m", "allumette_core", "conform", "broken"),
        "-k",
        "L1-tanh-float32",
    ]
    command += ["--level", "L1", "--report", str(broken / "out")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    scripts = list((broken / "out" / "broken").glob("repro-L1-tanh-float32*.py"))
    assert scripts
    assert scripts[0].read_text() in done.stdout.replace("\r", "")
    again = subprocess.run(
        [sys.executable, str(scripts[0])],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert again.returncode == 1
    assert "AssertionError" in again.stderr
