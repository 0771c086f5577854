"""Native functions of the runtime, by name: what rendered kernels call, and kernels of its own."""

from functools import cache

from ..plan import Call
from . import cache as kernels
from . import machine


def kernel(call: Call) -> int:
    """The address of a call's kernel."""
    return kernels.address_of(call.source, call.name) if call.source else address(call.name)


@cache
def address(name: str) -> int:
    """The address of the runtime's function `name`.

    Raises:
        KeyError: there is none.
    """
    if name not in ("gemm_f32", "gemm_f64"):
        raise KeyError(name)
    return _gemm(name.removeprefix("gemm_")).address(name)


@cache
def _gemm(kind: str) -> machine.Loaded:
    from . import gemm

    text = gemm.source(kind)
    return kernels.loaded(text, lambda: machine.object_code(machine.optimised(text, by_hand=True)))
