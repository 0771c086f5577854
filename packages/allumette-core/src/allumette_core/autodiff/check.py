"""`check_grads`: derivatives against central differences."""

from __future__ import annotations  # np.random is imported when it is first named

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import tree
from ..convert import from_array
from ..errors import GradientError
from ..tensor import Tensor
from .transforms import jvp, vjp

_STEP = {"float64": 1e-5, "float32": 1e-2, "float16": 1e-1}
_TOLERANCE = {"float64": 1e-6, "float32": 2e-2, "float16": 1e-1}


def check_grads(
    function: Callable[..., Any],
    args: Sequence[Any],
    order: int = 2,
    modes: Sequence[str] = ("fwd", "rev"),
    seed: int = 0,
    tolerance: float | None = None,
    step: float | None = None,
) -> None:
    """Check derivatives of `function` at `args` against central differences in random directions.

    Args:
        function: from trees of float tensors to a tree of tensors.
        args: where to check; use float64.
        order: 2 checks the derivatives of the derivatives too, and so on.
        modes: "fwd" checks jvp, "rev" vjp.
        tolerance: relative to the size of the derivative plus 1; by dtype if None.
        step: of the differences, relative to the size of the arguments plus 1; by dtype if None.

    Raises:
        GradientError: a derivative is off; the message gives both numbers, the mode and the order.

    >>> import allumette_core as al
    >>> x = al.tensor([0.5, 2.0], dtype="float64", device="numpy")
    >>> al.check_grads(lambda x: al.sin(x) * x, [x]) is None
    True
    """
    generator = np.random.default_rng(seed)
    primals = tuple(args)
    dtype = next((t.dtype.name for t in tree.leaves(primals)), "float64")
    limit = tolerance or _TOLERANCE[dtype]
    if "fwd" in modes:
        _check_forward(function, primals, generator, limit, step or _STEP[dtype], order)
    if "rev" in modes:
        _check_reverse(function, primals, generator, limit, step or _STEP[dtype], order)
    if order < 2:
        return
    direction = _directions(primals, generator)
    deeper = (seed + 1, tolerance and tolerance * 10, step)
    if "fwd" in modes:
        check_grads(lambda *x: jvp(function, x, direction)[1], primals, order - 1, modes, *deeper)
    if "rev" in modes:
        value = function(*primals)
        cotangent = _directions(value, generator)
        check_grads(lambda *x: vjp(function, *x)[1](cotangent), primals, order - 1, modes, *deeper)


def _directions(value: Any, generator: np.random.Generator) -> Any:
    """A tree like `value` of standard normal numbers."""
    return tree.map(
        lambda t: from_array(
            np.asarray(generator.standard_normal(t.shape)).astype(t.dtype), t.device
        ),
        value,
    )


def _dot(a: Any, b: Any) -> float:
    pairs = zip(tree.leaves(a), tree.leaves(b), strict=True)
    return sum(float(np.sum(_wide(x) * _wide(y))) for x, y in pairs)


def _wide(t: Tensor) -> NDArray[np.float64]:
    return np.asarray(t).astype(np.float64)


def _difference(
    function: Callable[..., Any], primals: Any, direction: Any, step: float
) -> list[NDArray[np.float64]]:
    """(f(x + h v) - f(x - h v)) / 2h, a leaf of the result at a time."""

    def moved(sign: float) -> list[NDArray[np.float64]]:
        at = tree.map(lambda x, v: x + v * (sign * step), primals, direction)
        return [_wide(leaf) for leaf in tree.leaves(function(*at))]

    return [(a - b) / (2 * step) for a, b in zip(moved(1), moved(-1), strict=True)]


def _check_forward(
    function: Callable[..., Any], primals: Any, generator: np.random.Generator,
    limit: float, step: float, order: int,
) -> None:  # fmt: skip
    direction = _directions(primals, generator)
    _, tangent = jvp(function, primals, direction)
    expected = _difference(function, primals, direction, step)
    for got, wanted in zip(map(_wide, tree.leaves(tangent)), expected, strict=True):
        error = np.max(np.abs(got - wanted) / (1 + np.abs(wanted)), initial=0.0)
        if not error <= limit:
            raise GradientError(
                f"check_grads: jvp is off by {error:.3g} (relative), more than {limit:.3g}, with "
                f"{order - 1} more orders to check: got {got}, by central differences {wanted}"
            )


def _check_reverse(
    function: Callable[..., Any], primals: Any, generator: np.random.Generator,
    limit: float, step: float, order: int,
) -> None:  # fmt: skip
    direction = _directions(primals, generator)
    value, pull = vjp(function, *primals)
    cotangent = _directions(value, generator)
    got = _dot(pull(cotangent), direction)
    differences = _difference(function, primals, direction, step)
    weights = map(_wide, tree.leaves(cotangent))
    wanted = sum(float(np.sum(w * d)) for w, d in zip(weights, differences, strict=True))
    error = abs(got - wanted) / (1 + abs(wanted))
    if not error <= limit:
        raise GradientError(
            f"check_grads: vjp is off by {error:.3g} (relative), more than {limit:.3g}, with "
            f"{order - 1} more orders to check: got {got}, by central differences {wanted}"
        )
