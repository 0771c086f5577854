"""Compiled kernels, in this process and on disk, so that each is compiled once a machine.

An entry is written under a name of its own and moved into place, and carries a checksum: processes
may share the directory, and an entry that is damaged or does not load is compiled again. Of all
that is there, what was used last is kept.
"""

import hashlib
import os
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path

from allumette_core.errors import BackendError

from .. import __version__
from . import machine

_MAGIC = b"allumette kernel 2\n"
KEPT_BYTES = 1 << 28  # on disk
_TURN = "00"  # entries whose names begin so, one in 256, make room when they are written
USED_SECONDS = 86_400  # how far behind an entry's date of use may be
_lock = threading.RLock()
machine.free_in_child(_lock)  # after machine's own, so that the two are taken in one order
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
            found = _kept(entry)
            if found is None:
                code = produce()
                found = machine.Loaded(code)
                _write(entry, code)
            _modules[key] = found
        return found


def _kept(entry: str) -> machine.Loaded | None:
    code = _read(entry)
    # What another version of a system library offered may be missing here.
    with suppress(BackendError):
        return None if code is None else machine.Loaded(code)
    return None


@cache
def _surroundings() -> str:
    import llvmlite.binding as llvm

    cpu = llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()
    return "\n".join((__version__, version("llvmlite"), llvm.get_process_triple(), *cpu))


def _read(entry: str) -> bytes | None:
    place = directory()
    if place is None:
        return None
    path = place / entry
    try:
        content = path.read_bytes()
        with suppress(OSError):  # of a place that cannot be written
            if time.time() - path.stat().st_mtime > USED_SECONDS:
                path.touch()
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
        except BaseException:  # Ctrl-C, too
            Path(temporary).unlink(missing_ok=True)
            raise
        if entry.startswith(_TURN):  # looking at all that is there takes longer than some compile
            _prune(place)


def _prune(place: Path) -> None:
    """Remove what was used longest ago until the rest fits; another process may do the same."""
    found = []
    for path in place.iterdir():
        with suppress(OSError):
            found.append((path.stat().st_mtime, path.stat().st_size, path))
    over = sum(size for _, size, _ in found) - KEPT_BYTES
    for _, size, path in sorted(found):
        if over <= 0:
            break
        path.unlink(missing_ok=True)
        over -= size
