"""`einsum`: sums of products named by letters, as a sequence of pairwise contractions."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import expr
from .. import primitives as P
from ..convert import promoted
from ..errors import ArgumentError, ShapeError
from ..expr import Node
from ..tensor import ArrayLike, Tensor
from ._moves import permute_node, reshape_node, slice_node
from .linalg import dot_node

__all__ = ["einsum"]


@dataclass(frozen=True, slots=True)
class Term:
    """A node and the label of each of its axes. An ellipsis gives labels '.-1', '.-2', ..."""

    node: Node
    labels: tuple[str, ...]


def einsum(subscripts: str, /, *operands: ArrayLike) -> Tensor:
    """The sum of products that `subscripts` describes: a letter an axis, operands between commas.

    Letters that the result, after `->`, does not have are summed over. Without `->` it has the
    letters that occur once, in alphabetical order. A letter twice in one operand takes its
    diagonal. `...` stands for axes that broadcast. Three operands or more are contracted two at a
    time, in an order that keeps the number of operations low.

    Raises:
        ArgumentError: malformed subscripts, or another number of operands.
        ShapeError: a rank does not fit its letters, or sizes of one letter differ.

    >>> import allumette_core as al
    >>> al.einsum("ij,jk->ik", [[1, 2], [3, 4]], [[1, 0], [1, 1]]).tolist()
    [[3, 2], [7, 4]]
    >>> al.einsum("ii", [[1, 2], [3, 4]]).tolist()
    5
    """
    inputs, output = _split(subscripts)
    if len(inputs) != len(operands):
        raise ArgumentError(
            f"einsum: '{subscripts}' has {len(inputs)} operands, but {len(operands)} were given"
        )
    nodes = promoted(*operands)
    terms = [
        Term(node, _labels(text, node, subscripts))
        for node, text in zip(nodes, inputs, strict=True)
    ]
    wanted = _output_labels(inputs, output, terms, subscripts)
    terms = _squeezed(terms, _sizes(terms, subscripts))
    for step in _path(terms, wanted):
        chosen = [terms[i] for i in step]
        terms = [term for i, term in enumerate(terms) if i not in step]
        terms.append(_contracted(chosen, [term.labels for term in terms], wanted))
    out = _summed(terms[0], set(wanted))
    return Tensor(permute_node(out.node, tuple(out.labels.index(label) for label in wanted)))


# ---- reading the subscripts ----------------------------------------------------------------------


def _split(subscripts: str) -> tuple[list[str], str | None]:
    text = subscripts.replace(" ", "")
    left, arrow, right = text.partition("->")
    inputs = left.split(",")
    for part in [*inputs, right]:
        letters = part.replace("...", "", 1)
        if letters and not (letters.isascii() and letters.isalpha()):
            raise ArgumentError(
                f"einsum: '{subscripts}': an operand is letters and at most one '...', got '{part}'"
            )
    return inputs, right if arrow else None


def _labels(text: str, node: Node, subscripts: str) -> tuple[str, ...]:
    letters = text.replace("...", "")
    hidden = len(node.shape) - len(letters)
    if hidden < 0 or (hidden and "..." not in text):
        raise ShapeError(
            f"einsum: '{text}' in '{subscripts}' has {len(letters)} letters, but its operand has "
            f"shape {node.shape}"
        )
    before, _, after = text.partition("...")
    return (*before, *_ellipsis(hidden), *after)


def _ellipsis(count: int) -> list[str]:
    return [f".{i}" for i in range(-count, 0)]


def _output_labels(
    inputs: list[str], output: str | None, terms: list[Term], subscripts: str
) -> tuple[str, ...]:
    hidden = {label for term in terms for label in term.labels if label.startswith(".")}
    letters = "".join(inputs).replace(".", "")
    if output is None:
        once = sorted(letter for letter in set(letters) if letters.count(letter) == 1)
        return (*_ellipsis(len(hidden)), *once)
    before, dots, after = output.partition("...")
    named = before + after
    unknown = [letter for letter in named if letter not in letters or named.count(letter) > 1]
    if unknown:
        raise ArgumentError(
            f"einsum: '{unknown[0]}' in the result of '{subscripts}' must occur there once, and in "
            "an operand"
        )
    return (*before, *(_ellipsis(len(hidden)) if dots else ()), *after)


def _sizes(terms: list[Term], subscripts: str) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for term in terms:
        for label, size in zip(term.labels, term.node.shape, strict=True):
            known = sizes.setdefault(label, size)
            if known != size and (not label.startswith(".") or 1 not in (known, size)):
                shapes = ", ".join(str(t.node.shape) for t in terms)
                what = "the ellipsis" if label.startswith(".") else f"'{label}'"
                raise ShapeError(
                    f"einsum: '{subscripts}' of shapes {shapes}: {what} has sizes {known} and "
                    f"{size}"
                )
            if known == 1:
                sizes[label] = size
    return sizes


def _path(terms: list[Term], wanted: tuple[str, ...]) -> Sequence[tuple[int, ...]]:
    """Which terms to contract at each step; what that makes is put last."""
    if len(terms) <= 2:
        return [tuple(range(len(terms)))]
    numbers: dict[str, int] = {}
    arguments: list[Any] = []
    for term in terms:
        arguments.append(np.broadcast_to(np.int8(0), term.node.shape))
        arguments.append([numbers.setdefault(label, len(numbers)) for label in term.labels])
    if len(numbers) > 52:  # more than NumPy has letters for
        return [(0, 1)] + [(0, len(terms) - 1 - i) for i in range(1, len(terms) - 1)]
    arguments.append([numbers[label] for label in wanted])
    path: Sequence[tuple[int, ...]] = np.einsum_path(*arguments, optimize="greedy")[0][1:]
    return path


# ---- contracting ---------------------------------------------------------------------------------


def _squeezed(terms: list[Term], sizes: dict[str, int]) -> list[Term]:
    """Terms with each label once, and without axes of size 1 that others broadcast."""
    return [_without_broadcast(_diagonal(term), sizes) for term in terms]


def _diagonal(term: Term) -> Term:
    node, labels = term.node, term.labels
    for label in dict.fromkeys(labels):
        while labels.count(label) > 1:
            i = labels.index(label)
            j = labels.index(label, i + 1)
            node = _diagonal_node(node, i, j)
            labels = (*(x for k, x in enumerate(labels) if k not in (i, j)), label)
    return Term(node, labels)


def _diagonal_node(node: Node, i: int, j: int) -> Node:
    """The diagonal of axes `i` and `j`, as the last axis."""
    rest = [axis for axis in range(len(node.shape)) if axis not in (i, j)]
    n = node.shape[i]
    lead = tuple(node.shape[axis] for axis in rest)
    flat = reshape_node(permute_node(node, (*rest, i, j)), (*lead, n * n))
    zeros, ones = (0,) * len(lead), (1,) * len(lead)
    return slice_node(flat, (*zeros, 0), (*lead, n * n), (*ones, n + 1))


def _without_broadcast(term: Term, sizes: dict[str, int]) -> Term:
    kept = [
        (label, size)
        for label, size in zip(term.labels, term.node.shape, strict=True)
        if size == sizes[label]
    ]
    shape = tuple(size for _, size in kept)
    return Term(reshape_node(term.node, shape), tuple(label for label, _ in kept))


def _summed(term: Term, keep: set[str]) -> Term:
    """`term` summed over the labels that are not in `keep`."""
    axes = tuple(i for i, label in enumerate(term.labels) if label not in keep)
    if not axes:
        return term
    labels = tuple(label for label in term.labels if label in keep)
    return Term(expr.apply(P.sum_, term.node, params=(axes,)), labels)


def _contracted(
    chosen: list[Term], others: Sequence[tuple[str, ...]], wanted: tuple[str, ...]
) -> Term:
    """The product of `chosen`, keeping the labels that `others` or the result need."""
    needed = set(wanted).union(*others)
    out = chosen[0]
    for i, term in enumerate(chosen[1:], 1):
        keep = needed.union(*(t.labels for t in chosen[i + 1 :]))
        a = _summed(out, keep | set(term.labels))
        b = _summed(term, keep | set(out.labels))
        out = _pair(a, b, keep)
    return out


def _pair(a: Term, b: Term, keep: set[str]) -> Term:
    common = [label for label in a.labels if label in b.labels]
    batch = [label for label in common if label in keep]
    summed = [label for label in common if label not in keep]
    labels = (
        *batch,
        *(label for label in a.labels if label not in common),
        *(label for label in b.labels if label not in common),
    )
    if not summed:
        return Term(expr.apply(P.mul, _aligned(a, labels), _aligned(b, labels)), labels)
    places = [
        (tuple(a.labels.index(x) for x in which), tuple(b.labels.index(x) for x in which))
        for which in (summed, batch)
    ]
    return Term(dot_node(a.node, b.node, places[0], places[1]), labels)


def _aligned(term: Term, labels: tuple[str, ...]) -> Node:
    """The node of `term` with its axes in the order of `labels`, and size 1 where it has none."""
    order = [label for label in labels if label in term.labels]
    node = permute_node(term.node, tuple(term.labels.index(label) for label in order))
    sizes = dict(zip(order, node.shape, strict=True))
    return reshape_node(node, tuple(sizes.get(label, 1) for label in labels))
