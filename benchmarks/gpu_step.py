"""What a training step on the GPU costs its caller, and whether a long run grows.

    python benchmarks/gpu_step.py [--rows 100] [--steps 10000]

The step of the 2-50-50-1 network. "Host time" is processor time of the calling thread alone, the
least of several rounds, not what the device or a software driver's threads take.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from allumette_core.backend.registry import backend_of
from mlp_jobs import allumette_job, data


def host_time(step: Callable[[], Any], read: Callable[[Any], float], every: int) -> float:
    """Microseconds of this thread an iteration, with a loss read every so often."""
    rounds = []
    for _ in range(5):
        start = time.thread_time()
        for number in range(200):
            loss = step()
            if number % every == every - 1:
                read(loss)
        rounds.append((time.thread_time() - start) / 200 * 1e6)
        read(loss)
    return min(rounds)


def resident() -> float:
    """MiB of this process in memory, where the system tells."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(x.split()[1]) / 1024 for x in lines if x.startswith("VmRSS")), float("nan"))


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=100)
    parser.add_argument("--steps", type=int, default=10_000)
    options = parser.parse_args()
    step, read = allumette_job(*data(options.rows), device="gpu")
    for _ in range(20):
        read(step())
    device: Any = backend_of("gpu").device("gpu")
    counters = device.counters
    before = counters.dispatches, device.commands.submits
    for _ in range(100):
        step()
    dispatches = (counters.dispatches - before[0]) / 100
    submits = (device.commands.submits - before[1]) / 100
    print(f"{device.adapter_name}: an iteration is {dispatches:g} dispatches, {submits:g} submits")
    alone, reading = host_time(step, read, 10_000), host_time(step, read, 10)
    print(f"host time {alone:.0f} us an iteration, {reading:.0f} with a loss read every 10th")

    def state() -> str:
        memory = backend_of("gpu").memory("gpu")
        return (
            f"{counters.pipelines} pipelines, {counters.bind_groups} bind groups, "
            f"{device.pool.created} buffers made, {memory.live_bytes:,} bytes live, "
            f"{resident():.1f} MiB resident"
        )

    print(f"before {options.steps:,} steps: {state()}")
    for number in range(options.steps):
        loss = step()
        if number % 100 == 99:
            read(loss)
    print(f"after: {state()}")


if __name__ == "__main__":
    main()
