"""The training loop: one jitted step for loss, gradients and update, and few looks at the loss."""

from __future__ import annotations

import math
import operator
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import allumette_core as al
import numpy as np
import numpy.typing as npt

from allumette_train.batches import minibatches
from allumette_train.modules import MLP
from allumette_train.optimizers import Optimizer
from allumette_train.scoring import Rows, Score, Totals, evaluate, judge

__all__ = [
    "DivergedError",
    "Outcome",
    "Plan",
    "Report",
    "Watcher",
    "fit",
]


class DivergedError(al.AllumetteError, ArithmeticError):
    """The loss became infinite or NaN, from which training does not recover."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and in which pieces to train.

    Attributes:
        iterations: the number of updates.
        batch_size: rows for each; None for all of them.
        seed: determines the order of the rows.
        schedule: "constant", or "cosine" to lower the learning rate to nearly 0 along half a
            cosine, which ends the last updates' to and fro.
        reports: about how often to look at the loss.
        report_seconds: look also when so much time has passed; None for not.

    Raises:
        ArgumentError: if a number is below 1 where it counts something.
    """

    iterations: int
    batch_size: int | None = None
    seed: int = 0
    schedule: Literal["constant", "cosine"] = "constant"
    reports: int = 20
    report_seconds: float | None = None

    def __post_init__(self) -> None:
        size = 1 if self.batch_size is None else self.batch_size
        if min(self.iterations, self.reports, size) < 1:
            raise al.ArgumentError(
                f"Plan: iterations={self.iterations}, batch_size={self.batch_size} and "
                f"reports={self.reports} must be at least 1"
            )

    def factor(self, iteration: int) -> float | None:
        """What the schedule multiplies the learning rate of an update by, the first being 1.

        >>> [Plan(3, schedule="cosine").factor(k) for k in (1, 2, 3)]
        [1.0, 0.75, 0.25]
        """
        if self.schedule == "constant":
            return None
        factor = 0.5 * (1 + math.cos(math.pi * (iteration - 1) / self.iterations))
        return round(factor, 12)


@dataclass(frozen=True, slots=True)
class Report:
    """A look at a training that is going on.

    Attributes:
        iteration: updates made so far.
        iterations: updates planned.
        epoch: how often all rows have been seen.
        seconds: since the start of the training.
        train: of the latest update if it is of all rows; else since the last report.
        validation: on the validation rows, if it was time to look at them.
    """

    iteration: int
    iterations: int
    epoch: float
    seconds: float
    train: Score
    validation: Score | None


class Watcher(Protocol):
    """Who wants to know how a training goes."""

    def step(self, iteration: int) -> bool:
        """Called after each update, so quick; False ends the training there."""
        ...

    def report(self, report: Report) -> None:
        """Called every so often, with the loss."""
        ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a training came to.

    Attributes:
        network: with its last parameters.
        iterations: updates made.
        rows: rows seen, the same one in each epoch anew.
        seconds: spent training, without looks at the validation rows.
        first_seconds: what the first update took of it, which compiles.
    """

    network: MLP
    iterations: int
    rows: int
    seconds: float
    first_seconds: float

    @property
    def rows_per_second(self) -> float:
        """Rows trained on a second, once compiled."""
        steady = 1 - 1 / self.iterations if self.iterations > 1 else 1.0
        seconds = self.seconds - self.first_seconds if self.iterations > 1 else self.seconds
        return self.rows * steady / max(seconds, 1e-9)


def make_step(optimizer: Optimizer) -> Callable[..., tuple[MLP, Any, Totals]]:
    """One update as one program: loss, gradients, the optimizer's step, running sums.

    The network, the optimizer's state and the sums are donated: use what comes back instead.
    Without sums to add to, they are those of this update alone.
    """

    def objective(network: MLP, x: al.Tensor, y: al.Tensor) -> tuple[al.Tensor, al.Tensor]:
        return judge(network(x), y)

    def step(
        network: MLP,
        state: Any,
        totals: Totals | None,
        x: al.Tensor,
        y: al.Tensor,
        rows: al.Tensor | None = None,
        factor: al.Tensor | float | None = None,
    ) -> tuple[MLP, Any, Totals]:
        if rows is not None:
            x, y = al.take(x, rows, axis=0), al.take(y, rows, axis=0)
        (loss, right), gradients = al.value_and_grad(objective, has_aux=True)(network, x, y)
        scale = 1.0 if factor is None else factor
        network, state = optimizer.update(gradients, state, network, scale)
        sums = Totals.of(loss, right, x.shape[0])
        return network, state, sums if totals is None else al.tree.map(operator.add, sums, totals)

    return al.jit(step, donate_argnums=(0, 1, 2))


def fit(
    network: MLP,
    optimizer: Optimizer,
    training: Rows,
    plan: Plan,
    *,
    validation: Rows | None = None,
    watcher: Watcher | None = None,
) -> Outcome:
    """Train a network; the tensors it holds are used up, those of the outcome take their place.

    Args:
        network: takes (N, F) and gives (N, 1) logits for two classes, or (N, K) for K.
        optimizer: makes the updates.
        training: the rows to train on.
        plan: how long and in which pieces.
        validation: rows to look at now and then.
        watcher: is told about it and may end it.

    Raises:
        DivergedError: if the loss is seen to be infinite or NaN.

    >>> from allumette_train import MLP, SGD, Plan, Rows, fit
    >>> x = al.asarray([[0.0], [1.0], [2.0], [3.0]])
    >>> rows = Rows(x, al.asarray([0.0, 0.0, 1.0, 1.0]))
    >>> fit(MLP.init(al.random.key(0), (1, 1)), SGD(1.0), rows, Plan(10)).iterations
    10
    """
    loop = _Loop(network, optimizer, training, plan, validation, watcher)
    return loop.run()


class _Loop:
    def __init__(
        self,
        network: MLP,
        optimizer: Optimizer,
        training: Rows,
        plan: Plan,
        validation: Rows | None,
        watcher: Watcher | None,
    ) -> None:
        self.network, self.state = network, optimizer.init(network)
        self.training, self.validation = training, validation
        self.plan, self.watcher = plan, watcher
        self.step = make_step(optimizer)
        self.device = training.x.device
        self.totals = Totals.zero(self.device)
        self.full = plan.batch_size is None or plan.batch_size >= len(training)
        self.rows = self.validated = 0
        self.paused = self.first = 0.0
        self.start = self.reported = time.perf_counter()

    def run(self) -> Outcome:
        iteration, due = 0, self.due()
        for iteration, batch in enumerate(self.batches(), 1):
            self.update(iteration, batch)
            if iteration == 1:
                self.check(iteration)  # waits for it, too
                self.first = time.perf_counter() - self.start
            if iteration in due or self.overdue():
                self.report(iteration)
            if self.watcher is not None and not self.watcher.step(iteration):
                break
        al.evaluate(self.network)
        self.check(iteration)
        seconds = time.perf_counter() - self.start - self.paused
        return Outcome(self.network, iteration, self.rows, seconds, self.first)

    def update(self, iteration: int, batch: npt.NDArray[np.int32] | None) -> None:
        rows = None if batch is None else al.asarray(batch, device=self.device)
        totals = None if self.full else self.totals
        self.network, self.state, self.totals = self.step(
            self.network,
            self.state,
            totals,
            self.training.x,
            self.training.y,
            rows,
            self.plan.factor(iteration),
        )
        self.rows += len(self.training) if batch is None else len(batch)

    def overdue(self) -> bool:
        limit = self.plan.report_seconds
        return limit is not None and time.perf_counter() - self.reported > limit

    def batches(self) -> Iterator[npt.NDArray[np.int32] | None]:
        left, epoch = self.plan.iterations, 0
        while left > 0:
            pieces = iter([None]) if self.full else self.epoch(epoch)
            for _, piece in zip(range(left), pieces, strict=False):
                yield piece
                left -= 1
            epoch += 1

    def epoch(self, epoch: int) -> Iterator[npt.NDArray[np.int32]]:
        size = self.plan.batch_size or len(self.training)
        return minibatches(len(self.training), size, seed=self.plan.seed, epoch=epoch)

    def due(self) -> frozenset[int]:
        """The iterations to report after."""
        total, count = self.plan.iterations, max(1, min(self.plan.reports, self.plan.iterations))
        return frozenset(round(total * k / count) for k in range(1, count + 1))

    def check(self, iteration: int) -> Score:
        """Wait for the updates so far and look at the sums."""
        score = self.totals.score()
        if not math.isfinite(score.loss):
            raise DivergedError(
                f"the loss was {score.loss} at iteration {iteration}; a lower --learning-rate "
                "may help; nothing was saved"
            )
        return score

    def report(self, iteration: int) -> None:
        score, now = self.check(iteration), time.perf_counter()
        self.totals = Totals.zero(self.device)
        seen, last = self.rows - self.validated, iteration == self.plan.iterations
        validation = None
        if self.validation is not None and (seen >= len(self.training) or last):
            validation, self.validated = evaluate(self.network, self.validation), self.rows
        if self.watcher is not None:
            epoch, seconds = self.rows / len(self.training), now - self.start - self.paused
            self.watcher.report(
                Report(iteration, self.plan.iterations, epoch, seconds, score, validation)
            )
        self.reported = time.perf_counter()
        self.paused += self.reported - now
