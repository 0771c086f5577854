"""What cases are drawn from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from ..backend.spec import Capabilities
from ..dtypes import ALL, DType
from ..shapes import Shape
from . import values
from .values import Array, Generator

T = TypeVar("T")
_THOROUGHLY = frozenset({"float32", "int32"})


@dataclass(frozen=True)
class Source:
    """What to draw from: random numbers, what the backend can take, and how much to try."""

    rng: Generator
    capabilities: Capabilities
    full: bool = False

    def hot(self, dtype: DType) -> Array:
        """The hot spots that the backend declares to handle."""
        c = self.capabilities
        return values.hot_spots(dtype, c.nan_inf, c.subnormals)

    def shapes(self) -> tuple[Shape, ...]:
        """Shapes to try, fewer if not `full`."""
        few = ((), (33,), (3, 5), (2, 3, 4))
        found = (*values.SHAPES, *values.LARGE) if self.full else few
        empty = values.EMPTY if self.full else values.EMPTY[:1]
        return tuple(
            s for s in (*found, *(empty if self.capabilities.zero_size else ())) if self.fits(s)
        )

    def some(self, items: Sequence[T], dtype: DType) -> Sequence[T]:
        """`items`; in a quick run, for all dtypes but float32 and int32, the first and a few more.

        What a shape does to one dtype it mostly does to all, and each shape is new code to compile.
        The few are other ones for each dtype.
        """
        if self.full or dtype.name in _THOROUGHLY:
            return items
        return [items[0], *items[1 + ALL.index(dtype) % 8 :: 8]]

    def fits(self, *shapes: Shape) -> bool:
        """Whether values of these shapes are declared."""
        c = self.capabilities
        sizes = [int(np.prod(s)) for s in shapes]
        most = max(sizes, default=0)
        return (
            max(map(len, shapes), default=0) <= c.max_rank
            and (c.max_elements is None or most <= c.max_elements)
            and (c.zero_size or 0 not in sizes)
        )

    def dtypes(self) -> list[DType]:
        """The declared dtypes."""
        return [d for d in ALL if self.capabilities.supports(d)]
