"""The columns of a table of text: which hold numbers, which hold categories."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from allumette_core.errors import FormatError

from allumette_train.data.dataset import Category
from allumette_train.data.labels import number

__all__ = ["MOST_CATEGORIES", "Column"]

#: A column of texts with more distinct ones than this is refused: names, not categories.
MOST_CATEGORIES = 256

Block: TypeAlias = "npt.NDArray[np.float64] | list[str]"


class Column:
    """One column, grown block by block: a block of numbers is kept as numbers, to save memory.

    Args:
        name: the column's name.
        text: keep texts even where they look like numbers.
        place: says where a row is, for messages: ``place(row) -> "file.csv, line 3"``.
    """

    def __init__(self, name: str, *, text: bool, place: Callable[[int], str]) -> None:
        self.name = name
        self._text = text
        self._place = place
        self._blocks: list[Block] = []
        self._known: dict[str, str] = {}

    def append(self, cells: Sequence[str]) -> None:
        """Add the cells of the next rows."""
        self._blocks.append(self._pack(cells))

    def _pack(self, cells: Sequence[str]) -> Block:
        if not self._text and "_" not in "".join(cells):
            try:
                return np.fromiter(map(float, cells), dtype=np.float64, count=len(cells))
            except ValueError:
                pass
        known = self._known  # equal texts share one object
        return [known.setdefault(text, text) for text in map(str.strip, cells)]

    def texts(self) -> list[str]:
        """Every cell as text, for a column made with ``text=True``."""
        return [text for block in self._blocks if isinstance(block, list) for text in block]

    def is_mixed(self) -> bool:
        """Whether the column holds categories, though blocks of it were kept as numbers."""
        kept = any(isinstance(block, np.ndarray) for block in self._blocks)
        return kept and not self._is_numeric()

    def finish(self) -> npt.NDArray[np.float64] | Category:
        """The numbers, (N,) float64, or the categories of a column that mostly holds texts.

        Raises:
            FormatError: for a text, an empty cell, NaN or an infinity among numbers; for more
                than :data:`MOST_CATEGORIES` texts; for a column without any cell filled in.
        """
        if self._is_numeric():
            return self._numbers()
        texts = dict.fromkeys(self.texts())
        if len(texts) > MOST_CATEGORIES:
            raise self._error(
                f"holds {len(texts)} different texts, more than the {MOST_CATEGORIES} that "
                f"can be one-hot encoded; leave it out with --drop {self.name!r}"
            )
        code = {text: index for index, text in enumerate(texts)}
        codes = np.fromiter(map(code.__getitem__, self.texts()), dtype=np.int32)
        return Category(self.name, codes, tuple(texts))

    def _is_numeric(self) -> bool:
        """By majority, so that one typing error among numbers is an error, not a category."""
        if self._text:
            return False
        numbers = texts = 0
        for block in self._blocks:
            if isinstance(block, list):
                filled = [number(text) is not None for text in block if text]
                numbers += sum(filled)
                texts += len(filled) - sum(filled)
            else:
                numbers += len(block)
        if not numbers and not texts:
            raise self._error(f"is empty; fill it in or leave it out with --drop {self.name!r}")
        return numbers >= texts

    def _numbers(self) -> npt.NDArray[np.float64]:
        row, parts = 0, []
        for block in self._blocks:
            values = block if isinstance(block, np.ndarray) else self._parse(block, row)
            for index in np.flatnonzero(~np.isfinite(values))[:1]:
                raise self._bad(row + int(index), str(values[index]))
            parts.append(values)
            row += len(values)
        return np.concatenate(parts)

    def _parse(self, block: list[str], row: int) -> npt.NDArray[np.float64]:
        for index, text in enumerate(block):
            value = number(text)
            if value is None or not math.isfinite(value):
                raise self._bad(row + index, repr(text) if text else "an empty cell")
        return np.array(block, dtype=np.float64)

    def _bad(self, row: int, found: str) -> FormatError:
        return FormatError(
            f"{self._place(row)}, column {self.name!r}: found {found} where the other rows have "
            f"numbers; write a number, remove the row, or pass --categorical {self.name!r}"
        )

    def _error(self, what: str) -> FormatError:
        return FormatError(f"{self._place(-1)}, column {self.name!r} {what}")
