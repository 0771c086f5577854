"""The errors that allumette raises: one hierarchy, each also the built-in that fits.

Catch :class:`AllumetteError` for everything that the library refuses, or the built-in
(``ValueError``, ``TypeError``, ``IndexError``, ``RuntimeError``) as with NumPy::

    >>> from allumette_core.errors import AllumetteError, ShapeError
    >>> try:
    ...     raise ShapeError("add: shapes (2, 3) and (4,) do not broadcast along axis 1")
    ... except ValueError as error:
    ...     print(isinstance(error, AllumetteError), error)
    True add: shapes (2, 3) and (4,) do not broadcast along axis 1

A message names the operation, the operands' shapes and dtypes and the axis, and ends with
what would work.
"""

from __future__ import annotations

__all__ = [
    "AllumetteError",
    "ArgumentError",
    "BackendError",
    "DTypeError",
    "DeviceError",
    "DeviceLostError",
    "FormatError",
    "GradientError",
    "IndexingError",
    "ShapeError",
    "TracingError",
]


class AllumetteError(Exception):
    """Anything allumette refuses or cannot do; the base of every error below."""


class ArgumentError(AllumetteError, ValueError):
    """A parameter has a value outside its domain, such as a negative learning rate."""


class ShapeError(AllumetteError, ValueError):
    """Shapes, ranks or axes do not fit the operation or each other."""


class DTypeError(AllumetteError, TypeError):
    """A dtype does not fit the operation, or two dtypes have no common one."""


class DeviceError(AllumetteError, ValueError):
    """A device string is malformed, names no device, or operands lie on different devices."""


class BackendError(AllumetteError, RuntimeError):
    """A backend is unknown, broken, incompatible or unavailable, or failed while it ran."""


class DeviceLostError(BackendError):
    """A driver gave its device up (a reset, an update, a machine that slept), with all its values.

    `al.reset_device(name)` opens it anew for what is made from then on.
    """


class TracingError(AllumetteError, TypeError):
    """A value was asked for while tracing, where only shape and dtype are known."""


class GradientError(AllumetteError, RuntimeError):
    """A derivative was asked for that does not exist, such as of a non-scalar ``backward()``."""


class IndexingError(AllumetteError, IndexError):
    """An index is out of bounds or of a kind that tensors do not take."""


class FormatError(AllumetteError, ValueError):
    """A file is truncated, malformed, or of another format than its name promises."""
