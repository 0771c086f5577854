"""What really ran: which primitives, how often, whether the backend ran them itself; and how long
its kernels took."""

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(slots=True)
class KernelRuns:
    """What all runs of one kernel took, by the device's own clock; the memory that it is bound to
    and the operations of its program, which it cannot do without."""

    runs: int = 0
    nanoseconds: int = 0
    bytes: int = 0
    operations: int = 0

    @property
    def gigabytes_per_second(self) -> float:
        """GB/s: bytes a nanosecond."""
        return self.bytes / max(self.nanoseconds, 1)

    @property
    def gigaflops(self) -> float:
        """GFLOP/s: operations a nanosecond."""
        return self.operations / max(self.nanoseconds, 1)


class Profile:
    """Counts of executed primitives, by (name, mode); mode is 'native' or 'fallback'.

    `kernels` has, by name, what kernels took, if that was asked for and the device has a clock.
    """

    def __init__(self, kernels: bool = False) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()
        self.times_kernels = kernels
        self.kernels: dict[str, KernelRuns] = {}

    def executed(self, steps: Iterable[tuple[str, str]]) -> None:
        """Count one run of each of `steps`."""
        self.counts.update(steps)

    def ran(self, kernel: str, nanoseconds: int, bytes_: int, operations: int) -> None:
        """Add one run of `kernel`."""
        found = self.kernels.setdefault(kernel, KernelRuns())
        found.runs += 1
        found.nanoseconds += nanoseconds
        found.bytes += bytes_
        found.operations += operations

    def __str__(self) -> str:
        """A line for each kernel, those that took longest first; else one for each primitive."""
        if not self.kernels:
            ordered = self.counts.most_common()
            return "\n".join(f"{n:8} {name} ({mode})" for (name, mode), n in ordered)
        lines = [f"{'runs':>8} {'us a run':>10} {'GB/s':>8} {'GFLOP/s':>8}  kernel"]
        for name, k in sorted(self.kernels.items(), key=lambda item: -item[1].nanoseconds):
            each = k.nanoseconds / k.runs / 1e3
            rates = f"{k.gigabytes_per_second:8.1f} {k.gigaflops:8.1f}"
            lines.append(f"{k.runs:8} {each:10.1f} {rates}  {name}")
        return "\n".join(lines)

    def total(self, mode: str) -> int:
        """How many primitives ran in `mode`."""
        return sum(n for (_, m), n in self.counts.items() if m == mode)


recorders: list[Profile] = []  # every one that is open now


@contextmanager
def profile(*, kernels: bool = False) -> Iterator[Profile]:
    """Record what runs inside the block, on every thread.

    With `kernels` a backend that can measures each of its kernels, and waits for it: `gpu` does,
    where the adapter has timestamps. `print(p)` then shows a table.

    >>> import allumette_core as al
    >>> with al.profile() as p:
    ...     _ = (al.arange(3, device="numpy") + 1).tolist()
    >>> p.counts["add", "native"]
    1
    """
    made = Profile(kernels)
    recorders.append(made)
    try:
        yield made
    finally:
        recorders.remove(made)
