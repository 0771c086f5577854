"""Tables of comma-separated values with a header, one column of which is to be predicted."""

from __future__ import annotations

import csv
import io
import itertools
from array import array
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from allumette_core.errors import FormatError

from allumette_train.data.columns import Column
from allumette_train.data.dataset import Category, Dataset, Features
from allumette_train.data.labels import encode_texts, number
from allumette_train.data.opening import open_bytes

__all__ = ["read_csv"]

_BLOCK = 8192
_DELIMITERS = ",;\t"


def read_csv(
    path: Path,
    target: str | None,
    *,
    categorical: Sequence[str] = (),
    drop: Sequence[str] = (),
) -> Dataset:
    """Read a table: UTF-8 (a byte-order mark is fine), a header, quoting as spreadsheets do.

    A comma, semicolon or tab separates the columns, whichever the header uses; gzip is unpacked.
    A column whose cells are mostly numbers is numeric, another one holds categories; an empty
    cell is a category of its own, but no number.

    Args:
        path: the file.
        target: the column to predict.
        categorical: numeric columns to take as categories all the same, such as a postcode.
        drop: columns to leave out.

    Raises:
        FormatError: if the file is no such table; the message has file, line and column.
    """
    texts = {*categorical}
    while True:
        with open_bytes(path) as raw:
            reader = _records(path, io.TextIOWrapper(raw, encoding="utf-8-sig", newline=""))
            _, header = next(reader, (0, []))
            names = _check_header(path, header)
            _check_columns(path, names, target, [*categorical, *drop])
            table = _Table(path, names, {str(target), *texts}, {*drop})
            table.read(reader)
        mixed = table.mixed()
        if not mixed:
            return table.dataset(str(target))
        texts |= mixed  # read again: 1.0 was kept as a number, and may have been written 1


def _records(path: Path, lines: io.TextIOWrapper) -> Iterator[tuple[int, list[str]]]:
    """Each record that is not blank, with the line it begins on."""
    line = 1
    try:
        first = lines.readline()
        reader = csv.reader(
            itertools.chain([first], lines), delimiter=_delimiter(first), strict=True
        )
        for record in reader:
            if record:
                yield line, record
            line = reader.line_num + 1
    except csv.Error as error:
        raise FormatError(
            f"{path}, line {line}: not readable as CSV ({error}); check its quotation marks"
        ) from None
    except UnicodeDecodeError as error:
        found = error.object[error.start : error.start + 1].hex()
        raise FormatError(
            f"{path}, near line {line}: byte 0x{found} is not UTF-8 text; save the file as UTF-8"
        ) from None


def _delimiter(header: str) -> str:
    def columns(delimiter: str) -> int:
        return max(map(len, csv.reader([header], delimiter=delimiter)), default=0)

    return max(_DELIMITERS, key=columns)


def _check_header(path: Path, header: list[str]) -> list[str]:
    names = [name.strip() for name in header]
    if not names:
        raise FormatError(f"{path}: the file is empty; its first line should name the columns")
    for index, name in enumerate(names):
        where = f"{path}, line 1, column {index + 1}"
        if not name:
            raise FormatError(f"{where}: has no name; name it, or remove the column")
        if names.index(name) < index:
            raise FormatError(f"{where}: {name!r} is there twice; give it another name")
    if all(number(name) is not None for name in names):
        raise FormatError(f"{path}, line 1: holds numbers; the first line should name the columns")
    if len(names) == 1:
        raise FormatError(
            f"{path}, line 1: has one column, {names[0]!r}; a target and at least one feature, "
            "separated by commas, are needed"
        )
    return names


def _check_columns(path: Path, names: list[str], target: str | None, others: list[str]) -> None:
    known = _shorten(names)
    if target is None:
        raise FormatError(f"{path}: which column is to be predicted? --target one of {known}")
    for name in (target, *others):
        if name not in names:
            raise FormatError(f"{path}, line 1: there is no column {name!r}, only {known}")
    if target in others:
        raise FormatError(f"{path}: column {target!r} is the target; it can be nothing else")


def _shorten(names: Sequence[str], most: int = 12) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(map(repr, names[:most])) + more


class _Table:
    """The columns of a file while it is read, and the line that each row begins on."""

    def __init__(self, path: Path, names: list[str], texts: set[str], drop: set[str]) -> None:
        self.path = path
        self.names = names
        self.lines = array("Q")
        self.columns = [
            None if name in drop else Column(name, text=name in texts, place=self.place)
            for name in names
        ]

    def place(self, row: int) -> str:
        return f"{self.path}, line {self.lines[row]}" if row >= 0 else str(self.path)

    def read(self, records: Iterator[tuple[int, list[str]]]) -> None:
        block: list[list[str]] = []
        for line, record in records:
            if len(record) != len(self.names):
                raise FormatError(
                    f"{self.path}, line {line}: found {len(record)} cells where the header has "
                    f"{len(self.names)} columns; {_ragged(self.names, record)}"
                )
            self.lines.append(line)
            block.append(record)
            if len(block) == _BLOCK:
                self._flush(block)
        self._flush(block)
        if not self.lines:
            raise FormatError(f"{self.path}: has a header but no rows; add rows")

    def _flush(self, block: list[list[str]]) -> None:
        for column, cells in zip(self.columns, zip(*block, strict=True), strict=False):
            if column is not None:
                column.append(cells)
        block.clear()

    def mixed(self) -> set[str]:
        return {c.name for c in self.columns if c is not None and c.is_mixed()}

    def dataset(self, target: str) -> Dataset:
        kept = {c.name: c for c in self.columns if c is not None}
        texts = kept.pop(target).texts()
        if "" in texts:
            raise FormatError(
                f"{self.place(texts.index(''))}, column {target!r}: found an empty cell; "
                "every row needs its target: fill it in or remove the row"
            )
        labels, classes = encode_texts(texts, f"{self.path}, column {target!r}")
        if not kept:
            raise FormatError(f"{self.path}: no feature is left; keep a column beside the target")
        features = _features({name: c.finish() for name, c in kept.items()}, len(texts))
        return Dataset(self.path.name.split(".")[0], features, labels, classes)


def _ragged(names: list[str], record: list[str]) -> str:
    if len(record) < len(names):
        return f"column {names[len(record)]!r} is missing: add its cell"
    return f"{record[len(names)]!r} is too much: put a cell that holds a comma in quotes"


def _features(columns: Mapping[str, npt.NDArray[np.float64] | Category], rows: int) -> Features:
    numeric = {name: c for name, c in columns.items() if isinstance(c, np.ndarray)}
    numbers = np.stack([*numeric.values()], axis=1) if numeric else np.empty((rows, 0))
    categories = tuple(c for c in columns.values() if isinstance(c, Category))
    return Features(numbers, tuple(numeric), categories)
