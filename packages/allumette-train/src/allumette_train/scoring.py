"""How good a network is on rows of a device: the mean loss, and the part it gets right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import allumette_core as al
import numpy as np
import numpy.typing as npt

from allumette_train.metrics import binary_hits, hits
from allumette_train.modules import MLP

__all__ = ["Rows", "Score", "Totals", "evaluate", "judge"]

_EVALUATED_AT_ONCE = 1 << 16  # rows; bounds the memory that activations take


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows on a device.

    Attributes:
        x: (N, F) float32.
        y: (N,) float32, 0 or 1, for a network with one output; else (N,) int32.
    """

    x: al.Tensor
    y: al.Tensor

    @classmethod
    def place(
        cls,
        x: npt.NDArray[np.float32],
        labels: npt.NDArray[np.int32],
        *,
        binary: bool,
        device: str | None,
    ) -> Rows:
        """Copy arrays to a device.

        Args:
            x: (N, F).
            labels: (N,), an index into the classes.
            binary: whether there are two classes, which are one logit.
            device: where to; None for the default.

        Raises:
            ShapeError: if the numbers of rows differ.

        >>> rows = Rows.place(
        ...     np.zeros((3, 2), np.float32),
        ...     np.array([0, 1, 1], np.int32),
        ...     binary=True,
        ...     device=None,
        ... )
        >>> len(rows), rows.y.dtype
        (3, dtype('float32'))
        """
        if x.ndim != 2 or labels.shape != x.shape[:1]:
            raise al.ShapeError(
                f"Rows: features {x.shape} and labels {labels.shape} do not fit; "
                "(N, F) and (N,) would"
            )
        y = labels.astype(np.float32) if binary else labels
        return cls(al.asarray(x, device=device), al.asarray(y, device=device))

    def __len__(self) -> int:
        return int(self.x.shape[0])


@dataclass(frozen=True, slots=True)
class Score:
    """How good a network is.

    Attributes:
        loss: the mean over the rows.
        accuracy: the part of the rows it gets right, 0 to 1.
    """

    loss: float
    accuracy: float


class Totals(NamedTuple):
    """Sums over rows, kept on the device until they are looked at."""

    loss: al.Tensor
    hits: al.Tensor
    rows: al.Tensor

    @classmethod
    def of(cls, loss: al.Tensor, right: al.Tensor, rows: int) -> Totals:
        """The sums for a batch with this mean loss and so many hits."""
        count = al.full((), float(rows), dtype=al.float32, device=loss.device)
        return cls(loss * rows, right.astype(al.float32), count)

    @classmethod
    def zero(cls, device: str) -> Totals:
        """The sums over no rows."""
        return cls(*(al.zeros((), dtype=al.float32, device=device) for _ in range(3)))

    def score(self) -> Score:
        """The means; waits for the device."""
        rows = max(self.rows.item(), 1.0)
        return Score(float(self.loss.item() / rows), float(self.hits.item() / rows))


def judge(logits: al.Tensor, y: al.Tensor) -> tuple[al.Tensor, al.Tensor]:
    """The mean loss and the number of hits: one logit a row is binary, more are classes."""
    if logits.shape[1] == 1:
        logits = logits.reshape(-1)
        return al.binary_cross_entropy_with_logits(logits, y), binary_hits(logits, y)
    return al.cross_entropy(logits, y), hits(logits, y)


@al.jit
def _totals(network: MLP, x: al.Tensor, y: al.Tensor) -> tuple[al.Tensor, al.Tensor]:
    loss, right = judge(network(x), y)
    return loss * x.shape[0], right


def evaluate(network: MLP, rows: Rows) -> Score:
    """The loss and accuracy of a network on rows, at least one.

    >>> network = MLP.init(al.random.key(0, "numpy"), (2, 1))
    >>> rows = Rows(al.zeros((4, 2), device="numpy"), al.ones(4, device="numpy"))
    >>> evaluate(network, rows).accuracy in (0.0, 1.0)
    True
    """
    loss = right = 0.0
    for start in range(0, len(rows), _EVALUATED_AT_ONCE):
        part = slice(start, start + _EVALUATED_AT_ONCE)
        whole = len(rows) <= _EVALUATED_AT_ONCE
        x, y = (rows.x, rows.y) if whole else (rows.x[part], rows.y[part])
        part_loss, part_right = _totals(network, x, y)
        loss, right = loss + part_loss.item(), right + part_right.item()
    return Score(loss / len(rows), right / len(rows))
