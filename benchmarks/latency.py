"""What a user waits for: imports, a first result, compiling, and a jitted call.

    python benchmarks/latency.py

Each line is measured in new processes, the least of several rounds, beside its bar. Compiling is
measured with an empty disk cache and again with what that left there.
"""

import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

PRELUDE = "import time; start = time.perf_counter()\n"
IMPORTS = """
import sys, allumette_core
print(len({"llvmlite", "numba", "scipy"} & set(sys.modules)))
"""
FIRST = """
import allumette_core as al
assert (al.ones(3) + 1).tolist() == [2, 2, 2]
assert al.ones(3).device == "par", al.ones(3).device
print(time.perf_counter() - start)
"""
STEP = """
import sys; sys.path.insert(0, {here!r})
import mlp_jobs
step, read = mlp_jobs.JOBS["par"](*mlp_jobs.data(1000))
start = time.perf_counter()
read(step())
print(time.perf_counter() - start)
"""
CALL = """
import timeit, allumette_core as al
tensors = [al.ones(3) for _ in range({count})]
f = al.jit(lambda *xs: [x + 1.0 for x in xs[:1]])
f(*tensors)
print(min(timeit.repeat(lambda: f(*tensors), number=2000, repeat=15)) / 2000 * 1e6)
"""


def seconds(code: str, cache: str, rounds: int = 5) -> list[float]:
    """What `code` prints, run in new processes."""
    environment = {**os.environ, "ALLUMETTE_CPU_CACHE": cache}
    command = [sys.executable, "-c", PRELUDE + code]
    run = subprocess.run
    return [
        float(run(command, env=environment, capture_output=True, text=True, check=True).stdout)
        for _ in range(rounds)
    ]


def report(name: str, value: float, bar: float, unit: str) -> None:
    """A line of the table."""
    print(f"{name:<52} {value:8.3f} {unit:<2}  bar {bar:g}  {'kept' if value <= bar else 'MISSED'}")


def main() -> None:
    here = str(Path(__file__).parent)
    with tempfile.TemporaryDirectory() as cache:
        report("compilers that importing core loads", max(seconds(IMPORTS, cache, 1)), 0, "")
        report(
            "a first (al.ones(3) + 1).tolist(), with the import",
            min(seconds(FIRST, cache)),
            0.5,
            "s",
        )
        step = STEP.format(here=here)
        colds = []
        for turn in range(3):
            fresh = str(Path(cache, f"{turn}"))
            colds += seconds(step, fresh, 1)
        report("first step of the MLP, nothing compiled before", min(colds), 5, "s")
        report("first step of the MLP, from the disk cache", min(seconds(step, fresh)), 0.3, "s")
        for count in (1, 10, 50):
            took = statistics.median(seconds(CALL.format(count=count), cache))
            report(
                f"a jitted call with {count} arguments, add included", took, 10 + 0.5 * count, "us"
            )


if __name__ == "__main__":
    main()
