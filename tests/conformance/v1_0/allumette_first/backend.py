"""The backend `first`: a kernel a primitive, each a call of NumPy.

Put your own library in NumPy's place, one kernel after another: what KERNELS lacks is composed of
what it has, or runs on the host, and `allumette conform first` says after each step where you are.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from allumette_core import primitives as P
from allumette_core.backend.ops import OpBackend
from allumette_core.backend.spec import Executable
from allumette_core.compiler.program import Program
from allumette_core.primitives import Primitive
from numpy.typing import NDArray

from .plugin import INFO

Array = NDArray[Any]
Kernel = Callable[..., Any]
Axes = tuple[int, ...]


def _slice(x: Array, starts: Axes, stops: Axes, steps: Axes) -> Array:
    return x[tuple(slice(*bounds) for bounds in zip(starts, stops, steps, strict=True))]


def _concat(*given: Any) -> Array:
    """The parts, and last the axis."""
    *parts, axis = given
    return np.concatenate(parts, axis)


# A kernel is called with its operands, then the primitive's parameters.
KERNELS: Mapping[Primitive, Kernel] = {
    P.neg: np.negative,
    P.abs_: np.absolute,
    P.floor: np.floor,
    P.ceil: np.ceil,
    P.sqrt: np.sqrt,
    P.exp: np.exp,
    P.expm1: np.expm1,
    P.log: np.log,
    P.log1p: np.log1p,
    P.sin: np.sin,
    P.cos: np.cos,
    P.tanh: np.tanh,
    P.add: np.add,
    P.sub: np.subtract,
    P.mul: np.multiply,
    P.div: np.divide,
    P.maximum: np.maximum,
    P.minimum: np.minimum,
    P.eq: np.equal,
    P.ne: np.not_equal,
    P.lt: np.less,
    P.le: np.less_equal,
    P.where: np.where,
    P.alias: lambda x, tag: x,
    P.reshape: lambda x, shape: x.reshape(shape),
    P.permute: lambda x, axes: x.transpose(axes),
    P.broadcast: np.broadcast_to,
    P.slice_: _slice,
    P.flip: np.flip,
    P.concat: _concat,
    P.max_: lambda x, axes: np.max(x, axis=axes),
    P.min_: lambda x, axes: np.min(x, axis=axes),
    P.full: lambda shape, value, dtype: np.full(shape, value, dtype),
}


class FirstBackend(OpBackend):
    """NumPy arrays, on the one device `first`."""

    info = INFO

    @property
    def kernels(self) -> Mapping[Primitive, Kernel]:
        return KERNELS

    def devices(self) -> Sequence[str]:
        return ("first",)

    def from_host(self, array: Array, device: str) -> Array:
        return np.array(array)

    def to_host(self, buffer: Any) -> Array:
        return np.asarray(buffer)

    def compile(self, program: Program, device: str) -> Executable:
        run = super().compile(program, device)

        def quietly(buffers: Sequence[Array]) -> list[Array]:
            with np.errstate(all="ignore"):  # 1 / 0 is infinity, not a warning
                return run(buffers)

        return quietly
