"""Losses of logits, stable for logits of any size, and how many rows are right.

A loss is the mean over the rows; logits are what comes before a sigmoid or softmax.
"""

from __future__ import annotations

import allumette_core as al

__all__ = ["binary_cross_entropy", "binary_hits", "cross_entropy", "hits"]


def binary_cross_entropy(logits: al.Tensor, targets: al.Tensor) -> al.Tensor:
    """The mean of ``-log(p)`` of the right one of two classes, with ``p = sigmoid(logits)``.

    Args:
        logits: (N,) float.
        targets: (N,), 0 or 1 or a probability in between, of the same dtype.

    Returns:
        A scalar. Its derivative is ``(sigmoid(logits) - targets) / N`` everywhere, at 0 too.

    Raises:
        ShapeError: if the shapes differ.

    >>> import allumette_core as al
    >>> round(binary_cross_entropy(al.tensor([0.0, 1000.0]), al.tensor([1.0, 1.0])).item(), 4)
    0.3466
    """
    if logits.shape != targets.shape:
        raise al.ShapeError(
            f"binary_cross_entropy: logits {logits.shape} and targets {targets.shape} differ; "
            "both should be (N,)"
        )
    positive = logits > 0
    # log(1 + exp(z)) in halves that neither overflow nor, unlike |z|, have a kink at 0.
    linear = al.where(positive, logits, 0.0) - logits * targets
    return (linear + al.log1p(al.exp(al.where(positive, -logits, logits)))).mean()


def cross_entropy(logits: al.Tensor, labels: al.Tensor) -> al.Tensor:
    """The mean of ``-log(p)`` of the right class, with ``p = softmax(logits)``.

    Args:
        logits: (N, K) float.
        labels: (N,) integers from 0 to K - 1.

    Returns:
        A scalar.

    Raises:
        ShapeError: if the shapes do not fit.

    >>> import allumette_core as al
    >>> round(cross_entropy(al.zeros((4, 8)), al.asarray([0, 1, 2, 7])).item(), 4)
    2.0794
    """
    if logits.ndim != 2 or labels.shape != logits.shape[:1]:
        raise al.ShapeError(
            f"cross_entropy: logits {logits.shape} and labels {labels.shape} do not fit; "
            "(N, K) and (N,) would"
        )
    chosen = al.one_hot(labels, logits.shape[1], dtype=al.bool)
    # Not a product: log(0) of another class must not turn into NaN.
    return -al.where(chosen, al.log_softmax(logits, axis=1), 0.0).sum(axis=1).mean()


def binary_hits(logits: al.Tensor, targets: al.Tensor) -> al.Tensor:
    """How many of the rows have their logit on the right side of 0: a scalar, int32."""
    return ((logits > 0) == (targets > 0.5)).astype(al.int32).sum()


def hits(logits: al.Tensor, labels: al.Tensor) -> al.Tensor:
    """How many of the rows have their largest logit at the right class: a scalar, int32."""
    return (al.argmax(logits, axis=1) == labels).astype(al.int32).sum()
