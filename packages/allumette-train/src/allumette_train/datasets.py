"""Points of the unit square with two labels: six small problems, from easy to hard.

They are the built-in datasets of ``allumette train``; every one is drawn from a seed::

    >>> from allumette_train.datasets import make
    >>> data = make("star", 1000, seed=0)
    >>> data.features.numbers.shape, data.labels.shape, data.classes
    ((1000, 2), (1000,), ('outside', 'inside'))
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from allumette_core.errors import ArgumentError

from allumette_train.data.dataset import Dataset, Features

__all__ = ["DATASETS", "STAR", "make"]

Floats: TypeAlias = npt.NDArray[np.float32]
Bools: TypeAlias = npt.NDArray[np.bool_]

#: The corners of the five-pointed star, in order, shape (10, 2).
STAR = np.array(
    [
        (0.50, 1.00),
        (0.60, 0.67),
        (1.00, 0.67),
        (0.67, 0.45),
        (0.85, 0.00),
        (0.50, 0.25),
        (0.15, 0.00),
        (0.33, 0.45),
        (0.00, 0.67),
        (0.40, 0.67),
    ],
    dtype=np.float32,
)
STAR.setflags(write=False)


def _simple(x: Floats, y: Floats) -> Bools:
    return x < 0.5


def _diag(x: Floats, y: Floats) -> Bools:
    return x + y < 0.5


def _split(x: Floats, y: Floats) -> Bools:
    inside: Bools = (x < 0.2) | (x > 0.8)
    return inside


def _xor(x: Floats, y: Floats) -> Bools:
    inside: Bools = (x < 0.5) != (y < 0.5)
    return inside


def _circle(x: Floats, y: Floats) -> Bools:
    inside: Bools = (x - 0.5) ** 2 + (y - 0.5) ** 2 < 0.2
    return inside


def _star(x: Floats, y: Floats) -> Bools:
    return _in_polygon(x, y, STAR)


def _in_polygon(x: Floats, y: Floats, corners: Floats) -> Bools:
    """Whether a ray from each point to the right crosses the outline an odd number of times."""
    inside = np.zeros(x.shape, dtype=np.bool_)
    for (ax, ay), (bx, by) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        if ay == by:  # a level edge is never crossed by a level ray
            continue
        crossed = (ay > y) != (by > y)
        inside ^= crossed & (x < ax + (y - ay) * ((bx - ax) / (by - ay)))
    return inside


#: Name to rule: the rule takes both coordinates, (N,) each, and says which points are inside.
DATASETS: Mapping[str, Callable[[Floats, Floats], Bools]] = MappingProxyType(
    {
        "simple": _simple,
        "diag": _diag,
        "split": _split,
        "xor": _xor,
        "circle": _circle,
        "star": _star,
    }
)


def make(name: str, rows: int, seed: int = 0) -> Dataset:
    """Draw ``rows`` points of the dataset ``name``, the same ones for the same ``seed``.

    Args:
        name: simple (x < 0.5), diag (x + y < 0.5), split (x < 0.2 or x > 0.8),
            xor (exactly one of x, y below 0.5), circle (centre (0.5, 0.5), radius² 0.2) or star.
        rows: how many points; 0 is allowed.
        seed: a non-negative integer.

    Returns:
        Features of shape (rows, 2), float32 in [0, 1); labels of shape (rows,), int32, 1 where
        the rule holds.

    Raises:
        ArgumentError: for an unknown name, or a negative number of rows or seed.

    >>> make("diag", 4, seed=1).labels.dtype
    dtype('int32')
    """
    if name not in DATASETS:
        raise ArgumentError(_unknown(name))
    if rows < 0 or seed < 0:
        raise ArgumentError(f"dataset {name!r}: rows={rows} and seed={seed} must not be negative")
    points = np.random.default_rng(seed).random((rows, 2), dtype=np.float32)
    inside = DATASETS[name](points[:, 0], points[:, 1])
    return Dataset(
        name=name,
        features=Features(points, ("x", "y")),
        labels=inside.astype(np.int32),
        classes=("outside", "inside"),
    )


def _unknown(name: str) -> str:
    close = difflib.get_close_matches(name.lower(), DATASETS, n=1)
    hint = f" (did you mean {close[0]}?)" if close else ""
    return f"unknown dataset {name!r}{hint}; choose one of {', '.join(DATASETS)}"
