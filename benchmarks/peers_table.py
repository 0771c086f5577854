"""One training iteration of a small network, beside the libraries a user would pick instead.

    python benchmarks/peers_table.py --rows 100 1000 10000 100000 1000000
    python benchmarks/peers_table.py --peers-python ~/peers/bin/python

`--peers-python` runs the other libraries with an interpreter that has them. How they are measured
is in `side_by_side.py`, what they run in `mlp_jobs.py`.
"""

import side_by_side

PEERS = ("numpy", "torch", "torch-compile", "jax")


def main() -> None:
    """Print the table."""
    parser = side_by_side.options(__doc__, 120)
    sizes = [100, 1000, 10_000, 100_000, 1_000_000]
    parser.add_argument("--rows", type=int, nargs="+", default=sizes)
    given = parser.parse_args()
    print("Milliseconds an iteration.\n")
    side_by_side.print_table("mlp_jobs", "rows", PEERS, [str(n) for n in given.rows], given)


if __name__ == "__main__":
    main()
