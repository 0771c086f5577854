"""Losses: how far predictions are from targets, as a mean, a sum, or one number an element."""

from ..convert import as_node, floating, pair
from ..errors import ArgumentError, ShapeError
from ..shapes import normalize_axis
from ..tensor import ArrayLike, Tensor
from .activations import log_softmax
from .derived import square
from .elementwise import exp, log, log1p
from .logic import where
from .nn import hits
from .reductions import mean
from .reductions import sum as sum_

__all__ = ["binary_cross_entropy", "binary_cross_entropy_with_logits", "cross_entropy", "mse"]


def _reduced(name: str, losses: Tensor, reduction: str) -> Tensor:
    if reduction == "mean":
        return mean(losses)
    if reduction == "sum":
        return sum_(losses)
    if reduction != "none":
        raise ArgumentError(f"{name}: reduction must be 'mean', 'sum' or 'none', got {reduction!r}")
    return losses


def _alike(name: str, x: ArrayLike, y: ArrayLike) -> tuple[Tensor, Tensor]:
    """Both as floats of one dtype; a loss of shapes that merely broadcast is mostly a mistake."""
    a, b = (Tensor(floating(Tensor(node))) for node in pair(x, y))
    if a.shape != b.shape:
        raise ShapeError(f"{name}: predictions {a.shape} and targets {b.shape} must have one shape")
    return a, b


def mse(predictions: ArrayLike, targets: ArrayLike, /, *, reduction: str = "mean") -> Tensor:
    """The squared difference.

    `reduction` is 'mean', 'sum' or 'none'.

    Raises:
        ShapeError: the shapes differ.

    >>> import allumette_core as al
    >>> al.mse([1.0, 2.0], [1.0, 4.0]).tolist()
    2.0
    """
    a, b = _alike("mse", predictions, targets)
    return _reduced("mse", square(a - b), reduction)


def binary_cross_entropy(
    probabilities: ArrayLike, targets: ArrayLike, /, *, reduction: str = "mean"
) -> Tensor:
    """`-(y * log(p) + (1 - y) * log(1 - p))` of probabilities `p` and targets `y` in 0 to 1.

    A certain prediction costs nothing where it is right, and inf where it is wrong. Of a model that
    ends in a sigmoid, take `binary_cross_entropy_with_logits`, which loses no accuracy.

    Raises:
        ShapeError: the shapes differ.

    >>> import allumette_core as al
    >>> al.binary_cross_entropy([0.0, 1.0], [0.0, 1.0]).tolist()
    0.0
    """
    p, y = _alike("binary_cross_entropy", probabilities, targets)
    # What is impossible and did not happen costs nothing: 0 * log(0) is 0 here.
    of_one = y * log(where((y == 0) & (p == 0), 1, p))
    of_zero = (1 - y) * log1p(where((y == 1) & (p == 1), 0, -p))
    return _reduced("binary_cross_entropy", -(of_one + of_zero), reduction)


def binary_cross_entropy_with_logits(
    logits: ArrayLike, targets: ArrayLike, /, *, reduction: str = "mean"
) -> Tensor:
    """The binary cross-entropy of `sigmoid(logits)`, accurate for finite logits of any size.

    Its derivative is `sigmoid(logits) - targets`, everywhere.

    Raises:
        ShapeError: the shapes differ.

    >>> import allumette_core as al
    >>> al.binary_cross_entropy_with_logits([1000.0, -1000.0], [0.0, 0.0]).tolist()
    500.0
    """
    z, y = _alike("binary_cross_entropy_with_logits", logits, targets)
    positive = z > 0
    linear = where(positive, (1 - y) * z, -(y * z))
    losses = linear + log1p(exp(where(positive, -z, z)))
    return _reduced("binary_cross_entropy_with_logits", losses, reduction)


def cross_entropy(
    logits: ArrayLike, targets: ArrayLike, /, *, axis: int = -1, reduction: str = "mean"
) -> Tensor:
    """`-sum(p * log(softmax(logits)))` along `axis`, which counts the classes.

    `targets` are either the integer labels of the classes, of the shape of `logits` without `axis`
    (a label that is no class costs nothing), or probabilities `p` of the shape of `logits`.

    Raises:
        ShapeError: `targets` has neither of these shapes.
        IndexingError: there is no such axis.

    >>> import allumette_core as al
    >>> al.cross_entropy([[0.0, 1000.0], [1000.0, 0.0]], [1, 1], reduction="none").tolist()
    [0.0, 1000.0]
    """
    z = Tensor(floating(logits))
    axis = normalize_axis("cross_entropy", axis, z.ndim)
    y = Tensor(as_node(targets, z._node.device))
    labels = y.dtype.kind in "iu"
    wanted = z.shape[:axis] + z.shape[axis + 1 :] if labels else z.shape
    if y.shape != wanted:
        raise ShapeError(
            f"cross_entropy: of logits {z.shape} with classes along axis {axis}, targets of "
            f"{y.dtype} must have shape {wanted}, got {y.shape}"
        )
    costs = -log_softmax(z, axis=axis)
    if labels:
        terms = where(hits(y, z.shape[axis], axis), costs, 0)
    else:
        terms = where((y == 0) & (costs == float("inf")), 0, y * costs)
    return _reduced("cross_entropy", sum_(terms, axis=axis), reduction)
