"""The plugin of the NumPy backend, which is always there."""

from .hooks import hookimpl
from .spec import Backend, BackendInfo


@hookimpl
def allumette_backend() -> BackendInfo:
    from .reference import NumpyBackend

    return NumpyBackend().info


@hookimpl
def allumette_open(name: str) -> Backend:  # the hook's signature
    from .reference import NumpyBackend

    return NumpyBackend()
