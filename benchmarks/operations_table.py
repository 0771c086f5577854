"""Single operations and short chains, jitted, beside the libraries a user would pick instead.

    python benchmarks/operations_table.py --peers-python ~/peers/bin/python [--only matmul]

Microseconds. The last column is the best of the others divided by ours, and below the table is its
geometric mean. How they are measured is in `side_by_side.py`, what they run in `operation_jobs.py`.
"""

from math import exp, log

import side_by_side
from side_by_side import DEVICES, cell, line

PEERS = ("torch", "torch-compile", "jax")


def main() -> None:
    """Print the table."""
    parser = side_by_side.options(__doc__, 300)
    parser.add_argument("--device", default="par", choices=DEVICES)
    parser.add_argument("--only", default="", help="operations whose name contains this")
    given = parser.parse_args()
    libraries = (*PEERS, given.device)
    print(line(["operation", *libraries, "best of others / ours"]))
    print(line(["---"] * (len(libraries) + 2)))
    ratios = []
    for found in side_by_side.compare("operation_jobs", libraries, [given.only], given):
        times = [cell(found.seconds.get(n), ".4g", 1e6) for n in libraries]
        ratios.append(side_by_side.ratio(found.seconds))
        print(line([found.name, *times, cell(ratios[-1], ".2f")]), flush=True)
    known = [ratio for ratio in ratios if ratio is not None]
    if known:
        mean = exp(sum(map(log, known)) / len(known))
        print(f"\nGeometric mean {mean:.2f}, least {min(known):.2f}.")


if __name__ == "__main__":
    main()
