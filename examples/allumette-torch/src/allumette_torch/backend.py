"""The backend `torch`: a kernel a primitive, each a few PyTorch calls."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from allumette_core import primitives as P
from allumette_core.backend.ops import OpBackend
from allumette_core.backend.spec import Executable
from allumette_core.compiler.program import Program
from allumette_core.primitives import Primitive
from torch import Tensor

from .plugin import INFO

Kernel = Callable[..., Tensor]
Axes = tuple[int, ...]


def torch_dtype(dtype: Any) -> torch.dtype:
    """PyTorch's name for a NumPy dtype."""
    found: torch.dtype = getattr(torch, np.dtype(dtype).name)
    return found


def _wide(x: Tensor) -> Tensor:
    """float16 in float32, where PyTorch's kernels lose digits."""
    return x.float() if x.dtype == torch.float16 else x


def _widely(function: Kernel) -> Kernel:
    return lambda x: function(_wide(x)).to(x.dtype)


def _pow(x: Tensor, y: Tensor) -> Tensor:
    if x.is_floating_point():
        return torch.pow(x, y)
    inverse = torch.where(x == 1, 1, torch.where(x == -1, 1 - 2 * (y & 1), 0))
    return torch.where(y < 0, inverse, torch.pow(x, torch.clamp(y, min=0))).to(x.dtype)


def _cast(x: Tensor, dtype: Any) -> Tensor:
    target = torch_dtype(dtype)
    if x.dtype == torch.float64 and target == torch.float16:
        with np.errstate(over="ignore"):  # PyTorch would round twice
            return torch.from_numpy(np.asarray(x.numpy().astype(dtype)))
    if not x.is_floating_point() or target.is_floating_point or target == torch.bool:
        return x.to(target)
    ends = torch.iinfo(target)
    inside = torch.nan_to_num(x.double(), nan=0.0).clamp(ends.min, ends.max)
    made = inside.to(target)
    # The largest int64 is no float64: what rounds up to beyond it has to be put back.
    return torch.where(inside >= float(ends.max), ends.max, made).to(target)


def _slice(x: Tensor, starts: Axes, stops: Axes, steps: Axes) -> Tensor:
    return x[tuple(slice(*bounds) for bounds in zip(starts, stops, steps, strict=True))]


def _pad(x: Tensor, value: Tensor, lo: Axes, hi: Axes, interior: Axes) -> Tensor:
    sizes = zip(lo, x.shape, hi, interior, strict=True)
    shape = [a + n + max(n - 1, 0) * inner + b for a, n, b, inner in sizes]
    out = value.expand(shape).clone()
    spans = zip(lo, x.shape, interior, strict=True)
    out[tuple(slice(a, a + max(n - 1, 0) * (i + 1) + (n > 0), i + 1) for a, n, i in spans)] = x
    return out


def _sum(x: Tensor, axes: Axes) -> Tensor:
    if not axes:
        return x
    return torch.sum(_wide(x), dim=axes, dtype=_wide(x).dtype).to(x.dtype)


def _extreme(function: Kernel) -> Kernel:
    return lambda x, axes: function(x, dim=axes) if axes else x


def _scan(function: Kernel) -> Kernel:
    return lambda x, axis: function(_wide(x), axis, dtype=_wide(x).dtype).to(x.dtype)


def _dot(a: Tensor, b: Tensor, ac: Axes, bc: Axes, ab: Axes, bb: Axes) -> Tensor:
    """By einsum, which takes axes by number."""
    left, right = list(range(a.ndim)), [a.ndim + i for i in range(b.ndim)]
    for i, j in zip(ac + ab, bc + bb, strict=True):
        right[j] = left[i]
    out = [left[i] for i in ab] + [n for i, n in enumerate(left) if i not in ac + ab]
    out += [n for j, n in enumerate(right) if j not in bc + bb]
    return torch.einsum(_wide(a), left, _wide(b), right, out).to(a.dtype)


def _gather(x: Tensor, indices: Tensor, axis: int) -> Tensor:
    flat = indices.reshape(-1).long().clamp(0, max(x.shape[axis] - 1, 0))
    shape = (*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :])
    return torch.index_select(x, axis, flat).reshape(shape)


KERNELS: Mapping[Primitive, Kernel] = {
    P.neg: torch.neg, P.abs_: torch.abs, P.floor: torch.floor,
    P.ceil: torch.ceil, P.round_: torch.round, P.sqrt: torch.sqrt, P.exp: torch.exp,
    P.expm1: _widely(torch.expm1), P.log: torch.log, P.log1p: torch.log1p, P.sin: torch.sin,
    P.cos: torch.cos, P.tan: torch.tan, P.asin: torch.asin, P.acos: torch.acos,
    P.atan: torch.atan, P.tanh: torch.tanh,
    P.erf: _widely(torch.erf), P.invert: torch.bitwise_not,
    P.add: torch.add, P.sub: torch.sub, P.mul: torch.mul, P.div: torch.div,
    P.pow_: _pow, P.atan2: torch.atan2,
    P.maximum: torch.maximum, P.minimum: torch.minimum, P.bit_and: torch.bitwise_and,
    P.bit_or: torch.bitwise_or, P.bit_xor: torch.bitwise_xor, P.eq: torch.eq, P.ne: torch.ne,
    P.lt: torch.lt, P.le: torch.le, P.where: torch.where, P.cast: _cast,
    P.alias: lambda x, tag: x, P.reshape: torch.reshape, P.permute: torch.permute,
    P.broadcast: torch.broadcast_to, P.slice_: _slice, P.flip: torch.flip, P.pad: _pad,
    P.concat: lambda *xs: torch.cat(xs[:-1], xs[-1]), P.sum_: _sum,
    P.max_: _extreme(torch.amax), P.min_: _extreme(torch.amin), P.cumsum: _scan(torch.cumsum),
    P.cumprod: _scan(torch.cumprod), P.dot_general: _dot, P.gather: _gather,
    P.full: lambda shape, value, dtype: torch.full(shape, value, dtype=torch_dtype(dtype)),
    P.iota: lambda size, dtype: torch.arange(size).to(torch_dtype(dtype)),
}  # fmt: skip


class TorchBackend(OpBackend):
    """PyTorch on the CPU."""

    info = INFO

    @property
    def kernels(self) -> Mapping[Primitive, Kernel]:
        return KERNELS

    def devices(self) -> Sequence[str]:
        return ("torch",)

    def from_host(self, array: np.ndarray[Any, Any], device: str) -> Tensor:
        return torch.from_numpy(np.array(array, order="C"))

    def to_host(self, buffer: Tensor) -> np.ndarray[Any, Any]:
        made: np.ndarray[Any, Any] = buffer.numpy()
        return made

    def compile(self, program: Program, device: str) -> Executable:
        run = super().compile(program, device)

        def without_autograd(buffers: Sequence[Tensor]) -> list[Tensor]:
            with torch.inference_mode():
                return run(buffers)

        return without_autograd
