"""Which graphics adapters there are, and in which order they are `gpu`, `gpu:1` ..."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from allumette_core.backend.spec import Unavailable
from allumette_core.errors import DeviceError

VARIABLE = "WGPU_ADAPTER_NAME"
_used_in: int | None = None
"""The process that asked the driver for its adapters."""
_PREFERENCE = ("DiscreteGPU", "IntegratedGPU", "VirtualGPU", "CPU")


def find_adapters() -> tuple[Any, ...]:
    """The adapters, best first; with WGPU_ADAPTER_NAME only those that have it in their name."""
    wanted = os.environ.get(VARIABLE, "").strip().lower()
    return tuple(a for a in _every_adapter() if wanted in adapter_name(a).lower())


def missing() -> Unavailable | None:
    """Why there is no adapter, if there is none."""
    if find_adapters():
        return None
    if _every_adapter():
        names = ", ".join(map(adapter_name, _every_adapter()))
        return Unavailable(
            f"no adapter has {os.environ[VARIABLE]!r} in its name; there are: {names}",
            f"set {VARIABLE} to a part of one of these names, or unset it",
        )
    return Unavailable(
        "no Vulkan, Metal or DX12 adapter was found",
        "install the graphics driver, or Mesa's software one: "
        "apt-get install mesa-vulkan-drivers libvulkan1",
    )


@cache
def _every_adapter() -> tuple[Any, ...]:
    global _used_in
    _used_in = os.getpid()
    import wgpu
    from wgpu.backends.wgpu_native.extras import set_instance_extras

    # OpenGL cannot run what we write, takes seconds to look for and complains about displays.
    set_instance_extras(backends=["Vulkan", "Metal", "DX12"])
    with _runtime_directory():
        found = wgpu.gpu.enumerate_adapters_sync()
    return tuple(sorted(found, key=_rank))


def is_ours() -> bool:
    """Whether this process may use the driver: no other one, its parent, has used it before."""
    return _used_in in (None, os.getpid())


def refuse_after_fork() -> None:
    """Refuse what would hang: a driver's threads and devices do not survive a fork.

    Raises:
        DeviceError: this is a child of the process that found the adapters.
    """
    if not is_ours():
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
