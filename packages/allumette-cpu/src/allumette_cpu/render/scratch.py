"""Where the values of a chunk of rows lie in scratch memory.

Values share memory where they are not needed at the same time. One may even be written over
another in the nest that is the last to read that: point by point, where each is read. The line that
is written is then there already, and a chunk takes less of the cache.
"""

from typing import TYPE_CHECKING

from allumette_core.compiler.schedule import Loop, Nest, Place

from ..runtime.memory import plan_offsets

if TYPE_CHECKING:
    from .sizes import FoldSize

Lives = dict[int, tuple[int, int]]


def place(
    loop: Loop, folds: "dict[int, FoldSize]", room: int
) -> tuple[dict[int, int], dict[int, int], int]:
    """The offsets of the values of a chunk with room for `room` rows, those of partial sums, and
    how many bytes it is in all."""
    lives = _lives(loop)
    owners = _owners(loop, lives)
    sizes: dict[int, int] = {}
    spans: Lives = {}
    for value, owner in owners.items():
        memory = loop.memory[value]
        elements, (first, last) = memory.layout.size, lives[value]
        if memory.moves:
            elements = elements // loop.phase.rows * room
        else:
            first, last = 0, len(loop.statements)
        sizes[owner] = elements * memory.dtype.itemsize
        spans[owner] = min(first, spans.get(owner, (first, last))[0]), last
    parts = [v for v, fold in folds.items() if fold.dtype != loop.memory[v].dtype]
    for value in parts:
        sizes[value] = folds[value].count * loop.memory[value].dtype.itemsize
        spans[value] = lives[value]
    offsets, size = plan_offsets([*sizes.values()], [*spans.values()])
    found = dict(zip(sizes, offsets, strict=True))
    return {v: found[owner] for v, owner in owners.items()}, {v: found[v] for v in parts}, size


def _lives(loop: Loop) -> Lives:
    """The first and the last statement that each value is needed for."""
    lives: Lives = {}
    for number, statement in enumerate(loop.statements):
        if isinstance(statement, Nest):
            values = [*loop.loads(statement), *(s.access.value for s in statement.stores)]
        else:
            values = [statement.lhs, statement.rhs, statement.out]
        for value in values:
            first, _ = lives.get(value, (number, number))
            lives[value] = first, number
    return lives


def _owners(loop: Loop, lives: Lives) -> dict[int, int]:
    """Whose memory each value of a chunk is written to: in the order in which they are made."""
    made = (v for v, memory in loop.memory.items() if memory.place is Place.CHUNK)
    owners = {value: value for value in sorted(made, key=lives.__getitem__)}
    for number, nest in enumerate(loop.statements):
        if not isinstance(nest, Nest):
            continue
        ending = {v: x for v, x in loop.loads(nest).items() if lives[v][1] == number}
        for store in nest.stores:
            value, layout = store.access.value, store.access.layout
            begins = value in owners and lives[value][0] == number and store.fold is None
            fits = (v for v, x in ending.items() if x == layout and _fits(loop, owners, v, value))
            if begins and (source := next(fits, None)) is not None:
                owners[value] = owners[source]
                del ending[source]
    return owners


def _fits(loop: Loop, owners: dict[int, int], source: int, value: int) -> bool:
    """Whether `value` takes just the memory that `source` has."""
    a, b = loop.memory[source], loop.memory[value]
    same = (a.layout, a.dtype.itemsize, a.moves) == (b.layout, b.dtype.itemsize, b.moves)
    return source in owners and same and a.moves
