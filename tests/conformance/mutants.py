"""Every mutant by name."""

from collections.abc import Mapping

from faulty import Make, wrong_kernel
from faulty_arithmetic import ARITHMETIC
from faulty_backends import BACKEND_FAULTS
from faulty_moves import MOVES

MUTANTS: Mapping[str, tuple[str, Make]] = {
    **{f"{p}: {name}": (p, wrong_kernel(p, wrong)) for p, name, wrong in ARITHMETIC + MOVES},
    **{f"backend: {name}": ("", make) for name, make in BACKEND_FAULTS},
}
"""By name: the primitive that is wrong, if it is one, and how to make the backend."""
