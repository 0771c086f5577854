"""Level 5: a compilation or a run that is interrupted, as by Ctrl-C."""

import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future

from .check import Fault
from .stress import agree, arrays_for, stress_program
from .subject import Subject
from .values import Array


class _Interrupted(BaseException):
    """What Ctrl-C would be in the main thread."""


# Where the interpreter looks for signals: on entering a function, and when a native one is back. At
# other events, such as the call that gives back the lock of a `with`, Ctrl-C never comes.
_SIGNALLED = frozenset({"call", "c_return"})


def interrupted(subject: Subject) -> None:
    """A compilation or a run that is interrupted anywhere leaves the backend as it was."""
    events = _run_until(subject, 50, sys.maxsize)
    for turn in range(8):
        size = 51 + turn
        _run_until(subject, size, 1 + events * turn // 8)
        arrays = arrays_for(subject, turn, size)
        for got in _within(60, lambda: subject.run(stress_program(size), arrays)):  # noqa: B023
            agree(got, arrays, "after an interruption")


def _within(seconds: float, work: Callable[[], list[list[Array]]]) -> list[list[Array]]:
    """What `work` gives; a Fault if it hangs, as it does on a lock that nobody gives back."""
    found: Future[list[list[Array]]] = Future()

    def run() -> None:
        try:
            found.set_result(work())
        except Exception as error:  # noqa: BLE001  it is raised below
            found.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    try:
        return found.result(seconds)
    except TimeoutError:
        raise Fault("the backend hangs after a compilation was interrupted") from None


def _run_until(subject: Subject, size: int, limit: int) -> int:
    """Compile and run, interrupted at the `limit`-th place where Ctrl-C may come; how many came."""
    count = 0

    def interrupt(frame: object, event: str, argument: object) -> None:
        nonlocal count
        if event in _SIGNALLED:
            count += 1
            if count == limit:
                raise _Interrupted

    arrays = arrays_for(subject, size, size)
    before = sys.getprofile()
    sys.setprofile(interrupt)
    try:
        subject.compile(stress_program(size))(subject.upload(arrays))
    except _Interrupted:
        pass
    finally:
        sys.setprofile(before)
    return count
