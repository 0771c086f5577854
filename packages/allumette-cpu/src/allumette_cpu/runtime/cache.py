"""Compiled kernels, in this process and on disk, so that each is compiled once a machine.

An entry is written under a name of its own and moved into place, and carries a checksum: processes
may share the directory, and an entry that is damaged is compiled again.
"""

import hashlib
import os
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path

from .. import __version__
from . import machine

_MAGIC = b"allumette kernel 1\n"
_lock = threading.RLock()
_modules: dict[str, machine.Loaded] = {}


def directory() -> Path | None:
    """Where kernels are kept: ALLUMETTE_CPU_CACHE (empty: nowhere), else the user's cache."""
    place = os.environ.get("ALLUMETTE_CPU_CACHE")
    if place is None:
        from platformdirs import user_cache_path

        return user_cache_path("allumette", appauthor=False) / "cpu"
    return Path(place) if place else None


def address_of(source: str, name: str) -> int:
    """The address of function `name` of the LLVM assembly `source`, compiled at most once."""
    return loaded(source, lambda: machine.object_code(machine.optimised(source))).address(name)


def loaded(key: str, produce: Callable[[], bytes]) -> machine.Loaded:
    """The object file of `key`: what is loaded, or on disk, or else what `produce` makes.

    `key` is all that the code depends on besides this machine and the versions of our packages.
    """
    with _lock:
        found = _modules.get(key)
        if found is None:
            entry = hashlib.sha256(f"{_surroundings()}\n{key}".encode()).hexdigest()[:40]
            code = _read(entry)
            if code is None:
                code = produce()
                _write(entry, code)
            found = _modules[key] = machine.Loaded(code)
        return found


@cache
def _surroundings() -> str:
    import llvmlite.binding as llvm

    cpu = llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()
    return "\n".join((__version__, version("llvmlite"), llvm.get_process_triple(), *cpu))


def _read(entry: str) -> bytes | None:
    place = directory()
    if place is None:
        return None
    try:
        content = (place / entry).read_bytes()
    except OSError:
        return None
    code = content[len(_MAGIC) + 32 :]
    intact = content.startswith(_MAGIC) and content[len(_MAGIC) :][:32] == _checksum(code)
    return code if intact else None


def _checksum(code: bytes) -> bytes:
    return hashlib.sha256(code).digest()


def _write(entry: str, code: bytes) -> None:
    place = directory()
    if place is None:
        return
    # A cache that cannot be written (read-only home, full disk) only costs time.
    with suppress(OSError):
        place.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=place)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(_MAGIC + _checksum(code) + code)
            Path(temporary).replace(place / entry)
        except OSError:
            Path(temporary).unlink(missing_ok=True)
            raise
