"""The expression graph: immutable nodes, how one is made, and in which order to walk them.

A `Node` is a primitive applied to nodes, or a leaf that only holds a buffer. Its `serial` counts
up, and inputs exist before the node that uses them: **sorting nodes by serial is a topological
order**, so no traversal recurses.
"""

import itertools
import threading
from collections.abc import Callable, Iterable
from typing import Any, Final
from weakref import ReferenceType, WeakValueDictionary

from . import errors, primitives
from .dtypes import DType
from .primitives import Params, Primitive
from .shapes import Shape


class _Donated:
    """Stands where a buffer was that a jitted call has taken over."""

    def __repr__(self) -> str:
        return "<donated>"


DONATED: Final = _Donated()
MAX_PENDING_DEPTH = 20_000  # an unread loop is evaluated every so often, so that it stays bounded

_serials = itertools.count()


class State(threading.local):
    """What the code now running is in the middle of, per thread."""

    recording = True  # False under no_grad: new nodes are not differentiable
    trace: "Any" = None  # the jit trace that new nodes belong to


state = State()


class Signature:
    """What `jit` keeps a trace by: all that a trace knows of one of its inputs.

    There is one object of each kind (`signature`), so that comparing them is comparing identities.
    """

    __slots__ = ("__weakref__", "device", "dtype", "shape", "weak")

    def __init__(self, shape: Shape, dtype: DType, device: str | None, weak: bool) -> None:
        self.shape = shape
        self.dtype = dtype
        self.device = device
        self.weak = weak


_signatures: "WeakValueDictionary[Any, Signature]" = WeakValueDictionary()
_signatures_lock = threading.Lock()


def signature(shape: Shape, dtype: DType, device: str | None, weak: bool = False) -> Signature:
    """The signature of values of this shape, dtype and device."""
    key = shape, dtype, device, weak
    found = _signatures.get(key)
    if found is None:
        with _signatures_lock:
            found = _signatures.setdefault(key, Signature(*key))
    return found


class Node:
    """One value of the graph: `primitive(*inputs, *params)`, of known shape, dtype and device.

    `buffer` holds the value once there is one. `device` is None for a value that may be anywhere
    (a literal). `tracked` says that a derivative may be asked through this node, `abstract` that it
    depends on a placeholder and so has no value, `weak` that it stands for a Python scalar, `shown`
    that a NumPy array of the user's may share memory with `buffer`. One that has a `signature` is
    known to have a value and to be neither tracked nor abstract.
    """

    __slots__ = (
        "abstract",
        "buffer",
        "depth",
        "device",
        "dtype",
        "handle",
        "inputs",
        "params",
        "primitive",
        "serial",
        "shape",
        "shown",
        "signature",
        "trace",
        "tracked",
        "weak",
    )

    def __init__(
        self,
        primitive: Primitive,
        inputs: "tuple[Node, ...]",
        params: Params,
        shape: Shape,
        dtype: DType,
        device: str | None,
    ) -> None:
        self.primitive: Primitive | None = primitive
        self.inputs = inputs
        self.params = params
        self.shape = shape
        self.dtype = dtype
        self.device = device
        self.buffer: Any = None
        self.serial = next(_serials)
        self.trace = state.trace
        self.depth = 0
        self.tracked = False
        self.abstract = False
        self.weak = False
        self.shown = False
        self.signature: Signature | None = None
        self.handle: ReferenceType[Any] | None = None

    def __repr__(self) -> str:
        name = self.primitive.name if self.primitive else "data"
        return f"<Node {self.serial} {name} {self.dtype.name}{list(self.shape)}>"


class Data(Node):
    """A leaf that holds a value. What all leaves share is kept once: a jitted call makes many."""

    __slots__ = ()

    primitive = None
    inputs = ()
    params = ()
    depth = 0
    tracked = abstract = weak = False
    handle = trace = None

    def __init__(self, buffer: Any, signature: Signature) -> None:
        self.buffer = buffer
        self.signature = signature
        self.shape = signature.shape
        self.dtype = signature.dtype
        self.device = signature.device
        self.serial = next(_serials)
        self.shown = False


def sign(node: Node) -> Signature:
    """The signature of `node`, which keeps it if it may."""
    if node.signature is not None:
        return node.signature
    found = signature(node.shape, node.dtype, node.device, node.weak)
    if not (node.buffer is None or node.buffer is DONATED or node.abstract or node.tracked):
        node.signature = found
    return found


def _nothing(nodes: Iterable[Node]) -> None: ...


# Set by the evaluation module: a node deeper than MAX_PENDING_DEPTH has its inputs evaluated.
evaluate_pending: Callable[[Iterable[Node]], None] = _nothing


def apply(primitive: Primitive, *inputs: Node, params: Params = ()) -> Node:
    """The node of `primitive` on `inputs`.

    Raises:
        ShapeError, DTypeError: the primitive does not take such inputs.
        DeviceError: the inputs are on different devices.
    """
    shape, dtype = primitive.infer(inputs, params)
    device: str | None = None
    depth = 0
    tracked = abstract = False
    weak = bool(inputs)
    for node in inputs:
        if node.device is not device and node.device is not None:
            device = _common_device(primitive, device, node.device) if device else node.device
        if node.depth > depth and node.buffer is None:
            depth = node.depth
        if node.tracked:
            tracked = True
        if node.abstract:
            abstract = True
        if not node.weak:
            weak = False
    out = Node(primitive, inputs, params, shape, dtype, device)
    out.depth = depth + 1
    if tracked:
        out.tracked = state.recording
    if abstract:
        out.abstract = True
    if weak:
        out.weak = primitive.kind is primitives.Kind.ELEMENTWISE
    if depth > MAX_PENDING_DEPTH and not abstract and state.trace is None:
        evaluate_pending(inputs)
        out.depth = 1
    return out


def _common_device(primitive: Primitive, a: str | None, b: str | None) -> str | None:
    if a is None or b is None or a == b:
        return a or b
    raise errors.DeviceError(
        f"{primitive}: operands are on devices {a!r} and {b!r}; move one with .to({a!r})"
    )


def placeholder(shape: Shape, dtype: DType, device: str | None, weak: bool = False) -> Node:
    """A leaf without a value: the argument of a function being traced."""
    node = Node(primitives.placeholder, (), (shape, dtype), shape, dtype, device)
    node.abstract = True
    node.weak = weak
    return node


def literal(value: bool | int | float, dtype: DType, shape: Shape = ()) -> Node:
    """A node filled with one Python number, on whatever device its user is."""
    return Node(primitives.full, (), (shape, value, dtype), shape, dtype, None)


PARAMETER: Final = "parameter"  # the tag of what a user marked with requires_grad


def variable(node: Node, tag: str = "variable") -> Node:
    """A fresh name for `node` that derivatives can be taken with respect to."""
    out = apply(primitives.alias, node, params=(tag,))
    out.tracked = True
    return out


def is_parameter(node: Node) -> bool:
    """Whether a user marked `node` with requires_grad."""
    return node.primitive is primitives.alias and node.params == (PARAMETER,)


def stop_gradient(node: Node) -> Node:
    """The value of `node`, through which no derivative flows."""
    out = apply(primitives.alias, node, params=("constant",))
    out.tracked = False
    return out


def ancestors(roots: Iterable[Node], enter: Callable[[Node], bool]) -> list[Node]:
    """The nodes that `roots` are made from, inputs before users; only those where `enter` holds.

    A node that is not entered hides what lies behind it.
    """
    seen: dict[int, Node] = {}
    stack = [node for node in roots if enter(node)]
    while stack:
        node = stack.pop()
        if node.serial in seen:
            continue
        seen[node.serial] = node
        stack += [s for s in node.inputs if s.serial not in seen and enter(s)]
    return [seen[serial] for serial in sorted(seen)]


def pending(node: Node) -> bool:
    """Whether `node` has still to be computed."""
    return node.buffer is None
