"""One run of ``allumette train``, from the data to the saved model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import allumette_core as al
import click

from allumette_train.batches import split
from allumette_train.data import Dataset, Part, Preprocessing, read_data
from allumette_train.datasets import make
from allumette_train.interrupts import StopOnInterrupt
from allumette_train.modules import MLP
from allumette_train.optimizers import SGD, Adam, Optimizer
from allumette_train.progress import Display, choose
from allumette_train.saving import TrainedModel, check_output, save_model
from allumette_train.scoring import Rows, Score, evaluate
from allumette_train.training import DivergedError, Outcome, Plan, Report, fit

__all__ = ["Job", "Result"]


@dataclass(frozen=True, slots=True)
class Result:
    """How a job ended.

    Attributes:
        summary: what ``--json`` prints at the end.
        interrupted: whether Ctrl-C ended it.
    """

    summary: dict[str, Any]
    interrupted: bool


@dataclass(frozen=True, slots=True)
class _Parts:
    """The rows of each purpose, on the device."""

    training: Rows
    validation: Rows | None
    test: Rows | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """The options of ``allumette train``, defaults filled in; see ``allumette train --help``."""

    backend: str | None
    dataset: str | None
    power_ten_points: int | None
    data: Path | None
    target: str | None
    categorical: Sequence[str]
    drop: Sequence[str]
    validation: float | None
    hidden: tuple[int, ...]
    optimizer: str
    learning_rate: float | None
    momentum: float | None
    schedule: Literal["constant", "cosine"] | None
    batch_size: int | None
    iterations: int | None
    epochs: int | None
    seed: int
    output: Path | None
    as_json: bool

    def run(self) -> Result:
        """Train, show how it goes, save the model.

        Raises:
            AllumetteError: with one line that says what is wrong and what would work.
        """
        device = al.zeros((), device=self.backend).device  # a wrong name is refused here
        inputs = [self.data] if self.data is not None else []
        if self.output is not None:
            check_output(self.output, inputs=inputs)
        data = self._read()
        output = self.output or Path(f"allumette-{data.name}.safetensors")
        training, validation = self._split(data)
        preprocessing = Preprocessing.learn(training.features)
        parts = _place(data, preprocessing, training, validation, device)
        network = self._network(data, parts.training.x.shape[1], device)
        check_output(output, _size(network), inputs=inputs)
        plan, optimizer = self._plan(len(parts.training))
        facts = self._facts(data, parts, network, plan, optimizer)
        display = choose(as_json=self.as_json, iterations=plan.iterations)
        display.begin(facts)
        outcome, interrupted = _train(network, optimizer, parts, plan, display)
        summary = _summary(outcome, parts, interrupted) | {"output": str(output)}
        about = {"facts": facts, "summary": summary}
        _save(output, TrainedModel(outcome.network, preprocessing, data.classes, about))
        display.end(summary)
        return Result(summary, interrupted)

    def _read(self) -> Dataset:
        if self.data is not None:
            return read_data(self.data, self.target, categorical=self.categorical, drop=self.drop)
        assert self.dataset is not None
        assert self.power_ten_points is not None
        return make(self.dataset, 10**self.power_ten_points, self.seed)

    def _split(self, data: Dataset) -> tuple[Part, Part]:
        fraction = self.validation
        if fraction is None:
            fraction = 0.0 if data.test is not None else 0.2
        try:
            training, validation = split(data.rows, fraction, self.seed)
        except al.ArgumentError as error:
            raise click.UsageError(f"--validation: {error}") from None
        return data.take(training), data.take(validation)

    def _network(self, data: Dataset, inputs: int, device: str) -> MLP:
        outputs = 1 if len(data.classes) == 2 else len(data.classes)
        return MLP.init(al.random.key(self.seed, device), (inputs, *self.hidden, outputs))

    def _plan(self, rows: int) -> tuple[Plan, SGD | Adam]:
        size = None if self.batch_size is None or self.batch_size >= rows else self.batch_size
        iterations = self.iterations or (self.epochs or 1) * math.ceil(rows / (size or rows))
        if self.optimizer == "sgd":
            plan = Plan(iterations, size, self.seed, self.schedule or "constant")
            return plan, SGD(self.learning_rate or 0.1, self.momentum or 0.0)
        plan = Plan(iterations, size, self.seed, self.schedule or "cosine")
        return plan, Adam(self.learning_rate or (0.01 if size is None else 0.002))

    def _facts(
        self, data: Dataset, parts: _Parts, network: MLP, plan: Plan, optimizer: SGD | Adam
    ) -> dict[str, Any]:
        """What ``--json`` prints at the beginning."""
        return {
            "dataset": data.name,
            "rows": len(parts.training),
            "validation_rows": len(parts.validation or ()),
            "test_rows": len(parts.test or ()),
            "classes": len(data.classes),
            "sizes": list(network.sizes),
            "device": parts.training.x.device,
            "optimizer": self.optimizer,
            "learning_rate": optimizer.learning_rate,
            "schedule": plan.schedule,
            "batch_size": plan.batch_size,
            "iterations": plan.iterations,
            "seed": self.seed,
        }


def _place(
    data: Dataset, preprocessing: Preprocessing, training: Part, validation: Part, device: str
) -> _Parts:
    def place(part: Part) -> Rows:
        x = preprocessing.apply(part.features)
        return Rows.place(x, part.labels, binary=len(data.classes) == 2, device=device)

    return _Parts(
        place(training),
        place(validation) if validation.rows else None,
        place(data.test) if data.test is not None else None,
    )


@dataclass(slots=True)
class _Watcher:
    display: Display
    stop: StopOnInterrupt

    def step(self, iteration: int) -> bool:
        self.display.step(iteration)
        return not self.stop.requested

    def report(self, report: Report) -> None:
        self.display.report(report)


def _train(
    network: MLP, optimizer: Optimizer, parts: _Parts, plan: Plan, display: Display
) -> tuple[Outcome, bool]:
    with StopOnInterrupt() as stop, display:
        outcome = fit(
            network,
            optimizer,
            parts.training,
            replace(plan, report_seconds=display.report_seconds),
            validation=parts.validation,
            watcher=_Watcher(display, stop),
        )
    return outcome, stop.requested and outcome.iterations < plan.iterations


def _summary(outcome: Outcome, parts: _Parts, interrupted: bool) -> dict[str, Any]:
    score = evaluate(outcome.network, parts.training)
    if not math.isfinite(score.loss):
        raise DivergedError(f"the loss came out as {score.loss}; a lower --learning-rate may help")
    summary: dict[str, Any] = {"loss": score.loss, "accuracy": score.accuracy}
    for name, rows in (("validation", parts.validation), ("test", parts.test)):
        if rows is not None:
            found: Score = evaluate(outcome.network, rows)
            summary |= {f"{name}_loss": found.loss, f"{name}_accuracy": found.accuracy}
    return summary | {
        "iterations": outcome.iterations,
        "interrupted": interrupted,
        "seconds": outcome.seconds,
        "first_seconds": outcome.first_seconds,
        "rows_per_second": outcome.rows_per_second,
    }


def _save(output: Path, model: TrainedModel) -> None:
    try:
        save_model(output, model)
    except OSError as error:  # though it was possible before the training
        reason = error.strerror or str(error)
        raise al.AllumetteError(f"--output {output}: the model is lost ({reason})") from None


def _size(network: MLP) -> int:
    """Bytes that the saved network will take at most, roughly."""
    parameters: int = sum(leaf.size for leaf in al.tree.leaves(network))
    return (1 << 16) + 4 * parameters
