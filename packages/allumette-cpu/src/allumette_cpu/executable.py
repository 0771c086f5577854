"""When a program is compiled: at once if jitted; else it first runs on NumPy kernels."""

import os
import threading
import time
from collections.abc import Callable, Sequence

from allumette_core.backend.spec import Buffer, Executable
from allumette_core.compiler.program import Program
from allumette_core.profile import recorders

MODES = ("always", "auto", "never")
WORTH_SECONDS = 0.05  # of running eagerly before a compilation is worth its while ...
WORTH_USES = 16  # ... or so many uses


def compile_mode() -> str:
    """ALLUMETTE_CPU_COMPILE: `always`, `never`, or `auto`: what repeats.

    Raises:
        ValueError: the variable is something else.
    """
    mode = os.environ.get("ALLUMETTE_CPU_COMPILE", "").strip() or "auto"
    if mode not in MODES:
        raise ValueError(f"ALLUMETTE_CPU_COMPILE must be one of {', '.join(MODES)}, got {mode!r}")
    return mode


class Tiered:
    """Runs `eager` until the program has proved worth compiling, then what `compile_` makes."""

    def __init__(self, program: Program, eager: Executable, compile_: Callable[[], Executable]):
        self.eager, self._compile = eager, compile_
        self._names = [(i.primitive.name, "native") for i in program.instructions]
        self._native: Executable | None = None
        mode = compile_mode()
        self._settled = mode == "never" or not program.instructions
        self._worth_uses = 1 if mode == "always" or program.repeats else WORTH_USES
        self._uses, self._seconds = 0, 0.0
        self._lock = threading.Lock()

    def __call__(self, buffers: Sequence[Buffer]) -> list[Buffer]:
        native = self._native
        if native is None and not self._settled and self._is_worth_it():
            native = self._compiled()
        if native is None:
            return self._run_eagerly(buffers)
        for recorder in recorders:
            recorder.executed(self._names)
        return native(buffers)

    def _run_eagerly(self, buffers: Sequence[Buffer]) -> list[Buffer]:
        if self._settled:
            return self.eager(buffers)
        start = time.perf_counter()
        outputs = self.eager(buffers)
        self._seconds += time.perf_counter() - start
        return outputs

    def _is_worth_it(self) -> bool:
        self._uses += 1
        return self._uses >= self._worth_uses or self._seconds > WORTH_SECONDS

    def _compiled(self) -> Executable | None:
        with self._lock:
            if not self._settled:
                try:
                    self._native = self._compile()
                except NotImplementedError:  # the renderer has no kernel for it: stay on NumPy
                    self._native = None
                self._settled = True
        return self._native
