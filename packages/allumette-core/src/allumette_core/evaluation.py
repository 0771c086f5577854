"""From pending nodes to buffers: build the program, compile it once, run it, keep the results."""

import sys
import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from . import expr
from .backend.registry import backend_of, default_device
from .backend.spec import Executable
from .compiler.program import Program, build
from .errors import DeviceError, TracingError
from .expr import DONATED, Node, state

_PACKAGE = str(Path(__file__).parent)
_lock = threading.RLock()
_MAX_INSTRUCTIONS = 200_000  # kept in all executables together
_executables: OrderedDict[Any, tuple[Executable, int]] = OrderedDict()
_kept_instructions = 0
_forgotten = 0
"""How often a device was opened anew; what was being compiled meanwhile is not kept."""


def compiled(program: Program, device: str) -> Executable:
    """The executable of `program` on `device`: compiled the first time its structure is seen."""
    global _kept_instructions
    key = device, program.repeats, program.key
    with _lock:
        found = _executables.get(key)
        if found is not None:
            _executables.move_to_end(key)
            return found[0]
        before = _forgotten
    made = backend_of(device).compile(program, device)
    with _lock:
        if key not in _executables and before == _forgotten:
            _executables[key] = made, len(program.instructions)
            _kept_instructions += len(program.instructions)
        while _kept_instructions > _MAX_INSTRUCTIONS:
            _, (_, count) = _executables.popitem(last=False)
            _kept_instructions -= count
    return made


def forget(device: str) -> None:
    """Let go of what was compiled for `device`."""
    global _kept_instructions, _forgotten
    with _lock:
        _forgotten += 1
        for key in [key for key in _executables if key[0] == device]:
            _kept_instructions -= _executables.pop(key)[1]


def user_line() -> str:
    """Where in the user's code we are: 'file.py, line 3, in f'."""
    frame = sys._getframe(1)
    while frame.f_back and frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.f_back
    code = frame.f_code
    return f"{code.co_filename}, line {frame.f_lineno}, in {code.co_name}"


def refuse_reading() -> None:
    """Refuse to read a value while a function is being traced."""
    if state.trace is not None:
        raise TracingError(
            f"a value was read while jit traces {state.trace.name} ({user_line()}); inside jit "
            "only shapes and dtypes are known: use al.where instead of if, return the value, or "
            "pass it in as a static argument"
        )


def evaluate_nodes(roots: Iterable[Node]) -> None:
    """Compute the buffers of `roots`, and of what live handles hold on the way there.

    Raises:
        TracingError: a root depends on the argument of a function being traced, or jit is tracing.
        DeviceError: a root was donated.
    """
    wanted = [node for node in roots if node.buffer is None]
    for node in roots:
        if node.buffer is DONATED:
            raise DeviceError(f"this tensor was donated to a jitted call and is gone: {node}")
    if not wanted:
        return
    refuse_reading()
    with _lock:
        outputs = _with_live(wanted)
        device = next((n.device for n in outputs if n.device), None) or default_device()
        program, leaves = build((), outputs)
    buffers = buffers_of(leaves)
    results = compiled(program, device)(buffers)
    with _lock:
        for node, buffer in zip(outputs, results, strict=True):
            settle(node, buffer, device)


def buffers_of(nodes: Sequence[Node]) -> list[Any]:
    """The buffers of `nodes`, which are computed if need be.

    Raises:
        DeviceError: one of them was donated.
    """
    buffers = []
    for node in nodes:
        buffer = node.buffer
        if buffer is None:
            evaluate_nodes(nodes)
            buffer = node.buffer
        if buffer is DONATED:
            raise DeviceError(f"a tensor was used after it was donated to a jitted call: {node}")
        buffers.append(buffer)
    return buffers


def settle(node: Node, buffer: Any, device: str) -> None:
    """Give `node` its value; what it was made from is let go unless a derivative may need it."""
    if node.buffer is None:
        node.buffer = buffer
        node.device = device
        node.depth = 0
        if not node.tracked:
            node.inputs = ()


def _with_live(roots: list[Node]) -> list[Node]:
    """`roots`, and every pending node under them that a user still holds."""
    nodes = expr.ancestors(roots, expr.pending)
    for node in nodes:
        if node.abstract and not node.inputs:
            raise TracingError(
                f"this tensor has no value: it was made while tracing a function (jit or vmap), "
                f"and is read outside of it or inside ({user_line()}); return it from the function "
                "instead"
            )
    wanted = {node.serial for node in roots}
    return [node for node in nodes if node.serial in wanted or _is_held(node)]


def _is_held(node: Node) -> bool:
    handle = node.handle() if node.handle is not None else None
    return handle is not None and handle._node is node


expr.evaluate_pending = evaluate_nodes
