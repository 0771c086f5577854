"""From features as read to the float32 matrix that a network takes.

Numbers are standardised and texts one-hot encoded, with means, deviations and categories learnt
from the training rows alone; the same numbers are saved with the model, so that it sees new rows
as it saw those.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from allumette_core.errors import FormatError

from allumette_train.data.dataset import Category, Features

__all__ = ["Preprocessing"]


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """How rows are encoded: ``(numbers - shift) / scale``, then a 0/1 column for each category.

    Attributes:
        shift: (F,) or (1,) float64.
        scale: (F,) or (1,) float64, never 0.
        names: the names of the F numeric columns; empty if they have none.
        categories: for each column of texts its name and the texts seen in training. A text
            that was not seen becomes zeros.

    >>> rows = Features(np.array([[1.0], [3.0]]))
    >>> Preprocessing.learn(rows).apply(rows).tolist()
    [[-1.0], [1.0]]
    """

    shift: npt.NDArray[np.float64]
    scale: npt.NDArray[np.float64]
    names: tuple[str, ...] = ()
    categories: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @classmethod
    def learn(cls, training: Features) -> Preprocessing:
        """Learn from the training rows.

        Pixels (uint8) are divided by 255; other numbers get mean 0 and deviation 1, and a
        column that never varies gets 0.

        Raises:
            FormatError: if a column's numbers are too large to standardise.
        """
        categories = tuple((c.name, _seen(c)) for c in training.categories)
        if training.numbers.dtype == np.uint8:
            return cls(np.zeros(1), np.full(1, 255.0), training.names, categories)
        with np.errstate(over="ignore", invalid="ignore"):
            shift = training.numbers.mean(axis=0, dtype=np.float64)
            scale = training.numbers.std(axis=0, dtype=np.float64)
        _check_finite(shift + scale, training.names)
        # A constant column's mean and deviation are rounding noise: do not blow it up.
        first = training.numbers[0].astype(np.float64)
        constant = (training.numbers == training.numbers[0]).all(axis=0)
        shift = np.where(constant, first, shift)
        scale = np.where(constant | (scale == 0), 1.0, scale)
        return cls(shift, scale, training.names, categories)

    def apply(self, features: Features) -> npt.NDArray[np.float32]:
        """Encode rows.

        Returns:
            (N, width) float32.
        """
        width = features.numbers.shape[1]
        out = np.zeros((features.rows, width + self._extra()), dtype=np.float32)
        for start in range(0, features.rows, 4096):  # no float64 copy of everything
            block = features.numbers[start : start + 4096]
            centred = block - self.shift if self.shift.any() else block
            np.divide(centred, self.scale, out=out[start : start + 4096, :width], casting="unsafe")
        for (_, texts), column in zip(self.categories, features.categories, strict=True):
            _one_hot(column, texts, out[:, width : width + len(texts)])
            width += len(texts)
        return out

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON takes it."""
        return {
            "shift": self.shift.tolist(),
            "scale": self.scale.tolist(),
            "names": list(self.names),
            "categories": [[name, list(texts)] for name, texts in self.categories],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Preprocessing:
        """The inverse of :meth:`to_dict`."""
        return cls(
            np.asarray(data["shift"], dtype=np.float64),
            np.asarray(data["scale"], dtype=np.float64),
            tuple(data["names"]),
            tuple((name, tuple(texts)) for name, texts in data["categories"]),
        )

    def _extra(self) -> int:
        return sum(len(texts) for _, texts in self.categories)


def _seen(column: Category) -> tuple[str, ...]:
    return tuple(sorted(column.texts[code] for code in np.unique(column.codes)))


def _one_hot(column: Category, known: tuple[str, ...], out: npt.NDArray[np.float32]) -> None:
    place = {text: index for index, text in enumerate(known)}
    places = np.array([place.get(text, -1) for text in column.texts], dtype=np.intp)[column.codes]
    rows = np.flatnonzero(places >= 0)
    out[rows, places[rows]] = 1.0


def _check_finite(values: npt.NDArray[np.float64], names: tuple[str, ...]) -> None:
    for index in np.flatnonzero(~np.isfinite(values)):
        name = repr(names[index]) if names else str(index)
        raise FormatError(
            f"column {name}: its numbers are too large to standardise; give it in a larger unit"
        )
