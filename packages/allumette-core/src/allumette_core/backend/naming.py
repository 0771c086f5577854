"""How backends and devices are written: `numpy`, `gpu:1`, and `fast@distribution`."""

import re
from typing import NamedTuple

from ..errors import DeviceError

BUILTIN = "numpy"
PREFERRED = "par"
VARIABLE = "ALLUMETTE_BACKEND"

_REQUEST = re.compile(r"(?P<name>[^:@]+)(@(?P<distribution>[^:@]+))?(:(?P<number>\d+))?")


class Request(NamedTuple):
    """A device as users write it: `name`, `name:1`, or `name@distribution` for an exact choice."""

    name: str
    distribution: str | None
    number: int


def parse(text: str) -> Request:
    """`text` taken apart; raises `DeviceError` if it is not a device string.

    >>> parse("gpu:1")
    Request(name='gpu', distribution=None, number=1)
    """
    match = _REQUEST.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise DeviceError(f"{text!r} is no device; write a backend's name, as 'numpy' or 'gpu:1'")
    return Request(match["name"], match["distribution"], int(match["number"] or 0))
