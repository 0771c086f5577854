"""What a training step on the GPU costs its caller, and whether a long run grows.

    python benchmarks/gpu_step.py [--rows 100] [--steps 10000]

The step of the 2-50-50-1 network. Times are processor time of the calling thread, which is what it
cannot use for something else; time by the clock is given beside it, as it holds the wait for the
device too. On a software driver the device's threads run on the same processors, and what the
caller does after it has slept it does with cold caches. So a read is also taken apart, and compared
with the same commands read by calls of the C library alone, and with reads of what is computed
already, at once and after a sleep in which nothing runs.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from allumette_core.backend.registry import backend_of
from allumette_gpu import native
from mlp_jobs import allumette_job, data

Step, Read = Callable[[], Any], Callable[[Any], float]
ITERATIONS, EVERY = 200, 10


class Watch:
    """Microseconds of this thread's processor time, and by the clock, by name."""

    def __init__(self) -> None:
        self.times: dict[str, list[tuple[float, float]]] = {}

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        processor, clock = time.thread_time(), time.perf_counter()
        yield
        processor, clock = time.thread_time() - processor, time.perf_counter() - clock
        self.times.setdefault(name, []).append((processor * 1e6, clock * 1e6))

    def median(self, name: str, by_clock: bool = False) -> float:
        """The median of what was measured under `name`."""
        return median(pair[by_clock] for pair in self.times[name])


def iterations(watch: Watch, step: Step, read: Read) -> None:
    """Rounds of iterations without a read and with one every tenth, in turn."""
    for _ in range(10):
        with watch("without"):
            for _ in range(ITERATIONS):
                loss = step()
        read(loss)
        with watch("with"):
            for _ in range(ITERATIONS // EVERY):
                for _ in range(EVERY):
                    loss = step()
                read(loss)


def reads(watch: Watch, step: Step, read: Read, device: Any) -> None:
    """A read after ten iterations: at once, in its parts, and by the C library alone, in turn."""
    for _ in range(100):
        loss = _ten(step)
        with watch("read"):
            read(loss)
        loss = _ten(step)
        with watch("submit"):
            device.commands.submit()
        with watch("wait"):
            native.wait(device.raw)
        with watch("fetch"):
            read(loss)
        with watch("again"):
            read(loss)
        time.sleep(0.009)
        with watch("slept"):
            read(loss)
        loss = _ten(step)
        if native.CAN_ENCODE:
            with watch("bare"):
                bare_read(device, loss._node.buffer)
        read(loss)


def _ten(step: Step) -> Any:
    for _ in range(EVERY - 1):
        step()
    return step()


def bare_read(device: Any, buffer: Any) -> float:
    """A float32 that waiting commands compute, with nothing around the calls that it takes."""
    lib, ffi, commands, staging = native.lib, native.ffi, device.commands, device.staging
    raw, staged = device.raw, staging.buffer(4)._internal
    encoder, source = commands._encoder, buffer.room.block.raw._internal
    encoder._end_pass()
    lib.wgpuCommandEncoderCopyBufferToBuffer(encoder._encoder, source, buffer.offset, staged, 0, 4)
    made = lib.wgpuCommandEncoderFinish(encoder._encoder, ffi.NULL)
    lib.wgpuQueueSubmit(raw.queue._internal, 1, ffi.new("WGPUCommandBuffer[1]", [made]))
    lib.wgpuBufferMapAsync(staged, lib.WGPUMapMode_Read, 0, 4, staging._when_mapped[0])
    lib.wgpuDevicePoll(raw._internal, True, ffi.NULL)
    value = float(ffi.cast("float *", lib.wgpuBufferGetMappedRange(staged, 0, 4))[0])
    lib.wgpuBufferUnmap(staged)
    lib.wgpuCommandBufferRelease(made)
    lib.wgpuCommandEncoderRelease(encoder._encoder)
    commands._taken()
    return value


def resident() -> float:
    """MiB of this process in memory, where the system tells."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(x.split()[1]) / 1024 for x in lines if x.startswith("VmRSS")), float("nan"))


def report(step: Step, read: Read, device: Any) -> None:
    """Print what an iteration and a read take."""
    watch = Watch()
    iterations(watch, step, read)
    reads(watch, step, read, device)
    (alone, waits), (reading, clock) = (
        [watch.median(name, by_clock) / ITERATIONS for by_clock in (False, True)]
        for name in ("without", "with")
    )
    print("microseconds of the calling thread, medians (by the clock in brackets):")
    print(f"  an iteration {alone:.0f} ({waits:.0f})")
    print(f"  with a read every tenth {reading:.0f} ({clock:.0f})")
    print(f"    so that a read adds {(reading - alone) * EVERY:.0f}")
    for name, text in {
        "read": "a read after ten iterations",
        "bare": "  by calls of the C library alone",
        "submit": "  in its parts: to submit the ten",
        "wait": "    to wait for them",
        "fetch": "    to read what is computed",
        "again": "  once more at once",
        "slept": "  once more after 9 ms of sleep",
    }.items():
        if name in watch.times:
            print(f"  {text:40} {watch.median(name):4.0f} ({watch.median(name, True):.0f})")


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
    report(step, read, device)

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
