"""Running along an axis, keeping every step: cumulative sums, products and extremes."""

from __future__ import annotations

from typing import Any

from .. import expr
from .. import primitives as P
from ..convert import as_node
from ..expr import Node
from ..primitives import Primitive
from ..shapes import normalize_axis
from ..tensor import ArrayLike, Tensor
from .creation import full
from .joining import concat
from .manipulation import reshape
from .reductions import widened

__all__ = ["cummax", "cummin", "cumulative_prod", "cumulative_sum"]


def _scan(name: str, primitive: Primitive, node: Node, axis: int | None) -> tuple[Tensor, int]:
    if axis is None:
        node, axis = reshape(Tensor(node), (-1,))._node, 0
    place = normalize_axis(name, axis, len(node.shape))
    return Tensor(expr.apply(primitive, node, params=(place,))), place


def _with_initial(out: Tensor, axis: int, value: int) -> Tensor:
    """`value` before the first step."""
    shape = (*out.shape[:axis], 1, *out.shape[axis + 1 :])
    return concat([full(shape, value, out.dtype, out._node.device), out], axis)


def cumulative_sum(
    x: ArrayLike, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False
) -> Tensor:
    """The sums of the first 1, 2, ... elements along `axis`; flattened first when it is None.

    Dtypes as for `sum`. With `include_initial` the result starts with 0 and is one longer.

    Raises:
        IndexingError: there is no such axis.

    >>> import allumette_core as al
    >>> al.cumulative_sum([1, 2, 3]).tolist()
    [1, 3, 6]
    """
    out, place = _scan("cumulative_sum", P.cumsum, widened(x, dtype), axis)
    return _with_initial(out, place, 0) if include_initial else out


def cumulative_prod(
    x: ArrayLike, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False
) -> Tensor:
    """The products of the first 1, 2, ... elements along `axis`; flattened first when it is None.

    Dtypes as for `sum`. With `include_initial` the result starts with 1 and is one longer.

    Raises:
        IndexingError: there is no such axis.

    >>> import allumette_core as al
    >>> al.cumulative_prod([1, 2, 3]).tolist()
    [1, 2, 6]
    """
    out, place = _scan("cumulative_prod", P.cumprod, widened(x, dtype), axis)
    return _with_initial(out, place, 1) if include_initial else out


def cummax(x: ArrayLike, /, axis: int | None = None) -> Tensor:
    """The largest of the first 1, 2, ... elements along `axis`; NaN from the first NaN on.

    >>> import allumette_core as al
    >>> al.cummax([1, 3, 2]).tolist()
    [1, 3, 3]
    """
    return _scan("cummax", P.cummax, as_node(x), axis)[0]


def cummin(x: ArrayLike, /, axis: int | None = None) -> Tensor:
    """The smallest of the first 1, 2, ... elements along `axis`; NaN from the first NaN on.

    >>> import allumette_core as al
    >>> al.cummin([3, 1, 2]).tolist()
    [3, 1, 1]
    """
    return _scan("cummin", P.cummin, as_node(x), axis)[0]
