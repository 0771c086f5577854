"""Trees of tensors: dict, list, tuple, namedtuple, dataclass and registered classes (optree)."""

import builtins
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Any, TypeAlias, TypeVar

import optree

from .errors import ArgumentError

Tree: TypeAlias = Any
TreeDef: TypeAlias = optree.PyTreeSpec
T = TypeVar("T", bound=type)

_NAMESPACE = "allumette"
_DATACLASSES: dict[type, list[str]] = {}  # registered, with the fields that are structure
_LEAF_TYPES: set[type] = set()  # types met as leaves that are no dataclasses


def flatten(tree: Tree) -> tuple[list[Any], TreeDef]:
    """The leaves of `tree` and its structure; None is a leaf-less tree.

    Dataclasses are trees of their fields: their type is registered when it is first met.

    >>> leaves, structure = flatten({"b": [1, 2], "a": None})
    >>> leaves, unflatten(structure, [3, 4])
    ([1, 2], {'b': [3, 4], 'a': None})
    """
    while True:
        leaves, structure = optree.tree_flatten(tree, namespace=_NAMESPACE)
        unknown = {*builtins.map(type, leaves)} - _LEAF_TYPES
        if not unknown:
            return leaves, structure
        for cls in unknown:
            if is_dataclass(cls):
                register_dataclass(cls)
            else:
                _LEAF_TYPES.add(cls)


def unflatten(structure: TreeDef, leaves: list[Any]) -> Tree:
    """The tree of `structure` with `leaves`; the inverse of `flatten`."""
    return optree.tree_unflatten(structure, leaves)


def leaves(tree: Tree) -> list[Any]:
    """The leaves of `tree`, left to right.

    >>> leaves(({"x": 1}, [2, (3,)]))
    [1, 2, 3]
    """
    return flatten(tree)[0]


def children(tree: Tree) -> dict[Any, Tree]:
    """What lies one step below the root, in order, by key, index or name of a field.

    >>> children({"b": [1, 2], "a": 3})
    {'a': 3, 'b': [1, 2]}
    """
    found, _, keys, _ = optree.tree_flatten_one_level(tree, namespace=_NAMESPACE)
    return dict(zip(keys, found, strict=True))


def static_fields(cls: type) -> list[str] | None:
    """The fields of a registered dataclass that are structure; None for any other type."""
    return _DATACLASSES.get(cls)


def map(function: Callable[..., Any], tree: Tree, *others: Tree) -> Tree:
    """The tree of `function(leaf, *other_leaves)`.

    Raises:
        ArgumentError: the trees differ in structure.

    >>> map(lambda a, b: a + b, {"x": 1}, {"x": 10})
    {'x': 11}
    """
    first, structure = flatten(tree)
    columns = [first]
    for other in others:
        more, other_structure = flatten(other)
        if other_structure != structure:
            raise ArgumentError(f"tree.map: structures differ: {structure} and {other_structure}")
        columns.append(more)
    return unflatten(structure, [function(*row) for row in zip(*columns, strict=True)])


def names(tree: Tree) -> list[str]:
    """A dotted name for each leaf.

    >>> names({"layers": [1, 2]})
    ['layers.0', 'layers.1']
    """
    flatten(tree)  # registers the dataclasses in it
    accessors = optree.tree_accessors(tree, namespace=_NAMESPACE)
    return [".".join(str(getattr(part, "field", part.entry)) for part in a) for a in accessors]


def register(
    cls: T,
    flatten_function: Callable[[Any], tuple[Any, Any]],
    unflatten_function: Callable[[Any, Any], Any],
) -> T:
    """Make instances of `cls` trees: `flatten_function` gives (children, static metadata)."""
    optree.register_pytree_node(
        cls,
        flatten_function,
        unflatten_function,
        namespace=_NAMESPACE,
    )
    return cls


def register_dataclass(cls: T) -> T:
    """Make a dataclass a tree of its fields; those with `metadata={"static": True}` are structure.

    >>> from dataclasses import dataclass
    >>> @register_dataclass
    ... @dataclass
    ... class Point:
    ...     x: int
    ...     y: int
    >>> map(lambda v: v * 2, Point(1, 2))
    Point(x=2, y=4)
    """
    moving = [f.name for f in fields(cls) if not f.metadata.get("static")]
    static = [f.name for f in fields(cls) if f.metadata.get("static")]

    def split(instance: Any) -> tuple[Any, Any, Any]:
        kept = tuple(getattr(instance, name) for name in static)
        return [getattr(instance, name) for name in moving], kept, moving

    def join(kept: Any, children: Any) -> Any:
        instance: Any = object.__new__(
            cls
        )  # the fields may hold placeholders that __init__ refuses
        for name, value in zip([*moving, *static], [*children, *kept], strict=True):
            object.__setattr__(instance, name, value)
        return instance

    optree.register_pytree_node(cls, split, join, namespace=_NAMESPACE)
    _DATACLASSES[cls] = static
    return cls
