"""What a traced function finds outside of its arguments, and the paths on which to find it again.

A function reaches outside values through its closure, its globals, its defaults and `self`, and
from there through attributes and items. `find` walks from these roots to the tensors and arrays
that a trace has used and gives the path to each, so that a later call reads what is there *then*.
"""

import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from .errors import TracingError
from .expr import Node
from .paths import OF_CLASS, Path, attribute, item
from .tensor import Tensor

if TYPE_CHECKING:
    from .tracing import Trace

_PLAIN = (bool, int, float, complex, str, bytes, type(None))
_MAX_VISITED = 20_000
_MAX_GUARDED_ITEMS = 64  # longer lists of plain values are data rather than settings
_WALKED_LIBRARY_TYPES = ("types", "collections", "dataclasses")
_MISSING = object()


@dataclass(frozen=True, slots=True)
class Captures:
    """Outside nodes with the paths to them, constants made inside, and plain values to guard."""

    watched: list[Node]
    paths: list[Path]
    constants: list[Node]
    guards: tuple[tuple[Path, Any], ...]


_Found: TypeAlias = tuple[Path, Any, str | None]


def find(roots: Sequence[Any], leaves: Sequence[Node], trace: "Trace") -> Captures:
    """Sort `leaves`, which `trace` has reached besides its arguments, by what can be watched.

    `roots` are the traced function and the arguments that are no tensors.

    Raises:
        TracingError: a tensor from outside that no path leads to.
    """
    tensors, arrays, guards = _survey(roots)
    watched, paths, constants = [], [], []
    for node in leaves:
        array = trace.arrays.get(node.serial)
        path = tensors.get(node.serial) if array is None else arrays.get(id(array))
        if path is not None:
            watched.append(node)
            paths.append(path)
        elif trace.made(node):
            constants.append(node)
        else:
            raise TracingError(
                f"jit: {trace.name} uses a {node.dtype} tensor of shape {node.shape} that is "
                "neither an argument nor found in its closure or globals, so a change of it would "
                "go unnoticed; pass it as an argument"
            )
    return Captures(watched, paths, constants, tuple(guards))


def _survey(
    roots: Sequence[Any],
) -> tuple[dict[int, Path], dict[int, Path], list[tuple[Path, Any]]]:
    """Paths to the tensors (by serial) and arrays (by id) within reach, and the plain values."""
    tensors: dict[int, Path] = {}
    arrays: dict[int, Path] = {}
    plain: list[tuple[Path, Any, str | None]] = []
    names: set[str] = set()  # what the code mentions: only such plain values are guarded
    seen: set[int] = set()
    queue: deque[_Found] = deque((Path(root), root, None) for root in roots)
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
    for kind, walk in _WALKS:
        if isinstance(value, kind):
            return walk(path, value, names)
    return iter(())


def _of_function(path: Path, f: FunctionType, names: set[str]) -> Iterator[_Found]:
    if _is_library(f.__module__):
        return
    cells, variables = attribute("__closure__"), attribute("__globals__")
    for i, (name, cell) in enumerate(zip(f.__code__.co_freevars, f.__closure__ or (), strict=True)):
        with suppress(ValueError):  # not assigned yet
            found = cell.cell_contents
            yield path.then(cells, item(i), attribute("cell_contents")), found, name
    for name in sorted(f.__globals__.keys() & set(_names(f.__code__))):
        yield path.then(variables, item(name)), f.__globals__[name], name
    yield from _attributes(path, f, ("__defaults__", "__kwdefaults__", "__wrapped__"))


def _of_method(path: Path, method: MethodType, names: set[str]) -> Iterator[_Found]:
    return _attributes(path, method, ("__self__", "__func__"))


def _of_partial(path: Path, bound: "partial[Any]", names: set[str]) -> Iterator[_Found]:
    return _attributes(path, bound, ("func", "args", "keywords"))


def _of_module(path: Path, module: ModuleType, names: set[str]) -> Iterator[_Found]:
    named = () if _is_library(module.__name__) else sorted(names & vars(module).keys())
    return _attributes(path, module, named)


def _of_dict(path: Path, items: dict[Any, Any], names: set[str]) -> Iterator[_Found]:
    for key, value in list(items.items()):
        yield path.then(item(key)), value, key if isinstance(key, str) else None


def _of_sequence(path: Path, items: Sequence[Any], names: set[str]) -> Iterator[_Found]:
    guarded = next(iter(names), None) if len(items) <= _MAX_GUARDED_ITEMS else None
    for i, value in enumerate(items):
        yield path.then(item(i)), value, guarded


def _of_object(path: Path, value: Any, names: set[str]) -> Iterator[_Found]:
    held = _held(value, "__dict__")
    own = held.keys() if isinstance(held, dict) else set()
    yield from _attributes(path, value, own & {"__wrapped__"})
    module = type(value).__module__
    if _is_library(module) and module.partition(".")[0] not in _WALKED_LIBRARY_TYPES:
        return
    slots = (_as_tuple(cls.__dict__.get("__slots__", ())) for cls in type(value).__mro__)
    attributes = {name for names in slots for name in names} | own
    yield from _attributes(path, value, sorted(attributes - {"__dict__", "__weakref__"}))
    call = vars(type(value)).get("__call__")
    if isinstance(call, FunctionType):
        yield path.then(OF_CLASS, item("__call__")), call, None


_WALKS: tuple[tuple[type | tuple[type, ...], Callable[..., Iterator[_Found]]], ...] = (
    (FunctionType, _of_function),
    (MethodType, _of_method),
    (partial, _of_partial),
    (ModuleType, _of_module),
    (dict, _of_dict),
    ((list, tuple), _of_sequence),
    (type, lambda path, value, names: iter(())),
    (object, _of_object),
)


def _attributes(path: Path, value: Any, names: Iterable[str]) -> Iterator[_Found]:
    for name in names:
        held = _held(value, name)
        if held is not _MISSING:
            yield path.then(attribute(name)), held, name


def _held(value: Any, name: str) -> Any:
    """An attribute that is there, without asking an object that would make one up."""
    try:
        return object.__getattribute__(value, name)
    except AttributeError:
        return _MISSING


def _names(code: CodeType) -> Iterator[str]:
    """Every variable, attribute and string that `code` and the functions inside it mention."""
    yield from code.co_names
    yield from code.co_freevars
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)
        elif isinstance(constant, str):
            yield constant


def _as_tuple(slots: Any) -> tuple[str, ...]:
    return (slots,) if isinstance(slots, str) else tuple(slots)


def _is_library(module: str | None) -> bool:
    top = (module or "").partition(".")[0]
    return top in ("allumette_core", "numpy") or top in sys.stdlib_module_names
