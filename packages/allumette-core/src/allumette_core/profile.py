"""What really ran: which primitives, how often, and whether the backend ran them itself."""

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class Profile:
    """Counts of executed primitives, by (name, mode); mode is 'native' or 'fallback'."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()

    def executed(self, steps: Iterable[tuple[str, str]]) -> None:
        """Count one run of each of `steps`."""
        self.counts.update(steps)

    def total(self, mode: str) -> int:
        """How many primitives ran in `mode`."""
        return sum(n for (_, m), n in self.counts.items() if m == mode)


recorders: list[Profile] = []  # every one that is open now


@contextmanager
def profile() -> Iterator[Profile]:
    """Record what runs inside the block, on every thread.

    >>> import allumette_core as al
    >>> with al.profile() as p:
    ...     _ = (al.arange(3, device="numpy") + 1).tolist()
    >>> p.counts["add", "native"]
    1
    """
    made = Profile()
    recorders.append(made)
    try:
        yield made
    finally:
        recorders.remove(made)
