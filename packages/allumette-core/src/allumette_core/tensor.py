"""`Tensor`: the handle a user holds on a node of the graph.

Operators only build graph; a value is computed when it is looked at. In-place operators rebind the
handle to a new node, so nodes never change and other handles keep what they had.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from . import evaluation, expr, primitives
from .dtypes import Scalar, is_float
from .errors import DTypeError, GradientError, ShapeError, TracingError
from .expr import Node
from .handle import Handle

if TYPE_CHECKING:
    from .autodiff.transforms import Gradients

Axes: TypeAlias = int | Sequence[int] | None


class Tensor(Handle):
    """A multi-dimensional array of one dtype on one device, computed when it is looked at.

    Made by `al.tensor`, `al.asarray`, the creation functions, or by operations on other tensors.

    >>> import allumette_core as al
    >>> t = al.tensor([[1.0, 2.0], [3.0, 4.0]], device="numpy")
    >>> (t @ t + 1).sum(axis=0)
    tensor([24., 34.], dtype=float32, device='numpy')
    """

    __slots__ = ()

    def _rebind(self, node: Node) -> Tensor:
        """Make this handle stand for `node`, which must have the same shape and dtype."""
        old, trace = self._node, expr.state.trace
        if trace is not None and not trace.made(old):
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
        Handle.__init__(self, node)
        return self

    def _into(self, result: Tensor) -> Tensor:
        """What an in-place operator does with its result."""
        return self._rebind(result._node)

    # ---- as a container, and elsewhere ----------------------------------------------------------

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

    def __iter__(self) -> Iterator[Tensor]:
        if not self.shape:
            raise DTypeError("iteration over a tensor of rank 0")
        return (self[i] for i in range(self.shape[0]))

    def __contains__(self, value: ArrayLike) -> bool:
        return bool(F.any(self == value))

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickle, (np.array(self._host()), self.device)

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
        return from_array(self._host(), device)

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
        Handle.__init__(self, expr.variable(value, expr.PARAMETER) if required else value)
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
    >>> with al.profile() as p:
    ...     al.evaluate(x)
    >>> p.counts["mul", "native"]
    1
    """
    from . import tree

    evaluation.evaluate_nodes([t._node for t in tree.leaves(tensors) if isinstance(t, Tensor)])


# Tensor's operators are functions of tensors: these modules need Tensor, and it needs them.
from . import functions as F  # noqa: E402
from .convert import as_node, cast, from_array, host_array, promoted  # noqa: E402, F401
