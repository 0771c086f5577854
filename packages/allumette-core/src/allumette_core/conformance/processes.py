"""The suite in processes of this interpreter, several backends side by side."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import click

_SUITE = "allumette_core.conformance.suite"
_INI = Path(__file__).parent / "suite" / "conform.ini"
_TURN = 0.05  # seconds between looks at what runs
_PATIENCE = 3.0  # seconds for what Ctrl-C may have told to stop


def run_suites(names: Sequence[str], options: Sequence[str], directory: Path) -> dict[str, int]:
    """The exit code of the suite for each backend, whose report is written below `directory`.

    As many run at once as there are processors, but one at a time of a distribution, whose next
    backend finds the code that the one before has compiled. What they print is shown in turn.
    """
    suites = [_Suite(name, options, directory / name) for name in names]
    lanes = _lanes(suites)
    at_once = min(len(lanes), _processors())
    with ExitStack() as stack:
        if at_once > 1:
            scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            for suite in suites:
                suite.keep_output(scratch / suite.name)
        try:
            for suite in suites:
                while not suite.shown():
                    _start(lanes, at_once)
                    time.sleep(_TURN)
        except KeyboardInterrupt:
            _stop([suite for suite in suites if suite.running()])
            for suite in suites:
                if (suite.directory / "report.json").exists():  # it had begun
                    suite.shown()
            raise
    return {suite.name: suite.code for suite in suites if suite.code is not None}


class _Suite:
    """The suite for one backend: waiting, running or done."""

    def __init__(self, name: str, options: Sequence[str], directory: Path) -> None:
        self.name, self.options, self.directory = name, options, directory
        self.process: subprocess.Popen[bytes] | None = None
        self.output: Path | None = None
        self._seen = 0

    @property
    def code(self) -> int | None:
        """Its exit code, None until it is done."""
        return self.process.poll() if self.process else None

    def running(self) -> bool:
        """Whether it has begun and not ended."""
        return self.process is not None and self.code is None

    def keep_output(self, path: Path) -> None:
        """Have it write to `path`, for `shown` to pass on."""
        path.touch()
        self.output = path

    def start(self) -> None:
        """Begin."""
        command = [
            *(sys.executable, "-m", "pytest", "-q", "-c", str(_INI), f"--rootdir={self.directory}"),
            *("-p", "allumette_core.conformance.plugin", "--pyargs", _SUITE),
            *(f"--allumette-backend={self.name}", f"--allumette-report={self.directory}"),
            *(f"--junitxml={self.directory / 'junit.xml'}", *self.options),
        ]
        # Options meant for another test suite have no business here.
        environment = {k: v for k, v in os.environ.items() if k != "PYTEST_ADDOPTS"}
        if self.output is None:
            self.process = subprocess.Popen(command, env=environment)
            return
        command += ["--color=yes"] if sys.stdout.isatty() else []
        width = str(shutil.get_terminal_size().columns)
        environment |= {"PYTHONUNBUFFERED": "1", "COLUMNS": width}
        with self.output.open("wb") as file:
            self.process = subprocess.Popen(
                command, env=environment, stdout=file, stderr=subprocess.STDOUT
            )

    def shown(self) -> bool:
        """Pass on what it has written since, and say whether that was all."""
        done = self.code is not None
        if self.output is not None:
            with self.output.open("rb") as file:
                file.seek(self._seen)
                text = file.read()
            self._seen += len(text)
            click.echo(text, nl=False)
        return done


def _lanes(suites: Sequence[_Suite]) -> list[list[_Suite]]:
    """`suites` by distribution."""
    from ..backend.registry import REGISTRY

    lanes: dict[str, list[_Suite]] = {}
    for suite in suites:
        claimed = REGISTRY.finder.claimed(suite.name)
        owner = claimed[0].claim.distribution if claimed else suite.name
        lanes.setdefault(owner, []).append(suite)
    return list(lanes.values())


def _start(lanes: Sequence[list[_Suite]], at_once: int) -> None:
    """Start the first that waits in each lane where none runs, as long as there is room."""
    room = at_once - sum(suite.running() for lane in lanes for suite in lane)
    for lane in lanes:
        waiting = [suite for suite in lane if suite.process is None]
        if room > 0 and waiting and not any(suite.running() for suite in lane):
            waiting[0].start()
            room -= 1


def _stop(suites: Sequence[_Suite]) -> None:
    """Wait for `suites`, which write their reports first; a second Ctrl-C ends them at once."""
    processes = [suite.process for suite in suites if suite.process is not None]
    try:
        # Ctrl-C tells all the processes of a terminal, but someone may have told this one alone.
        patience = time.monotonic() + _PATIENCE
        while any(process.poll() is None for process in processes):
            time.sleep(_TURN)
            if time.monotonic() > patience:
                patience = float("inf")
                for process in processes:
                    process.send_signal(signal.SIGINT)
    except KeyboardInterrupt:
        for process in processes:
            process.kill()


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
