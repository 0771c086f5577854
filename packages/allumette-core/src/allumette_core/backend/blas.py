"""One BLAS thread while the reference runs.

The number of threads changes how a product is split and so its last bits; and threads that wait for
each other make small products many times slower on a machine that has other things to do.
"""

import threading
from types import TracebackType
from typing import Any


class OneThread:
    """A context that holds NumPy's BLAS to one thread; only one Python thread is in it at a time.

    Some builds of BLAS count threads per process, some per calling thread: a lock suits both.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._libraries: list[Any] | None = None
        self._before: list[list[int]] = []  # a stack: the context may be entered inside itself

    def __enter__(self) -> None:
        self._lock.acquire()
        if self._libraries is None:
            from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

            self._libraries = ThreadpoolController().select(user_api="blas").lib_controllers
        self._before.append([library.get_num_threads() for library in self._libraries])
        self._set([1] * len(self._libraries))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._set(self._before.pop())
        self._lock.release()

    def _set(self, counts: list[int]) -> None:
        for library, count in zip(self._libraries or (), counts, strict=True):
            # Else only the first thread that ever set a number may (threadpoolctl 3.8 and newer).
            yields = getattr(library, "clear_controlling_thread", None)
            if yields:
                yields(force=True)
            library.set_num_threads(count)
            if yields:
                yields(force=True)


one_thread = OneThread()
