"""How drivers say what went wrong."""


def is_loss(error: BaseException) -> bool:
    """Whether an error of the driver says that the device is lost."""
    return "lost" in str(error).lower()
