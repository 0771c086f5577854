"""Composite primitives in terms of smaller ones."""

from collections.abc import Callable

from .primitives import Primitive
from .tensor import Tensor

DECOMPOSITIONS: dict[Primitive, Callable[..., Tensor]] = {}
