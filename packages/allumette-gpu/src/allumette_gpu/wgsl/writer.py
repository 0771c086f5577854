"""Writing the body of a kernel: names for values, and scopes in which they are known."""

from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from typing import Any

from allumette_core.layout import contiguous_strides
from allumette_core.shapes import Shape


class Writer:
    """Lines of code, and the names of what has been computed where."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._depth = 1
        self._names = 0
        self._known: list[dict[Any, str]] = [{}]

    def line(self, text: str) -> None:
        """Append a line."""
        self.lines.append("  " * self._depth + text)

    def fresh(self, prefix: str = "v") -> str:
        """A name that nothing has, no type such as i32 either."""
        self._names += 1
        return f"{prefix}_{self._names}"

    def let(self, text: str, key: Any = None) -> str:
        """A name for the expression `text`; the same one as before in this scope."""
        key = ("text", text) if key is None else key
        known = self.recall(key)
        if known is None:
            known = self.fresh()
            self.line(f"let {known} = {text};")
            self.remember(key, known)
        return known

    def recall(self, key: Any) -> str | None:
        """The name of `key`, if it was computed in a scope around here."""
        found: str | None = next((s[key] for s in reversed(self._known) if key in s), None)
        return found

    def remember(self, key: Any, name: str) -> None:
        """Note that `name` is `key` until this scope ends."""
        self._known[-1][key] = name

    @contextmanager
    def block(self, opening: str, closing: str = "}") -> Iterator[None]:
        """Lines inside of braces; what is computed there is forgotten after."""
        self.line(opening)
        self._depth += 1
        self._known.append({})
        yield
        self._known.pop()
        self._depth -= 1
        self.line(closing)

    def text(self) -> str:
        """Everything that was written."""
        return "\n".join(self.lines)


class Index:
    """Where in a value of `shape`: a row-major number, or one per axis; either gives the other."""

    def __init__(
        self, writer: Writer, shape: Shape, flat: str | None = None, axes: list[str] | None = None
    ) -> None:
        self.writer, self.shape = writer, shape
        self._flat, self._axes = flat, axes
        self.key = (shape, flat) if flat is not None else (shape, *(axes or ()))

    @property
    def flat(self) -> str:
        """The row-major number."""
        if self._flat is not None:
            return self._flat
        assert self._axes is not None
        strides = contiguous_strides(self.shape)
        terms = [
            _times(axis, stride)
            for axis, stride, size in zip(self._axes, strides, self.shape, strict=True)
            if size > 1 and axis != "0u"
        ]
        return self._let(" + ".join(terms)) if terms else "0u"

    @property
    def axes(self) -> list[str]:
        """The number along each axis."""
        # Not kept: names that are made inside a block are unknown after it.
        return self._split() if self._axes is None else self._axes

    def _split(self) -> list[str]:
        assert self._flat is not None
        if prod(self.shape) <= 1:
            return ["0u"] * len(self.shape)
        axes, rest, size = [], self._flat, prod(self.shape)
        for length, stride in zip(self.shape, contiguous_strides(self.shape), strict=True):
            if length == 1:
                axes.append("0u")
            elif size == length:  # the last axis that matters
                axes.append(rest)
                size = 1
            else:
                size //= length
                axes.append(self._let(f"{rest} / {stride}u"))
                rest = self._let(f"{rest} % {stride}u")
        return axes

    def _let(self, text: str) -> str:
        return text if text.isidentifier() else self.writer.let(text)

    def like(self, shape: Shape) -> "Index":
        """The element that broadcasting `shape` to this one's shape reads."""
        if shape == self.shape:
            return self
        if prod(shape) == 1:
            return Index(self.writer, shape, "0u")
        if shape == self.shape[len(self.shape) - len(shape) :] and prod(shape) == prod(self.shape):
            return self.reshaped(shape)
        axes = self.axes[len(self.axes) - len(shape) :]
        return Index(
            self.writer,
            shape,
            axes=["0u" if n == 1 else a for n, a in zip(shape, axes, strict=True)],
        )

    def reshaped(self, shape: Shape) -> "Index":
        """The element of the same row-major number."""
        return Index(self.writer, shape, self.flat)

    def at(self, shape: Shape, axes: list[str]) -> "Index":
        """Other numbers in another shape."""
        return Index(self.writer, shape, axes=[self._let(a) if a != "0u" else a for a in axes])


def _times(text: str, factor: int) -> str:
    return text if factor == 1 else f"{text} * {factor}u"
