"""`allumette conform`: exit codes, reports, known failures, and the counts that hide nothing."""

import json
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import contract_page
import pytest
from allumette_core.backend.reference import KERNELS, NumpyBackend
from allumette_core.backend.spec import Capabilities
from allumette_core.conformance import page, report
from allumette_core.conformance.check import Check, Fault, perform
from allumette_core.conformance.levels import checks, parse
from allumette_core.conformance.scaffold import files, scaffold
from allumette_core.conformance.subject import Subject
from allumette_core.errors import ArgumentError
from sabotage import opened

ROOT = Path(__file__).resolve().parents[2]

PLUGIN = """
    from allumette_core.backend.hooks import hookimpl
    from allumette_core.backend.reference import NumpyBackend
    from allumette_core.backend.spec import BackendInfo

    @hookimpl
    def allumette_backend():
        return BackendInfo("known")

    @hookimpl
    def allumette_conformance(name):
        return {known!r}

    @hookimpl
    def allumette_open(name):
        class Known(NumpyBackend):
            info = BackendInfo("known")

            def devices(self):
                return ("known", "wrong:name")

        return Known()
"""


def conform(
    *arguments: str, path: Path | None = None, **options: str
) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": "", **options, **({"PYTHONPATH": str(path)} if path else {})}
    command = [sys.executable, "-m", "allumette_core", "conform", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def installed(path: Path, known: dict[str, str]) -> Path:
    """A site directory with a backend that fails one check."""
    (path / "known_plugin.py").write_text(textwrap.dedent(PLUGIN).format(known=known))
    info = path / "known_plugin-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: known-plugin\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[allumette.backends.v1]\nknown = known_plugin\n")
    return path


def test_level_0_of_numpy_passes_and_reports(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --nonsense\n")
    done = conform(
        "numpy", "--level", "L0", "--report", str(tmp_path), PYTEST_ADDOPTS="--also-nonsense"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    data = json.loads((tmp_path / "numpy" / "report.json").read_text())
    assert data["schema"] == "allumette-conformance/1"
    assert data["counts"]["executed"] == data["counts"]["total"] == len(checks((0,)))
    assert data["headline"] in done.stdout
    assert "unexplained 0" in data["headline"]
    assert (tmp_path / "numpy" / "badge.md").read_text().startswith("![conformance](https://")
    assert "<testcase" in (tmp_path / "numpy" / "junit.xml").read_text()
    assert data["headline"] in (tmp_path / "numpy" / "report.html").read_text()


def test_nothing_executed_is_3() -> None:
    assert conform("numpy", "--level", "L0", "-k", "no_such_check").returncode == 3


def test_an_unavailable_backend_is_4_beside_one_that_is_there() -> None:
    done = conform("numpy", "nonsense", "--level", "L0", "-k", "devices")
    assert done.returncode == 4
    assert "numpy     exit 0" in done.stdout
    assert "nonsense  exit 4" in done.stdout


@pytest.mark.parametrize(
    ("known", "code", "told"),
    [
        ({}, 1, "failed 1"),
        ({"L0-devices": "see https://example.org/1"}, 0, "known to fail 1"),
        (
            {"L0-devices": "https://example.org/1", "L0-copies": "https://example.org/2"},
            1,
            "take it",
        ),
        ({"L0-devices": "it is hard"}, 2, "needs a link"),
    ],
)
def test_known_failures(known: dict[str, str], code: int, told: str, tmp_path: Path) -> None:
    done = conform("known", "--level", "L0", path=installed(tmp_path, known))
    assert done.returncode == code, done.stdout + done.stderr
    assert told in done.stdout + done.stderr


def test_levels_are_parsed() -> None:
    assert parse("L0-L2,l5") == (0, 1, 2, 5)
    with pytest.raises(ArgumentError, match="L9"):
        parse("L9")


def test_ids_are_unique_and_every_level_has_some() -> None:
    made = checks()
    assert len({c.id for c in made}) == len(made)
    assert {c.level for c in made} == set(range(6))


FEW = frozenset({"add", "mul", "exp", "where", "lt", "reshape", "broadcast", "sum"})


class Few(NumpyBackend):
    """A handful of kernels; declares what it has."""

    info = replace(
        NumpyBackend.info,
        name="few",
        capabilities=Capabilities(
            dtypes=frozenset({"bool", "int32", "float32"}), native=FEW, zero_size=False
        ),
    )
    kernels: ClassVar = {p: k for p, k in KERNELS.items() if p.name in FEW}

    def devices(self) -> tuple[str]:
        return ("few",)


def by_id(name: str) -> Check:
    return next(c for c in checks() if c.id == name)


@pytest.mark.parametrize(
    ("name", "state", "mode"),
    [
        ("L1-add-float32", "passed", "native"), ("L1-tanh-float32", "passed", "decomposed"),
        ("L1-sort-float32", "passed", "fallback"), ("L1-add-float64", "skipped", ""),
        ("L0-empty-0", "skipped", ""),
    ],
)  # fmt: skip
def test_what_ran_is_traced_and_what_is_not_declared_is_skipped(
    name: str, state: str, mode: str
) -> None:
    found = perform(by_id(name), Subject(Few()))
    assert found.state == state, found.problem
    if state == "skipped":
        assert found.note == "works, though not declared"
        assert found.gap in ("float64", "zero_size")
    elif name != "L1-tanh-float32":  # tanh may become a composition of what is there, or not
        assert found.mode == mode


def test_a_declaration_of_native_is_held_against_the_trace() -> None:
    class Boasting(Few):
        info = replace(Few.info, capabilities=Capabilities())

    found = perform(by_id("L1-sort-float32"), Subject(Boasting()))
    assert (found.state, found.mode) == ("failed", "fallback")
    assert "declared native" in found.problem


def failing(subject: Subject) -> None:
    raise Fault("<wrong> & so on", "script")


def test_the_page_shows_failures_and_escapes() -> None:
    subject = Subject(opened(None))
    run = report.Run(subject, (0,), selected=["L0-x", "L0-y"])
    run.outcomes.append(perform(Check(0, "x", failing), subject))
    assert run.exit_code() == 1
    assert "unexplained 1, failed 1" in run.headline()
    text = page.page(report.as_json(run))
    assert "&lt;wrong&gt; &amp; so on" in text
    assert "<wrong>" not in text
    assert "http" not in text.split("</style>")[1].lower()


def test_a_vanished_check_fails_the_run() -> None:
    subject = Subject(opened(None))
    run = report.Run(subject, (0,), selected=["L0-devices", "L0-vanished"])
    run.outcomes.append(perform(by_id("L0-devices"), subject))
    assert run.counts()["unexplained"] == 1
    assert run.exit_code() == 1


def test_the_example_is_what_new_backend_writes() -> None:
    project = ROOT / "examples" / "allumette-torch"
    for path, text in files("torch", "torch").items():
        assert (project / path).read_text(encoding="utf-8") == text, path
    lines = sum(len(p.read_text().splitlines()) for p in project.glob("src/*/*.py"))
    assert lines <= 200


def test_a_new_backend_conforms(tmp_path: Path) -> None:
    project = scaffold("fresh", "numpy", tmp_path)
    info = project / "src" / "allumette_fresh-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: allumette-fresh\nVersion: 0.1.0\n")
    (info / "entry_points.txt").write_text(
        "[allumette.backends.v1]\nfresh = allumette_fresh.plugin\n"
    )
    done = conform(
        "fresh", "--level", "L0-L1", "-k", "L0 or tanh or sum-float", path=project / "src"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "unexplained 0" in done.stdout


@pytest.mark.parametrize("name", ["Fast", "1st", "numpy", "a-b", "all"])
def test_a_new_backend_needs_a_proper_name(name: str, tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match=name):
        scaffold(name, "numpy", tmp_path)


def test_a_project_is_not_overwritten(tmp_path: Path) -> None:
    scaffold("mine", "numpy", tmp_path)
    with pytest.raises(ArgumentError, match="exists"):
        scaffold("mine", "numpy", tmp_path)


def test_the_contract_page_is_what_the_code_says() -> None:
    assert contract_page.PAGE.read_text(encoding="utf-8") == contract_page.page()


def test_a_plugin_of_version_1_0_still_conforms() -> None:
    """v1_0 is a frozen copy of what new-backend wrote for that version: never change it."""
    frozen = Path(__file__).parent / "v1_0"
    done = conform("first", "--level", "L0-L1", "-k", "L0 or exp or sum or sort", path=frozen)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "unexplained 0" in done.stdout
