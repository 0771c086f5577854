"""Native functions of the runtime, by name: what rendered kernels call, and kernels of its own."""

import hashlib
from functools import cache
from pathlib import Path

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
    function, _, kind = name.rpartition("_")
    if function not in ("gemm", "gemm_columns", "gemm_terms") or kind not in ("f32", "f64"):
        raise KeyError(name)
    return _gemm(kind, function != "gemm").address(name)


@cache
def _gemm(kind: str, scattered: bool) -> machine.Loaded:
    def produce() -> bytes:
        from . import gemm

        source = gemm.source(kind, scattered=scattered)
        return machine.object_code(machine.optimised(source, by_hand=True))

    # Writing the code takes as long as compiling it: it is known by what writes it.
    return kernels.loaded(f"gemm {kind} {scattered} {digest(Path(__file__).parent)}", produce)


def digest(package: Path) -> str:
    """Of all that may have a part in what is written there."""
    writers = [*sorted(package.glob("*.py")), package.parent / "plan.py"]
    return hashlib.sha256(b"".join(path.read_bytes() for path in writers)).hexdigest()
