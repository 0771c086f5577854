"""What core asks of this package: that there is a backend `gpu`, and to open it."""

from allumette_core.backend.hooks import hookimpl
from allumette_core.backend.spec import Backend, BackendInfo, Capabilities, Unavailable

# What every adapter has; an open backend adds what its adapter has besides.
PORTABLE = frozenset(("bool", "int8", "int16", "int32", "uint8", "uint16", "uint32", "float32"))
CAPABILITIES = Capabilities(
    dtypes=PORTABLE,
    max_elements=2**29,  # indices are 32-bit, and a value is one binding
    subnormals=False,  # WGSL lets an implementation flush them
)
INFO = BackendInfo(
    "gpu", summary="any GPU that Vulkan, Metal or DX12 drives", capabilities=CAPABILITIES
)


@hookimpl
def allumette_backend() -> BackendInfo:
    """The backend; imports no graphics library."""
    return INFO


@hookimpl
def allumette_probe(name: str) -> Unavailable | None:
    """Unavailable where no driver offers an adapter."""
    from .adapters import missing

    return missing()


@hookimpl
def allumette_describe(name: str) -> dict[str, dict[str, str]]:
    """Each adapter, its driver, limits and features."""
    from .adapters import find_adapters
    from .describing import facts

    names = [name, *(f"{name}:{i}" for i in range(1, len(find_adapters())))]
    return dict(zip(names, map(facts, find_adapters()), strict=True))


@hookimpl
def allumette_open(name: str) -> Backend:
    """The backend `gpu`."""
    from .backend import GpuBackend

    return GpuBackend()
