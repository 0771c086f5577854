"""The thread driver: native code that runs a bound plan, and the threads that help it.

Workers spin for some microseconds after a job, then sleep on a lock until the next caller wakes
them. A caller never waits for a worker that has not joined its job, and a pool that is in use is
not waited for: that caller runs alone. What a program computes does not depend on any of this.
"""

import ctypes
import os
import platform
import threading
from contextlib import suppress
from functools import cache
from importlib.resources import files

import numpy as np

from . import machine
from .cache import loaded

SPINS = 8000  # about 100 microseconds of waiting, longer than the gaps between the calls of a loop
THREADS = 24  # the word of a pool that has their number
_PAUSE, _YIELD = "call void @llvm.x86.sse2.pause()", "call void @llvm.aarch64.hint(i32 1)"
_RELAX = {"x86_64": _PAUSE, "AMD64": _PAUSE, "aarch64": _YIELD, "arm64": _YIELD}


@cache
def _native() -> machine.Loaded:
    hint = _RELAX.get(platform.machine(), "")
    text = files(__package__).joinpath("driver.ll").read_text()
    text += hint.replace("call", "declare").replace("i32 1", "i32") + "\n"
    text += f"define internal void @relax() {{\n  {hint}\n  ret void\n}}\n"
    text += f"@header = internal constant i64 {object.__basicsize__}\n"
    return loaded(text, lambda: machine.object_code(machine.optimised(text)))


@cache
def run_function() -> "ctypes._CFunctionType":
    """`run(plan, addresses of arrays, -1)`; releases the GIL."""
    kind = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 2, ctypes.c_int64)
    return kind(_native().address("run"))


def call_address() -> int:
    """Where the built-in function is that runs a plan."""
    return _native().address("call")


@cache
def _work_function() -> "ctypes._CFunctionType":
    kind = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
    return kind(_native().address("work"))


def thread_count() -> int:
    """How many threads `par` uses: ALLUMETTE_NUM_THREADS, else every core we may run on.

    Raises:
        ValueError: the variable is not a positive integer.
    """
    text = os.environ.get("ALLUMETTE_NUM_THREADS", "").strip()
    if text:
        if not text.isdecimal() or int(text) < 1:
            raise ValueError(f"ALLUMETTE_NUM_THREADS must be a positive integer, got {text!r}")
        return int(text)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Pool:
    """`threads - 1` workers beside the calling thread, started when first needed.

    `address` is what native code knows of it.
    """

    def __init__(self, threads: int) -> None:
        self.threads = threads
        words = np.zeros(8 * (5 + threads), np.int64)  # a cache line a field
        self._words = words[-words.ctypes.data % 64 // 8 :]
        self.address = self._words.ctypes.data
        self.reset()

    def reset(self) -> None:
        """Forget the workers: threads do not survive a fork."""
        self._words[:] = 0
        self._words[THREADS] = self.threads
        self._asleep: list[threading.Lock] = []
        self._starting = threading.Lock()
        self._number, self._started = 0, False

    def wake(self) -> None:
        """Have the workers look for a job; call it just before running one."""
        if not self._started:
            self._start()
        while self._asleep:
            try:
                self._asleep.pop().release()
            except IndexError:  # another caller was quicker
                break

    def _start(self) -> None:
        with self._starting, suppress(RuntimeError):  # no more threads: those there are will do
            while self._number < self.threads - 1:
                self._number += 1  # first: Ctrl-C may come, and no number may work twice
                name, number = f"allumette-{self._number}", (self._number,)
                threading.Thread(target=self._work, args=number, name=name, daemon=True).start()
        self._started = True

    def _work(self, thread: int) -> None:
        work, bed = _work_function(), threading.Lock()
        bed.acquire()
        while True:
            work(self.address, thread, SPINS)
            self._asleep.append(bed)
            work(self.address, thread, SPINS)  # of a caller who looked just before
            bed.acquire()


_pools: dict[int, Pool] = {}


def pool(threads: int) -> Pool | None:
    """The process's pool of `threads` threads, None for one."""
    if threads == 1:
        return None
    found = _pools.get(threads)
    return found or _pools.setdefault(threads, Pool(threads))


def _reset_all() -> None:
    for found in _pools.values():
        found.reset()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset_all)
