"""What it costs in memory to stream a program along one class of axes rather than another."""

from collections.abc import Iterator
from math import prod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .stream import Axis, Choice, Streaming

PIECES = 64  # that rows are taken to be cut into
STRIPE = 1 << 12  # bytes that a piece of a row-major array should have in one place
CACHED = 1 << 20  # bytes: smaller arrays are in a cache, where it matters little how they lie


def traffic(
    streaming: "Streaming", choices: "list[Choice]", levels: list[int]
) -> tuple[int, int, int]:
    """The bytes that are kept between phases, written and read, or are read in stripes; of equals,
    those that have no rows, which are read for every piece or added up to; of equals, those of
    which pieces overlap, as lines do that windows slide over."""
    stripes = {v for v, axis in _taken(streaming, choices) if _is_striped(streaming, v, axis)}
    moved = 2 * _bytes(streaming, streaming.kept(choices, levels)) + _bytes(streaming, stripes)
    still = _whole(streaming, choices, directly=True) | _sums(streaming, choices)
    shared = _whole(streaming, choices, directly=False)
    return moved, _bytes(streaming, still), _bytes(streaming, shared)


def _bytes(streaming: "Streaming", values: set[int]) -> int:
    return sum(streaming.program.avals[value].nbytes for value in values)


def _sums(streaming: "Streaming", choices: "list[Choice]") -> set[int]:
    """What instructions that stream add up to."""
    streamed = ((position, choice.flow) for position, choice in enumerate(choices) if choice.flow)
    return {position + streaming.base for position, flow in streamed if flow.out is None}


def _whole(streaming: "Streaming", choices: "list[Choice]", *, directly: bool) -> set[int]:
    """What instructions that stream read whole; or only what views that they take rows of do."""
    whole: set[int] = set()
    for position, choice in enumerate(choices):
        if choice.flow is not None:
            inputs = streaming.program.instructions[position].inputs
            read = zip(inputs, choice.flow.ins, strict=True)
            reached = streaming.reached([(v, a) for v, a in read if (a is None) is directly])
            whole |= {value for value, axis in reached if axis is None}
    return whole


def _taken(streaming: "Streaming", choices: "list[Choice]") -> "Iterator[Axis]":
    """The inputs and outputs that instructions take rows of, and along which axis."""
    for position, choice in enumerate(choices):
        if choice.flow is None:
            continue
        made = position + streaming.base, choice.flow.out
        inputs = streaming.program.instructions[position].inputs
        for value, axis in (made, *streaming.reached(zip(inputs, choice.flow.ins, strict=True))):
            if axis is not None and (value < streaming.base or value in streaming.outputs):
                yield value, axis


def _is_striped(streaming: "Streaming", value: int, axis: int) -> bool:
    """Whether rows lie along the last axis, so that pieces are a few bytes here and there."""
    aval = streaming.program.avals[value]
    last = prod(aval.shape[axis + 1 :]) == 1 < prod(aval.shape[:axis])
    narrow = aval.shape[axis] * aval.dtype.itemsize < PIECES * STRIPE
    return last and narrow and aval.nbytes > CACHED
