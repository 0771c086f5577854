"""One training iteration of a small network, beside the libraries a user would pick instead.

    python benchmarks/peers_table.py --rows 100 1000 10000 100000 1000000
    python benchmarks/peers_table.py --peers-python ~/peers/bin/python

Every figure comes from a process of its own; rounds are interleaved, so that what else the machine
does hits all alike, and medians are printed. A library that is not installed is left out.
`--peers-python` runs the other libraries with an interpreter that has them.
"""

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

OURS, PEERS = ("allumette-seq", "allumette-par"), ("numpy", "torch", "torch-compile", "jax")
JOBS = Path(__file__).with_name("mlp_jobs.py")


def iterations(rows: int) -> int:
    """So many that a figure takes about a second."""
    return max(5, min(500, 2_000_000 // rows))


def run(python: str, name: str, rows: int, limit: float) -> dict[str, float] | str:
    """One measurement, or why there is none."""
    command = [python, str(JOBS), name, str(rows), str(iterations(rows))]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit)
    except subprocess.TimeoutExpired:
        return f"took more than {limit:g} s"
    if done.returncode:
        return (done.stderr.strip().splitlines() or ["no output"])[-1][:100]
    found: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def table_row(rows: int, options: argparse.Namespace) -> str:
    """Measure all libraries at `rows` rows: a line of the table."""
    times: dict[str, list[float]] = {name: [] for name in (*PEERS, *OURS)}
    losses: dict[str, float] = {}
    missing: dict[str, str] = {}
    for _ in range(options.rounds):
        for name in times:
            if name in missing:
                continue
            python = sys.executable if name in OURS else options.peers_python
            found = run(python, name, rows, options.limit)
            if isinstance(found, str):
                missing[name] = found
                continue
            times[name].append(found["seconds"])
            losses[name] = found["loss"]
    for name, why in missing.items():
        print(f"{name} at {rows} rows: {why}", file=sys.stderr)
    medians = {name: statistics.median(t) * 1e3 for name, t in times.items() if t}
    cells = [f"{medians[n]:.3g}" if n in medians else "" for n in times]
    peers = [medians[n] for n in PEERS if n in medians]
    best = min((medians[n] for n in OURS if n in medians), default=float("nan"))
    cells.append(f"{min(peers) / best:.2f}" if peers else "")
    spread = max(losses.values(), default=0.0) - min(losses.values(), default=0.0)
    return f"| {rows:,} | " + " | ".join([*cells, f"{spread:.0e}"]) + " |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    sizes = [100, 1000, 10_000, 100_000, 1_000_000]
    parser.add_argument("--rows", type=int, nargs="+", default=sizes)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--limit", type=float, default=120, help="seconds a measurement may take")
    parser.add_argument("--peers-python", default=sys.executable)
    options = parser.parse_args()
    heads = ["rows", *PEERS, *OURS, "best peer / ours", "spread of losses"]
    print("Milliseconds an iteration.\n\n| " + " | ".join(heads) + " |")
    print("| " + " | ".join("---" for _ in heads) + " |")
    for rows in options.rows:
        print(table_row(rows, options), flush=True)


if __name__ == "__main__":
    main()
