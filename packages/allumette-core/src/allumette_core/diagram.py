"""The expression graph as a picture: Mermaid and DOT text."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from . import tree
from .errors import ArgumentError
from .expr import Node, ancestors
from .tensor import Tensor

_MAX_NODES = 2000


@dataclass(frozen=True, slots=True)
class Diagram:
    """Nodes and arrows, inputs above users; `str` of it is Mermaid, and a notebook draws it."""

    nodes: tuple[tuple[str, str, bool], ...]  # name, label, whether it holds a value already
    arrows: tuple[tuple[str, str], ...]

    @property
    def mermaid(self) -> str:
        """Mermaid flowchart text."""
        shapes = [
            f'  {n}[("{text}")]' if held else f'  {n}["{text}"]' for n, text, held in self.nodes
        ]
        return "\n".join(["flowchart TD", *shapes, *(f"  {a} --> {b}" for a, b in self.arrows)])

    @property
    def dot(self) -> str:
        """Graphviz DOT text."""
        shapes = [
            f'  {n} [label="{text}"{", shape=cylinder" if held else ""}];'
            for n, text, held in self.nodes
        ]
        arrows = [f"  {a} -> {b};" for a, b in self.arrows]
        return "\n".join(["digraph {", "  node [shape=box];", *shapes, *arrows, "}"])

    def __str__(self) -> str:
        return self.mermaid

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return {
            "text/plain": self.mermaid,
            "text/markdown": f"```mermaid\n{self.mermaid}\n```",
            "text/vnd.mermaid": self.mermaid,
        }


def graph(*tensors: Any) -> Diagram:
    """The expressions that `tensors` (tensors or trees of them) stand for.

    What has been computed is a leaf: its expression is kept only where a derivative may need it.

    Raises:
        ArgumentError: there are more than 2000 nodes.

    >>> import allumette_core as al
    >>> x = al.tensor([1.0, 2.0], device="numpy")
    >>> print(al.graph(al.exp(x)))
    flowchart TD
      n0[("data<br>float32[2]")]
      n1["exp<br>float32[2]"]
      n0 --> n1
    """
    roots = [t._node for t in tree.leaves(tensors) if isinstance(t, Tensor)]
    found = ancestors(roots, lambda node: True)
    if len(found) > _MAX_NODES:
        raise ArgumentError(f"graph: {len(found)} nodes are too many to draw (limit {_MAX_NODES})")
    names = {node.serial: f"n{i}" for i, node in enumerate(found)}
    return Diagram(
        tuple((names[n.serial], _label(n), n.buffer is not None) for n in found),
        tuple((names[s.serial], names[n.serial]) for n in found for s in n.inputs),
    )


def _label(node: Node) -> str:
    name = node.primitive.name if node.primitive else "data"
    shown = ", ".join(
        f"{key}={value}"
        for key, value in zip(
            node.primitive.params if node.primitive else (), node.params, strict=True
        )
        if not isinstance(value, str) and key not in ("shape", "dtype")
    )
    described = f"{node.dtype.name}{_brackets(node.shape)}"
    return "<br>".join(part for part in (name, shown, described) if part)


def _brackets(shape: Sequence[int]) -> str:
    return f"[{', '.join(map(str, shape))}]"
