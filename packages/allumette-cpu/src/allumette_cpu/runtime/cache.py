"""Compiled kernels, in this process and on disk, so that each is compiled once a machine.

An entry is written under a name of its own and moved into place, and carries a checksum: processes
may share the directory, and an entry that is damaged is compiled again.
"""

import hashlib
import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path

from .. import __version__
from . import machine

_MAGIC = b"allumette kernel 1\n"
_lock = threading.RLock()
_addresses: dict[tuple[str, str], int] = {}


def directory() -> Path | None:
    """Where kernels are kept: ALLUMETTE_CPU_CACHE, else the user's cache directory; empty: nowhere."""
    place = os.environ.get("ALLUMETTE_CPU_CACHE")
    if place is None:
        from platformdirs import user_cache_path

        return user_cache_path("allumette", appauthor=False) / "cpu"
    return Path(place) if place else None


def address_of(source: str, name: str) -> int:
    """The address of kernel `name` of `source`: `void(int64 block, int64 thread, int64* args)`."""
    with _lock:
        found = _addresses.get((source, name))
        if found is None:
            found = _addresses[source, name] = _load(source, name)
        return found


def _load(source: str, name: str) -> int:
    symbol = "allumette_" + _digest(source, name)
    code = _read(symbol)
    if code is None:
        from .jit import compile_kernel

        code = compile_kernel(source, name, symbol)
        _write(symbol, code)
    _define_symbols(source)
    (address,) = machine.load(code, symbol)
    return address


def _define_symbols(source: str) -> None:
    if "gemm_" in source or "gemv_" in source:
        from . import blas

        blas.define_symbols()


def _digest(source: str, name: str) -> str:
    digest = hashlib.sha256(_surroundings())
    digest.update(f"{name}\n{source}".encode())
    return digest.hexdigest()[:40]


@cache
def _surroundings() -> bytes:
    """All that a kernel's machine code depends on besides its source."""
    import llvmlite.binding as llvm

    features = llvm.get_host_cpu_features().flatten()
    versions = [f"{name} {version(name)}" for name in ("numba", "llvmlite", "numpy")]
    facts = [__version__, llvm.get_process_triple(), llvm.get_host_cpu_name(), features, *versions]
    digest = hashlib.sha256("\n".join(facts).encode())
    for path in _library_sources():
        digest.update(path.read_bytes())
    return digest.digest()


def _library_sources() -> Iterator[Path]:
    """What rendered kernels are compiled with: the functions of this package that they call."""
    package = Path(__file__).parent
    yield from sorted(package.glob("*.py"))
    yield from sorted((package.parent / "mathlib").glob("*.py"))


def _read(symbol: str) -> bytes | None:
    place = directory()
    if place is None:
        return None
    try:
        content = (place / symbol).read_bytes()
    except OSError:
        return None
    code = content[len(_MAGIC) + 32 :]
    intact = content.startswith(_MAGIC) and content[len(_MAGIC) :][:32] == _checksum(code)
    return code if intact else None


def _checksum(code: bytes) -> bytes:
    return hashlib.sha256(code).digest()


def _write(symbol: str, code: bytes) -> None:
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
            Path(temporary).replace(place / symbol)
        except OSError:
            Path(temporary).unlink(missing_ok=True)
            raise
