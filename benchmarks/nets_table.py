"""Training steps of LeNet-5 and of a small transformer, beside the libraries a user would pick.

    python benchmarks/nets_table.py --peers-python ~/peers/bin/python

Every figure comes from a process of its own; rounds are interleaved, so that what else the machine
does hits all alike, and medians are printed. A library that is not installed is left out.
"""

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

OURS, PEERS = ("allumette-seq", "allumette-par"), ("torch", "torch-compile", "jax")
JOBS = Path(__file__).with_name("net_jobs.py")
STEPS = {"lenet": 60, "transformer": 12}


def run(python: str, library: str, name: str, limit: float) -> dict[str, float] | str:
    """One measurement, or why there is none."""
    command = [python, str(JOBS), library, name, str(STEPS[name])]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit)
    except subprocess.TimeoutExpired:
        return f"took more than {limit:g} s"
    if done.returncode:
        return (done.stderr.strip().splitlines() or ["no output"])[-1][:100]
    found: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def table_row(name: str, options: argparse.Namespace) -> str:
    """Measure all libraries on one network: a line of the table."""
    found: dict[str, list[dict[str, float]]] = {library: [] for library in (*PEERS, *OURS)}
    missing: dict[str, str] = {}
    for _ in range(options.rounds):
        for library, results in found.items():
            if library not in missing:
                python = sys.executable if library in OURS else options.peers_python
                got = run(python, library, name, options.limit)
                if isinstance(got, str):
                    missing[library] = got
                else:
                    results.append(got)
    for library, why in missing.items():
        print(f"{library} on {name}: {why}", file=sys.stderr)
    medians = {
        library: statistics.median(r["seconds"] for r in results) * 1e3
        for library, results in found.items()
        if results
    }
    cells = [f"{medians[n]:.3g}" if n in medians else "" for n in found]
    peers = [medians[n] for n in PEERS if n in medians]
    best = min((medians[n] for n in OURS if n in medians), default=float("nan"))
    cells.append(f"{min(peers) / best:.2f}" if peers else "")
    losses = [r["loss"] for results in found.values() for r in results]
    cells.append(f"{max(losses, default=0.0) - min(losses, default=0.0):.0e}")
    return f"| {name} | " + " | ".join(cells) + " |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--networks", nargs="+", default=list(STEPS), choices=list(STEPS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--limit", type=float, default=300, help="seconds a measurement may take")
    parser.add_argument("--peers-python", default=sys.executable)
    options = parser.parse_args()
    heads = ["network", *PEERS, *OURS, "best peer / ours", "spread of losses"]
    print("Milliseconds a step.\n\n| " + " | ".join(heads) + " |")
    print("| " + " | ".join("---" for _ in heads) + " |")
    for name in options.networks:
        print(table_row(name, options), flush=True)


if __name__ == "__main__":
    main()
