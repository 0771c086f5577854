"""A call of a jitted function that is like one before it, written out as code.

Looking into the arguments, finding the trace and making the results takes several times as long as
a small kernel runs. So a trace has a function of its own for such calls, with a line for each
tensor in place of loops, as the methods of a dataclass have for its fields.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from . import expr, tree
from .convert import number
from .expr import Data, sign
from .tensor import Tensor

if TYPE_CHECKING:
    from .tracing import Traced

MISSED: Final = object()
"""What a shortcut returns for other arguments than its own."""

_CODE = """
def call({arguments}):
    if state.trace is not None:
        return MISSED
    try:
        {inputs}
    except AttributeError:  # not a tensor
        return MISSED
    {outside}
    buffers = [{buffers}]
    {donation}
    [{made}] = executable(buffers)
    return {result}
"""
_OUTSIDE = """
    outside = captured()
    if outside is None:
        return MISSED
"""


def shortcut(traced: "Traced", arguments: Sequence[Any]) -> Callable[..., Any] | None:
    """Calls of `traced` with positional arguments like these.

    None where that takes more than code is written for here: what the program makes are not the
    leaves of the result, there are leaves of other kinds or trees that somebody registered among
    the arguments, or something is donated that may be captured, too.
    """
    if traced.results is not None or (traced.donated and traced.signatures):
        return None
    inputs = _Inputs()
    names = [f"argument{i}" for i in range(len(arguments))]
    if not all(map(inputs.take, names, arguments)) or not inputs.placed:
        return None
    outputs = range(len(traced.made))
    takes_outside = bool(traced.signatures or traced.constants)
    looks_outside = takes_outside or traced.outside is not None
    tensors = ", ".join(f"Tensor(Data(made{i}, kind{i}))" for i in outputs)
    text = _CODE.format(
        arguments=", ".join(names),
        inputs="\n        ".join(inputs.lines or ["pass"]),
        outside=_OUTSIDE if looks_outside else "",
        buffers=", ".join([*inputs.buffers, "*outside"] if looks_outside else inputs.buffers),
        donation=f"donate([{', '.join(inputs.nodes)}], buffers)" if traced.donated else "",
        made=", ".join(f"made{i}" for i in outputs),
        result=tensors if traced.structure.is_leaf() else f"unflatten(structure, [{tensors}])",
    )
    known: dict[str, Any] = {
        **inputs.known,
        **{f"kind{i}": traced.made[i] for i in outputs},
        **{"state": expr.state, "Tensor": Tensor, "Data": Data, "MISSED": MISSED},
        **{
            "executable": traced.executable,
            "captured": traced.captured_buffers if takes_outside else traced.outside,
        },
        **{"structure": traced.structure, "unflatten": tree.unflatten, "donate": traced.donate},
        **{"number": number, "device": traced.device},
    }
    exec(text, known)
    call: Callable[..., Any] = known["call"]
    return call


class _Inputs:
    """Code that takes arguments apart and tells whether they are like those of the trace."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.nodes: list[str] = []
        self.known: dict[str, Any] = {}
        """What names in the code stand for."""
        self.placed = False
        """Whether there is a tensor: without one the default device is what decides."""

    @property
    def buffers(self) -> list[str]:
        return [f"{node}.buffer" for node in self.nodes]

    def take(self, name: str, value: Any) -> bool:
        """Add the code for `value`, which is `name` there; False if there is none."""
        kind = type(value)
        if kind is Tensor:
            self.placed = True
            node = self._node(f"{name}._node")
            self._miss_unless(f"{node}.signature is {self._know(sign(value._node))}")
        elif kind in (int, float):
            self._miss_unless(f"type({name}) is {kind.__name__}")
            self._node(f"number({name}, device)")
        else:
            return self._take_apart(name, value)
        return True

    def _take_apart(self, name: str, value: Any) -> bool:
        kind = type(value)
        if kind in (type(None), bool, str):
            self._miss_unless(f"type({name}) is {self._know(kind)} and {name} == {value!r}")
            return True
        if kind in (list, tuple, dict):
            self._miss_unless(f"type({name}) is {kind.__name__} and len({name}) == {len(value)}")
        elif (structure := tree.static_fields(kind)) is not None:
            self._miss_unless(f"type({name}) is {self._know(kind)}")
            for static in structure:
                self._miss_unless(f"{name}.{static} == {self._know(getattr(value, static))}")
        else:
            return False
        children = tree.children(value)
        parts = [f"{name}_{i}" for i in range(len(children))]
        if kind in (list, tuple):
            self.lines.append(f"[{', '.join(parts)}] = {name}")
        else:
            for part, key in zip(parts, children, strict=True):
                child = f".get({self._know(key)})" if kind is dict else f".{key}"
                self.lines.append(f"{part} = {name}{child}")
        return all(map(self.take, parts, children.values()))

    def _node(self, text: str) -> str:
        node = f"node{len(self.nodes)}"
        self.lines.append(f"{node} = {text}")
        self.nodes.append(node)
        return node

    def _know(self, value: Any) -> str:
        name = f"known{len(self.known)}"
        self.known[name] = value
        return name

    def _miss_unless(self, condition: str) -> None:
        self.lines.append(f"if not ({condition}): return MISSED")
