"""Which rows are trained on, and in which order: all of it determined by a seed.

>>> from allumette_train.batches import minibatches, split
>>> training, validation = split(10, 0.2, seed=0)
>>> len(training), len(validation)
(8, 2)
>>> [len(rows) for rows in minibatches(10, 4, seed=0, epoch=0)]
[4, 4, 2]
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from allumette_core.errors import ArgumentError

__all__ = ["minibatches", "split"]

# One stream for each purpose, so that asking more of one does not change the others.
_SPLIT, _ORDER = 1, 2


def split(
    rows: int, fraction: float, seed: int
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Choose rows for validation at random and leave the others for training.

    Args:
        rows: how many rows there are.
        fraction: the part to validate on, at least 0 and below 1.
        seed: the same seed chooses the same rows.

    Returns:
        The indices for training and those for validation, both ascending. With a fraction above
        0 neither is empty.

    Raises:
        ArgumentError: if the fraction is out of range, or leaves one of the two without a row.

    >>> training, validation = split(4, 0.25, seed=0)
    >>> sorted([*training.tolist(), *validation.tolist()])
    [0, 1, 2, 3]
    """
    if not 0 <= fraction < 1:
        raise ArgumentError(f"split: the fraction is {fraction}; from 0 to below 1 would work")
    if fraction == 0:
        return np.arange(rows), np.arange(0)
    held = round(rows * fraction)
    if not 0 < held < rows:
        raise ArgumentError(
            f"split: {fraction} of {rows} rows leaves {held} to validate and {rows - held} to "
            "train on; neither may be 0: give more rows or another fraction"
        )
    order = np.random.default_rng((seed, _SPLIT)).permutation(rows)
    return np.sort(order[held:]), np.sort(order[:held])


def minibatches(rows: int, size: int, *, seed: int, epoch: int) -> Iterator[npt.NDArray[np.int32]]:
    """All rows once, in an order of the epoch's own, ``size`` at a time; the last may be shorter.

    Raises:
        ArgumentError: if the size is below 1.

    >>> [batch.tolist() for batch in minibatches(2, 5, seed=0, epoch=0)] in ([[0, 1]], [[1, 0]])
    True
    """
    if size < 1:
        raise ArgumentError(f"minibatches: the size is {size}; at least 1 would work")
    rng = np.random.default_rng((seed, _ORDER, epoch))
    order = rng.permutation(rows).astype(np.int32)
    for start in range(0, rows, size):
        yield order[start : start + size]
