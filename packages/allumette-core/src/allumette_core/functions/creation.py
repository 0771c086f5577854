"""Tensors from data, and tensors made from a rule.

What is made from a rule (zeros, arange, eye) is computed where it is used: it has no device of
its own until it is evaluated, unless `device` names one. Data is copied to `device`, or to the
default device.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import expr
from ..backend.registry import resolve_device
from ..convert import as_node, from_array, host_array
from ..dtypes import DEFAULT_FLOAT, as_dtype
from ..expr import Node
from ..shapes import Shape, checked_rank
from ..tensor import ArrayLike, Tensor
from .joining import stack
from .logic import astype
from .manipulation import broadcast_to

__all__ = [
    "asarray",
    "empty",
    "empty_like",
    "full",
    "full_like",
    "ones",
    "ones_like",
    "tensor",
    "zeros",
    "zeros_like",
]

ShapeLike = int | Sequence[int]


# ---- from data -----------------------------------------------------------------------------------


def tensor(
    data: ArrayLike, dtype: Any = None, device: str | None = None, requires_grad: bool = False
) -> Tensor:
    """A new tensor of `data`: a number, nested lists, an array or a tensor; always a copy.

    Lists of Python floats become float32 and of integers int32, unless `dtype` says otherwise;
    arrays keep their dtype. Lists may hold tensors, which are stacked. With `requires_grad`,
    `backward` of what is computed from it reaches it.

    Raises:
        DTypeError: not numbers; an integer that the dtype does not hold; `requires_grad` of a
            dtype that is not a float.
        ShapeError: nested lists of different lengths.

    >>> import allumette_core as al
    >>> al.tensor([[1, 2], [3, 4]], dtype=al.float32, device="numpy")
    tensor([[1., 2.],
            [3., 4.]], dtype=float32, device='numpy')
    """
    out = asarray(data, dtype, device)
    if isinstance(data, Tensor):
        out = astype(out, out.dtype)
    return out.requires_grad_() if requires_grad else out


def asarray(data: ArrayLike, dtype: Any = None, device: str | None = None) -> Tensor:
    """`data` as a tensor: itself if it is one of that dtype on that device, else a new one.

    Raises:
        DTypeError: not numbers, or an integer that the dtype does not hold.
        ShapeError: nested lists of different lengths.

    >>> import allumette_core as al
    >>> al.asarray([1, 2], dtype="uint8").dtype
    dtype('uint8')
    """
    wanted = None if dtype is None else as_dtype(dtype)
    if _holds_tensor(data):
        data = stack([asarray(item, dtype, device) for item in data])  # type: ignore[union-attr]
    if not isinstance(data, Tensor):
        return from_array(host_array(data, wanted), device)
    if device is not None:
        data = data.to(device)
    return data if wanted is None or data.dtype == wanted else astype(data, wanted)


def _holds_tensor(data: Any) -> bool:
    if not isinstance(data, list | tuple):
        return False
    return any(isinstance(item, Tensor) or _holds_tensor(item) for item in data)


# ---- of one value --------------------------------------------------------------------------------


def checked_shape(name: str, shape: ShapeLike) -> Shape:
    """`shape` as a tuple, if its rank and sizes are allowed."""
    sizes = (shape,) if isinstance(shape, int) else tuple(map(int, shape))
    return checked_rank(name, sizes)


def placed(node: Node, device: str | None) -> Tensor:
    """The tensor of `node`, on `device` if it names one."""
    if device is not None:
        node.device = resolve_device(device)
    return Tensor(node)


def full(
    shape: ShapeLike, fill_value: ArrayLike, dtype: Any = None, device: str | None = None
) -> Tensor:
    """A tensor of `shape` whose elements are all `fill_value`.

    The dtype is that of `fill_value` unless given: float32, int32 or bool for a Python number.

    Raises:
        ShapeError: a negative size, more than 32 axes.
        DTypeError: an integer that the dtype does not hold.

    >>> import allumette_core as al
    >>> al.full((2, 2), 7).tolist()
    [[7, 7], [7, 7]]
    """
    sizes = checked_shape("full", shape)
    kind = type(fill_value)
    if kind not in (bool, int, float):
        return broadcast_to(asarray(fill_value, dtype, device), sizes)
    wanted = as_dtype(kind if dtype is None else dtype)
    value = host_array(fill_value, wanted).item()
    return placed(expr.literal(value, wanted, sizes), device)


def zeros(shape: ShapeLike, dtype: Any = None, device: str | None = None) -> Tensor:
    """A tensor of zeros, float32 unless `dtype` is given.

    >>> import allumette_core as al
    >>> al.zeros((2, 3)).tolist()
    [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    """
    return full(shape, 0, dtype or DEFAULT_FLOAT, device)


def ones(shape: ShapeLike, dtype: Any = None, device: str | None = None) -> Tensor:
    """A tensor of ones, float32 unless `dtype` is given.

    >>> import allumette_core as al
    >>> al.ones(2, dtype=al.int32).tolist()
    [1, 1]
    """
    return full(shape, 1, dtype or DEFAULT_FLOAT, device)


def empty(shape: ShapeLike, dtype: Any = None, device: str | None = None) -> Tensor:
    """A tensor to be assigned to; it holds zeros, so that nothing depends on what was in memory.

    >>> import allumette_core as al
    >>> al.empty((2, 0)).shape
    (2, 0)
    """
    return zeros(shape, dtype, device)


def full_like(
    x: ArrayLike, /, fill_value: ArrayLike, dtype: Any = None, device: str | None = None
) -> Tensor:
    """A tensor of `fill_value` with the shape, dtype and device of `x`, unless others are given.

    >>> import allumette_core as al
    >>> al.full_like([1.0, 2.0], 7).tolist()
    [7.0, 7.0]
    """
    node = as_node(x)
    return full(node.shape, fill_value, dtype or node.dtype, device or node.device)


def zeros_like(x: ArrayLike, /, dtype: Any = None, device: str | None = None) -> Tensor:
    """Zeros with the shape, dtype and device of `x`, unless others are given.

    >>> import allumette_core as al
    >>> al.zeros_like([1, 2]).tolist()
    [0, 0]
    """
    return full_like(x, 0, dtype, device)


def ones_like(x: ArrayLike, /, dtype: Any = None, device: str | None = None) -> Tensor:
    """Ones with the shape, dtype and device of `x`, unless others are given.

    >>> import allumette_core as al
    >>> al.ones_like([0.5, 2.0]).tolist()
    [1.0, 1.0]
    """
    return full_like(x, 1, dtype, device)


def empty_like(x: ArrayLike, /, dtype: Any = None, device: str | None = None) -> Tensor:
    """A tensor to be assigned to, with the shape, dtype and device of `x`; it holds zeros.

    >>> import allumette_core as al
    >>> al.empty_like([1, 2]).shape
    (2,)
    """
    return full_like(x, 0, dtype, device)
