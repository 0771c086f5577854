"""Single operations and short chains, jitted, beside the libraries a user would pick instead.

    python benchmarks/operations_table.py --peers-python ~/peers/bin/python [--only matmul]

A process a library and round, rounds interleaved; medians, in microseconds. The last column is the
best of the others divided by ours, and below the table is its geometric mean.
"""

import argparse
import json
import statistics
import subprocess
import sys
from math import exp, log
from pathlib import Path

PEERS = ("torch", "torch-compile", "jax")
JOBS = Path(__file__).with_name("operation_jobs.py")


def run(python: str, library: str, only: str, limit: float) -> dict[str, float]:
    """Seconds a call of each operation, as far as the library came within the time it had."""
    command = [python, str(JOBS), library, only]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit)
        text, errors = done.stdout, done.stderr if done.returncode else ""
    except subprocess.TimeoutExpired as late:
        text = late.stdout.decode() if isinstance(late.stdout, bytes) else (late.stdout or "")
        errors = f"took more than {limit:g} s"
    if errors:
        print(f"{library}: {errors.strip().splitlines()[-1][:100]}", file=sys.stderr)
    return dict(json.loads(line) for line in text.splitlines() if line.startswith("["))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="par")
    parser.add_argument("--only", default="", help="operations whose name contains this")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--limit", type=float, default=600, help="seconds for a library and round")
    parser.add_argument("--peers-python", default=sys.executable)
    options = parser.parse_args()
    libraries = {**dict.fromkeys(PEERS, options.peers_python), options.device: sys.executable}
    found: dict[str, dict[str, list[float]]] = {}
    for _ in range(options.rounds):
        for library, python in libraries.items():
            for name, value in run(python, library, options.only, options.limit).items():
                found.setdefault(name, {}).setdefault(library, []).append(value)
    print("| operation | " + " | ".join(libraries) + " | best of others / ours |")
    print("| --- |" + " --- |" * (len(libraries) + 1))
    ratios = []
    for name, times in found.items():
        medians = {k: statistics.median(v) * 1e6 for k, v in times.items()}
        peers = [medians[k] for k in PEERS if k in medians]
        ratio = min(peers) / medians[options.device] if peers and options.device in medians else 0
        ratios += [ratio] if ratio else []
        cells = [f"{medians[k]:.4g}" if k in medians else "" for k in libraries]
        print(f"| {name} | " + " | ".join(cells) + f" | {ratio:.2f} |")
    if ratios:
        print(f"\nGeometric mean {exp(sum(map(log, ratios)) / len(ratios)):.2f}, ", end="")
        print(f"least {min(ratios):.2f}.")


if __name__ == "__main__":
    main()
