"""Each composite primitive in terms of smaller ones.

`DECOMPOSITIONS[primitive](*tensors, *params)` gives what the primitive gives. It serves a backend
that lacks the primitive, and a derivative or a batching rule that nobody wrote. No chain of
decompositions comes back to where it began; those that move, count or compare are exact, and the
transcendental ones are accurate to a few units in the last place.
"""

from collections.abc import Callable

from ..primitives import Primitive
from ..tensor import Tensor
from . import bits, elementary, moving, reducing

__all__ = ["DECOMPOSITIONS"]

DECOMPOSITIONS: dict[Primitive, Callable[..., Tensor]] = {
    **elementary.TABLE,
    **moving.TABLE,
    **reducing.TABLE,
    **bits.TABLE,
}
