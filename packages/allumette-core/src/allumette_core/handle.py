"""`Handle`: what one sees of a node through a tensor: its type, its value, and how it is printed.

This is the part of `Tensor` that makes no graph.
"""

from __future__ import annotations

from math import prod
from typing import Any, Final
from weakref import ref

import numpy as np
from numpy.typing import NDArray

from . import evaluation, expr
from .backend.registry import backend_of, default_device
from .dtypes import DType, Scalar
from .errors import DTypeError, ShapeError
from .expr import Node
from .shapes import Shape


class Handle:
    """Holds a node, computes its value when that is looked at, and keeps it from then on."""

    __slots__ = ("__weakref__", "_node")
    __array_ufunc__: Final = None  # `ndarray * Tensor` must reach Tensor.__rmul__
    __array_priority__: Final = 1000
    _node: Node

    def __init__(self, node: Node) -> None:
        self._node = node
        if node.buffer is None and (node.handle is None or node.handle() is None):
            node.handle = ref(self)  # for evaluation to see that the value is wanted

    # ---- what is known without computing -------------------------------------------------------

    @property
    def shape(self) -> Shape:
        """The size of each axis."""
        return self._node.shape

    @property
    def dtype(self) -> DType:
        """The type of the elements, a NumPy dtype."""
        return self._node.dtype

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self._node.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        return prod(self._node.shape)

    @property
    def device(self) -> str:
        """The device string, such as 'numpy' or 'gpu:1'."""
        return self._node.device or default_device()

    @property
    def requires_grad(self) -> bool:
        """Whether `backward` through this tensor reaches something to differentiate."""
        return self._node.tracked

    # ---- looking at the value --------------------------------------------------------------------

    def numpy(self) -> NDArray[Any]:
        """The value as a read-only NumPy array; computes it if need be.

        Raises:
            TracingError: while jit or vmap traces, when there is no value.
            DeviceError: the tensor was donated.
        """
        array = self._host()
        self._node.shown = True
        return array

    def _host(self) -> NDArray[Any]:
        """`numpy` for what does not hand the array on."""
        array = self._value().view()
        array.flags.writeable = False
        return array

    def _value(self) -> NDArray[Any]:
        """The value as the backend gives it, not to be written to nor handed on."""
        evaluation.refuse_reading()
        node = self._node
        if node.buffer is None or node.buffer is expr.DONATED:
            evaluation.evaluate_nodes((node,))
        array: NDArray[Any] = backend_of(node.device or default_device()).to_host(node.buffer)
        return array

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        array = self.numpy()
        if dtype is not None and array.dtype != dtype:
            return array.astype(dtype)
        return array.copy() if copy else array

    def __array_namespace__(self, *, api_version: str | None = None) -> Any:
        import allumette_core

        return allumette_core

    def item(self) -> Scalar:
        """The only element as a Python number.

        Raises:
            ShapeError: there is not exactly one element.
        """
        if self.size != 1:
            raise ShapeError(f"item: needs exactly one element, got shape {self.shape}")
        value: Scalar = self._value().item()
        return value

    def tolist(self) -> Any:
        """The elements as nested lists of Python numbers."""
        return self._host().tolist()

    def __bool__(self) -> bool:
        return bool(self.item())

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        if self.dtype.kind not in "iu":
            raise DTypeError(f"an index must be an integer, got a {self.dtype} tensor")
        return int(self.item())

    def __len__(self) -> int:
        if not self.shape:
            raise DTypeError("len() of a tensor of rank 0")
        return self.shape[0]

    def __repr__(self) -> str:
        about = f"dtype={self.dtype.name}, device={self.device!r}"
        if self._node.abstract or expr.state.trace is not None:
            return f"tensor(<traced>, shape={self.shape}, {about})"
        if self._node.buffer is expr.DONATED:
            return f"tensor(<donated>, shape={self.shape}, {about})"
        text = np.array2string(self._host(), separator=", ", prefix="tensor(")
        shape = f", shape={self.shape}" if self.size == 0 else ""
        return f"tensor({text}{shape}, {about})"

    def __format__(self, spec: str) -> str:
        return format(self.item() if self.size == 1 and spec else str(self), spec)
