"""What a traced function finds outside of its arguments, and the paths on which to find it again.

A function reaches outside values through its closure, its globals, its defaults and `self`, and from
there through attributes and items. `find` walks from these roots to the tensors and arrays that a
trace has used and gives the path to each, so that a later call reads what is there *then*.
"""

import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from .errors import TracingError
from .expr import Node
from .tensor import Tensor

if TYPE_CHECKING:
    from .tracing import Trace

_PLAIN = (bool, int, float, complex, str, bytes, type(None))
_MAX_VISITED = 20_000
_MAX_GUARDED_ITEMS = 64  # longer lists of plain values are data rather than settings
_WALKED_LIBRARY_TYPES = ("types", "collections", "dataclasses")
_MISSING = object()


@dataclass(frozen=True, slots=True)
class Path:
    """A root object and the steps from it: each gets the next object from the last."""

    root: Any
    steps: tuple[Callable[[Any], Any], ...] = ()
    name: str = ""

    def then(self, step: Callable[[Any], Any], name: str) -> "Path":
        """This path and one more step."""
        return Path(self.root, (*self.steps, step), self.name + name)

    def read(self) -> Any:
        """What is there now; a private marker if the path is broken."""
        value = self.root
        try:
            for step in self.steps:
                value = step(value)
        except (AttributeError, KeyError, IndexError, TypeError, ValueError):
            return _MISSING
        return value


@dataclass(frozen=True, slots=True)
class Captures:
    """Outside nodes with the paths to them, constants made inside, and plain values to guard."""

    watched: list[Node]
    paths: list[Path]
    constants: list[Node]
    guards: tuple[tuple[Path, Any], ...]


_Found: TypeAlias = tuple[Path, Any, str | None]


def same(a: Any, b: Any) -> bool:
    """Whether two plain values are the same, in type and (for floats) in every bit."""
    return type(a) is type(b) and (a == b or a != a) and repr(a) == repr(b)


def find(function: Callable[..., Any], leaves: Sequence[Node], trace: "Trace") -> Captures:
    """Sort `leaves`, which `trace` of `function` has reached besides its arguments.

    Raises:
        TracingError: a tensor from outside that no path leads to.
    """
    tensors, arrays, guards = _survey(function)
    watched, paths, constants = [], [], []
    for node in leaves:
        array = trace.arrays.get(node.serial)
        path = tensors.get(node.serial) if array is None else arrays.get(id(array))
        if path is not None:
            watched.append(node)
            paths.append(path)
        elif node.trace is trace:
            constants.append(node)
        else:
            raise TracingError(
                f"jit: {trace.name} uses a {node.dtype} tensor of shape {node.shape} that is neither "
                "an argument nor found in its closure or globals, so a change of it would go "
                "unnoticed; pass it as an argument"
            )
    return Captures(watched, paths, constants, tuple(guards))


def _survey(
    function: Callable[..., Any],
) -> tuple[dict[int, Path], dict[int, Path], list[tuple[Path, Any]]]:
    """Paths to all tensors (by serial) and arrays (by id) that `function` can reach; plain values."""
    tensors: dict[int, Path] = {}
    arrays: dict[int, Path] = {}
    plain: list[tuple[Path, Any, str | None]] = []
    names: set[str] = set()  # what the code mentions: only such plain values are guarded
    seen: set[int] = set()
    queue: deque[_Found] = deque([(Path(function), function, None)])
    while queue and len(seen) < _MAX_VISITED:
        path, value, name = queue.popleft()
        if isinstance(value, _PLAIN):
            plain.append((path, value, name))
        elif id(value) in seen:
            continue
        elif isinstance(value, Tensor):
            tensors.setdefault(value._node.serial, path)
        elif isinstance(value, np.ndarray):
            arrays.setdefault(id(value), path)
        else:
            seen.add(id(value))
            if isinstance(value, FunctionType):
                names.update(_names(value.__code__))
            queue.extend(_parts(path, value, names))
    return tensors, arrays, [(path, value) for path, value, name in plain if name in names]


def _parts(path: Path, value: Any, names: set[str]) -> Iterator[_Found]:
    """The objects one step from `value`, each with the name that code would use for it."""
    if isinstance(value, FunctionType):
        if not _is_library(value.__module__):
            yield from _of_function(path, value)
    elif isinstance(value, MethodType):
        yield path.then(lambda m: m.__self__, ".__self__"), value.__self__, None
        yield path.then(lambda m: m.__func__, ""), value.__func__, None
    elif isinstance(value, partial):
        for attribute in ("func", "args", "keywords"):
            yield _attribute(path, attribute), getattr(value, attribute), None
    elif isinstance(value, ModuleType):
        if not _is_library(value.__name__):
            for name in names & vars(value).keys():
                yield _attribute(path, name), vars(value)[name], name
    elif isinstance(value, dict):
        for key, item in list(value.items()):
            yield _item(path, key), item, key if isinstance(key, str) else None
    elif isinstance(value, list | tuple):
        guarded = next(iter(names), None) if len(value) <= _MAX_GUARDED_ITEMS else None
        for i, item in enumerate(value):
            yield _item(path, i), item, guarded
    elif not isinstance(value, type):
        yield from _of_object(path, value)


def _of_function(path: Path, f: FunctionType) -> Iterator[_Found]:
    for i, (name, cell) in enumerate(zip(f.__code__.co_freevars, f.__closure__ or (), strict=True)):
        try:
            content = cell.cell_contents
        except ValueError:  # not assigned yet
            continue
        yield path.then(lambda g, i=i: g.__closure__[i].cell_contents, f".{name}"), content, name
    for name in sorted(f.__globals__.keys() & set(_names(f.__code__))):
        yield path.then(lambda g, n=name: g.__globals__[n], f".{name}"), f.__globals__[name], name
    for attribute in ("__defaults__", "__kwdefaults__", "__wrapped__"):
        if getattr(f, attribute, None):
            yield _attribute(path, attribute), getattr(f, attribute), None


def _of_object(path: Path, value: Any) -> Iterator[_Found]:
    if hasattr(value, "__wrapped__"):
        yield _attribute(path, "__wrapped__"), value.__wrapped__, None
    module = type(value).__module__
    if _is_library(module) and module.partition(".")[0] not in _WALKED_LIBRARY_TYPES:
        return
    slots = (_as_tuple(cls.__dict__.get("__slots__", ())) for cls in type(value).__mro__)
    attributes = {name for names in slots for name in names} | getattr(value, "__dict__", {}).keys()
    for name in sorted(attributes - {"__dict__", "__weakref__"}):
        held = getattr(value, name, _MISSING)
        if held is not _MISSING:
            yield _attribute(path, name), held, name
    call = getattr(type(value), "__call__", None)
    if isinstance(call, FunctionType):
        yield path.then(lambda v: type(v).__call__, ""), call, None


def _names(code: CodeType) -> Iterator[str]:
    """Every variable, attribute and string that `code` and the functions inside it mention."""
    yield from code.co_names
    yield from code.co_freevars
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)
        elif isinstance(constant, str):
            yield constant


def _attribute(path: Path, name: str) -> Path:
    return path.then(lambda v: getattr(v, name), f".{name}")


def _item(path: Path, key: Any) -> Path:
    return path.then(lambda v: v[key], f"[{key!r}]")


def _as_tuple(slots: Any) -> tuple[str, ...]:
    return (slots,) if isinstance(slots, str) else tuple(slots)


def _is_library(module: str | None) -> bool:
    top = (module or "").partition(".")[0]
    return top in ("allumette_core", "numpy") or top in sys.stdlib_module_names
