"""Training steps of LeNet-5 and of a small transformer, beside the libraries a user would pick.

    python benchmarks/nets_table.py --peers-python ~/peers/bin/python

`--peers-python` runs the other libraries with an interpreter that has them. How they are measured
is in `side_by_side.py`, what they run in `net_jobs.py`.
"""

import side_by_side

PEERS = ("torch", "torch-compile", "jax")
NETWORKS = ("lenet", "transformer")


def main() -> None:
    """Print the table."""
    parser = side_by_side.options(__doc__, 300)
    parser.add_argument("--networks", nargs="+", default=NETWORKS, choices=NETWORKS)
    given = parser.parse_args()
    print("Milliseconds a step.\n")
    side_by_side.print_table("net_jobs", "network", PEERS, given.networks, given)


if __name__ == "__main__":
    main()
