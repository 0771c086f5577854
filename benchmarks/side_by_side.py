"""Jobs on several libraries, in turns: a process each, asked one after the other; medians.

What else the machine does comes in phases of seconds to minutes, and to one core more than to
another. So all libraries have a job ready at the same time, and take short turns at it, in one
order and then in the other, from one core and then from the next: a phase hits all alike, or is a
few of the turns. A library that is not installed is left out.

A module of jobs has `jobs(library, *arguments)`, which prepares one `Job` after the other, the same
for every library. This module runs it in a process of its own: see `serve`.
"""

import argparse
import importlib
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

DEVICES = ("seq", "par", "gpu")  # ours, which this interpreter runs
SAMPLE = 2e-3  # seconds: shorter runs are timed together
Figures = dict[str, float]  # of each library


class Job(NamedTuple):
    """What is timed."""

    name: str
    run: Callable[[int], float]
    """Does it so many times over, to the end; the loss of the last, if it has one."""
    loss: float = 0.0


class Compared(NamedTuple):
    """A job on all libraries."""

    name: str
    seconds: Figures
    losses: Figures


# ---- the process of a library --------------------------------------------------------------------


def serve(jobs: Iterator[Job]) -> None:
    """Answer lines of standard input, in lines of JSON: `next` prepares the next job, a number has
    the last one run for so many seconds, and the median second a run is the answer."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever else is printed is no answer
    job: Job | None = None
    turns = 0
    for line in sys.stdin:
        answer: Any
        if line.strip() == "next":
            job, turns = next(jobs, None), 0
            answer = None if job is None else {"name": job.name, "loss": job.loss}
        else:
            assert job is not None
            start_on(turns)
            answer, turns = turn(job.run, float(line)), turns + 1
        print(json.dumps(answer), file=answers, flush=True)


def start_on(number: int) -> None:
    """Move to one core after the other, where the system lets us: others may use half of one, and
    who stays there for a whole job seems slow."""
    if sys.platform == "linux":
        cores = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {sorted(cores)[number % len(cores)]})
        os.sched_setaffinity(0, cores)


def turn(run: Callable[[int], float], seconds: float) -> float:
    """The median second of a run, of those of so many seconds after some to warm up."""
    warm = time.perf_counter() + seconds / 4
    number = max(1, int(SAMPLE / max(timed(run, 1), 1e-7)))
    samples: list[float] = []
    while time.perf_counter() < warm:
        run(number)
    while not samples or sum(samples) < seconds:
        samples.append(timed(run, number))
    return statistics.median(samples) / number


def timed(run: Callable[[int], float], number: int) -> float:
    start = time.perf_counter()
    run(number)
    return time.perf_counter() - start


# ---- the table ---------------------------------------------------------------------------------


class Library:
    """A process with the jobs of one library, `gone` if it has no more, or failed."""

    def __init__(self, name: str, python: str, jobs: str, arguments: Sequence[str], limit: float):
        self.name, self.limit, self.gone = name, limit, False
        try:
            self.process = subprocess.Popen(
                [python, __file__, jobs, name, *arguments],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            )  # fmt: skip
        except OSError as error:
            sys.exit(f"cannot run {python}: {error.strerror}")
        self.errors: list[str] = []
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.errors.append(line.strip())

    def ask(self, line: str) -> None:
        assert self.process.stdin is not None
        with suppress(OSError):  # if it failed, `answer` tells
            self.process.stdin.write(f"{line}\n")
            self.process.stdin.flush()

    def answer(self) -> Any:
        """None if it is gone, or has failed, or takes too long: then it is gone, too."""
        assert self.process.stdout is not None
        timer = threading.Timer(self.limit, self.process.kill)
        timer.start()
        line = self.process.stdout.readline()
        late = not timer.is_alive()
        timer.cancel()
        answer = json.loads(line) if line else None
        self.gone = answer is None
        if not line:
            code = self.process.wait()
            why = (self.errors or [f"exit status {code}"])[-1][:100]
            print(f"{self.name}: {f'took over {self.limit:g} s' if late else why}", file=sys.stderr)
        return answer

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


def options(description: str | None, limit: float) -> argparse.ArgumentParser:
    """A parser with what every table can be told."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=7, help="turns of each library")
    parser.add_argument("--turn", type=float, default=0.3, help="seconds of a turn")
    parser.add_argument("--limit", type=float, default=limit, help="seconds for an answer")
    parser.add_argument("--peers-python", default=sys.executable, help="runs the other libraries")
    return parser


def compare(
    jobs: str, libraries: Sequence[str], arguments: Sequence[str], given: argparse.Namespace
) -> Iterator[Compared]:
    """All jobs of a module on each library."""
    team = [
        Library(
            n, sys.executable if n in DEVICES else given.peers_python, jobs, arguments, given.limit
        )
        for n in libraries
    ]
    try:
        while ready := _all(team, "next"):
            turns = [
                _all(team[:: -1 if number % 2 else 1], str(given.turn))
                for number in range(given.rounds)
            ]
            names = [name for name in ready if all(name in one for one in turns)]
            medians = {name: statistics.median(one[name] for one in turns) for name in names}
            losses = {name: answer["loss"] for name, answer in ready.items()}
            yield Compared(next(iter(ready.values()))["name"], medians, losses)
    finally:
        for library in team:
            library.end()


def _all(team: Sequence[Library], line: str) -> dict[str, Any]:
    """The answers of those that are there, one after the other."""
    found: dict[str, Any] = {}
    for library in team:
        if not library.gone:
            library.ask(line)
            if (answer := library.answer()) is not None:
                found[library.name] = answer
    return found


def ratio(seconds: Figures) -> float | None:
    """The best of the others by the best of ours; None if one of these is missing."""
    ours, others = (
        [x for n, x in seconds.items() if (n in DEVICES) is mine] for mine in (True, False)
    )
    return min(others) / min(ours) if ours and others else None


def cell(value: float | None, form: str, scale: float = 1) -> str:
    return "" if value is None else f"{value * scale:{form}}"


def line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def print_table(
    jobs: str, first: str, peers: Sequence[str], arguments: Sequence[str], given: Any
) -> None:
    """Milliseconds of all jobs, and how far losses are apart."""
    libraries = (*peers, "seq", "par")
    print(line([first, *libraries, "best other / ours", "spread of losses"]))
    print(line(["---"] * (len(libraries) + 3)))
    for found in compare(jobs, libraries, arguments, given):
        times = [cell(found.seconds.get(n), ".3g", 1e3) for n in libraries]
        spread = max(found.losses.values()) - min(found.losses.values())
        cells = [found.name, *times, cell(ratio(found.seconds), ".2f"), f"{spread:.0e}"]
        print(line(cells), flush=True)


if __name__ == "__main__":
    module, name, *rest = sys.argv[1:]
    serve(importlib.import_module(module).jobs(name, *rest))
