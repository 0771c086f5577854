"""Tensors from data, and tensors made from a rule.

What is made from a rule (zeros, arange, eye) is computed where it is used: it has no device of
its own until it is evaluated, unless `device` names one. Data is copied to `device`, or to the
default device.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from .. import expr
from .. import primitives as P
from ..backend.registry import resolve_device
from ..convert import as_node, check_fits, from_array, host_array
from ..dtypes import DEFAULT_FLOAT, DEFAULT_INT, DType, Scalar, as_dtype, int64
from ..errors import ArgumentError, DTypeError, ShapeError
from ..expr import Node
from ..shapes import Shape, checked_rank
from ..tensor import ArrayLike, Tensor
from .derived import astype, where
from .manipulation import broadcast_arrays, broadcast_to, reshape, stack

__all__ = [
    "arange",
    "asarray",
    "empty",
    "empty_like",
    "eye",
    "full",
    "full_like",
    "linspace",
    "meshgrid",
    "ones",
    "ones_like",
    "tensor",
    "tril",
    "triu",
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


def _shape(name: str, shape: ShapeLike) -> Shape:
    sizes = (shape,) if isinstance(shape, int) else tuple(map(int, shape))
    return checked_rank(name, sizes)


def _placed(node: Node, device: str | None) -> Tensor:
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
    sizes = _shape("full", shape)
    kind = type(fill_value)
    if kind not in (bool, int, float):
        return broadcast_to(asarray(fill_value, dtype, device), sizes)
    wanted = as_dtype(kind if dtype is None else dtype)
    value = host_array(fill_value, wanted).item()
    return _placed(expr.literal(value, wanted, sizes), device)


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


# ---- ranges and grids ----------------------------------------------------------------------------


def arange(
    start: Scalar,
    /,
    stop: Scalar | None = None,
    step: Scalar = 1,
    dtype: Any = None,
    device: str | None = None,
) -> Tensor:
    """`start`, `start + step`, ... before `stop`; or from 0 before `start` when it stands alone.

    int32 if all are integers, else float32, unless `dtype` is given. With a fractional step
    rounding may add an element or lose one: `linspace` does not.

    Raises:
        ArgumentError: the step is 0 or not finite.
        DTypeError: an end that the dtype does not hold.

    >>> import allumette_core as al
    >>> al.arange(5).tolist(), al.arange(1, 2, 0.25).tolist()
    ([0, 1, 2, 3, 4], [1.0, 1.25, 1.5, 1.75])
    """
    if stop is None:
        start, stop = 0, start
    if step == 0 or not all(map(math.isfinite, (start, stop, step))):
        raise ArgumentError(f"arange({start}, {stop}, {step}): needs finite ends and a step not 0")
    whole = all(isinstance(value, int) for value in (start, stop, step))
    wanted = as_dtype(dtype or (DEFAULT_INT if whole else DEFAULT_FLOAT))
    if wanted.kind == "b":
        raise DTypeError("arange: the dtype must be an integer or a float, got bool")
    size = len(range(start, stop, step)) if whole else max(0, math.ceil((stop - start) / step))  # type: ignore[arg-type]
    if wanted.kind in "iu":
        check_fits(int(start), wanted)
        check_fits(int(start + max(size - 1, 0) * step), wanted)
    return _affine(size, start, step, wanted, device)


def _affine(size: int, start: Scalar, step: Scalar, dtype: DType, device: str | None) -> Tensor:
    """`start + step * i` for i below `size`, computed where neither a step nor a count is lost."""
    step = step if size > 1 else 1
    narrow = dtype.itemsize < 4 or dtype.kind == "u"
    counter = dtype
    if narrow and dtype.kind == "f":
        counter = DEFAULT_FLOAT
    elif narrow and (step < 0 or step > 127):
        counter = int64
    out = _placed(expr.apply(P.iota, params=(size, counter)), device)
    out = out if step == 1 else out * step
    out = out if start == 0 else out + start
    return astype(out, dtype) if out.dtype != dtype else out


def linspace(
    start: float,
    stop: float,
    /,
    num: int,
    dtype: Any = None,
    device: str | None = None,
    endpoint: bool = True,
) -> Tensor:
    """`num` evenly spaced numbers from `start` to `stop`, both exactly; float32 unless given.

    Without `endpoint`, as many steps are made, and `stop` is left out.

    Raises:
        ArgumentError: `num` is negative.

    >>> import allumette_core as al
    >>> al.linspace(0, 1, 5).tolist()
    [0.0, 0.25, 0.5, 0.75, 1.0]
    """
    if num < 0:
        raise ArgumentError(f"linspace: num must not be negative, got {num}")
    wanted = as_dtype(dtype or DEFAULT_FLOAT)
    counter = DEFAULT_FLOAT if wanted.kind != "f" or wanted.itemsize < 4 else wanted
    steps = num - 1 if endpoint else num
    step = (stop - start) / max(steps, 1)
    forward = _affine(num, 0, 1, counter, device)
    # Counting from the nearer end keeps both ends exact.
    out = where(forward * 2 < steps, forward * step + start, (forward - steps) * step + stop)
    if steps == 0:
        out = full(num, float(start), counter, device)
    return astype(out, wanted) if out.dtype != wanted else out


def eye(
    n_rows: int,
    n_cols: int | None = None,
    /,
    *,
    k: int = 0,
    dtype: Any = None,
    device: str | None = None,
) -> Tensor:
    """A matrix with ones on diagonal `k` (0 the main one, above it positive) and zeros elsewhere.

    >>> import allumette_core as al
    >>> al.eye(2, 3, k=1).tolist()
    [[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    columns = n_rows if n_cols is None else n_cols
    _shape("eye", (n_rows, columns))
    return astype(_distance(n_rows, columns, device) == k, dtype or DEFAULT_FLOAT)


def _distance(rows: int, columns: int, device: str | None) -> Tensor:
    """How far above the main diagonal each element of a matrix is: column - row."""
    column = arange(columns, device=device)
    return column - reshape(arange(rows, device=device), (rows, 1))


def _triangle(name: str, x: ArrayLike) -> tuple[Tensor, Tensor]:
    matrix = Tensor(as_node(x))
    if matrix.ndim < 2:
        raise ShapeError(f"{name}: needs matrices in the last two axes, got shape {matrix.shape}")
    rows, columns = matrix.shape[-2:]
    return matrix, _distance(rows, columns, matrix._node.device)


def tril(x: ArrayLike, /, *, k: int = 0) -> Tensor:
    """The last two axes with everything above diagonal `k` set to 0.

    Raises:
        ShapeError: rank below 2.

    >>> import allumette_core as al
    >>> al.tril([[1, 2], [3, 4]]).tolist()
    [[1, 0], [3, 4]]
    """
    matrix, distance = _triangle("tril", x)
    return where(distance <= k, matrix, zeros((), matrix.dtype))


def triu(x: ArrayLike, /, *, k: int = 0) -> Tensor:
    """The last two axes with everything below diagonal `k` set to 0.

    Raises:
        ShapeError: rank below 2.

    >>> import allumette_core as al
    >>> al.triu([[1, 2], [3, 4]]).tolist()
    [[1, 2], [0, 4]]
    """
    matrix, distance = _triangle("triu", x)
    return where(distance >= k, matrix, zeros((), matrix.dtype))


def meshgrid(*arrays: ArrayLike, indexing: str = "xy") -> list[Tensor]:
    """Coordinates of a grid: each rank-1 array broadcast along the axes of the others.

    With `indexing="xy"` the first two axes are swapped, as for pictures; with "ij" they are not.

    Raises:
        ArgumentError: another `indexing`.
        ShapeError: an array whose rank is not 1 (or 0).

    >>> import allumette_core as al
    >>> [t.tolist() for t in al.meshgrid([1, 2], [3, 4], indexing="ij")]
    [[[1, 1], [2, 2]], [[3, 4], [3, 4]]]
    """
    if indexing not in ("xy", "ij"):
        raise ArgumentError(f"meshgrid: indexing must be 'xy' or 'ij', got {indexing!r}")
    rank, axes = len(arrays), []
    for i, array in enumerate(arrays):
        node = as_node(array)
        if len(node.shape) > 1:
            raise ShapeError(f"meshgrid: takes arrays of rank 1, got shape {node.shape}")
        place = 1 - i if indexing == "xy" and i < 2 <= rank else i
        axes.append(reshape(Tensor(node), (1,) * place + (-1,) + (1,) * (rank - place - 1)))
    return broadcast_arrays(*axes)
