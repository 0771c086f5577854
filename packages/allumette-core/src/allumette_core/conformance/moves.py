"""Parameters of primitives with one operand, drawn for a given shape."""

from collections.abc import Callable, Mapping

from ..primitives import Params
from ..shapes import Shape

Draw = Callable[[int], int]
"""A whole number from 0 to the given one, both included."""


def params(name: str, shape: Shape, draw: Draw) -> Params | None:
    """Parameters of `name` for an operand of `shape`, or None if it takes none of that shape."""
    return _MOVES[name](shape, draw)


def _axis(shape: Shape, draw: Draw) -> Params | None:
    return (draw(len(shape) - 1),) if shape else None


def _axes(shape: Shape, draw: Draw) -> Params | None:
    chosen = tuple(i for i in range(len(shape)) if draw(1))
    return (chosen or tuple(range(len(shape))),)


def _one_axis(shape: Shape, draw: Draw) -> Params | None:
    return ((draw(len(shape) - 1),),) if shape else None


def _permute(shape: Shape, draw: Draw) -> Params | None:
    return (tuple(reversed(range(len(shape)))),)


def _reshape(shape: Shape, draw: Draw) -> Params | None:
    size = 1
    for n in shape:
        size *= n
    choices = ((size,), (1, size), (size, 1), (*shape, 1), tuple(reversed(shape)))
    return (choices[draw(len(choices) - 1)],)


def _broadcast(shape: Shape, draw: Draw) -> Params | None:
    return ((1 + draw(4), *shape),) if len(shape) < 4 else None


def _slice(shape: Shape, draw: Draw) -> Params | None:
    starts = tuple(draw(min(n - 1, 2)) if n else 0 for n in shape)
    stops = tuple(max(start + 1, n - draw(1)) for start, n in zip(starts, shape, strict=True))
    return starts, tuple(map(min, stops, shape)), tuple(1 + draw(1) for _ in shape)


_MOVES: Mapping[str, Callable[[Shape, Draw], Params | None]] = {
    "sum": _axes, "max": _axes, "min": _axes, "argmax": _one_axis, "argmin": _one_axis,
    "cumsum": _axis, "cummax": _axis, "sort": _axis, "argsort": _axis, "flip": _axes,
    "permute": _permute, "reshape": _reshape, "broadcast": _broadcast, "slice": _slice,
}  # fmt: skip
NAMES = tuple(_MOVES)
