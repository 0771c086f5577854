"""Building blocks of networks that are no activation: lookup, normalisation, dropout, attention."""

import math

import numpy as np

from .. import expr
from .. import primitives as P
from ..convert import as_node, floating
from ..dtypes import DEFAULT_FLOAT, DEFAULT_INT, INTEGERS, as_dtype, bool_, float16
from ..errors import ArgumentError, DTypeError, ShapeError
from ..shapes import normalize_axis
from ..tensor import ArrayLike, Axes, Tensor
from ._moves import reshape_node
from .activations import softmax
from .creation import full
from .derived import square
from .elementwise import sqrt
from .gathering import take
from .linalg import matmul
from .logic import astype, where
from .manipulation import matrix_transpose
from .ranges import tril
from .reductions import mean

__all__ = [
    "dropout",
    "embedding",
    "layer_norm",
    "one_hot",
    "rms_norm",
    "scaled_dot_product_attention",
]


def one_hot(
    indices: ArrayLike, num_classes: int, /, *, axis: int = -1, dtype: object = DEFAULT_FLOAT
) -> Tensor:
    """1 at the index and 0 elsewhere along a new `axis` of size `num_classes`.

    An index that is negative or not below `num_classes` gives zeros.

    Raises:
        DTypeError: `indices` are no integers.

    >>> import allumette_core as al
    >>> al.one_hot([1, 0], 3, dtype=al.int32).tolist()
    [[0, 1, 0], [1, 0, 0]]
    """
    return astype(hits(indices, num_classes, axis), as_dtype(dtype))


def hits(indices: ArrayLike, num_classes: int, axis: int) -> Tensor:
    """Whether each class along the new `axis` is the index."""
    node = as_node(indices)
    if node.dtype not in INTEGERS:
        raise DTypeError(f"one_hot: indices must be integers, got {node.dtype}")
    if num_classes < 0:
        raise ArgumentError(f"one_hot: num_classes must not be negative, got {num_classes}")
    if num_classes - 1 > np.iinfo(node.dtype).max:
        node = expr.apply(P.cast, node, params=(DEFAULT_INT,))
    rank = len(node.shape)
    place = normalize_axis("one_hot", axis, rank + 1)
    classes = expr.apply(P.iota, params=(num_classes, node.dtype))
    classes = reshape_node(classes, (num_classes,) + (1,) * (rank - place))
    node = reshape_node(node, (*node.shape[:place], 1, *node.shape[place:]))
    return Tensor(expr.apply(P.eq, node, classes))


def embedding(weight: ArrayLike, indices: ArrayLike, /) -> Tensor:
    """The rows of `weight`, of shape (count, size), at `indices`: shape (*indices.shape, size).

    Host indices are checked; a tensor's values are not looked at, and one that is out of bounds
    gives the nearest row. Equal indices add up their gradients.

    Raises:
        ShapeError: `weight` is not of rank 2.
        IndexingError: a host index is out of bounds.

    >>> import allumette_core as al
    >>> al.embedding([[1, 2], [3, 4]], [1, 1, 0]).tolist()
    [[3, 4], [3, 4], [1, 2]]
    """
    table = Tensor(as_node(weight))
    if table.ndim != 2:
        raise ShapeError(f"embedding: the weight must be (count, size), got shape {table.shape}")
    return take(table, indices, axis=0)


# ---- normalisation -------------------------------------------------------------------------------


def _affine(x: Tensor, weight: ArrayLike | None, bias: ArrayLike | None, dtype: object) -> Tensor:
    x = astype(x, dtype) if x.dtype != dtype else x
    x = x if weight is None else x * weight
    return x if bias is None else x + bias


def _wide(x: ArrayLike) -> tuple[Tensor, object]:
    """`x` as floats, float16 as float32 so that squares do not overflow; and the float dtype."""
    t = Tensor(floating(x))
    return (astype(t, DEFAULT_FLOAT) if t.dtype == float16 else t), t.dtype


def layer_norm(
    x: ArrayLike,
    /,
    weight: ArrayLike | None = None,
    bias: ArrayLike | None = None,
    *,
    axis: Axes = -1,
    eps: float = 1e-5,
) -> Tensor:
    """`(x - mean) / sqrt(variance + eps) * weight + bias`, with the moments taken along `axis`.

    `weight` and `bias` broadcast against `x`.

    Source: Ba et al., "Layer normalization", 2016.

    >>> import allumette_core as al
    >>> al.layer_norm([[1.0, 3.0], [5.0, 5.0]], eps=0.0, bias=1.0).tolist()[0]
    [0.0, 2.0]
    """
    t, dtype = _wide(x)
    centred = t - mean(t, axis=axis, keepdims=True)
    variance = mean(square(centred), axis=axis, keepdims=True)
    return _affine(centred / sqrt(variance + eps), weight, bias, dtype)


def rms_norm(
    x: ArrayLike, /, weight: ArrayLike | None = None, *, axis: Axes = -1, eps: float = 1e-6
) -> Tensor:
    """`x / sqrt(mean(x**2) + eps) * weight`, with the mean taken along `axis`.

    Source: Zhang and Sennrich, "Root mean square layer normalization", 2019.

    >>> import allumette_core as al
    >>> al.rms_norm([3.0, 3.0], eps=0.0).tolist()
    [1.0, 1.0]
    """
    t, dtype = _wide(x)
    return _affine(t / sqrt(mean(square(t), axis=axis, keepdims=True) + eps), weight, None, dtype)


def dropout(x: ArrayLike, /, rate: float, key: Tensor) -> Tensor:
    """`x` with each element 0 at probability `rate`, and the others divided by `1 - rate`.

    Raises:
        ArgumentError: `rate` is not between 0 and 1.

    >>> import allumette_core as al
    >>> al.dropout(al.ones(1000), 0.5, al.random.key(0)).max().item()
    2.0
    """
    from .. import random  # it is made of these functions

    if not 0 <= rate <= 1:
        raise ArgumentError(f"dropout: the rate must be between 0 and 1, got {rate}")
    t = Tensor(floating(x))
    if rate in (0, 1):
        return t * (1 - rate)
    return where(random.bernoulli(key, 1 - rate, t.shape), t * (1 / (1 - rate)), 0)


# ---- attention -----------------------------------------------------------------------------------


def scaled_dot_product_attention(
    query: ArrayLike,
    key: ArrayLike,
    value: ArrayLike,
    /,
    mask: ArrayLike | None = None,
    *,
    causal: bool = False,
    scale: float | None = None,
) -> Tensor:
    """`softmax(query @ key.mT * scale + mask) @ value`: shape (..., L, V).

    `query` is (..., L, E), `key` (..., S, E), `value` (..., S, V), and the axes in front broadcast.
    `scale` is `1 / sqrt(E)` unless given. A boolean `mask`, which broadcasts to (..., L, S), says
    what may be attended to; a float one is added. `causal` lets row i attend to columns up to i. A
    row that may attend to nothing is 0.

    Source: Vaswani et al., "Attention is all you need", 2017.

    Raises:
        ShapeError: the shapes do not fit each other.

    >>> import allumette_core as al
    >>> v = al.tensor([[1.0], [3.0]])
    >>> al.scaled_dot_product_attention(al.zeros((2, 4)), al.zeros((2, 4)), v, causal=True).tolist()
    [[1.0], [2.0]]
    """
    q, k = Tensor(floating(query)), Tensor(floating(key))
    if q.ndim < 2 or k.ndim < 2:
        raise ShapeError(
            f"scaled_dot_product_attention: query {q.shape} and key {k.shape} need two axes or more"
        )
    if scale is None:
        scale = 1 / math.sqrt(max(q.shape[-1], 1))
    scores = matmul(q * scale, matrix_transpose(k))
    allowed = tril(full(scores.shape[-2:], True, device=scores.device)) if causal else None
    if mask is not None:
        given = Tensor(as_node(mask, scores._node.device))
        if given.dtype == bool_:
            allowed = given if allowed is None else allowed & given
        else:
            scores = scores + given
    if allowed is None:
        return matmul(softmax(scores), value)
    # The lowest finite number, not -inf: a row without anything must not become NaN.
    hidden = float(np.finfo(scores.dtype).min)
    return matmul(where(allowed, softmax(where(allowed, scores, hidden)), 0), value)
