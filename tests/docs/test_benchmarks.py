"""The tables of benchmarks are made, with the libraries that there are."""

import subprocess
import sys
from pathlib import Path

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def table(name: str, *arguments: str) -> tuple[list[list[str]], str]:
    """The cells of a table of short turns, and what is said of libraries that are missing."""
    command = [sys.executable, str(BENCHMARKS / name), "--rounds", "2", "--turn", "0.01"]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines], done.stderr


def test_an_iteration_is_timed_on_every_library() -> None:
    (heading, _, first, second), errors = table("peers_table.py", "--rows", "100", "300")
    assert [first[0], second[0]] == ["100", "300"]
    for row in (first, second):
        times = dict(zip(heading[1:-2], row[1:-2], strict=True))
        assert all(float(times[name]) > 0 for name in ("numpy", "seq", "par"))
        missing = [name for name, time in times.items() if not time]
        assert all(f"{name}: " in errors for name in missing)
        others = [float(times[n]) for n in times if times[n] and n not in ("seq", "par")]
        ours = min(float(times[name]) for name in ("seq", "par"))
        assert abs(float(row[-2]) / (min(others) / ours) - 1) < 0.02  # of three digits each
        assert float(row[-1]) < 1e-5  # how far losses are apart


def test_operations_are_timed_by_name() -> None:
    (heading, _, *rows), _ = table("operations_table.py", "--only", "matmul, 64", "--device", "seq")
    assert [row[0] for row in rows] == ["matmul, 64"]
    assert float(rows[0][heading.index("seq")]) > 0


def test_an_interpreter_that_is_not_there_is_no_traceback() -> None:
    command = [sys.executable, str(BENCHMARKS / "nets_table.py"), "--peers-python", "/nowhere"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr.startswith("cannot run /nowhere")
