"""Which tiling a phase gets: as many rows as fit, and work enough for every invocation."""

from collections.abc import Iterator
from math import prod

from allumette_core.compiler.schedule import Contract, Loop, Nest, Place, Statement, Store
from allumette_core.shapes import Shape

from ..limits import Limits
from ..wgsl.types import TYPES
from .tile_forms import moves, renders, shared, touched
from .tiling import Blocks, Group, Record, Tiling, Work

ROWS = (32, 16, 8)  # of a tile, where there is room for them
MANY_TILES = 1 << 10  # that fill a device, however large they are
MOST_GROUPS = 512
LARGEST_RECORD = 1 << 15
LONGEST = 256  # elements that one invocation folds up for a tile
SIDES = (4, 2, 1)  # of the block of a product that an invocation computes
SOFTWARE_SIDES = (8, 4, 2, 1)  # a processor's loads cost more
SOFTWARE_WIDTH = 8  # its lanes: to switch between more invocations takes time
SOFTWARE_GROUPS = 16
SOFTWARE_TURNS = 50_000  # of the loops of an invocation: see `Shader.loop`


def tiling(loop: Loop, limits: Limits) -> Tiling | None:
    """How `loop` runs as one kernel, None if it is none of those that may."""
    bound = len(loop.phase.inputs) + len(loop.phase.outputs)
    if not renders(loop) or bound > 4 * limits.buffers:
        return None
    for rows in _sizes(loop, limits):
        found = _Planner(loop, rows, limits).tiling()
        if found is not None:
            return found
    return None


def _sizes(loop: Loop, limits: Limits) -> Iterator[int]:
    """The rows of a tile to try, the best first."""
    for rows in ROWS:
        many = loop.phase.rows // rows >= MANY_TILES or limits.software
        if rows == ROWS[0] and not many:
            continue  # few large tiles would leave most of a device idle
        yield rows


class _Planner:
    """A tiling with so many rows and invocations, while it is being made."""

    def __init__(self, loop: Loop, rows: int, limits: Limits) -> None:
        self.loop, self.rows, self.limits = loop, rows, limits
        self.width = min(limits.width, SOFTWARE_WIDTH) if limits.software else limits.width
        self.sides = SOFTWARE_SIDES if limits.software else SIDES

    def tiling(self) -> Tiling | None:
        loop, limits = self.loop, self.limits
        before, work = (
            tuple(w for s in loop.statements if moves(s) is moving for w in self._works(s))
            for moving in (False, True)
        )
        rooms, room_types = self._rooms()
        if 4 * sum(size for _, size in room_types) > limits.shared_bytes:
            return None
        records, lengths = self._records((*before, *work))
        whole = [v for v in loop.phase.program.outputs if loop.memory[v].place is Place.WHOLE]
        turns = sum(map(self._turns, work))
        tiles = -(-loop.phase.rows // self.rows)
        room = limits.binding // (4 * max([1, *lengths.values()]))
        groups = self._groups(min(tiles, room, limits.groups), turns)
        bound = len(loop.phase.inputs) + len(whole) + len(lengths)
        packed = shared(loop, bound - limits.buffers, limits.buffers)
        if (
            packed is None
            or sum(lengths.values()) > LARGEST_RECORD
            or groups is None
            or any(self._longest(w) > LONGEST for w in (*before, *work))
        ):
            return None
        return Tiling(
            loop, self.rows, self.width, groups, before, work,
            rooms, room_types, records, lengths, packed,
        )  # fmt: skip

    def _groups(self, most: int, turns: int) -> int | None:
        """The workgroups, `most` at most; None: invocations would have too many turns of loops."""
        if not self.limits.software:
            return min(most, MOST_GROUPS) or None
        tiles = -(-self.loop.phase.rows // self.rows)
        groups = max(min(most, SOFTWARE_GROUPS), -(-tiles * turns // SOFTWARE_TURNS))
        return groups if groups <= most else None

    # ---- what is computed together

    def size(self, nest: Nest, axis: int) -> int:
        """The points of a tile along an axis."""
        if axis or not nest.rows:
            return nest.shape[axis]
        return nest.shape[0] // self.loop.phase.rows * self.rows

    def _works(self, statement: Statement) -> list[Work]:
        if isinstance(statement, Contract):
            return [self._blocks(statement)]
        nest, every = statement, tuple(range(len(statement.shape)))
        plain = tuple(s for s in nest.stores if s.fold is None)
        found: dict[Shape, list[Store]] = {}
        for s in nest.stores:
            if s.fold is not None:
                kept = tuple(a for a in every if s.access.layout.strides[a])
                found.setdefault(kept, []).append(s)
        groups: list[Work] = []
        for kept, stores in found.items():
            parts = self._parts(nest, kept)
            busy = parts * prod(self.size(nest, a) for a in kept)
            if plain and 2 * busy >= min(self.width, prod(self.size(nest, a) for a in every)):
                # It has every point once: others need not be computed again to be stored.
                stores, plain = [*plain, *stores], ()
            groups.append(Group(nest, tuple(stores), kept, parts))
        return [*([Group(nest, plain, every, 1)] if plain else []), *groups]

    def _parts(self, nest: Nest, kept: Shape) -> int:
        """So many invocations share the rows of an element that is folded up over rows."""
        if not nest.rows or 0 in kept:
            return 1
        return self._share(self.size(nest, 0), prod(self.size(nest, a) for a in kept))

    def _share(self, rows: int, points: int) -> int:
        return max(1, min(rows, self.width // points))

    def _blocks(self, product: Contract) -> Blocks:
        m, n = (d.size * (self.rows if d.rows else 1) for d in (product.m, product.n))
        around = prod(d.size * (self.rows if d.rows else 1) for d in product.batch if d.out)
        sides = next(
            s for s in self.sides
            if s == 1 or 2 * around * -(-m // s) * -(-n // s) >= self.width
        )  # fmt: skip
        blocks = around * -(-m // sides) * -(-n // sides)
        rows = self.rows * product.k.size if product.accumulate and product.k.rows else 1
        return Blocks(product, (sides, sides), self._share(rows, blocks))

    # ---- how long it takes

    def _counts(self, work: Work) -> tuple[int, list[int]]:
        """The points of all invocations, and the turns of the loops of one of them."""
        if isinstance(work, Group):
            nest = work.nest
            points = work.parts * prod(self.size(nest, a) for a in work.kept)
            return points, [
                -(-self.size(nest, a) // (work.parts if a == 0 else 1)) for a in work.folded
            ]
        product = work.product
        size = {
            d: d.size * (self.rows if d.rows else 1)
            for d in (*product.batch, product.m, product.n, product.k)
        }
        points = work.parts * prod(size[d] for d in product.batch if d.out)
        points *= -(-size[product.m] // work.sides[0]) * -(-size[product.n] // work.sides[1])
        inner = [size[d] for d in product.batch if not d.out]
        return points, [*inner, -(-size[product.k] // work.parts)]

    def _turns(self, work: Work) -> int:
        points, loops = self._counts(work)
        turns = 1
        for size in reversed(loops):
            turns = 1 + size * turns
        return -(-points // self.width) * turns

    def _longest(self, work: Work) -> int:
        return prod(self._counts(work)[1]) if isinstance(work, Group) else 0

    # ---- where it is kept

    def _rooms(self) -> tuple[dict[int, int], tuple[tuple[str, int], ...]]:
        """A room for each value of a tile; those that are not needed together share one."""
        lives: dict[int, tuple[int, int]] = {}
        for place, statement in enumerate(self.loop.statements):
            for value in touched(self.loop, statement):
                lives[value] = lives.get(value, (place, place))[0], place
        rooms: dict[int, int] = {}
        types: list[tuple[str, int]] = []
        free: list[int] = []
        ends: list[tuple[int, int]] = []  # the last statement, and the room
        for value, (first, last) in sorted(lives.items(), key=lambda item: item[1]):
            memory = self.loop.memory[value]
            if memory.place is not Place.CHUNK:
                continue
            free += [room for end, room in ends if end < first]
            ends = [(end, room) for end, room in ends if end >= first]
            word, size = TYPES[memory.dtype.name].stored, memory.layout.size
            size = size // self.loop.phase.rows * self.rows if memory.moves else size
            fitting = [r for r in free if types[r][0] == word]
            if fitting and memory.moves:
                room = min(fitting, key=lambda r: abs(types[r][1] - size))
                free.remove(room)
                types[room] = word, max(size, types[room][1])
            else:
                room = len(types)
                types.append((word, size))
            rooms[value] = room
            if memory.moves:
                ends.append((last, room))
        return rooms, tuple(types)

    def _records(self, works: tuple[Work, ...]) -> tuple[dict[int, Record], dict[str, int]]:
        records: dict[int, Record] = {}
        lengths: dict[str, int] = {}

        def add(value: int, kind: str, parts: int) -> None:
            memory = self.loop.memory[value]
            if memory.place is not Place.FOLD:
                return
            word, count = TYPES[memory.dtype.name].stored, memory.layout.size
            records[value] = Record(kind, word, lengths.get(word, 0), parts, count)
            lengths[word] = records[value].offset + parts * count

        for work in works:
            if isinstance(work, Blocks):
                add(work.product.out, "sum", work.parts)
                continue
            for store in work.stores:
                add(store.access.value, store.fold or "", work.parts)
        return records, lengths
