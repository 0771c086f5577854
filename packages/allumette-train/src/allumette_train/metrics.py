"""How many rows are right: sums, so that batches add up; they work inside ``al.jit``."""

from __future__ import annotations

import allumette_core as al

__all__ = ["binary_hits", "hits"]


def binary_hits(logits: al.Tensor, targets: al.Tensor) -> al.Tensor:
    """How many of N rows have their logit on the right side of 0; 0 itself counts as below.

    Args:
        logits: (N,) float.
        targets: (N,), 0 or 1.

    Returns:
        A scalar, int32.

    Raises:
        ShapeError: if the shapes differ.

    >>> binary_hits(al.tensor([3.0, -1.0, 2.0]), al.tensor([1.0, 0.0, 0.0])).item()
    2
    """
    if logits.shape != targets.shape:
        raise al.ShapeError(
            f"binary_hits: logits {logits.shape} and targets {targets.shape} differ; "
            "both should be (N,)"
        )
    return ((logits > 0) == (targets > 0.5)).astype(al.int32).sum()


def hits(logits: al.Tensor, labels: al.Tensor) -> al.Tensor:
    """How many of N rows have their largest logit at their label; of equals the first counts.

    Args:
        logits: (N, K) float.
        labels: (N,) integers from 0 to K - 1.

    Returns:
        A scalar, int32.

    Raises:
        ShapeError: if the shapes do not fit.

    >>> hits(al.tensor([[1.0, 2.0], [5.0, 1.0]]), al.asarray([1, 1])).item()
    1
    """
    if logits.ndim != 2 or labels.shape != logits.shape[:1]:
        raise al.ShapeError(
            f"hits: logits {logits.shape} and labels {labels.shape} do not fit; "
            "(N, K) and (N,) would"
        )
    return (al.argmax(logits, axis=1) == labels).astype(al.int32).sum()
