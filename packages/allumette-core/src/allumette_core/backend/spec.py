"""The contract of a backend: what it says of itself, and the few calls that core makes on it.

The major version of the contract is in the name of the entry-point group,
`allumette.backends.v1`; a plugin that needs something a later minor version added says so in
`BackendInfo.spec`, and is refused by a core that is older.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from ..errors import BackendError

if TYPE_CHECKING:
    import numpy as np

    from ..compiler.program import Program

SPEC_VERSION = "1.0"
SPEC_MAJOR, SPEC_MINOR = (int(part) for part in SPEC_VERSION.split("."))

# What `from_host` of a backend returns; only that backend ever looks inside.
Buffer: TypeAlias = Any

# A compiled program: the buffers of its inputs to the buffers of its outputs, in order.
Executable: TypeAlias = Callable[[Sequence[Buffer]], list[Buffer]]

_DTYPES = (
    *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("float16", "float32", "float64"),
)


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a backend declares of itself, and its only declaration: the conformance kit holds it
    to every line, both ways.

    `dtypes` and `native` are names, as in `np.dtype.name` and `Primitive.name`. `native` is what
    the backend computes itself; `None` claims every primitive.

        >>> Capabilities(dtypes=frozenset({"float32", "int32"})).supports("float64")
        False
    """

    dtypes: frozenset[str] = frozenset(_DTYPES)
    native: frozenset[str] | None = None
    native_dtypes: frozenset[str] | None = None
    """The dtypes for which `native` holds; None: all. What takes or gives another one runs on the
    host."""
    max_rank: int = 32
    max_elements: int | None = None
    """Largest number of elements of one value; None: what memory holds."""
    deterministic: bool = True
    """A program gives the same bits on every use; without it, results within the tolerances."""
    nan_inf: bool = True
    """NaN and infinities behave as IEEE 754 says."""
    subnormals: bool = True
    """Subnormal numbers are kept, not flushed to zero."""
    zero_size: bool = True
    """Values without elements work everywhere."""
    thread_safe: bool = True
    """Two threads may run programs at the same time."""
    donation: bool = False
    """Donated inputs are overwritten, so that they save memory."""
    max_ulp: Mapping[str, float] = field(default_factory=dict, hash=False)
    """How far off a primitive is at most, by its name, where that is less than the contract allows.
    More cannot be declared."""

    def supports(self, dtype: object) -> bool:
        """Whether values of `dtype` (a name or `np.dtype`) are declared."""
        return getattr(dtype, "name", dtype) in self.dtypes


@dataclass(frozen=True, slots=True)
class BackendInfo:
    """Who a backend is; what its `allumette_backend` hook returns, so it must be cheap to make.

    >>> BackendInfo("mine", summary="a first try").spec
    '1.0'
    """

    name: str
    """The name of the entry point, and of the first device: `mine`, then `mine:1`."""
    spec: str = SPEC_VERSION
    """The version of this contract that the backend was written for, `major.minor`."""
    version: str = ""
    """The backend's own version; when empty, that of its distribution."""
    summary: str = ""
    capabilities: Capabilities = field(default_factory=Capabilities)


@dataclass(frozen=True, slots=True)
class Unavailable:
    """Why a backend cannot be used on this machine, and what would help.

    >>> print(Unavailable("no Vulkan driver was found", "apt-get install mesa-vulkan-drivers"))
    no Vulkan driver was found. Remedy: apt-get install mesa-vulkan-drivers
    """

    reason: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.reason}. Remedy: {self.remedy}" if self.remedy else self.reason


@dataclass(frozen=True, slots=True)
class MemoryStats:
    """What a device holds for us now, in bytes; None where the backend cannot tell."""

    live_bytes: int | None = None
    peak_bytes: int | None = None
    limit_bytes: int | None = None
    live_buffers: int | None = None


class Backend(ABC):
    """What core needs of a backend. `OpBackend` implements most of it."""

    info: BackendInfo

    @abstractmethod
    def devices(self) -> Sequence[str]:
        """The devices, at least one: `info.name` first, then `name:1`, `name:2` ..."""

    @abstractmethod
    def from_host(self, array: "np.ndarray[Any, Any]", device: str) -> Buffer:
        """`array` (any strides, one of the declared dtypes) on `device`.

        The caller may write to `array` afterwards: share its memory only if it is read-only.
        """

    @abstractmethod
    def to_host(self, buffer: Buffer) -> "np.ndarray[Any, Any]":
        """The values of `buffer`; the array may be read-only and share memory with it."""

    @abstractmethod
    def compile(self, program: "Program", device: str) -> Executable:
        """Something that runs `program` on buffers of `device`, safe to call more than once.

        May overwrite the buffers of `program.donated`, and no others. A program gives the same bits
        on every use: on each call, and when it is compiled again. Other programs for the same
        arithmetic may round otherwise, within the tolerances, so what is jitted need not agree bit
        for bit with the same operations one by one.

        Raises:
            AllumetteError: here or when it is called: `BackendError` if the device or a kernel
                fails; or Python's MemoryError. The backend works on after either.
        """

    @abstractmethod
    def synchronize(self, device: str) -> None:
        """Return when everything started on `device` has finished."""

    def memory(self, device: str) -> MemoryStats:
        """What `device` holds for us now."""
        return MemoryStats()

    def reset(self, device: str) -> None:
        """Open `device` anew; the values that it held are gone, and say so when they are used.

        Optional, for devices that can be lost. Core forgets what was compiled for `device`.
        """
        raise BackendError(
            f"reset_device: backend {self.info.name!r} has no way to open {device!r} anew; "
            "to free its memory, delete the tensors"
        )
