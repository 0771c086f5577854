"""From what users write to nodes: arrays, numbers and lists become nodes of one dtype."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import expr, primitives
from .backend.registry import backend_of, resolve_device
from .dtypes import (
    DEFAULT_FLOAT,
    DEFAULT_INT,
    DType,
    Scalar,
    as_dtype,
    cast_array,
    promote,
    promote_weak,
    weak_kind,
)
from .errors import ArgumentError, DTypeError, ShapeError
from .expr import Node
from .tensor import ArrayLike, Tensor

_PYTHON = (bool, int, float)


def from_array(array: NDArray[Any], device: str | None = None) -> Tensor:
    """A tensor holding a copy of a NumPy array of a supported dtype."""
    device = resolve_device(device)
    dtype = as_dtype(array.dtype)
    buffer = backend_of(device).from_host(np.asarray(array, dtype), device)
    node = expr.Data(buffer, expr.signature(array.shape, dtype, device))
    if expr.state.trace is not None:
        expr.state.trace.note(array, node)
    return Tensor(node)


def number(value: int | float, device: str) -> Node:
    """The node of a Python number as an input on `device`.

    Raises:
        ArgumentError: it does not fit the default dtype.
    """
    dtype = as_dtype(type(value))
    try:
        array = np.asarray(value, dtype)
    except OverflowError:
        raise ArgumentError(f"jit: {value} does not fit {dtype}; pass a tensor instead") from None
    return expr.Data(backend_of(device).from_host(array, device), expr.signature((), dtype, device))


def as_node(value: ArrayLike, device: str | None = None, weak: bool = False) -> Node:
    """The node that `value` stands for, on `device` if it has to be put somewhere.

    With `weak`, a Python number keeps giving way to the dtypes of what it meets.
    """
    if isinstance(value, Tensor):
        return value._node
    if isinstance(value, np.generic):  # before Python's float, which np.float64 derives from
        return _literal(value.item(), as_dtype(value.dtype), False)
    if isinstance(value, _PYTHON):
        return _literal(value, _literal_dtype(value), weak)
    return from_array(host_array(value), device)._node


def _literal_dtype(value: Scalar) -> DType:
    return as_dtype(bool if isinstance(value, bool) else int if isinstance(value, int) else float)


def host_array(value: Any, dtype: DType | None = None) -> NDArray[Any]:
    """A NumPy array of `value`; lists of Python numbers get the default dtypes.

    Raises:
        DTypeError: not numbers, or integers that the dtype does not hold.
        ShapeError: nested lists of different lengths.
    """
    if isinstance(value, np.ndarray | np.generic):
        own = as_dtype(value.dtype)
        array = np.asarray(value, own)
        return array if dtype is None or dtype == own else cast_array(array, dtype)
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ShapeError(f"tensor: {error}") from None
    if array.dtype.kind not in "biuf":
        raise DTypeError(f"tensor: cannot make numbers of {type(value).__name__} {value!r:.60}")
    wanted = dtype or {"f": DEFAULT_FLOAT, "i": DEFAULT_INT, "u": DEFAULT_INT}.get(
        array.dtype.kind, array.dtype
    )
    if array.size == 0 and dtype is None:
        wanted = DEFAULT_FLOAT
    if array.dtype.kind in "iu" and wanted.kind in "iu" and array.size:
        check_fits(int(array.min()), wanted)
        check_fits(int(array.max()), wanted)
    return cast_array(array, wanted)


def check_fits(value: int, dtype: DType) -> None:
    """Refuse an integer that `dtype` does not hold."""
    ends = np.iinfo(dtype)
    if not ends.min <= value <= ends.max:
        raise DTypeError(f"{value} does not fit {dtype}; pass dtype=al.int64, or a float dtype")


def _literal(value: Scalar, dtype: DType, weak: bool) -> Node:
    kind = dtype.kind
    if kind == "f":
        value = float(value)
    elif kind != "b":
        value = int(value)
        if not 0 <= value <= 127:
            check_fits(value, dtype)
    node = expr.literal(value, dtype)
    node.weak = weak
    return node


def pair(a: ArrayLike, b: ArrayLike) -> tuple[Node, Node]:
    """The nodes of `a` and `b`, cast to the dtype they promote to: `promoted`, for two."""
    if type(a) is Tensor:
        left = a._node
        if type(b) is Tensor:
            if left.dtype is b._node.dtype:
                return left, b._node
        elif _takes(left.dtype.kind, type(b)):
            return left, _literal(b, left.dtype, left.weak)  # type: ignore[arg-type]
    elif type(b) is Tensor and _takes(b._node.dtype.kind, type(a)):
        return _literal(a, b._node.dtype, b._node.weak), b._node  # type: ignore[arg-type]
    left, right = promoted(a, b)
    return left, right


def _takes(kind: str, number: type) -> bool:
    """Whether a tensor of dtype `kind` takes a Python `number` without a change of its dtype."""
    return (number is float and kind == "f") or (number is int and kind != "b")


def promoted(*values: ArrayLike) -> list[Node]:
    """The nodes of `values`, cast to the one dtype they promote to.

    Python numbers are weak: they take the others' dtype where its kind can hold them.
    """
    device = next((v._node.device for v in values if isinstance(v, Tensor)), None)
    nodes = [None if type(v) in _PYTHON else as_node(v, device) for v in values]
    dtype, weak = _common_dtype(values, nodes)
    return [
        _literal(v, dtype, weak) if n is None else cast(n, dtype, weak)  # type: ignore[arg-type]
        for v, n in zip(values, nodes, strict=True)
    ]


def _common_dtype(values: tuple[ArrayLike, ...], nodes: list[Node | None]) -> tuple[DType, bool]:
    """What `values` promote to, and whether that is weak (nothing but Python numbers)."""
    strong = [n.dtype for n in nodes if n is not None and not n.weak]
    kinds: list[type] = [type(v) for v, n in zip(values, nodes, strict=True) if n is None]
    kinds += [weak_kind(n.dtype) for n in nodes if n is not None and n.weak]
    if not strong:
        return as_dtype(max(kinds, key=_PYTHON.index)), True
    dtype = strong[0]
    for other in strong[1:]:
        dtype = promote(dtype, other)
    for kind in kinds:
        dtype = promote_weak(dtype, kind)
    return dtype, False


def floating(value: ArrayLike) -> Node:
    """The node of `value` in a float dtype: its own, or the default for integers and booleans."""
    if type(value) is Tensor and value._node.dtype.kind == "f":
        return value._node
    if type(value) in _PYTHON:
        return _literal(float(value), DEFAULT_FLOAT, True)  # type: ignore[arg-type]
    node = as_node(value)
    return node if node.dtype.kind == "f" else cast(node, DEFAULT_FLOAT, node.weak)


def float_pair(a: ArrayLike, b: ArrayLike) -> tuple[Node, Node]:
    """The nodes of `a` and `b`, cast to the float dtype they promote to."""
    left, right = pair(a, b)
    if left.dtype.kind == "f":
        return left, right
    return cast(left, DEFAULT_FLOAT, left.weak), cast(right, DEFAULT_FLOAT, right.weak)


def cast(node: Node, dtype: DType, weak: bool = False) -> Node:
    """`node` in `dtype`."""
    if node.dtype == dtype:
        return node
    out = expr.apply(primitives.cast, node, params=(dtype,))
    out.weak = weak
    return out
