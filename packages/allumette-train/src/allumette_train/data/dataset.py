"""What every reader returns: features, labels and the names of the classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Category", "Dataset", "Features", "Part"]


@dataclass(frozen=True, slots=True)
class Category:
    """One column of texts, as codes.

    Attributes:
        name: the column's name.
        codes: (N,) int32, an index into ``texts`` for each row.
        texts: the distinct texts of the column.
    """

    name: str
    codes: npt.NDArray[np.int32]
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Features:
    """N rows of features as read, before they are scaled and one-hot encoded.

    Attributes:
        numbers: (N, F) of any real dtype; uint8 means pixels, 0 to 255.
        names: the names of the F numeric columns; empty if they have none.
        categories: the columns of texts.

    >>> Features(np.ones((3, 2))).take([0, 2]).rows
    2
    """

    numbers: npt.NDArray[Any]
    names: tuple[str, ...] = ()
    categories: tuple[Category, ...] = ()

    @property
    def rows(self) -> int:
        """N, the number of rows."""
        return int(self.numbers.shape[0])

    def take(self, rows: npt.NDArray[np.intp] | Sequence[int]) -> Features:
        """The rows of the given indices, in their order."""
        picked = tuple(Category(c.name, c.codes[rows], c.texts) for c in self.categories)
        return Features(self.numbers[rows], self.names, picked)


@dataclass(frozen=True, slots=True)
class Part:
    """Rows that belong together, such as the test files of a directory.

    Attributes:
        features: N rows.
        labels: (N,) int32, an index into the classes for each row.
    """

    features: Features
    labels: npt.NDArray[np.int32]

    @property
    def rows(self) -> int:
        """N, the number of rows."""
        return int(self.labels.shape[0])

    def take(self, rows: npt.NDArray[np.intp] | Sequence[int]) -> Part:
        """The rows of the given indices, in their order."""
        return Part(self.features.take(rows), self.labels[rows])


@dataclass(frozen=True, slots=True)
class Dataset:
    """A problem of classification.

    Attributes:
        name: what to call it, such as the file's stem.
        features: N rows.
        labels: (N,) int32, an index into ``classes`` for each row.
        classes: the names of the classes, at least two.
        test: rows that came separately for the final test, if any did.
    """

    name: str
    features: Features
    labels: npt.NDArray[np.int32]
    classes: tuple[str, ...]
    test: Part | None = field(default=None)

    @property
    def rows(self) -> int:
        """N, the number of rows that do not belong to the test."""
        return int(self.labels.shape[0])

    def take(self, rows: npt.NDArray[np.intp] | Sequence[int]) -> Part:
        """The rows of the given indices, in their order."""
        return Part(self.features.take(rows), self.labels[rows])
