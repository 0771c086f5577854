"""How a training is shown: live on a terminal, as plain lines elsewhere, as JSON for programs."""

from __future__ import annotations

import json
import math
import os
import sys
import time
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

import click

from allumette_train.scoring import Score
from allumette_train.training import Report

if TYPE_CHECKING:
    from rich.progress import Progress

__all__ = ["Display", "JsonLines", "Live", "PlainLines", "choose"]

_REFRESH_SECONDS = 0.1


class Display(Protocol):
    """What the command tells about a training, in this order.

    Attributes:
        report_seconds: how often it wants a report at least; None if only every so many updates.
    """

    report_seconds: float | None

    def begin(self, facts: Mapping[str, Any]) -> None:
        """What is going to be trained, on what, and how."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def step(self, iteration: int) -> None:
        """After each update."""
        ...

    def report(self, report: Report) -> None:
        """After a look at the loss."""
        ...

    def end(self, summary: Mapping[str, Any]) -> None:
        """How it came out."""
        ...


def choose(*, as_json: bool, iterations: int) -> Display:
    """The display that fits standard output."""
    if as_json:
        return JsonLines()
    if sys.stdout.isatty() and os.environ.get("TERM") not in ("dumb", "unknown"):
        return Live(iterations)
    return PlainLines()


class _Base:
    report_seconds: float | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        pass

    def step(self, iteration: int) -> None:
        pass


class JsonLines(_Base):
    """One JSON object a line, each with its ``event``: begin, report or end.

    Numbers that JSON has no words for, such as NaN, are null.
    """

    def begin(self, facts: Mapping[str, Any]) -> None:
        """One line."""
        self._line("begin", facts)

    def report(self, report: Report) -> None:
        """One line."""
        line: dict[str, Any] = {
            "iteration": report.iteration,
            "epoch": report.epoch,
            "seconds": report.seconds,
            "loss": report.train.loss,
            "accuracy": report.train.accuracy,
        }
        if report.validation is not None:
            line["validation_loss"] = report.validation.loss
            line["validation_accuracy"] = report.validation.accuracy
        self._line("report", line)

    def end(self, summary: Mapping[str, Any]) -> None:
        """One line."""
        self._line("end", summary)

    def _line(self, event: str, values: Mapping[str, Any]) -> None:
        click.echo(json.dumps({"event": event, **{k: _plain(v) for k, v in values.items()}}))


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


class PlainLines(_Base):
    """A line for each report, 40 columns wide where that is possible."""

    def begin(self, facts: Mapping[str, Any]) -> None:
        """What, on what, and how, in three lines."""
        for line in _facts(facts):
            click.echo(line)

    def report(self, report: Report) -> None:
        """One line."""
        done = f"{report.iteration:>{len(str(report.iterations))}}/{report.iterations}"
        line = f"{done}  loss {report.train.loss:.4f}  acc {_percent(report.train)}"
        if report.validation is not None:
            line += f"  val {_percent(report.validation)}"
        click.echo(line)

    def end(self, summary: Mapping[str, Any]) -> None:
        """A line for each of loss, accuracy, time and file."""
        for line in _summary(summary):
            click.echo(line)


class Live(PlainLines):
    """A bar that moves, with the latest loss and accuracy beside it, as wide as the terminal."""

    report_seconds: float | None = 0.5

    def __init__(self, iterations: int) -> None:
        self._iterations = iterations
        self._shown = 0.0
        self._progress: Progress | None = None

    def __enter__(self) -> Self:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        console = Console(highlight=False)
        columns: list[Any] = [TextColumn("{task.completed}/{task.total}")]
        columns += [BarColumn(bar_width=None), TextColumn("{task.fields[loss]}")]
        columns += [TextColumn("{task.fields[accuracy]}")]
        if console.width >= 60:
            columns += [TextColumn("{task.fields[validation]}"), TimeRemainingColumn()]
        self._progress = Progress(*columns, console=console, expand=True)
        self._progress.start()
        self._task = self._progress.add_task(
            "", total=self._iterations, loss="", accuracy="", validation=""
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._progress is not None:
            self._progress.stop()

    def step(self, iteration: int) -> None:
        """Move the bar, though not oftener than the eye can see."""
        now = time.monotonic()
        if self._progress is not None and now - self._shown > _REFRESH_SECONDS:
            self._shown = now
            self._progress.update(self._task, completed=iteration)

    def report(self, report: Report) -> None:
        """Move the bar and show the loss."""
        if self._progress is None:
            return
        shown: dict[str, Any] = {
            "loss": f"loss {report.train.loss:.4f}",
            "accuracy": _percent(report.train),
        }
        if report.validation is not None:
            shown["validation"] = f"val {_percent(report.validation)}"
        self._progress.update(self._task, completed=report.iteration, **shown)


def _percent(score: Score) -> str:
    return f"{100 * score.accuracy:.1f}%"


def _facts(facts: Mapping[str, Any]) -> list[str]:
    rows = f"{facts['rows']:,} rows"
    for name in ("validation", "test"):
        if facts[f"{name}_rows"]:
            rows += f", {facts[f'{name}_rows']:,} {name}"
    network = "-".join(map(str, facts["sizes"]))
    batch = f"batches of {facts['batch_size']:,}" if facts["batch_size"] else "full batch"
    return [
        f"{facts['dataset']}: {rows}",
        f"network {network} on {facts['device']}",
        f"{facts['optimizer']} {facts['learning_rate']:g} {facts['schedule']}, {batch}",
        f"{facts['iterations']:,} iterations, seed {facts['seed']}",
    ]


def _summary(summary: Mapping[str, Any]) -> list[str]:
    lines = [f"loss        {summary['loss']:.4f}", f"accuracy    {100 * summary['accuracy']:.2f}%"]
    lines += [
        f"{name:<11} {100 * summary[f'{name}_accuracy']:.2f}%"
        for name in ("validation", "test")
        if f"{name}_accuracy" in summary
    ]
    lines.append(f"time        {summary['seconds']:.2f} s")
    lines.append(f"speed       {summary['rows_per_second']:,.0f} rows/s")
    if summary["interrupted"]:
        lines.append(f"stopped     at iteration {summary['iterations']:,}")
    lines.append(f"saved       {summary['output']}")
    return lines
