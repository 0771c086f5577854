"""`allumette conform`: exit codes, reports, known failures, and the counts that hide nothing."""

import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path
from types import FunctionType
from typing import ClassVar

import contract_page
import pytest
from allumette_core.backend.reference import KERNELS, NumpyBackend
from allumette_core.backend.spec import Capabilities
from allumette_core.conformance import plugin, report
from allumette_core.conformance.check import Check, perform
from allumette_core.conformance.levels import checks, parse
from allumette_core.conformance.subject import Subject
from allumette_core.errors import ArgumentError
from kit import conform
from sabotage import opened

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


SLOW = """
import time
from pathlib import Path
from types import FunctionType
from allumette_core.backend.hooks import hookimpl
from allumette_core.backend.reference import NumpyBackend
from allumette_core.backend.spec import BackendInfo


class Slow(NumpyBackend):
    info = BackendInfo("slow")

    def devices(self):
        return ("slow",)

    def to_host(self, buffer):
        time.sleep(0.02)
        Path(__file__).with_name("begun").touch()
        return super().to_host(buffer)


@hookimpl
def allumette_backend():
    return Slow.info


@hookimpl
def allumette_open(name):
    return Slow()
"""


def entered(path: Path, name: str, module: str) -> Path:
    """A site directory of a distribution whose `module` is the backend `name`."""
    info = path / f"{module}-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {module.replace('_', '-')}\nVersion: 1\n"
    )
    (info / "entry_points.txt").write_text(f"[allumette.backends.v1]\n{name} = {module}\n")
    return path


def installed(path: Path, known: dict[str, str]) -> Path:
    """A site directory with a backend that fails one check."""
    (path / "known_plugin.py").write_text(textwrap.dedent(PLUGIN).format(known=known))
    return entered(path, "known", "known_plugin")


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


def test_all_is_every_backend_that_is_there_whatever_else_is_broken(tmp_path: Path) -> None:
    site = installed(tmp_path, {"L0-devices": "see https://example.org/1"})
    (site / "bad_plugin.py").write_text("raise ImportError('a library is missing')\n")
    entered(site, "bad", "bad_plugin")
    done = conform(
        *("all", "--level", "L0", "-k", "devices or copies", "--report", str(tmp_path / "out")),
        path=site,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^known +exit 0  executed 2/2, .*known to fail 1$", done.stdout, re.M)
    assert re.search(r"^numpy +exit 0  executed 2/2, ", done.stdout, re.M)
    assert "left out: backend 'bad' (bad-plugin 1) is broken" in done.stderr
    assert "a library is missing" in done.stderr
    page = (tmp_path / "out" / "comparison.html").read_text(encoding="utf-8")
    assert "Conformance of " in page
    assert 'href="known/report.html"' in page


def test_several_backends_are_shown_in_the_order_of_their_names(tmp_path: Path) -> None:
    """Whichever ends first; and what an earlier run has left is not taken for theirs."""
    for name in ("slow", "numpy", "nonsense"):
        (tmp_path / "out" / name).mkdir(parents=True)
        (tmp_path / "out" / name / "report.json").write_text("not even JSON")
        (tmp_path / "out" / name / "repro-L9-gone.py").write_text("")
    (tmp_path / "slow_plugin.py").write_text(SLOW)
    done = conform(
        *("slow", "numpy", "nonsense", "--level", "L0", "-k", "devices or copies"),
        *("--report", str(tmp_path / "out")),
        path=entered(tmp_path, "slow", "slow_plugin"),
    )
    assert done.returncode == 4, done.stdout + done.stderr
    shown = re.findall(
        r"^=+ conformance of (\w+) =+$|^Exit: (unavailable)", done.stdout, re.MULTILINE
    )
    assert shown == [("slow", ""), ("numpy", ""), ("", "unavailable")]
    assert re.search(r"^nonsense +exit 4  not available$", done.stdout, re.MULTILINE)
    assert not list((tmp_path / "out").glob("*/repro-*"))


def test_ctrl_c_where_code_has_no_line_is_described_all_the_same() -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    code = interrupted.__code__.replace(co_linetable=b"")
    try:
        FunctionType(code, {})()
    except KeyboardInterrupt:
        found = pytest.ExceptionInfo[BaseException].from_current()
    before = len(found.traceback)
    plugin.pytest_keyboard_interrupt(found)
    assert len(found.traceback) < before  # pytest stumbles over the rest
    assert "KeyboardInterrupt" in str(found.getrepr(funcargs=True))


@pytest.mark.parametrize("names", [["slow"], ["slow", "numpy"]])
@pytest.mark.parametrize("told", ["the terminal", "the command alone"])
def test_ctrl_c_leaves_a_report_and_no_traceback(
    names: list[str], told: str, tmp_path: Path
) -> None:
    (tmp_path / "slow_plugin.py").write_text(SLOW)
    environment = {"PYTHONPATH": str(entered(tmp_path, "slow", "slow_plugin")), "PATH": ""}
    command = [sys.executable, "-m", "allumette_core", "conform", *names, "--report", "out"]
    running = subprocess.Popen(
        command, cwd=tmp_path, env=environment, start_new_session=True, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    until = time.monotonic() + 60
    while not (tmp_path / "begun").exists() and time.monotonic() < until:
        time.sleep(0.1)
    time.sleep(0.5)
    (os.killpg if told == "the terminal" else os.kill)(running.pid, signal.SIGINT)
    printed, _ = running.communicate(timeout=60)
    assert running.returncode == 130, printed
    assert "Traceback" not in printed
    assert printed.rstrip().endswith("interrupted")
    found = json.loads((tmp_path / "out" / "slow" / "report.json").read_text())
    assert found["exit_code"] == 1
    assert found["headline"] in printed
    assert 0 < found["counts"]["executed"] < found["counts"]["total"]


def test_a_report_that_cannot_be_written(tmp_path: Path) -> None:
    """At once where it is plain, else with the headline, and never by a traceback."""
    (tmp_path / "file").write_text("")
    done = conform("numpy", "--level", "L0", "--report", str(tmp_path / "file" / "below"))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"error: {tmp_path / 'file' / 'below' / 'numpy'}: Not a directory\n"
    program = f"{sys.executable} -m allumette_core conform numpy --level L0 --report {tmp_path}"
    full = subprocess.run(
        ["sh", "-c", f"ulimit -f 16; exec {program}"], capture_output=True, text=True, check=False
    )
    assert full.returncode == 1
    assert "unexplained 0" in full.stdout
    assert "error: the report could not be written: File too large" in full.stdout
    assert "Traceback" not in full.stdout + full.stderr
    assert not (tmp_path / "numpy" / "report.json").exists()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--seed", "-1"), "seed -1: take 0 or more"),
        (("--level", "L7"), "level 'L7': write L0 to L5, L0-L2, or several with commas"),
        (("-k", "L1-exp or ("), "Wrong expression passed to '-k': L1-exp or ("),
    ],
)
def test_a_wrong_request_is_2_and_no_fault_of_the_backend(
    options: tuple[str, str], told: str, tmp_path: Path
) -> None:
    done = conform("numpy", *options, "--report", str(tmp_path))
    assert done.returncode == 2, done.stdout + done.stderr
    assert done.stderr.startswith(f"error: {told}")
    assert "executed" not in done.stdout
    assert not (tmp_path / "numpy" / "report.json").exists()


def test_a_run_that_fails_ends_with_what_failed(tmp_path: Path) -> None:
    """Each check once and in one line of the terminal, and the headline after them."""
    done = conform(
        *("known", "-k", "L0-devices or L0-copies"),
        path=installed(tmp_path, {}),
        COLUMNS="40",
    )
    end = done.stdout.partition("= conformance of known =")[2].splitlines()[1:]
    assert end[0].startswith("L0-devices: ")
    assert len(end[0]) == 40
    assert end[0].endswith("...")
    assert end[1].startswith("executed 2/2, ")
    assert end[2].startswith("1 failed, 1 passed, ")


def test_a_name_is_not_a_path(tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text("of something else")
    done = conform("../elsewhere", "--report", str(tmp_path / "out"))
    assert done.returncode == 2
    assert "no backend has the name '../elsewhere'" in done.stderr
    assert (tmp_path / "report.json").exists()


def test_the_command_is_pytest_with_the_plugin(tmp_path: Path) -> None:
    """The same headline, in the same interpreter, whatever the settings of the folder."""
    (tmp_path / "pytest.ini").write_text("[pytest]\npython_files = nothing.py\n")
    command = [
        *(sys.executable, "-m", "pytest", "-p", "allumette_core.conformance.plugin", "--pyargs"),
        *("allumette_core.conformance.suite", "--allumette-backend=numpy"),
        *("--allumette-level=L1", "-k", "tanh", "--allumette-seed=3"),
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    (tmp_path / "pytest.ini").unlink()
    direct = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    through = conform("numpy", "--level", "L1", "-k", "tanh", "--seed", "3")
    headline = re.search(r"^executed .*$", through.stdout, re.M)
    assert headline is not None
    assert direct.returncode == through.returncode == 0, direct.stdout
    assert headline[0] in direct.stdout
    assert done.returncode == 3, done.stdout  # nothing was collected, and it says so


def test_a_seed_decides_every_value(tmp_path: Path) -> None:
    def worst(seed: int, turn: int) -> list[tuple[str, str, float]]:
        out = tmp_path / f"{seed}-{turn}"
        conform("numpy", "-k", "L1-exp or L4-jit-12", "--seed", str(seed), "--report", str(out))
        found = json.loads((out / "numpy" / "report.json").read_text())["checks"]
        return [(c["id"], c["worst_input"], c["max_ulp"]) for c in found]

    assert worst(1, 0) == worst(1, 1)
    assert worst(1, 0) != worst(2, 0)


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


def test_what_works_without_being_declared_is_reported() -> None:
    run = report.Run(Subject(Few()), (0, 1))
    chosen = [by_id(i) for i in ("L1-add-float64", "L1-exp-float64", "L0-empty-0", "L1-add-int32")]
    run.selected = [c.id for c in chosen]
    run.outcomes += [perform(c, run.subject) for c in chosen]
    headline, *remarks = report.summary(run)
    assert headline.startswith("executed 1/4, native 1, fallback 0, skipped 3 by 2 declared gaps, ")
    assert "  not declared: float64 (2 checks)" in remarks
    assert "  works, though not declared: 3 checks" in remarks
    assert run.exit_code() == 0


def test_a_declaration_of_native_is_held_against_the_trace() -> None:
    class Boasting(Few):
        info = replace(Few.info, capabilities=Capabilities())

    found = perform(by_id("L1-sort-float32"), Subject(Boasting()))
    assert (found.state, found.mode) == ("failed", "fallback")
    assert "declared native" in found.problem


def test_a_vanished_check_fails_the_run() -> None:
    subject = Subject(opened(None))
    run = report.Run(subject, (0,), selected=["L0-devices", "L0-vanished"])
    run.outcomes.append(perform(by_id("L0-devices"), subject))
    assert run.counts()["unexplained"] == 1
    assert run.exit_code() == 1


def test_the_contract_page_is_what_the_code_says() -> None:
    assert contract_page.PAGE.read_text(encoding="utf-8") == contract_page.page()
