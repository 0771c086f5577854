"""Level 5 interrupts a backend only where Ctrl-C may."""

import sys
import threading
from collections.abc import Sequence

from allumette_core.backend.spec import Buffer, Executable
from allumette_core.compiler.program import Program
from allumette_core.conformance.interruption import _run_until
from allumette_core.conformance.subject import Subject
from faulty import Faulty
from sabotage import opened


class Careful(Faulty):
    """Holds a lock in a `with`, which Python gives back whenever Ctrl-C comes."""

    lock = threading.Lock()

    def compile(self, program: Program, device: str) -> Executable:
        with self.lock:
            run = super().compile(program, device)

        def locked(buffers: Sequence[Buffer]) -> list[Buffer]:
            with self.lock:
                return run(buffers)

        return locked


def test_a_lock_in_a_with_is_never_kept() -> None:
    subject = Subject(opened(Careful))
    events = _run_until(subject, 50, sys.maxsize)
    assert events > 100
    for limit in range(1, events + 1):
        _run_until(subject, 50, limit)
        assert not Careful.lock.locked(), limit
