"""`jit`: trace a function once per signature, keep the compiled program, call it without Python.

A later call runs the kept program, so everything that the function depends on is either part of the
signature, an input of the program, or refused:

- tensors, arrays, ints and floats in the arguments are inputs; bools, strings, None and whatever
  else is hashable there is part of the signature;
- tensors and arrays in the function's closure and globals are inputs too (`captures`);
- plain values there are guards: the function is traced anew when one changes;
- a tensor that came by any other way cannot be watched, and is refused.
"""

import threading
import weakref
from collections.abc import Callable, Hashable, Sequence
from functools import partial, update_wrapper
from typing import Any, Generic, ParamSpec, TypeVar, overload

import numpy as np

from . import expr, tree
from .backend.registry import default_device
from .convert import from_array, number
from .errors import ArgumentError, TracingError
from .evaluation import buffers_of
from .expr import Data, Node, sign
from .shortcut import MISSED
from .tensor import Tensor
from .tracing import NUMBERS, Static, Traced, trace

A = ParamSpec("A")
R = TypeVar("R")

_ARRAYS = (np.ndarray, np.generic)
_MAX_SIGNATURES = 256
_MAX_VARIANTS = 8  # of captured values per signature
_all: "weakref.WeakSet[Jitted[Any, Any]]" = weakref.WeakSet()
_all_lock = threading.Lock()


class Jitted(Generic[A, R]):
    """A function that is traced once per signature and then runs as one compiled program."""

    def __init__(
        self,
        function: Callable[A, R],
        static_argnums: Sequence[int] = (),
        static_argnames: Sequence[str] = (),
        donate_argnums: Sequence[int] = (),
    ) -> None:
        update_wrapper(self, function)
        self.function = function
        self.static_argnums = frozenset(static_argnums)
        self.static_argnames = frozenset(static_argnames)
        self.donate_argnums = frozenset(donate_argnums)
        self._traces: dict[Hashable, list[Traced]] = {}
        self._shortcuts: dict[int, Callable[..., R]] = {}  # by the number of arguments
        self._lock = threading.RLock()
        with _all_lock:
            _all.add(self)

    def __repr__(self) -> str:
        return f"<jitted {getattr(self.function, '__qualname__', self.function)}>"

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        """Bind like a function, so that methods can be jitted; `self` is then an argument."""
        return self if instance is None else partial(self, instance)

    def __call__(self, *args: A.args, **kwargs: A.kwargs) -> R:
        result: R
        call = self._shortcuts.get(len(args))
        if call is not None and not kwargs:
            result = call(*args)
            if result is not MISSED:
                return result
        leaves, structure = self._flatten(args, kwargs)
        inline = expr.state.trace is not None
        signed: list[Hashable] = []
        for i, leaf in enumerate(leaves):
            if type(leaf) is not Tensor:
                if not isinstance(leaf, _ARRAYS):
                    signed.append(_static_signature(leaf))
                    continue
                leaf = leaves[i] = from_array(np.asarray(leaf))
            node = leaf._node
            if node.abstract or node.tracked:
                inline = True
            signed.append(sign(node))
        if inline:  # part of a larger graph, without a program of its own
            return self.function(*args, **kwargs)
        if not any(type(leaf) is Tensor and leaf._node.device for leaf in leaves):
            signed.append(default_device())  # it is what decides
        key = (structure, *signed)
        traced, captured = self._found(key) or self._trace(key, leaves, structure)
        nodes = [
            leaf._node if type(leaf) is Tensor else number(leaf, traced.device)
            for leaf in leaves
            if type(leaf) is Tensor or type(leaf) in NUMBERS
        ]
        result = _execute(traced, nodes + [tensor._node for tensor in captured])
        if traced.shortcut is not None:
            self._shortcuts[len(args)] = traced.shortcut
        return result

    def traces(self) -> list[Traced]:
        """What has been compiled so far."""
        return [traced for variants in self._traces.values() for traced in variants]

    def forget(self, device: str) -> None:
        """Let go of what was compiled for `device`, and of the constants that lie there."""
        with self._lock:
            self._shortcuts.clear()
            for key, variants in list(self._traces.items()):
                self._traces[key] = [traced for traced in variants if traced.device != device]

    def _flatten(self, args: Any, kwargs: Any) -> tuple[list[Any], tree.TreeDef]:
        if self.static_argnums:
            args = tuple(Static(a) if i in self.static_argnums else a for i, a in enumerate(args))
        if self.static_argnames:
            named = self.static_argnames
            kwargs = {k: Static(v) if k in named else v for k, v in kwargs.items()}
        return tree.flatten((args, kwargs) if kwargs else (args,))

    def _trace(
        self, key: Hashable, leaves: list[Any], structure: tree.TreeDef
    ) -> tuple[Traced, list[Tensor]]:
        with self._lock:
            found = self._found(key)  # another thread may have been faster
            if found is not None:
                return found
            traced = trace(self.function, leaves, structure, self._donated(structure, leaves))
            variants = [traced, *self._traces.pop(key, [])]
            self._traces[key] = variants[:_MAX_VARIANTS]
            if len(self._traces) > _MAX_SIGNATURES:
                del self._traces[next(iter(self._traces))]
        captured = traced.captured()
        if captured is None:
            raise TracingError(f"jit: {self} changes a tensor that it captures; return it instead")
        return traced, captured

    def _found(self, key: Hashable) -> tuple[Traced, list[Tensor]] | None:
        for traced in self._traces.get(key, ()):
            captured = traced.captured()
            if captured is not None:
                return traced, captured
        return None

    def _donated(self, structure: tree.TreeDef, leaves: list[Any]) -> frozenset[int]:
        """The positions of the donated leaves."""
        args = tree.unflatten(structure, list(range(len(leaves))))[0]
        return frozenset(
            i for n in self.donate_argnums if n < len(args) for i in tree.leaves(args[n])
        )


def forget(device: str) -> None:
    """Let every jitted function go of what was compiled for `device`."""
    with _all_lock:
        every = list(_all)
    for jitted in every:
        jitted.forget(device)


def _static_signature(leaf: Any) -> Hashable:
    """What of a leaf that is no tensor a trace depends on: of a number, only its type."""
    if type(leaf) in NUMBERS:
        return NUMBERS[type(leaf)]
    try:
        hash(leaf)
    except TypeError:
        raise ArgumentError(
            f"jit: an argument of type {type(leaf).__name__} is neither a tensor, nor a number, "
            "nor hashable; register it as a tree with al.tree.register"
        ) from None
    return type(leaf), leaf


def _execute(traced: Traced, nodes: list[Node]) -> Any:
    """What the function returns for the inputs `nodes`."""
    buffers = buffers_of(nodes)
    if traced.donated:
        traced.donate(nodes, buffers)
    made = traced.executable(buffers + traced.constants)
    results: list[Any] = [
        Tensor(Data(buffer, kind)) for buffer, kind in zip(made, traced.made, strict=True)
    ]
    if traced.results is not None:
        results = [result.value(results, nodes, buffers) for result in traced.results]
    return tree.unflatten(traced.structure, results)


@overload
def jit(
    function: Callable[A, R],
    *,
    static_argnums: int | Sequence[int] = (),
    static_argnames: str | Sequence[str] = (),
    donate_argnums: int | Sequence[int] = (),
) -> Jitted[A, R]: ...
@overload
def jit(
    function: None = None,
    *,
    static_argnums: int | Sequence[int] = (),
    static_argnames: str | Sequence[str] = (),
    donate_argnums: int | Sequence[int] = (),
) -> Callable[[Callable[A, R]], Jitted[A, R]]: ...
def jit(
    function: Callable[A, R] | None = None,
    *,
    static_argnums: int | Sequence[int] = (),
    static_argnames: str | Sequence[str] = (),
    donate_argnums: int | Sequence[int] = (),
) -> Any:
    """Compile `function` into one program per signature of its arguments.

    Arguments and results are trees of tensors. Tensors, arrays, ints and floats are inputs; bools,
    strings and other hashable values are part of the signature. While the function is traced, its
    tensors have shapes and dtypes but no values.

    Args:
        function: what to compile; without it, `jit(...)` is a decorator.
        static_argnums, static_argnames: arguments whose value is part of the signature.
        donate_argnums: positional arguments whose buffers the program may take over; the caller's
            tensors in them are gone after the call.

    Raises:
        TracingError: the function reads a value while it is traced, changes a tensor from outside
            in place, or uses a tensor from outside that cannot be found again.
        ArgumentError: an argument is neither tensor, number, tree of these, nor hashable.

    >>> import allumette_core as al
    >>> @al.jit
    ... def scaled(x, by):
    ...     return {"y": x * by}
    >>> scaled(al.ones(2, device="numpy"), 3.0)["y"].tolist()
    [3.0, 3.0]
    """

    def several(given: Any) -> Any:
        return (given,) if isinstance(given, int | str) else tuple(given)

    def wrap(f: Callable[A, R]) -> Jitted[A, R]:
        return Jitted(f, several(static_argnums), several(static_argnames), several(donate_argnums))

    return wrap if function is None else wrap(function)
