"""The pytest plugin of the kit: `-p allumette_core.conformance.plugin --allumette-backend=NAME`."""

import shutil
import sys
import time
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

import pytest

from ..backend.registry import REGISTRY, open_backend
from ..errors import AllumetteError, ArgumentError
from . import levels, report
from .check import Check, Outcome, perform
from .page import first_line
from .report import Run
from .subject import Subject

FAILED, WRONG_REQUEST, UNAVAILABLE = 1, 2, 4


class Session:
    """The backend under test and what has been found so far."""

    def __init__(self, subject: Subject, run: Run, known: Mapping[str, str]) -> None:
        self.subject, self.run, self.known = subject, run, known

    def perform(self, check: Check) -> Outcome:
        """Run `check` and remember what came of it."""
        outcome = perform(check, self.subject, self.known)
        self.run.outcomes.append(outcome)
        return outcome


_KEY = pytest.StashKey[Session]()


@pytest.hookimpl(wrapper=True)
def pytest_cmdline_main() -> Generator[None, object, object]:
    """Say that the request is wrong; pytest's own code for it is 4, which means something else."""
    try:
        return (yield)
    except pytest.UsageError as error:
        print(*(f"error: {text}" for text in error.args), sep="\n", file=sys.stderr)  # noqa: T201
        return WRONG_REQUEST


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of the kit, all named --allumette-..."""
    group = parser.getgroup("allumette conformance")
    group.addoption("--allumette-backend", metavar="NAME", help="the backend to test")
    group.addoption("--allumette-level", default="L0-L5", help="such as L1 or L0-L2,L5")
    group.addoption("--allumette-seed", type=int, default=0, help="of all random values")
    group.addoption("--allumette-full", action="store_true", help="more cases, and large ones")
    group.addoption("--allumette-report", metavar="DIR", help="where reports are written")


def pytest_configure(config: pytest.Config) -> None:
    """Open the backend; without one there is nothing to do."""
    name = config.getoption("--allumette-backend")
    if not name:
        raise pytest.UsageError("--allumette-backend=NAME is missing: which backend is tested?")
    try:
        session = _session(config, name)
    except ArgumentError as error:
        raise pytest.UsageError(str(error)) from error
    except AllumetteError as error:
        pytest.exit(f"unavailable: {error}", returncode=UNAVAILABLE)
    config.stash[_KEY] = session


def _session(config: pytest.Config, name: str) -> Session:
    full = bool(config.getoption("--allumette-full"))
    chosen = levels.parse(config.getoption("--allumette-level"))
    seed = config.getoption("--allumette-seed")
    if seed < 0:
        raise ArgumentError(f"seed {seed}: take 0 or more")
    subject = Subject(open_backend(name), full, seed)
    known = REGISTRY.finder.known_failures(name)
    for pattern, reason in known.items():
        if "://" not in reason:
            raise ArgumentError(
                f"allumette_conformance names {pattern!r} as known to fail because {reason!r}: "
                "a reason needs a link to where it is tracked"
            )
    return Session(subject, Run(subject, chosen), known)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test a check."""
    if "check" in metafunc.fixturenames:
        run = metafunc.config.stash[_KEY].run
        made = levels.checks(run.levels, run.subject.full)
        metafunc.parametrize("check", made, ids=[check.id for check in made])


@pytest.fixture
def conformance(request: pytest.FixtureRequest) -> Session:
    """The session that performs checks."""
    return request.config.stash[_KEY]


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Who is tested, and how."""
    run = config.stash[_KEY].run
    return [f"conformance: {run.title()}"]


def pytest_deselected(items: list[pytest.Item]) -> None:
    """Keep count of what -k left out."""
    if items:
        items[0].config.stash[_KEY].run.deselected += len(items)


def pytest_collection_finish(session: pytest.Session) -> None:
    """From here on, every check that was chosen has to be accounted for."""
    run = session.config.stash[_KEY].run
    run.selected = [item.callspec.id for item in session.items if hasattr(item, "callspec")]


@pytest.hookimpl(tryfirst=True)
def pytest_keyboard_interrupt(excinfo: pytest.ExceptionInfo[BaseException]) -> None:
    """Leave out of the traceback what has no line: Ctrl-C may come there, and pytest would fail to
    describe the place."""
    excinfo.traceback = excinfo.traceback.filter(_has_line)


def _has_line(entry: Any) -> bool:
    try:
        return bool(entry.lineno >= 0)
    except TypeError:  # None - 1
        return False


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_sessionfinish(
    session: pytest.Session, exitstatus: int
) -> Generator[None, object, object]:
    """Write the reports, and exit as the kit promises."""
    if (
        _KEY not in session.config.stash
        or session.config.option.collectonly
        or exitstatus == pytest.ExitCode.USAGE_ERROR
    ):
        return (yield)
    run = session.config.stash[_KEY].run
    result = None
    try:
        result = yield  # in which pytest writes its own
        run.seconds = time.time() - run.started
        if directory := session.config.getoption("--allumette-report"):
            report.write(run, Path(directory))
    except OSError as error:  # a full disk; what was found is told all the same
        run.unwritten = error.strerror or str(error)
    if exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED) or not run.selected:
        session.exitstatus = run.exit_code()
    elif exitstatus == pytest.ExitCode.INTERNAL_ERROR:  # 3, which means something else here
        session.exitstatus = FAILED
    return result


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, exitstatus: int) -> None:
    """What failed, the headline, and what works without being declared."""
    if exitstatus == pytest.ExitCode.USAGE_ERROR:
        return
    run = terminalreporter.config.stash[_KEY].run
    terminalreporter.section(f"conformance of {run.subject.name}")
    width = shutil.get_terminal_size().columns
    for outcome in (o for o in run.outcomes if o.failed):
        told = first_line(f"{outcome.check.id}: {outcome.problem}", width)
        terminalreporter.write_line(told)
    for line in report.summary(run):
        terminalreporter.write_line(line)
