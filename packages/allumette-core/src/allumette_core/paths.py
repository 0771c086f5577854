"""Ways to values outside of a function, and code that reads what is there.

A call of a jitted function looks at all of them, and a step at a time through `getattr` and the
like that takes as long as a small kernel runs. So the code that reads them is written out.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from keyword import iskeyword
from typing import Any, TypeAlias

Step: TypeAlias = tuple[str, Any]
"""Code that gets the next object from the last, `{0}`; `{1}` in it stands for the other value."""

_BROKEN = (AttributeError, KeyError, IndexError, TypeError, ValueError)
_CODE = """
def read():
    found = []
    try:
        {lines}
    except broken:
        return None
    return found
"""


@dataclass(frozen=True, slots=True)
class Path:
    """A root object and the steps from it."""

    root: Any
    steps: tuple[Step, ...] = ()

    def then(self, *steps: Step) -> "Path":
        """This path and more steps."""
        return Path(self.root, self.steps + steps)

    def code(self, known: dict[str, Any]) -> list[str]:
        """Lines after which `now` is what is there; `known` gets what other names stand for."""
        lines = [f"now = {_know(known, self.root)}"]
        for step, key in self.steps:
            lines.append(f"now = {step.format('now', _know(known, key) if '{1}' in step else '')}")
        return lines


def attribute(name: str) -> Step:
    """To an attribute."""
    if name.isascii() and name.isidentifier() and not iskeyword(name):
        return f"{{0}}.{name}", None
    return "getattr({0}, {1})", name  # setattr allows any name


def item(key: Any) -> Step:
    """To an item of a sequence or a dictionary."""
    return "{0}[{1}]", key


OF_CLASS: Step = "vars(type({0}))", None


def same(a: Any, b: Any) -> bool:
    """Whether two plain values are the same, in type and (for floats) in sign and as NaN."""
    if type(a) is not type(b):
        return False
    if isinstance(a, float):
        return repr(a) == repr(b)
    return bool(a == b)


def reader(
    watched: Sequence[Path], guards: Sequence[tuple[Path, Any]]
) -> Callable[[], list[Any] | None]:
    """A function that gives what is there on the paths `watched`; None if a path is broken, or if
    what is on a path of `guards` is not the plain value that goes with it."""
    known: dict[str, Any] = {"same": same, "broken": _BROKEN}
    lines = ["pass"]
    for path, plain in guards:
        value = _know(known, plain)
        lines += path.code(known)
        lines.append(f"if not (now is {value} or same(now, {value})): return None")
    for path in watched:
        lines += [*path.code(known), "found.append(now)"]
    exec(_CODE.format(lines="\n        ".join(lines)), known)
    read: Callable[[], list[Any] | None] = known["read"]
    return read


def _know(known: dict[str, Any], value: Any) -> str:
    name = f"known{len(known)}"
    known[name] = value
    return name
