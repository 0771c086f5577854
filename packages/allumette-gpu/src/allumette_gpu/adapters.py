"""Which graphics adapters there are, and in which order they are `gpu`, `gpu:1` ..."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from allumette_core.errors import DeviceError

_used_in: int | None = None
"""The process that asked the driver for its adapters."""
_PREFERENCE = ("DiscreteGPU", "IntegratedGPU", "VirtualGPU", "CPU")


@cache
def find_adapters() -> tuple[Any, ...]:
    """The adapters, best first; with WGPU_ADAPTER_NAME only those that have it in their name."""
    global _used_in
    _used_in = os.getpid()
    import wgpu
    from wgpu.backends.wgpu_native.extras import set_instance_extras

    # OpenGL cannot run what we write, takes seconds to look for and complains about displays.
    set_instance_extras(backends=["Vulkan", "Metal", "DX12"])
    with _runtime_directory():
        found = wgpu.gpu.enumerate_adapters_sync()
    wanted = os.environ.get("WGPU_ADAPTER_NAME", "").strip().lower()
    named = [a for a in found if wanted in adapter_name(a).lower()]
    return tuple(sorted(named, key=_rank))


def refuse_after_fork() -> None:
    """Refuse what would hang: a driver's threads and devices do not survive a fork.

    Raises:
        DeviceError: this is a child of the process that found the adapters.
    """
    if _used_in not in (None, os.getpid()):
        raise DeviceError(
            "gpu: a GPU cannot be used after a fork; start processes with multiprocessing's "
            "'spawn', or touch the GPU only in the child"
        )


@contextmanager
def _runtime_directory() -> Iterator[None]:
    """Without one, Wayland's library prints an error for each adapter that is looked at."""
    name = "XDG_RUNTIME_DIR"
    missing = name not in os.environ
    if missing:
        os.environ[name] = tempfile.gettempdir()
    try:
        yield
    finally:
        if missing:
            del os.environ[name]


def adapter_name(adapter: Any) -> str:
    """The adapter's name as its driver tells it."""
    return str(adapter.info["device"])


def _rank(adapter: Any) -> int:
    kind = adapter.info["adapter_type"]
    return _PREFERENCE.index(kind) if kind in _PREFERENCE else len(_PREFERENCE)
