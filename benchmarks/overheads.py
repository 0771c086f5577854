"""What the library costs besides arithmetic, on the reference backend: nodes, jitted calls, chains.

    python benchmarks/overheads.py

Figures are medians over rounds of processor time (one thread; what else the machine does counts
less), beside the bar they have to keep. NumPy's own time is measured in the same round and
subtracted where the bar says so.
"""

import statistics
import subprocess
import sys
import time
import timeit
from collections.abc import Callable

import allumette_core as al
import numpy as np

ROUNDS = 15


def microseconds(function: Callable[[], object], number: int = 5000) -> float:
    """Processor time of one call: the median over rounds of the mean of `number` calls."""
    rounds = timeit.repeat(function, timer=time.process_time, number=number, repeat=ROUNDS)
    return statistics.median(rounds) / number * 1e6


def report(name: str, value: float, bar: float | None, unit: str = "us") -> None:
    """A line of the table."""
    kept = "" if bar is None else f"bar {bar:g}  {'kept' if value <= bar else 'MISSED'}"
    print(f"{name:<44} {value:10.2f} {unit:<3} {kept}")


def nodes() -> None:
    """Building a node: no value is computed."""
    x, y = al.ones(3), al.ones(3)
    report("x + y", microseconds(lambda: x + y), 6)
    report("x + 1.0", microseconds(lambda: x + 1.0), 6)
    report("exp(x)", microseconds(lambda: al.exp(x)), 6)
    report("x.sum()", microseconds(lambda: x.sum()), 6)
    report("x[0]", microseconds(lambda: x[0]), None)


def jitted_call() -> None:
    """A jitted one-op program against NumPy's own time for the op, in turns."""
    x, a = al.ones(3), np.ones(3, np.float32)
    f = al.jit(lambda x: x + x)
    f(x)
    above = [
        microseconds(lambda: f(x), 1000) - microseconds(lambda: np.add(a, a), 1000)
        for _ in range(5)
    ]
    report("jitted x + x, above NumPy's add", statistics.median(above), 15)


def chains() -> None:
    """Evaluating long chains: the time a node must not grow with the length."""
    for length in (1_000, 10_000, 100_000):
        x = al.ones(3)
        start = time.perf_counter()
        for _ in range(length):
            x = x + 1.0
        x.tolist()
        took = (time.perf_counter() - start) / length * 1e6
        report(f"chain of {length:,}, a node (built and run)", took, None)


def imports() -> None:
    """Importing core, beyond NumPy's own import, each in a new process."""
    code = (
        "import time, numpy; start = time.perf_counter(); import allumette_core; "
        "print((time.perf_counter() - start) * 1e3)"
    )
    took = [
        float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout)
        for _ in range(9)
    ]
    report("import allumette_core, beyond NumPy", statistics.median(took), 150, "ms")


if __name__ == "__main__":
    al.set_default_device("numpy")
    for part in (nodes, jitted_call, chains, imports):
        part()
