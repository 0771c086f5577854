"""Opening a device anew."""

from .backend.registry import backend_of, resolve_device
from .evaluation import forget as forget_programs
from .jit import forget as forget_traces


def reset_device(device: str | None = None) -> None:
    """Open `device` (None: the default one) anew, as after a `DeviceLostError`.

    The tensors that it held are gone: using one raises `DeviceLostError`. What is made from then on
    works, and functions under `jit` are traced anew.

    Raises:
        DeviceError: there is no such device.
        BackendError: its backend cannot do that; only what can be lost needs it.

    >>> import allumette_core as al
    >>> al.reset_device("numpy")
    Traceback (most recent call last):
      ...
    allumette_core.errors.BackendError: reset_device: backend 'numpy' has no way to open ...
    """
    name = resolve_device(device)
    backend_of(name).reset(name)
    forget_programs(name)
    forget_traces(name)
