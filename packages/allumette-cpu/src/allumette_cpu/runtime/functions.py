"""Native functions of the runtime, by name: what rendered kernels call, and kernels of its own."""

from functools import cache

from ..plan import Call
from .cache import address_of


def kernel(call: Call) -> int:
    """The address of a call's kernel."""
    return address_of(call.source, call.name) if call.source else address(call.name)


@cache
def address(name: str) -> int:
    """The address of the runtime's function `name`.

    Raises:
        KeyError: there is none.
    """
    raise KeyError(name)
