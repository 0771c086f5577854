"""Where the elements of an array lie: shape, strides and offset, all counted in elements.

A `Layout` is what makes reshape, permute, broadcast, slice, flip and windows free: each gives a
new layout over the same storage. `reshape` gives None where only a copy would do.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from .shapes import Shape


def contiguous_strides(shape: Shape) -> Shape:
    """Row-major strides of `shape`, in elements.

    >>> contiguous_strides((2, 3, 4))
    (12, 4, 1)
    """
    strides = []
    step = 1
    for size in reversed(shape):
        strides.append(step)
        step *= max(size, 1)
    return tuple(reversed(strides))


@dataclass(frozen=True, slots=True)
class Layout:
    """Element `index` lies at `offset + sum(index * strides)` of the storage.

    >>> Layout.contiguous((2, 3)).permute((1, 0))
    Layout(shape=(3, 2), strides=(1, 3), offset=0)
    """

    shape: Shape
    strides: Shape
    offset: int = 0

    @staticmethod
    def contiguous(shape: Shape) -> "Layout":
        """The row-major layout of `shape` from offset 0."""
        return Layout(shape, contiguous_strides(shape))

    @property
    def size(self) -> int:
        """The number of elements."""
        return prod(self.shape)

    @property
    def is_contiguous(self) -> bool:
        """Whether the elements follow one another in row-major order (the offset may be any)."""
        return self.size == 0 or all(
            size == 1 or stride == expected
            for size, stride, expected in zip(
                self.shape, self.strides, contiguous_strides(self.shape), strict=True
            )
        )

    def permute(self, axes: Sequence[int]) -> "Layout":
        """Axis `i` of the result is axis `axes[i]` of this."""
        return Layout(
            tuple(self.shape[a] for a in axes), tuple(self.strides[a] for a in axes), self.offset
        )

    def broadcast(self, shape: Shape) -> "Layout":
        """NumPy's broadcast_to: new leading axes, and axes of size 1 repeated with stride 0."""
        lead = len(shape) - len(self.shape)
        strides = tuple(
            stride if size == new else 0
            for size, stride, new in zip(self.shape, self.strides, shape[lead:], strict=True)
        )
        return Layout(shape, (0,) * lead + strides, self.offset)

    def slice(self, starts: Shape, stops: Shape, steps: Shape) -> "Layout":
        """Elements `starts`, `starts + steps`, ... below `stops`, along each axis; steps > 0."""
        shape = tuple(
            max(0, -((start - stop) // step))
            for start, stop, step in zip(starts, stops, steps, strict=True)
        )
        strides = tuple(s * step for s, step in zip(self.strides, steps, strict=True))
        shift = sum(start * s for start, s in zip(starts, self.strides, strict=True))
        return Layout(shape, strides, self.offset + (shift if prod(shape) else 0))

    def flip(self, axes: Sequence[int]) -> "Layout":
        """The same elements, backwards along `axes`."""
        strides = tuple(-s if i in axes else s for i, s in enumerate(self.strides))
        shift = sum((self.shape[a] - 1) * self.strides[a] for a in axes) if self.size else 0
        return Layout(self.shape, strides, self.offset + shift)

    def windows(self, axes: Shape, sizes: Shape, strides: Shape, dilations: Shape) -> "Layout":
        """Sliding windows along `axes`: each of these counts windows, their elements come last."""
        shape, steps = list(self.shape), list(self.strides)
        for axis, size, stride, dilation in zip(axes, sizes, strides, dilations, strict=True):
            shape[axis] = (self.shape[axis] - (size - 1) * dilation - 1) // stride + 1
            steps[axis] = self.strides[axis] * stride
        inner = tuple(self.strides[a] * d for a, d in zip(axes, dilations, strict=True))
        return Layout(tuple(shape) + tuple(sizes), tuple(steps) + inner, self.offset)

    def reshape(self, shape: Shape) -> "Layout | None":
        """The layout of `shape` over the same storage, or None where elements must be copied.

        >>> Layout((4, 6), (6, 1)).reshape((2, 2, 6)), Layout((4, 6), (1, 4)).reshape((24,))
        (Layout(shape=(2, 2, 6), strides=(12, 6, 1), offset=0), None)
        """
        if self.size == 0:
            return Layout(shape, contiguous_strides(shape), self.offset)
        old = [(n, s) for n, s in zip(self.shape, self.strides, strict=True) if n != 1]
        strides: list[int] = []
        # Consume old axes from the last one back, as runs that step through memory evenly.
        run_size, run_stride = 1, 1
        for size in reversed(shape):
            if size == 1:
                strides.append(run_stride * run_size)
                continue
            while run_size % size or run_size == 1:
                if not old:
                    return None
                n, s = old.pop()
                if run_size == 1:
                    run_size, run_stride = n, s
                elif s == run_stride * run_size:
                    run_size *= n
                else:
                    return None
            strides.append(run_stride)
            run_size, run_stride = run_size // size, run_stride * size
        return Layout(shape, tuple(reversed(strides)), self.offset)
