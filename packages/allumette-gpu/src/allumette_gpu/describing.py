"""What is known of an adapter, for a report of a fault."""

from typing import Any

from .adapters import adapter_name
from .limits import SUBGROUPS, limits_of
from .wgsl.types import TYPES

_OF_USE = frozenset(("timestamp-query", SUBGROUPS, "shader-f64"))


def facts(adapter: Any) -> dict[str, str]:
    """The adapter and its driver, the limits that are kept, and the features that matter."""
    info = adapter.info
    limits = limits_of(adapter)
    wanted = _OF_USE | {t.feature for t in TYPES.values() if t.feature}
    memory = "not told by the driver" if limits.memory is None else f"{limits.memory:,} bytes"
    return {
        "adapter": f"{adapter_name(adapter)} ({info['adapter_type']})",
        "driver": f"{info['description']} ({info['backend_type']})",
        "memory": memory,
        "largest value": f"{limits.largest:,} bytes",
        "storage buffers": f"{limits.buffers} a kernel",
        "workgroups": f"{limits.groups:,} along an axis, of {limits.invocations:,} invocations",
        "workgroup memory": f"{limits.shared_bytes:,} bytes",
        "features": ", ".join(sorted(wanted & set(adapter.features))) or "none of use",
    }
