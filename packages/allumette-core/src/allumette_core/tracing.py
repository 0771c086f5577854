"""Running a function on placeholders to get its program: what `jit` keeps for a signature."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import numpy as np

from . import captures, expr, paths, tree
from .backend.registry import backend_of, default_device
from .backend.spec import Executable
from .compiler.program import Program, build
from .convert import from_array
from .dtypes import as_dtype
from .errors import DeviceError
from .evaluation import buffers_of, compiled, evaluate_nodes
from .expr import DONATED, Node, Signature, sign
from .shortcut import shortcut
from .tensor import Tensor

NUMBERS: Final = {int: "int", float: "float"}  # become inputs; a bool is nearly always a flag


class Static:
    """An argument whose value is part of the signature."""

    __slots__ = ("value",)

    def __init__(self, value: Hashable) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Static) and paths.same(self.value, other.value)

    def __hash__(self) -> int:
        return hash(self.value)


class Trace:
    """The tracing of one function: nodes made meanwhile carry it."""

    def __init__(self, name: str) -> None:
        self.name: Final = name
        self.arrays: dict[int, np.ndarray[Any, Any]] = {}  # serial -> the host array it came from

    def note(self, array: np.ndarray[Any, Any], node: Node) -> None:
        """Remember that `node` was made from the host array `array`."""
        self.arrays[node.serial] = array

    def made(self, node: Node) -> bool:
        """Whether `node` was made while tracing."""
        return node.trace is self or node.serial in self.arrays


@dataclass(frozen=True, slots=True)
class Result:
    """One leaf of the result: an output of the program, an input passed through, or a constant."""

    kind: Literal["made", "passed", "constant"]
    what: Any

    def value(
        self, outputs: Sequence[Tensor], inputs: Sequence[Node], buffers: Sequence[Any]
    ) -> Any:
        """The leaf, given what this call made and took."""
        if self.kind == "constant":
            return self.what
        if self.kind == "made":
            return Tensor(outputs[self.what]._node)  # a handle of its own
        node = inputs[self.what]
        if node.buffer is DONATED:  # the result is the new owner
            node = expr.Data(
                buffers[self.what], expr.signature(node.shape, node.dtype, node.device)
            )
        return Tensor(node)


@dataclass(slots=True)
class Traced:
    """A compiled signature: its program takes arguments, then captured values, then constants."""

    program: Program
    executable: Executable
    device: str
    outside: Callable[[], list[Any] | None] | None
    """Reads the captured values; None if plain values are others now."""
    signatures: tuple[Signature, ...]
    """Of the captured values."""
    constants: list[Any]
    structure: tree.TreeDef
    results: tuple[Result, ...] | None
    """The leaves of the result; None: what the program makes, in order."""
    made: tuple[Signature, ...]
    donated: frozenset[int]
    """The donated inputs; those of `program` alone may be overwritten."""
    shortcut: Callable[..., Any] | None = None
    """Calls like the one that was traced, written out."""

    def captured(self) -> list[Tensor] | None:
        """The captured inputs as they are now; None if something is not what this trace takes."""
        values = self.outside() if self.outside is not None else []
        if values is None:
            return None
        found = []
        for value, signature in zip(values, self.signatures, strict=True):
            if isinstance(value, np.ndarray):
                value = from_array(value, self.device)
            if not isinstance(value, Tensor) or sign(value._node) is not signature:
                return None
            found.append(value)
        return found

    def donate(self, nodes: list[Node], buffers: list[Any]) -> None:
        """Take the buffers of donated inputs; of one that a user's array may share, a copy.

        Raises:
            DeviceError: a donated tensor is passed in twice.
        """
        given = {nodes[i].serial for i in self.donated}
        if sum(node.serial in given for node in nodes) > len(given):
            raise DeviceError("jit: a donated tensor is passed in twice; pass a copy.copy of it")
        for i in self.donated:
            nodes[i].buffer, nodes[i].signature = DONATED, None
        for i in self.program.donated:
            if nodes[i].shown:
                backend = backend_of(self.device)
                buffers[i] = backend.from_host(backend.to_host(buffers[i]), self.device)

    def captured_buffers(self) -> list[Any] | None:
        """The buffers that the program takes besides those of the arguments, or None likewise."""
        captured = self.captured()
        if not captured:
            return None if captured is None else self.constants
        return buffers_of([tensor._node for tensor in captured]) + self.constants


def trace(
    function: Callable[..., Any],
    leaves: Sequence[Any],
    structure: tree.TreeDef,
    donated: frozenset[int],
) -> Traced:
    """Trace `function` on arguments like `leaves`, and compile it.

    `structure` is that of `(positional,)` or `(positional, by name)`.
    """
    current = Trace(getattr(function, "__qualname__", repr(function)))
    outer, expr.state.trace = expr.state.trace, current
    try:
        stood = [stand_in(leaf) for leaf in leaves]
        arguments = [s._node for s in stood if isinstance(s, Tensor)]
        args, *named = tree.unflatten(structure, stood)
        result = function(*args, **(named[0] if named else {}))
    finally:
        expr.state.trace = outer
    numbers = {i: n for n, i in enumerate(i for i, s in enumerate(stood) if isinstance(s, Tensor))}
    donated = frozenset(numbers[i] for i in donated if i in numbers)
    roots = (function, *(s for s in stood if not isinstance(s, Tensor)))
    traced = _compile(roots, current, arguments, result, donated)
    args, *named = tree.unflatten(structure, list(leaves))
    if not named:
        traced.shortcut = shortcut(traced, args)
    return traced


def stand_in(leaf: Any) -> Any:
    """A placeholder for a tensor or a number; anything else as it is."""
    if isinstance(leaf, Tensor):
        node = leaf._node
        return Tensor(expr.placeholder(node.shape, node.dtype, node.device, node.weak))
    if type(leaf) in NUMBERS:
        return Tensor(expr.placeholder((), as_dtype(type(leaf)), None, weak=True))
    return leaf.value if isinstance(leaf, Static) else leaf


def _compile(
    reachable: Sequence[Any],
    current: Trace,
    arguments: list[Node],
    result: Any,
    donated: frozenset[int],
) -> Traced:
    def outside(node: Node) -> bool:
        return node.trace is not current or node.buffer is not None

    leaves, structure = tree.flatten(result)
    roots = [leaf._node for leaf in leaves if isinstance(leaf, Tensor)]
    _, reached = build(arguments, roots, (), outside)
    found = captures.find(reachable, reached[len(arguments) :], current)
    inputs = arguments + found.watched
    results, made = _results(leaves, inputs)
    passed = {result.what for result in results if result.kind == "passed"}
    program, _ = build(inputs + found.constants, made, donated - passed, outside)
    program = replace(program, repeats=True)
    evaluate_nodes([*found.watched, *found.constants])
    device = next((n.device for n in (*inputs, *made) if n.device), None) or default_device()
    return Traced(
        program=program,
        executable=compiled(program, device),
        device=device,
        outside=paths.reader(found.paths, found.guards) if found.paths or found.guards else None,
        signatures=tuple(sign(node) for node in found.watched),
        constants=[node.buffer for node in found.constants],
        structure=structure,
        results=None if results == _as_made(made) else results,
        made=tuple(expr.signature(node.shape, node.dtype, device) for node in made),
        donated=donated,
    )


def _as_made(made: list[Node]) -> tuple[Result, ...]:
    return tuple(Result("made", i) for i in range(len(made)))


def _results(leaves: list[Any], inputs: list[Node]) -> tuple[tuple[Result, ...], list[Node]]:
    """How each leaf of the result is had, and the nodes that the program has to compute."""
    numbers = {node.serial: i for i, node in enumerate(inputs)}
    made: dict[int, Node] = {}
    results = []
    for leaf in leaves:
        if not isinstance(leaf, Tensor):
            results.append(Result("constant", leaf))
        elif leaf._node.serial in numbers:
            results.append(Result("passed", numbers[leaf._node.serial]))
        else:
            made.setdefault(leaf._node.serial, leaf._node)
            results.append(Result("made", list(made).index(leaf._node.serial)))
    return tuple(results), list(made.values())
