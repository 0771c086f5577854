"""What can go wrong with a device beyond what core's errors say."""

from allumette_core.errors import BackendError

__all__ = ["DeviceLostError", "is_loss"]


class DeviceLostError(BackendError):
    """The graphics driver gave the device up (a reset, an update, a machine that slept).

    Its values are gone. `backend.reset(name)` opens the device anew for what is made from then on.
    """


def is_loss(error: BaseException) -> bool:
    """Whether an error of the driver says that the device is lost."""
    return "lost" in str(error).lower()
