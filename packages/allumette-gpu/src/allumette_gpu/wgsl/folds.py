"""How values are folded up: the identity, the type and the combination of each reduction."""

from dataclasses import dataclass

import numpy as np
from allumette_core import primitives as P
from allumette_core.dtypes import DType
from allumette_core.primitives import Primitive

from .scalar import compute, extreme
from .types import computed, literal

_START = {P.sum_: 0, P.prod: 1, P.cumsum: 0, P.cumprod: 1}
_JOIN = {P.sum_: P.add, P.prod: P.mul, P.max_: P.maximum, P.min_: P.minimum}
_JOIN |= {P.cumsum: P.add, P.cumprod: P.mul, P.cummax: P.maximum, P.cummin: P.minimum}


@dataclass(frozen=True, slots=True)
class Fold:
    """A reduction of values of `dtype`; float16 is added and multiplied up in float32."""

    primitive: Primitive
    dtype: DType

    @property
    def wide(self) -> DType:
        """The dtype of the accumulator."""
        name = self.dtype.name
        return np.dtype("float32") if name == "float16" else self.dtype

    @property
    def type(self) -> str:
        """The accumulator in WGSL."""
        return computed(self.dtype)

    @property
    def start(self) -> str:
        """What changes nothing when it is combined."""
        if self.primitive in _START:
            return literal(_START[self.primitive], self.wide)
        lowest = self.primitive in (P.max_, P.cummax)
        if self.dtype.kind == "b":
            return literal(not lowest, self.dtype)
        if self.dtype.kind == "f":
            return literal(-np.inf if lowest else np.inf, self.wide)
        ends = np.iinfo(self.dtype)
        return literal(ends.min if lowest else ends.max, self.dtype)

    def join(self, a: str, b: str) -> str:
        """`a` and then `b`."""
        operation = _JOIN[self.primitive]
        if operation in (P.maximum, P.minimum):
            return extreme(operation, self.wide, a, b)
        return compute(operation, (), (self.wide, self.wide), self.wide, [a, b])
