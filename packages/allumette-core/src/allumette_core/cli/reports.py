"""What `allumette backends` and `allumette doctor` tell, as plain data: the `--json` schemas.

A schema's number grows only when a field goes or changes its meaning; fields may be added.
"""

import os
import platform
import sys
from collections.abc import Callable, Iterable
from contextlib import redirect_stdout
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

from ..backend import registry
from ..backend.scan import BACKENDS, COMMANDS, claims
from ..backend.status import BackendStatus
from .plugins import CommandStatus

Report = dict[str, Any]
Progress = Callable[[str], None]

BACKENDS_SCHEMA = "allumette-backends/1"
DOCTOR_SCHEMA = "allumette-doctor/1"

_PACKAGES = (
    *("allumette-core", "allumette-cpu", "allumette-gpu", "allumette-train"),
    *("numpy", "optree", "safetensors", "pluggy", "click", "rich"),
    *("numba", "llvmlite", "scipy", "wgpu", "matplotlib", "textual"),
)
_VARIABLES = (
    *("NUMBA_NUM_THREADS", "NUMBA_THREADING_LAYER", "NUMBA_DISABLE_JIT", "OMP_NUM_THREADS"),
    *("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "WGPU_ADAPTER_NAME", "WGPU_BACKEND_TYPE"),
)


def backends_report(progress: Progress | None = None) -> Report:
    """Every backend and the default: `schema`, `default`, `backends`."""
    # A plugin that prints while it is imported must not spoil what programs read.
    with redirect_stdout(sys.stderr):
        backends = [backend_entry(status) for status in registry.backends(progress)]
        default = registry.explain_default()
    return {
        "schema": BACKENDS_SCHEMA,
        "default": {"device": default.device, "why": default.why},
        "backends": backends,
    }


def backend_entry(status: BackendStatus) -> Report:
    """One backend: its status, flat, with what the plugin declares (null if it never could)."""
    entry: Report = asdict(status)
    info = entry.pop("info") or {}
    entry["state"] = status.state.value
    entry["notes"] = list(status.notes)
    entry["version"] = info.get("version") or status.version
    entry["spec"] = info.get("spec")
    entry["summary"] = info.get("summary", "")
    capabilities = info.get("capabilities")
    if capabilities is not None:
        for name in ("dtypes", "native"):
            found = capabilities[name]
            capabilities[name] = None if found is None else sorted(found)
    entry["capabilities"] = capabilities
    return entry


def doctor_report(commands: Iterable[CommandStatus], progress: Progress | None = None) -> Report:
    """All that a report of a fault should hold; `ok` says whether any backend is usable."""
    report = backends_report(progress)
    usable = [b["name"] for b in report["backends"] if b["state"] == "usable"]
    with redirect_stdout(sys.stderr):
        devices = {
            device: dict(facts)
            for name in usable
            for device, facts in registry.describe(name).items()
        }
    return {
        "schema": DOCTOR_SCHEMA,
        "ok": bool(usable),
        "python": {
            "version": platform.python_version(),
            "implementation": platform.python_implementation(),
            "executable": sys.executable,
        },
        "platform": {
            "system": platform.system(),
            "release": platform.release(),
            "machine": platform.machine(),
        },
        "cpu": {"count": os.cpu_count(), "usable": usable_cpus()},
        "location": str(Path(__file__).parents[1]),
        "packages": {name: version(name) for name in _packages()},
        "environment": _environment(),
        "default": report["default"],
        "backends": report["backends"],
        "devices": devices,
        "commands": [{**asdict(c), "state": c.state.value} for c in commands],
    }


def usable_cpus() -> int | None:
    """The processors this process may run on, which a container can make fewer."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count()


def version(distribution: str) -> str | None:
    """The installed version, '?' if its metadata is damaged, None if it is not installed."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None
    except Exception:  # noqa: BLE001  # metadata can be damaged in any way
        return "?"


def _packages() -> list[str]:
    plugins = {claim.distribution for family in (BACKENDS, COMMANDS) for claim in claims(family)}
    return [*_PACKAGES, *sorted(plugins - set(_PACKAGES))]


def _environment() -> dict[str, str]:
    ours = (name for name in os.environ if name.startswith("ALLUMETTE_"))
    return {name: os.environ[name] for name in sorted({*ours, *_VARIABLES}) if name in os.environ}
