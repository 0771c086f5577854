"""How Python gets into the driver: as a built-in function that reads the arrays of a call itself.

Converting arguments, or asking NumPy for an address, takes longer than many kernels run. So a bound
plan becomes a built-in function of one argument, a list of arrays, and the driver reads where these
lie: a list's items where CPython has them, and an array's address where the C interface of NumPy
has it, straight after an object's header. Both are tried out before they are relied on; where they
are not as expected, ctypes calls the driver.
"""

import ctypes
import sys
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import driver

_HEADER = object.__basicsize__
_ONE_ARGUMENT = 8  # METH_O
Entry = Callable[[list[Any]], None]


def entry(plan: NDArray[np.int64]) -> Entry:
    """What runs `plan` on a list of arrays: the frame, then the plan's buffers in order."""
    if _known_layout():
        made: Entry = _new_function()(ctypes.byref(_method()), plan, None)
        return made
    return partial(_through_ctypes, plan)


def _through_ctypes(plan: NDArray[np.int64], arrays: list[Any]) -> None:
    table = (ctypes.c_int64 * len(arrays))(*[array.ctypes.data for array in arrays])
    driver.run_function()(plan.ctypes.data, ctypes.addressof(table), -1)


class _MethodDef(ctypes.Structure):
    """PyMethodDef of Python's stable interface."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("function", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    )


@cache
def _method() -> _MethodDef:
    return _MethodDef(b"run", driver.call_address(), _ONE_ARGUMENT, None)


@cache
def _new_function() -> Any:
    new, pointer = ctypes.pythonapi.PyCFunction_NewEx, ctypes.c_void_p
    new.restype, new.argtypes = ctypes.py_object, [pointer, ctypes.py_object, pointer]
    return new


def python() -> int:
    """Where the driver finds what it needs of the interpreter: None, how to refer to it, the lock.

    0 where it is not called from there.
    """
    return _interpreter().ctypes.data if _known_layout() else 0


@cache
def _interpreter() -> NDArray[np.int64]:
    names = "Py_NewRef", "PyEval_SaveThread", "PyEval_RestoreThread"
    functions = [ctypes.cast(getattr(ctypes.pythonapi, n), ctypes.c_void_p).value for n in names]
    return np.array([id(None), *functions], np.int64)


@cache
def _known_layout() -> bool:
    if sys.implementation.name != "cpython":
        return False
    arrays = [np.zeros(3), np.zeros(2)[1:]]
    if list.__basicsize__ < _HEADER + 16 or np.ndarray.__basicsize__ < _HEADER + 8:
        return False
    items = ctypes.c_void_p.from_address(id(arrays) + _HEADER + 8).value
    if items is None:
        return False
    objects = [ctypes.c_void_p.from_address(items + 8 * i).value for i in range(2)]
    if objects != [id(array) for array in arrays]:
        return False
    found = [ctypes.c_void_p.from_address(id(array) + _HEADER).value for array in arrays]
    return found == [array.ctypes.data for array in arrays]
