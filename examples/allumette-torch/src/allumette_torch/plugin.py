"""What allumette asks of this package; imports PyTorch only when the backend is opened."""

from importlib.util import find_spec

from allumette_core.backend.hooks import hookimpl
from allumette_core.backend.spec import Backend, BackendInfo, Capabilities, Unavailable

# What backend.KERNELS has; a test compares the two.
NATIVE = (
    "neg abs floor ceil round sqrt exp expm1 log log1p sin cos tan asin acos atan tanh "
    "erf invert add sub mul div pow atan2 maximum minimum bit_and bit_or bit_xor "
    "eq ne lt le where cast alias reshape permute broadcast slice flip pad concat sum max min "
    "cumsum cumprod dot_general gather full iota"
)

INFO = BackendInfo(
    name="torch",
    summary="PyTorch on the CPU, one kernel a primitive",
    capabilities=Capabilities(
        native=frozenset(NATIVE.split()),
        # PyTorch has hardly any functions of the other dtypes, which run on the host.
        native_dtypes=frozenset(
            {"bool", "int8", "int16", "int32", "int64", "uint8", "float16", "float32", "float64"}
        ),
    ),
)


@hookimpl
def allumette_backend() -> BackendInfo:
    """Who we are; touches no device."""
    return INFO


@hookimpl
def allumette_probe(name: str) -> Unavailable | None:
    """Whether PyTorch is installed."""
    if find_spec("torch") is None:
        return Unavailable("PyTorch is not installed", "pip install torch")
    return None


@hookimpl
def allumette_open(name: str) -> Backend:
    """The backend."""
    from .backend import TorchBackend

    return TorchBackend()
