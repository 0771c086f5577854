"""Activation functions: each element on its own, and normalised exponentials along an axis.

All take any shape and keep a float dtype; integers are taken as float32 (relu keeps them). NaN
comes out of NaN. Derivatives of any order are right at the joints: relu'(0) = 0, softplus''(0) =
1/4.
"""

import math

from .. import expr
from .. import primitives as P
from ..convert import as_node, floating
from ..errors import ArgumentError
from ..tensor import ArrayLike, Axes, Tensor
from .elementwise import erf, exp, expm1, log, log1p, tanh
from .logic import stop_gradient, where
from .reductions import max as max_
from .reductions import sum as sum_

__all__ = [
    "elu",
    "gelu",
    "leaky_relu",
    "log_sigmoid",
    "log_softmax",
    "relu",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
]


def relu(x: ArrayLike, /) -> Tensor:
    """`x` where it is positive, else 0. Its slope at 0 is 0.

    >>> import allumette_core as al
    >>> al.relu([-1.0, 0.0, 2.0]).tolist()
    [0.0, 0.0, 2.0]
    """
    t = Tensor(as_node(x))
    return where(t <= 0, 0, t)


def leaky_relu(x: ArrayLike, /, negative_slope: float = 0.01) -> Tensor:
    """`x` where it is positive, else `negative_slope * x`.

    >>> import allumette_core as al
    >>> al.leaky_relu([-2.0, 3.0], 0.5).tolist()
    [-1.0, 3.0]
    """
    t = Tensor(floating(x))
    return where(t <= 0, negative_slope * t, t)


def elu(x: ArrayLike, /, alpha: float = 1.0) -> Tensor:
    """`x` where it is positive, else `alpha * (exp(x) - 1)`.

    Source: Clevert et al., "Fast and accurate deep network learning by exponential linear units",
    2015.

    >>> import allumette_core as al
    >>> al.elu([0.0, 3.0]).tolist()
    [0.0, 3.0]
    """
    t = Tensor(floating(x))
    positive = t > 0
    return where(positive, t, alpha * expm1(where(positive, 0, t)))


def sigmoid(x: ArrayLike, /) -> Tensor:
    """`1 / (1 + exp(-x))`.

    >>> import allumette_core as al
    >>> al.sigmoid([0.0]).tolist()
    [0.5]
    """
    return Tensor(expr.apply(P.logistic, floating(x)))


def softplus(x: ArrayLike, /) -> Tensor:
    """`log(1 + exp(x))` without overflow.

    >>> import allumette_core as al
    >>> al.softplus([-200.0, 200.0]).tolist()
    [0.0, 200.0]
    """
    t = Tensor(floating(x))
    positive = t > 0  # both halves have every derivative at 0, unlike max(x, 0) and |x|
    return where(positive, t, 0) + log1p(exp(where(positive, -t, t)))


def log_sigmoid(x: ArrayLike, /) -> Tensor:
    """`log(sigmoid(x))` without overflow.

    >>> import allumette_core as al
    >>> al.log_sigmoid([-200.0, 200.0]).tolist()
    [-200.0, -0.0]
    """
    return -softplus(-Tensor(floating(x)))


def silu(x: ArrayLike, /) -> Tensor:
    """`x * sigmoid(x)`, also called swish.

    >>> import allumette_core as al
    >>> al.silu([0.0, 100.0]).tolist()
    [0.0, 100.0]
    """
    t = Tensor(floating(x))
    return t * sigmoid(t)


def gelu(x: ArrayLike, /, approximate: str = "none") -> Tensor:
    """`x` times the normal distribution's probability below `x`.

    With `approximate="tanh"`, `x/2 * (1 + tanh(sqrt(2/pi) * (x + 0.044715 * x**3)))`.

    Source: Hendrycks and Gimpel, "Gaussian error linear units", 2016.

    Raises:
        ArgumentError: `approximate` is neither "none" nor "tanh".

    >>> import allumette_core as al
    >>> al.gelu([0.0, 10.0]).tolist(), al.gelu([0.0, 10.0], approximate="tanh").tolist()
    ([0.0, 10.0], [0.0, 10.0])
    """
    t = Tensor(floating(x))
    if approximate == "none":
        return 0.5 * t * (1 + erf(t * math.sqrt(0.5)))
    if approximate != "tanh":
        raise ArgumentError(f"gelu: approximate must be 'none' or 'tanh', got {approximate!r}")
    return 0.5 * t * (1 + tanh(math.sqrt(2 / math.pi) * (t + 0.044715 * t * t * t)))


def _shifted(x: ArrayLike, axis: Axes) -> Tensor:
    """`x` with its largest element along `axis` moved to 0, which changes no softmax."""
    t = Tensor(floating(x))
    return t - stop_gradient(max_(t, axis=axis, keepdims=True)) if t.size else t


def softmax(x: ArrayLike, /, axis: Axes = -1) -> Tensor:
    """`exp(x) / sum(exp(x))` along `axis`, without overflow for logits of any finite size.

    -inf gives 0, as a mask does; NaN, inf, or nothing but -inf gives NaN along that axis.

    Raises:
        IndexingError: there is no such axis.

    >>> import allumette_core as al
    >>> al.softmax([1000.0, 1000.0, float("-inf")]).tolist()
    [0.5, 0.5, 0.0]
    """
    powers = exp(_shifted(x, axis))
    return powers / sum_(powers, axis=axis, keepdims=True)


def log_softmax(x: ArrayLike, /, axis: Axes = -1) -> Tensor:
    """`log(softmax(x))` along `axis`, accurate where the probability is below the smallest float.

    Raises:
        IndexingError: there is no such axis.

    >>> import allumette_core as al
    >>> al.log_softmax([-1000.0, 1000.0]).tolist()
    [-2000.0, 0.0]
    """
    shifted = _shifted(x, axis)
    return shifted - log(sum_(exp(shifted), axis=axis, keepdims=True))
