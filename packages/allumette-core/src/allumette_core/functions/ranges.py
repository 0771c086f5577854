"""Ranges, grids and triangles: tensors made from where their elements are."""

from __future__ import annotations

import math
from typing import Any

from .. import expr
from .. import primitives as P
from ..convert import as_node, check_fits
from ..dtypes import DEFAULT_FLOAT, DEFAULT_INT, DType, Scalar, as_dtype, int64
from ..errors import ArgumentError, DTypeError, ShapeError
from ..tensor import ArrayLike, Tensor
from .creation import checked_shape, full, placed, zeros
from .logic import astype, where
from .manipulation import broadcast_arrays, reshape

__all__ = ["arange", "eye", "linspace", "meshgrid", "tril", "triu"]


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
    out = placed(expr.apply(P.iota, params=(size, counter)), device)
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
    checked_shape("eye", (n_rows, columns))
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
