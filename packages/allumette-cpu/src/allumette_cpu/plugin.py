"""What core asks of this package: which backends there are, and to open one."""

from allumette_core.backend.hooks import hookimpl
from allumette_core.backend.spec import Backend, BackendInfo, Capabilities

SUMMARIES = {"seq": "one core, compiled and vectorised", "par": "all cores, the same bits as seq"}


@hookimpl
def allumette_backend() -> tuple[BackendInfo, ...]:
    """Both backends; imports nothing that compiles."""
    capabilities = Capabilities(donation=True)
    return tuple(
        BackendInfo(name, summary=summary, capabilities=capabilities)
        for name, summary in SUMMARIES.items()
    )


@hookimpl
def allumette_open(name: str) -> Backend:
    """The backend `name`."""
    from .backend import CpuBackend

    info = next(info for info in allumette_backend() if info.name == name)
    return CpuBackend(info, parallel=name == "par")
