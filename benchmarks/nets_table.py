"""Training steps of LeNet-5 and of a small transformer, beside the libraries a user would pick.

    python benchmarks/nets_table.py --peers-python ~/peers/bin/python

`--peers-python` runs the other libraries with an interpreter that has them. How they are measured
is in `side_by_side.py`, what they run in `net_jobs.py`.
"""

from pathlib import Path

import side_by_side

PEERS = ("torch", "torch-compile", "jax")
JOBS = Path(__file__).with_name("net_jobs.py")
STEPS = {"lenet": 60, "transformer": 12}


def main() -> None:
    """Print the table."""
    parser = side_by_side.options(__doc__, 300)
    parser.add_argument("--networks", nargs="+", default=list(STEPS), choices=list(STEPS))
    given = parser.parse_args()
    print(side_by_side.heading("a step", "network", PEERS))
    for name in given.networks:
        arguments = [name, str(STEPS[name])]
        print(side_by_side.row(name, JOBS, arguments, PEERS, given), flush=True)


if __name__ == "__main__":
    main()
