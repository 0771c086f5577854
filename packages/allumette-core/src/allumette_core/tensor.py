"""`Tensor`: the handle a user holds on a node of the graph.

Operators only build graph; a value is computed when it is looked at. In-place operators rebind the
handle to a new node, so nodes never change and other handles keep what they had.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from weakref import ref

import numpy as np
from numpy.typing import NDArray

from . import evaluation, expr, primitives
from .backend.registry import backend_of, default_device
from .dtypes import DType, Scalar, is_float
from .errors import DTypeError, GradientError, ShapeError, TracingError
from .expr import Node
from .shapes import Shape

if TYPE_CHECKING:
    from .autodiff.transforms import Gradients

Axes: TypeAlias = int | Sequence[int] | None


class Tensor:
    """A multi-dimensional array of one dtype on one device, computed when it is looked at.

    Made by `al.tensor`, `al.asarray`, the creation functions, or by operations on other tensors.

    >>> import allumette_core as al
    >>> t = al.tensor([[1.0, 2.0], [3.0, 4.0]], device="numpy")
    >>> (t @ t + 1).sum(axis=0)
    tensor([24., 34.], dtype=float32, device='numpy')
    """

    __slots__ = ("__weakref__", "_node")
    __array_ufunc__: Final = None  # `ndarray * Tensor` must reach Tensor.__rmul__
    __array_priority__: Final = 1000
    _node: Node

    def __init__(self, node: Node) -> None:
        self._node = node
        if node.handle is None or node.handle() is None:
            node.handle = ref(self)

    def _rebind(self, node: Node) -> Tensor:
        """Make this handle stand for `node`, which must have the same shape and dtype."""
        old, trace = self._node, expr.state.trace
        if trace is not None and old.trace is not trace:
            raise TracingError(
                f"in-place change of a tensor from outside {trace.name} while jit traces it "
                f"({evaluation.user_line()}); return the new value instead"
            )
        if node.shape != old.shape or node.dtype != old.dtype:
            raise ShapeError(
                f"in-place: the result is {node.dtype}{list(node.shape)}, but the tensor is "
                f"{old.dtype}{list(old.shape)}; assign the result to a name instead"
            )
        if node.device is None:
            node.device = old.device
        if expr.is_parameter(old):
            if node.tracked:
                raise GradientError(
                    "in-place change of a tensor that requires a gradient; do it inside "
                    "`with al.no_grad():`"
                )
            node = expr.variable(node, expr.PARAMETER)
        Tensor.__init__(self, node)
        return self

    def _into(self, result: Tensor) -> Tensor:
        """What an in-place operator does with its result."""
        return self._rebind(result._node)

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
        return int(np.prod(self._node.shape, dtype=np.int64))

    @property
    def device(self) -> str:
        """The device string, such as 'numpy' or 'gpu:1'."""
        return self._node.device or default_device()

    @property
    def requires_grad(self) -> bool:
        """Whether `backward` through this tensor reaches something to differentiate."""
        return self._node.tracked

    @property
    def T(self) -> Tensor:  # noqa: N802
        """The transpose of a matrix (rank 2)."""
        if self.ndim != 2:
            raise ShapeError(f"T: needs rank 2, got shape {self.shape}; use .mT or permute_dims")
        return F.permute_dims(self, (1, 0))

    @property
    def mT(self) -> Tensor:  # noqa: N802
        """The transpose of each matrix in the last two axes."""
        return F.matrix_transpose(self)

    # ---- looking at the value --------------------------------------------------------------------

    def numpy(self) -> NDArray[Any]:
        """The value as a read-only NumPy array; computes it if need be.

        Raises:
            TracingError: while jit or vmap traces, when there is no value.
            DeviceError: the tensor was donated.
        """
        evaluation.refuse_reading()
        node = self._node
        if node.buffer is None or node.buffer is expr.DONATED:
            evaluation.evaluate_nodes((node,))
        array = backend_of(node.device or default_device()).to_host(node.buffer)
        array = array.view()
        array.flags.writeable = False
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
        value: Scalar = self.numpy().reshape(()).item()
        return value

    def tolist(self) -> Any:
        """The elements as nested lists of Python numbers."""
        return self.numpy().tolist()

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

    def __iter__(self) -> Iterator[Tensor]:
        if not self.shape:
            raise DTypeError("iteration over a tensor of rank 0")
        return (self[i] for i in range(self.shape[0]))

    def __contains__(self, value: ArrayLike) -> bool:
        return bool(F.any(self == value))

    def __repr__(self) -> str:
        about = f"dtype={self.dtype.name}, device={self.device!r}"
        if self._node.abstract or expr.state.trace is not None:
            return f"tensor(<traced>, shape={self.shape}, {about})"
        if self._node.buffer is expr.DONATED:
            return f"tensor(<donated>, shape={self.shape}, {about})"
        text = np.array2string(self.numpy(), separator=", ", prefix="tensor(")
        shape = f", shape={self.shape}" if self.size == 0 else ""
        return f"tensor({text}{shape}, {about})"

    def __format__(self, spec: str) -> str:
        return format(self.item() if self.size == 1 and spec else str(self), spec)

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickle, (np.array(self.numpy()), self.device)

    def __copy__(self) -> Tensor:
        return Tensor(expr.apply(primitives.alias, self._node, params=("copy",)))

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        return self.__copy__()

    def to(self, device: str) -> Tensor:
        """A copy on `device` (itself if it is there already); computes the value.

        Raises:
            GradientError: a derivative would have to flow from one device to another.
        """
        if device == self.device:
            return self
        if self._node.tracked:
            raise GradientError("to: move a tensor before differentiating; or .detach() it first")
        return from_array(self.numpy(), device)

    # ---- differentiation -------------------------------------------------------------------------

    def backward(self) -> Gradients:
        """The gradients of this scalar with respect to every tensor that requires them.

        Raises:
            GradientError: not a scalar, or nothing it depends on requires a gradient.
        """
        from .autodiff.transforms import backward

        return backward(self)

    def detach(self) -> Tensor:
        """The same value, through which no gradient flows."""
        return Tensor(expr.stop_gradient(self._node))

    def requires_grad_(self, required: bool = True) -> Tensor:
        """Mark this tensor as one to differentiate with respect to, and return it."""
        if required and not is_float(self.dtype):
            raise DTypeError(f"requires_grad: needs a float dtype, got {self.dtype}")
        value = expr.stop_gradient(self._node)
        Tensor.__init__(self, expr.variable(value, expr.PARAMETER) if required else value)
        return self

    # fmt: off
    # ---- operators -------------------------------------------------------------------------------

    __hash__ = object.__hash__

    def __pos__(self) -> Tensor: return F.positive(self)
    def __neg__(self) -> Tensor: return F.negative(self)
    def __abs__(self) -> Tensor: return F.abs(self)
    def __invert__(self) -> Tensor: return F.bitwise_invert(self)
    def __add__(self, other: ArrayLike) -> Tensor: return F.add(self, other)
    def __radd__(self, other: ArrayLike) -> Tensor: return F.add(other, self)
    def __iadd__(self, other: ArrayLike) -> Tensor: return self._into(F.add(self, other))
    def __sub__(self, other: ArrayLike) -> Tensor: return F.subtract(self, other)
    def __rsub__(self, other: ArrayLike) -> Tensor: return F.subtract(other, self)
    def __isub__(self, other: ArrayLike) -> Tensor: return self._into(F.subtract(self, other))
    def __mul__(self, other: ArrayLike) -> Tensor: return F.multiply(self, other)
    def __rmul__(self, other: ArrayLike) -> Tensor: return F.multiply(other, self)
    def __imul__(self, other: ArrayLike) -> Tensor: return self._into(F.multiply(self, other))
    def __truediv__(self, other: ArrayLike) -> Tensor: return F.divide(self, other)
    def __rtruediv__(self, other: ArrayLike) -> Tensor: return F.divide(other, self)
    def __itruediv__(self, other: ArrayLike) -> Tensor: return self._into(F.divide(self, other))
    def __floordiv__(self, other: ArrayLike) -> Tensor: return F.floor_divide(self, other)
    def __rfloordiv__(self, other: ArrayLike) -> Tensor: return F.floor_divide(other, self)
    def __ifloordiv__(self, other: ArrayLike) -> Tensor:
        return self._into(F.floor_divide(self, other))
    def __mod__(self, other: ArrayLike) -> Tensor: return F.remainder(self, other)
    def __rmod__(self, other: ArrayLike) -> Tensor: return F.remainder(other, self)
    def __imod__(self, other: ArrayLike) -> Tensor: return self._into(F.remainder(self, other))
    def __divmod__(self, other: ArrayLike) -> tuple[Tensor, Tensor]:
        return self // other, self % other
    def __pow__(self, other: ArrayLike) -> Tensor: return F.pow(self, other)
    def __rpow__(self, other: ArrayLike) -> Tensor: return F.pow(other, self)
    def __ipow__(self, other: ArrayLike) -> Tensor:
        return self._into(F.pow(self, other))
    def __matmul__(self, other: ArrayLike) -> Tensor: return F.matmul(self, other)
    def __rmatmul__(self, other: ArrayLike) -> Tensor: return F.matmul(other, self)
    def __imatmul__(self, other: ArrayLike) -> Tensor: return self._into(F.matmul(self, other))
    def __and__(self, other: ArrayLike) -> Tensor: return F.bitwise_and(self, other)
    def __rand__(self, other: ArrayLike) -> Tensor: return F.bitwise_and(other, self)
    def __iand__(self, other: ArrayLike) -> Tensor: return self._into(F.bitwise_and(self, other))
    def __or__(self, other: ArrayLike) -> Tensor: return F.bitwise_or(self, other)
    def __ror__(self, other: ArrayLike) -> Tensor: return F.bitwise_or(other, self)
    def __ior__(self, other: ArrayLike) -> Tensor: return self._into(F.bitwise_or(self, other))
    def __xor__(self, other: ArrayLike) -> Tensor: return F.bitwise_xor(self, other)
    def __rxor__(self, other: ArrayLike) -> Tensor: return F.bitwise_xor(other, self)
    def __ixor__(self, other: ArrayLike) -> Tensor: return self._into(F.bitwise_xor(self, other))
    def __lshift__(self, other: ArrayLike) -> Tensor: return F.bitwise_left_shift(self, other)
    def __rlshift__(self, other: ArrayLike) -> Tensor: return F.bitwise_left_shift(other, self)
    def __rshift__(self, other: ArrayLike) -> Tensor: return F.bitwise_right_shift(self, other)
    def __rrshift__(self, other: ArrayLike) -> Tensor: return F.bitwise_right_shift(other, self)
    def __eq__(self, other: ArrayLike) -> Tensor: return F.equal(self, other)  # type: ignore[override]
    def __ne__(self, other: ArrayLike) -> Tensor: return F.not_equal(self, other)  # type: ignore[override]
    def __lt__(self, other: ArrayLike) -> Tensor: return F.less(self, other)
    def __le__(self, other: ArrayLike) -> Tensor: return F.less_equal(self, other)
    def __gt__(self, other: ArrayLike) -> Tensor: return F.greater(self, other)
    def __ge__(self, other: ArrayLike) -> Tensor: return F.greater_equal(self, other)
    def __getitem__(self, index: Any) -> Tensor: return F.getitem(self, index)
    def __setitem__(self, index: Any, value: ArrayLike) -> None:
        self._into(F.setitem(self, index, value))

    # ---- the functions most used, as methods -----------------------------------------------------

    def astype(self, dtype: Any) -> Tensor: return F.astype(self, dtype)
    def reshape(self, *shape: Any) -> Tensor:
        return F.reshape(self, shape[0] if len(shape) == 1 else shape)
    def permute(self, *axes: int) -> Tensor: return F.permute_dims(self, axes)
    def flatten(self) -> Tensor: return F.reshape(self, (-1,))
    def sum(self, axis: Axes = None, keepdims: bool = False) -> Tensor:
        return F.sum(self, axis=axis, keepdims=keepdims)
    def mean(self, axis: Axes = None, keepdims: bool = False) -> Tensor:
        return F.mean(self, axis=axis, keepdims=keepdims)
    def prod(self, axis: Axes = None, keepdims: bool = False) -> Tensor:
        return F.prod(self, axis=axis, keepdims=keepdims)
    def max(self, axis: Axes = None, keepdims: bool = False) -> Tensor:
        return F.max(self, axis=axis, keepdims=keepdims)
    def min(self, axis: Axes = None, keepdims: bool = False) -> Tensor:
        return F.min(self, axis=axis, keepdims=keepdims)
    def all(self, axis: Axes = None, keepdims: bool = False) -> Tensor:
        return F.all(self, axis=axis, keepdims=keepdims)
    def any(self, axis: Axes = None, keepdims: bool = False) -> Tensor:
        return F.any(self, axis=axis, keepdims=keepdims)
    def argmax(self, axis: int | None = None, keepdims: bool = False) -> Tensor:
        return F.argmax(self, axis=axis, keepdims=keepdims)
    def argmin(self, axis: int | None = None, keepdims: bool = False) -> Tensor:
        return F.argmin(self, axis=axis, keepdims=keepdims)
    def exp(self) -> Tensor: return F.exp(self)
    def log(self) -> Tensor: return F.log(self)
    def sqrt(self) -> Tensor: return F.sqrt(self)
    def tanh(self) -> Tensor: return F.tanh(self)
    def relu(self) -> Tensor: return F.relu(self)
    def sigmoid(self) -> Tensor: return F.sigmoid(self)
    # fmt: on


ArrayLike: TypeAlias = Tensor | NDArray[Any] | np.generic | Scalar | Sequence[Any]


def _unpickle(array: NDArray[Any], device: str) -> Tensor:
    return from_array(array, device)


def evaluate(*tensors: Any) -> None:
    """Compute the values of the tensors in `tensors` (tensors or trees of them) now, together.

    >>> import allumette_core as al
    >>> x = al.ones(3, device="numpy") * 2
    >>> al.evaluate(x)
    """
    from . import tree

    evaluation.evaluate_nodes([t._node for t in tree.leaves(tensors) if isinstance(t, Tensor)])


# Tensor's operators are functions of tensors: these modules need Tensor, and it needs them.
from . import functions as F  # noqa: E402
from .convert import as_node, cast, from_array, host_array, promoted  # noqa: E402, F401
