"""What of an adapter's limits shapes the code, and how to lower them for a test."""

import os
from dataclasses import dataclass, fields, replace
from typing import Any

from allumette_core.errors import BackendError

VARIABLE = "ALLUMETTE_GPU_LIMITS"
SUBGROUPS = "subgroup"  # the name of the feature

_NAMES = {
    "buffers": "max-storage-buffers-per-shader-stage",
    "binding": "max-storage-buffer-binding-size",
    "buffer": "max-buffer-size",
    "groups": "max-compute-workgroups-per-dimension",
    "invocations": "max-compute-invocations-per-workgroup",
    "shared_bytes": "max-compute-workgroup-storage-size",
}


@dataclass(frozen=True, slots=True)
class Limits:
    """What kernels and values may use; the defaults are what every adapter has."""

    buffers: int = 8
    binding: int = 1 << 27
    """Bytes of a value."""
    buffer: int = 1 << 28
    """Bytes of a buffer of the driver, of which a value is a part."""
    groups: int = 65535
    """Workgroups along an axis of the grid."""
    invocations: int = 256
    """Of a workgroup."""
    shared_bytes: int = 16384
    """Memory of a workgroup."""
    memory: int | None = None
    """Bytes of all values; None where the driver does not tell."""
    between: int = 1 << 30
    """Bytes of what a program keeps between its kernels, before it runs over pieces of its rows."""
    subgroups: int = 0
    """Whether (1) neighbouring invocations may exchange values without a workgroup's memory."""
    software: bool = False
    """Whether the adapter is a processor."""

    @property
    def width(self) -> int:
        """Invocations of a workgroup, a power of two."""
        return 1 << (min(self.invocations, 256).bit_length() - 1)

    @property
    def largest(self) -> int:
        """The bytes of the largest value."""
        return min(self.binding, self.buffer) // 4 * 4

    def required(self) -> dict[str, int]:
        """What to ask of the driver, which then refuses to go beyond it."""
        return {name: getattr(self, field) for field, name in _NAMES.items()}


def limits_of(adapter: Any) -> Limits:
    """The limits of an adapter, lowered to those that the environment asks for.

    Raises:
        BackendError: ALLUMETTE_GPU_LIMITS is not pairs such as `buffers=8 binding=1048576`.
    """
    found = {field: adapter.limits[name] for field, name in _NAMES.items()}
    software = adapter.info["adapter_type"] == "CPU"
    memory = _physical_memory() if software else None
    subgroups = int(SUBGROUPS in adapter.features)
    most = Limits(**found, memory=memory, software=software, subgroups=subgroups)
    low = lowered(most, os.environ.get(VARIABLE, ""))
    return low if low.memory is None else replace(low, between=min(low.between, low.memory // 4))


def lowered(limits: Limits, text: str) -> Limits:
    """`limits`, none of them above what `text` says.

    >>> low = lowered(Limits(), "buffers=4 groups=100000")
    >>> low.buffers, low.groups
    (4, 65535)
    """
    known = {field.name for field in fields(Limits)} - {"software"}
    wanted: dict[str, Any] = {}
    for pair in text.replace(",", " ").split():
        name, _, number = pair.partition("=")
        if name not in known or not number.isdigit():
            raise BackendError(
                f"{VARIABLE}: {pair!r} is not understood; give pairs such as 'buffers=8', of "
                f"{', '.join(sorted(known))}"
            )
        now = getattr(limits, name)
        wanted[name] = int(number) if now is None else min(now, int(number))
    return replace(limits, **wanted)


def _physical_memory() -> int | None:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        return None
