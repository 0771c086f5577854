"""Backends by name, devices by string, and the default device, for the whole process."""

import os
import threading
import warnings
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from ..errors import BackendError, DeviceError
from .naming import BUILTIN, PREFERRED, VARIABLE, Request, parse

if TYPE_CHECKING:
    from .finder import Finder
    from .spec import Backend
    from .status import BackendStatus

__all__ = [
    "DefaultDevice",
    "backend_of",
    "backends",
    "default_device",
    "describe",
    "explain_default",
    "open_backend",
    "refresh",
    "resolve_device",
    "set_default_device",
]

Progress = Callable[[str], None]
"""Told the name of each backend before it is looked at."""


class DefaultDevice(NamedTuple):
    """The default device (None if the wish for it cannot be met), and why it is that."""

    device: str | None
    why: str
    is_fallback: bool = False
    """A faster backend is installed but cannot be used."""


class Registry:
    """A finder and what is remembered of devices. This module's functions share one."""

    def __init__(self, finder: "Finder | None" = None) -> None:
        self._finder = finder
        self._lock = threading.Lock()
        self._devices: dict[str, tuple[str, Backend]] = {}
        self._override: str | None = None
        self._default: tuple[str, str] | None = None

    @property
    def finder(self) -> "Finder":
        """Imported when a backend is first needed, so that `import allumette_core` stays quick."""
        found = self._finder
        if found is None:
            from .finder import Finder

            with self._lock:
                found = self._finder = self._finder or Finder()
        return found

    def backends(self, progress: Progress | None = None) -> "tuple[BackendStatus, ...]":
        """See `backends`."""
        found = []
        for candidate in self.finder.candidates():
            if progress is not None:
                progress(candidate.claim.name)
            found.append(self.finder.status(candidate))
        return tuple(found)

    def device(self, text: str) -> "tuple[str, Backend]":
        """The device that `text` means, as its backend spells it, and the backend."""
        known = self._devices.get(text)
        if known is None:
            request = parse(text)
            backend = self.finder.open(request)
            known = self._devices[text] = _device(request, backend), backend
        return known

    def explain_default(self) -> DefaultDevice:
        """See `explain_default`."""
        if self._override is not None:
            return DefaultDevice(self._override, "set by set_default_device")
        wish = os.environ.get(VARIABLE, "")
        if wish:
            try:
                return DefaultDevice(self.device(wish)[0], f"{VARIABLE}={wish}")
            except (BackendError, DeviceError) as error:
                return DefaultDevice(None, f"{VARIABLE}={wish}: {error}")
        if not self.finder.claimed(PREFERRED):
            return DefaultDevice(BUILTIN, f"{PREFERRED!r} is not installed")
        status = self.finder.status(self.finder.find(PREFERRED))
        if status.usable:
            return DefaultDevice(PREFERRED, f"{PREFERRED!r} is installed and usable")
        return DefaultDevice(BUILTIN, status.explain(), is_fallback=True)

    def default(self) -> str:
        """See `default_device`."""
        if self._override is not None:
            return self._override
        wish = os.environ.get(VARIABLE, "")
        if self._default is not None and self._default[0] == wish:
            return self._default[1]
        device, why, is_fallback = self.explain_default()
        if device is None:
            raise BackendError(why)
        self._default = wish, device
        if is_fallback:
            warnings.warn(f"computing with {device!r}: {why}", RuntimeWarning, stacklevel=3)
        return device

    def set_default(self, device: str | None) -> None:
        """See `set_default_device`."""
        self._override = None if device is None else self.device(device)[0]

    def describe(self, name: str) -> Mapping[str, Mapping[str, str]]:
        """See `describe`."""
        return self.finder.described(name)

    def refresh(self) -> None:
        """See `refresh`."""
        self.finder.refresh()
        self._default = None


def _device(request: Request, backend: "Backend") -> str:
    """The device of `backend` that `request` means; index 0 is the one without an index."""
    name, index = request.name, request.number
    try:
        devices = list(backend.devices())
    except Exception as error:
        described = f"{type(error).__name__}: {error}"
        raise BackendError(f"backend {name!r} cannot list its devices: {described}") from error
    if index < len(devices):
        return devices[index]
    raise DeviceError(f"no device '{name}:{index}'; backend {name!r} has: {', '.join(devices)}")


REGISTRY = Registry()


def backends(progress: Progress | None = None) -> "tuple[BackendStatus, ...]":
    """The status of every backend that is installed, the built-in one first.

    Imports and probes each plugin the first time. `progress` is called with each name before that.

    >>> [status.state.value for status in backends() if status.name == "numpy"]
    ['usable']
    """
    return REGISTRY.backends(progress)


def open_backend(name: str) -> "Backend":
    """The backend `name`, opened once a process.

    `name@distribution` chooses between two distributions that provide one name. Raises
    `BackendError` with the reason and a remedy if it cannot be used; another never takes its place.

    >>> open_backend("numpy").info.name
    'numpy'
    """
    return REGISTRY.finder.open(parse(name))


def describe(name: str) -> Mapping[str, Mapping[str, str]]:
    """What is known of each device of backend `name`, such as its driver: facts by name.

    >>> dict(describe("numpy"))
    {}
    """
    return REGISTRY.describe(name)


def backend_of(device: str) -> "Backend":
    """The backend that `device` belongs to: `gpu` for 'gpu:1'. `BackendError`, `DeviceError`.

    >>> backend_of("numpy") is open_backend("numpy")
    True
    """
    return REGISTRY.device(device)[1]


def resolve_device(device: str | None = None) -> str:
    """The one spelling of `device`, which its backend must have; None means the default.

    >>> resolve_device("numpy:0")
    'numpy'
    """
    return default_device() if device is None else REGISTRY.device(device)[0]


def default_device() -> str:
    """The device of tensors made without one.

    What `set_default_device` set, else what the environment variable `ALLUMETTE_BACKEND` names,
    else `par` if it is installed and usable, else `numpy` (with a warning if `par` is broken).

    >>> default_device() in {status.name for status in backends()}
    True
    """
    return REGISTRY.default()


def explain_default() -> DefaultDevice:
    """The default device and the reason for it; a wrong `ALLUMETTE_BACKEND` gives no device."""
    return REGISTRY.explain_default()


def set_default_device(device: str | None) -> None:
    """Make `device` the default of the process; None goes back to what it would be otherwise.

    >>> set_default_device("numpy")
    >>> default_device()
    'numpy'
    >>> set_default_device(None)
    """
    REGISTRY.set_default(device)


def refresh() -> None:
    """Look again at what is installed, as after `pip install` in a notebook."""
    import importlib

    importlib.invalidate_caches()
    REGISTRY.refresh()
