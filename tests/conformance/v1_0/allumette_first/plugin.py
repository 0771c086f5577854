"""What allumette asks of this package: cheap to import, it touches no device."""

from allumette_core.backend.hooks import hookimpl
from allumette_core.backend.spec import Backend, BackendInfo, Capabilities

# What backend.KERNELS has; a test compares the two.
NATIVE = (
    "neg abs floor ceil sqrt exp expm1 log log1p sin cos tanh add sub mul div maximum minimum "
    "eq ne lt le where alias reshape permute broadcast slice flip concat max min full"
)

INFO = BackendInfo(
    name="first",
    summary="NumPy, one kernel a primitive",
    capabilities=Capabilities(native=frozenset(NATIVE.split())),
)


@hookimpl
def allumette_backend() -> BackendInfo:
    """Who we are; touches no device."""
    return INFO


@hookimpl
def allumette_open(name: str) -> Backend:
    """The backend."""
    from .backend import FirstBackend

    return FirstBackend()
