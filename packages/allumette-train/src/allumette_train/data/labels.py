"""Classes and labels out of whatever a file holds for them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from allumette_core.errors import FormatError

__all__ = ["MOST_CLASSES", "encode_array", "encode_texts", "number"]

#: More classes than this are taken for a mistake: a file of measurements, not of classes.
MOST_CLASSES = 1000

Labels = tuple[npt.NDArray[np.int32], tuple[str, ...]]


def number(text: str) -> float | None:
    """The number that a cell holds, NaN and infinities included, or None if it holds none.

    >>> number(" 1.5e3 "), number("1_000"), number("many")
    (1500.0, None, None)
    """
    if "_" in text:
        return None
    try:
        return float(text)
    except ValueError:
        return None


def encode_texts(texts: Sequence[str], where: str) -> Labels:
    """Number the distinct texts: by value if all are numbers, else in alphabetical order.

    Args:
        texts: one per row, N of them.
        where: what a message calls them, such as ``iris.csv, column 'species'``.

    Returns:
        Labels, (N,) int32, and the classes that they index.

    Raises:
        FormatError: if there is one class only, or so many that these are no classes.

    >>> encode_texts(["10", "9", "9.0"], "y")
    (array([1, 0, 0], dtype=int32), ('9', '10'))
    """
    distinct = list(dict.fromkeys(texts))
    numbers = [number(text) for text in distinct]
    keys: list[Any] = distinct
    if all(value is not None and math.isfinite(value) for value in numbers):
        keys = numbers
    classes = sorted(set(keys))
    _check_classes(classes, len(texts), where)
    place = {key: index for index, key in enumerate(classes)}
    code = {text: place[key] for text, key in zip(distinct, keys, strict=True)}
    labels = np.fromiter((code[text] for text in texts), dtype=np.int32, count=len(texts))
    return labels, tuple(map(_name, classes))


def encode_array(values: npt.NDArray[Any], where: str) -> Labels:
    """Number the distinct values of an array of integers, booleans, floats or texts, shape (N,).

    Raises:
        FormatError: as :func:`encode_texts`, and for NaN, infinities or another dtype.

    >>> encode_array(np.array([7, 3, 7]), "y")
    (array([1, 0, 1], dtype=int32), ('3', '7'))
    """
    if values.dtype.kind not in "biufU":
        raise FormatError(
            f"{where}: its dtype is {values.dtype}; labels are integers, booleans or texts"
        )
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        row = int(np.flatnonzero(~np.isfinite(values))[0])
        raise FormatError(f"{where}, row {row}: found {values[row]}; every row needs a label")
    classes, labels = np.unique(values, return_inverse=True)
    _check_classes(classes.tolist(), len(values), where)
    return labels.astype(np.int32), tuple(map(_name, classes.tolist()))


def _name(value: Any) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _check_classes(classes: Sequence[Any], rows: int, where: str) -> None:
    if len(classes) < 2:
        found = f"every label is {_name(classes[0])!r}" if classes else "no rows"
        raise FormatError(f"{where}: {found}; training needs at least two classes")
    fractions = any(isinstance(value, float) and not value.is_integer() for value in classes)
    most = min(MOST_CLASSES, max(20, rows // 2))
    if len(classes) > most or (fractions and len(classes) > 20):
        raise FormatError(
            f"{where}: {len(classes)} different values in {rows} rows look like measurements; "
            f"a target needs classes, at most {20 if fractions else most} here"
        )
