"""A failure comes with a script that fails without the kit, and passes on a right backend."""

import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from allumette_core.backend.spec import Executable
from allumette_core.compiler.program import Program
from allumette_core.conformance import level4, repro, stress_scripts, values
from allumette_core.conformance.check import perform
from allumette_core.conformance.levels import checks
from allumette_core.conformance.subject import Subject
from faulty import Faulty, wrapped
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


@pytest.mark.parametrize("name", ["long-program", "many-outputs"])
def test_such_a_script_passes_on_a_right_backend_alone(name: str) -> None:
    script = stress_scripts.script(name, "any").replace("import open_backend", "import REGISTRY")
    assert len(script.splitlines()) <= 15
    exec(script, {"open_backend": Faulty})
    wrong = wrapped(lambda program, run, buffers: [x + 1 for x in run(buffers)])
    with pytest.raises(AssertionError):
        exec(script, {"open_backend": wrong})


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


class Refuses(Faulty):
    """Cannot compile a sum; `in_company`, only beside another output."""

    in_company = False

    def compile(self, program: Program, device: str) -> Executable:
        summed = any(i.primitive.name == "sum" for i in program.instructions)
        if summed and (len(program.outputs) > 1 or not self.in_company):
            raise RuntimeError("no sums")
        return super().compile(program, device)


class RefusesInCompany(Refuses):
    in_company = True


@pytest.mark.parametrize("make", [Refuses, RefusesInCompany])
@pytest.mark.parametrize("way", ["program", "lazy", "jit", "streamed"])
def test_what_does_not_compile_is_shown_by_the_output_that_does_not(
    make: type[Faulty], way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(level4, "_SHRINK_SECONDS", 1)
    backend = opened(make)
    subject = Subject(backend)
    named = [c for c in checks((4,)) if c.name.startswith(f"{way}-12")]
    found = next(o for o in (perform(c, subject) for c in named) if o.failed)
    assert "no sums" in found.problem
    script = found.repro.replace(
        "from allumette_core.backend.registry import open_backend", "open_backend = lambda _: B"
    )
    with pytest.raises(RuntimeError, match="no sums"):
        exec(script, {"B": backend})


@pytest.mark.parametrize("layout", values.HOST_LAYOUTS)
def test_a_literal_keeps_values_and_strides(layout: str) -> None:
    x = values.HOST_LAYOUTS[layout](np.arange(12, dtype="float32").reshape(3, 4))
    made = eval(repro.literal(x), _NAMES)
    assert np.array_equal(made, x)
    assert made.dtype == x.dtype
    if not x.flags.c_contiguous:
        assert made.strides == x.strides
    if layout == "offset":
        assert not np.array_equal(made.base[: x.size], x.reshape(-1))


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

    NAMES = ("positive", "inexact", "ordered", "reluctant", "fused", "short", "boastful")

    class Broken(NumpyBackend):
        def __init__(self, name):
            self.info = BackendInfo(name)

        def devices(self):
            more = ("wrong:name",) if self.info.name == "boastful" else ()
            return (self.info.name, *more)

        @property
        def kernels(self):
            wrong = {
                "inexact": {P.tanh: lambda x: np.tanh(x) * x.dtype.type(1.001)},
                "reluctant": {P.le: np.less},
                "short": {P.add: lambda a, b: np.add(a, b) * (np.arange(a.size) < 65535)
                          if a.size > 65535 else np.add(a, b)},
            }
            made = {**KERNELS, **wrong.get(self.info.name, {})}
            if self.info.name == "boastful":
                del made[P.argsort]
            return made

        def from_host(self, array, device):
            if self.info.name == "positive" and array.dtype.kind == "f":
                return np.where(array == 0, array.dtype.type(0), array)
            if self.info.name == "ordered":
                return array.ravel("K").reshape(array.shape).copy()
            return super().from_host(array, device)

        def compile(self, program, device):
            run = super().compile(program, device)
            names = {i.primitive.name for i in program.instructions}
            if self.info.name == "fused" and {"mul", "sum"} <= names:
                return lambda b: [x * 2 if x.dtype.kind == "f" else x for x in run(b)]
            return run

    @hookimpl
    def allumette_backend():
        return [BackendInfo(name) for name in NAMES]

    @hookimpl
    def allumette_open(name):
        return Broken(name)
"""


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """A folder that is a site directory with a distribution, each of whose backends is broken."""
    (tmp_path / "broken_plugin.py").write_text(textwrap.dedent(PLUGIN))
    info = tmp_path / "broken_plugin-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-plugin\nVersion: 1\n")
    names = ("positive", "inexact", "ordered", "reluctant", "fused", "short", "boastful")
    points = "".join(f"{name} = broken_plugin\n" for name in names)
    (info / "entry_points.txt").write_text(f"[allumette.backends.v1]\n{points}")
    return tmp_path


BROKEN = [
    ("positive", "L0-transfer-float32"), ("inexact", "L1-tanh-float32"),
    ("ordered", "L2-sub-host-transposed"), ("inexact", "L2-tanh-view-chain"),
    ("inexact", "L3-tanh-reference"), ("inexact", "L3-tanh-differences"),
    ("reluctant", "L3-at-relu"), ("fused", "L4-program-12"), ("fused", "L4-streamed-12"),
    ("fused", "L4-training"), ("short", "L5-add-70001"), ("fused", "L5-many-calls"),
    ("boastful", "L0-devices"), ("boastful", "L1-argsort-float32"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "check"), BROKEN)
def test_the_printed_script_fails_when_it_is_pasted_and_run(
    name: str, check: str, broken: Path
) -> None:
    environment = {"PYTHONPATH": str(broken), "PATH": ""}

    def python(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, *arguments]
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False, cwd=broken
        )

    done = python("-m", "allumette_core", "conform", name, "-k", check, "--report", "out")
    assert done.returncode == 1, done.stdout + done.stderr
    scripts = sorted((broken / "out" / name).glob(f"repro-{check}*.py"))
    assert scripts
    for script in scripts:
        text = script.read_text()
        assert text in done.stdout.replace("\r", "")
        assert len(text.splitlines()) <= 15
    again = python(str(script))
    assert again.returncode == 1
    assert "AssertionError" in again.stderr or "GradientError" in again.stderr, again.stderr
    script.write_text(text.replace(repr(name), "'numpy'"))
    right = python(str(script))
    assert right.returncode == 0, right.stderr
