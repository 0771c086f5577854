"""Training on 10^7 rows: the rate a row, and the memory it takes.

    python benchmarks/large.py

Each number of rows is a process of its own. The rows themselves are 12 bytes each, and are there
twice: as NumPy arrays and on the device.
"""

import json
import resource
import subprocess
import sys
from pathlib import Path

import mlp_jobs

ITERATIONS = 6


def child(rows: int) -> None:
    found = mlp_jobs.measure("par", rows, ITERATIONS)
    scale = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale
    print(json.dumps(found | {"peak": peak}))


def main() -> None:
    print(f"{'rows':>12} {'ns a row':>10} {'peak MiB':>10} {'loss':>10}")
    for power in (5, 6, 7):
        command = [sys.executable, str(Path(__file__)), str(10**power)]
        run = subprocess.run(command, capture_output=True, text=True, check=True)
        found = json.loads(run.stdout)
        nanoseconds, peak = found["seconds"] / 10**power * 1e9, found["peak"] / 2**20
        print(f"{10**power:>12,} {nanoseconds:>10.1f} {peak:>10.0f} {found['loss']:>10.6f}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        child(int(sys.argv[1]))
    else:
        main()
