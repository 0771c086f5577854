"""When a program is compiled: at once if jitted or large; else it first runs on NumPy kernels.

Whichever it is, a program gives the same bits on every use. NumPy adds up in another order than
compiled code does, and rounds exp otherwise: a program with such operations never changes from one
to the other. One whose every result is exact, or rounded as IEEE 754 says, is compiled once it has
proved worth it.
"""

import os
import threading
import time
from collections.abc import Callable, Sequence
from math import prod

from allumette_core import primitives as P
from allumette_core.backend.spec import Buffer, Executable
from allumette_core.compiler.program import Program
from allumette_core.primitives import Kind

MODES = ("always", "auto", "never")
WORTH_SECONDS = 0.05  # of running eagerly before a compilation is worth its while ...
WORTH_USES = 16  # ... or so many uses
WORTH_WORK = 20_000_000  # nanoseconds that NumPy takes: about what is compiled at first sight
FLOPS = 20  # a nanosecond

# Exact for floats, too, or rounded correctly: but for the sign of a NaN there is one right result.
# There is not for extremes: of -0 and 0 either may be the larger.
_ROUNDED = frozenset(
    (P.neg, P.abs_, P.sign, P.floor, P.ceil, P.round_, P.sqrt, P.add, P.sub, P.mul, P.div)
    + (P.eq, P.ne, P.lt, P.le, P.where, P.cast, P.bitcast, P.alias)
    + (P.argmax, P.argmin, P.sort, P.argsort, P.gather, P.full, P.iota, P.random_bits)
)


def compile_mode() -> str:
    """ALLUMETTE_CPU_COMPILE: `always`, `never`, or `auto`: what repeats.

    Raises:
        ValueError: the variable is something else.
    """
    mode = os.environ.get("ALLUMETTE_CPU_COMPILE", "").strip() or "auto"
    if mode not in MODES:
        raise ValueError(f"ALLUMETTE_CPU_COMPILE must be one of {', '.join(MODES)}, got {mode!r}")
    return mode


def is_exact(program: Program) -> bool:
    """Whether NumPy and compiled code compute the same bits."""
    for position, (primitive, inputs, _) in enumerate(program.instructions):
        values = (*inputs, position + program.num_inputs)
        floats = {d.itemsize for d in (program.avals[v].dtype for v in values) if d.kind == "f"}
        known = primitive in _ROUNDED or primitive.kind is Kind.VIEW
        if 2 in floats or (floats and not known):
            return False
    return True


def work(program: Program) -> int:
    """About how many nanoseconds NumPy takes: by shapes alone, so that every run decides alike."""
    total = 0
    for position, (primitive, inputs, params) in enumerate(program.instructions):
        values = (*inputs, position + program.num_inputs)
        total += max(prod(program.avals[v].shape) for v in values)
        if primitive is P.dot_general:
            terms = prod(program.avals[inputs[0]].shape[axis] for axis in params[0])
            total += 2 * terms * prod(program.avals[values[-1]].shape) // FLOPS
    return total


def tiered(program: Program, eager: Executable, compile_: Callable[[], Executable]) -> Executable:
    """`eager`, or what `compile_` makes of `program`, or at first the one and then the other.

    `compile_` raises NotImplementedError for what it has no kernel for, which stays on NumPy.
    """
    mode = compile_mode()
    if mode == "never" or not program.instructions:
        return eager
    if mode == "always" or program.repeats or work(program) >= WORTH_WORK:
        try:
            return compile_()
        except NotImplementedError:
            return eager
    return Tiered(eager, compile_) if is_exact(program) else eager


class Tiered:
    """Runs `eager` until the program has proved worth compiling, then what `compile_` makes."""

    def __init__(self, eager: Executable, compile_: Callable[[], Executable]) -> None:
        self.eager, self._compile = eager, compile_
        self._native: Executable | None = None
        self._settled = False
        self._uses, self._seconds = 0, 0.0
        self._lock = threading.Lock()

    def __call__(self, buffers: Sequence[Buffer]) -> list[Buffer]:
        native = self._native
        if native is None and not self._settled and self._is_worth_it():
            native = self._compiled()
        return self._run_eagerly(buffers) if native is None else native(buffers)

    def _run_eagerly(self, buffers: Sequence[Buffer]) -> list[Buffer]:
        if self._settled:
            return self.eager(buffers)
        start = time.perf_counter()
        outputs = self.eager(buffers)
        self._seconds += time.perf_counter() - start
        return outputs

    def _is_worth_it(self) -> bool:
        self._uses += 1
        return self._uses >= WORTH_USES or self._seconds > WORTH_SECONDS

    def _compiled(self) -> Executable | None:
        with self._lock:
            if not self._settled:
                try:
                    self._native = self._compile()
                except NotImplementedError:  # the renderer has no kernel for it: stay on NumPy
                    self._native = None
                self._settled = True
        return self._native
