"""What cases are drawn from."""

from dataclasses import dataclass

import numpy as np

from ..backend.spec import Capabilities
from ..dtypes import ALL, DType
from ..shapes import Shape
from . import values
from .values import Array, Generator


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
