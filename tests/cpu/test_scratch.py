"""Values of a chunk are written over others where nothing needs these any more, nowhere else."""

from collections.abc import Callable, Iterator
from typing import Any

import allumette_core as al
import numpy as np
import pytest
from allumette_core.compiler import rows
from allumette_core.compiler.expand import expand
from allumette_core.compiler.fusion import fuse
from allumette_core.compiler.lowering import renders
from allumette_core.compiler.program import Program
from allumette_core.compiler.schedule import Access, Leaf, Loop, Nest, Place
from allumette_core.compiler.simplify import simplify
from allumette_core.compiler.stream import stream
from allumette_cpu.render import scratch, sizes
from networks import network, step

from .rendering import Array, native, reference, traced

N, M = 300, 12
ROOM = 64
Function = Callable[..., Any]


def loops(program: Program) -> list[Loop]:
    phases = stream(expand(simplify(program)), renders)
    return [fuse(phase) for phase in phases if not phase.host]


class Placed:
    """Where the values of a chunk of 64 rows are, and when they are there."""

    def __init__(self, loop: Loop) -> None:
        self.loop = loop
        folds, _ = sizes._folds(loop)
        self.offsets, self.parts, self.size = scratch.place(loop, folds, ROOM)
        self.values = [v for v, m in loop.memory.items() if m.place is Place.CHUNK]
        self.touched = [sorted(self._touched(s)) for s in loop.statements]

    def _touched(self, statement: Any) -> set[int]:
        if not isinstance(statement, Nest):
            return {statement.lhs, statement.rhs, statement.out}
        return {*self.loop.loads(statement), *(s.access.value for s in statement.stores)}

    def lives(self, value: int) -> range:
        """The statements for which a value is kept."""
        if not self.loop.memory[value].moves:
            return range(len(self.touched))
        at = [n for n, values in enumerate(self.touched) if value in values]
        return range(at[0], at[-1] + 1)

    def span(self, value: int) -> tuple[int, int]:
        memory, start = self.loop.memory[value], self.offsets[value]
        elements = memory.layout.size
        if memory.moves:
            elements = elements // self.loop.phase.rows * ROOM
        return start, start + elements * memory.dtype.itemsize

    def shared(self) -> Iterator[tuple[int, int]]:
        """Pairs of values that are kept at once in the same memory, the one made first first."""
        for a in self.values:
            for b in self.values:
                (low, high), (start, end) = self.span(a), self.span(b)
                first, second = self.lives(a), self.lives(b)
                at_once = max(first[0], second[0]) <= min(first[-1], second[-1])
                in_order = (first[0], a) < (second[0], b)
                if in_order and at_once and low < end and start < high:
                    yield a, b


def check_sound(placed: Placed) -> list[tuple[int, int]]:
    """The pairs of values of which one is written over the other; fails where it may not be."""
    loop, pairs = placed.loop, list(placed.shared())
    for source, value in pairs:
        (number,) = set(placed.lives(source)) & set(placed.lives(value))
        nest = loop.statements[number]
        assert isinstance(nest, Nest)
        assert nest.rows
        (store,) = (s for s in nest.stores if s.access.value == value)
        assert store.fold is None
        layout = store.access.layout
        terms = map(loop.terms.__getitem__, loop.body(nest))
        reads = [t for t in terms if t.access is not None and t.access.value == source]
        assert {(t.op, t.access) for t in reads} == {(Leaf.LOAD, Access(source, layout))}
        assert placed.span(source) == placed.span(value)
        assert source not in [s.access.value for s in nest.stores]
    assert all(end <= placed.size for _, end in map(placed.span, placed.values))
    return pairs


def test_a_training_step_writes_over_what_ends() -> None:
    program, _ = traced(step, *network(1000))
    loop = next(x for x in loops(program) if x.phase.rows == 1000)
    placed = Placed(loop)
    pairs = dict(check_sound(placed))
    wide = [v for v in placed.values if loop.memory[v].layout.size == 50 * 1000]
    products = [s.out for s in loop.statements if not isinstance(s, Nest)]
    hidden = pairs[products[0]]  # the relu of a product is written over it ...
    assert pairs[hidden] in wide  # ... and its derivative over the relu
    assert (len(wide), len({placed.offsets[v] for v in wide})) == (5, 3)


def matrix(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).integers(-2, 3, shape).astype("float32")


GIVEN = {
    "x": matrix(N, 6), "w": matrix(6, M, seed=1), "v": matrix(M, 6, seed=2),
    "eye": np.eye(M, dtype="float32"), "columns": np.arange(M)[::-1].astype("int32"),
    "even": np.arange(0, N, 2).astype("int32"),
}  # fmt: skip


def product(function: Function) -> Function:
    """A function of z = x @ w, and what it gives multiplied by v: all of it is in a chunk."""
    return lambda given: [part @ given["v"] for part in function(given["x"] @ given["w"], given)]


def stored(z: Any) -> Any:
    """What costs enough to be kept where it is used twice."""
    return al.abs(z) * z % 5 + al.sign(z)


def backwards(z: Any, given: Any) -> Any:
    return [stored(z) + al.flip(z, axis=1), stored(al.flip(z, axis=1)) + z]


def forwards_again(z: Any, given: Any) -> Any:
    return [al.flip(z, axis=1) * 3 + stored(z)]


def neighbours(z: Any, given: Any) -> Any:
    moved = al.concat([z[:, 1:], z[:, :1]], axis=1)
    return [z * moved - al.abs(moved) + al.sign(z)]


def halves(z: Any, given: Any) -> Any:
    right = stored(z[:, M // 2 :]) @ given["eye"][: M // 2]
    return [stored(z[:, : M // 2]) @ given["eye"][: M // 2], right + 1]


def gathered(z: Any, given: Any) -> Any:
    return [al.take(z, given["columns"], axis=1) * z + al.abs(z) - al.sign(z)]


def several(z: Any, given: Any) -> Any:
    return [stored(z), al.abs(z) * 2 - al.sign(z) * z, al.sign(z) + z * z]


def summed(z: Any, given: Any) -> Any:
    return [stored(z), z * al.sum(z, axis=1, keepdims=True) + al.sign(z)]


def running(z: Any, given: Any) -> Any:
    return [stored(z), al.cumulative_sum(z, axis=1)]


def running_down(z: Any, given: Any) -> Any:
    return [stored(z), al.cummax(z, axis=1) - z]


def needed_later(z: Any, given: Any) -> Any:
    return [stored(z) + al.sum(stored(z), axis=1, keepdims=True) * z]


def windows(z: Any, given: Any) -> Any:
    sums = al.sum(al.sliding_windows(z, 3, axis=1), axis=-1)
    return [al.pad(sums, ((0, 0), (1, 1))) * z + al.sign(z)]


def added_where_told(z: Any, given: Any) -> Any:
    return [al.index_add(al.abs(z) + 1, given["even"], stored(z[::2]))]


def other_kinds(z: Any, given: Any) -> Any:
    whole = stored(z).astype(al.int32)
    small = (whole % 5 + al.take(whole, given["columns"], axis=1)).astype(al.int8)
    truth = al.take(small > 1, given["columns"], axis=1) | (small < 0)
    return [truth.astype(al.float32), small.astype(al.float32), whole.astype(al.float32)]


def chained(z: Any, given: Any) -> Any:
    for _ in range(4):
        z = (stored(z) % 3) @ given["eye"]
    return [z]


def of_parameters(z: Any, given: Any) -> Any:
    first = stored(given["w"])
    once = given["x"] @ first
    second = stored(first)
    return [once, given["x"] @ second, given["x"] @ stored(second)]


STEPS: list[Callable[[Any, Any, Any], Any]] = [
    lambda a, b, given: stored(a),
    lambda a, b, given: a + stored(b),
    lambda a, b, given: al.where(a < b, a, b),
    lambda a, b, given: al.maximum(a, al.flip(b, axis=1)),
    lambda a, b, given: a @ given["eye"],
    lambda a, b, given: a - al.take(b, given["columns"], axis=1),
    lambda a, b, given: al.cummax(a, axis=1),
    lambda a, b, given: a + al.max(b, axis=1, keepdims=True),
    lambda a, b, given: al.concat([a[:, 5:], stored(b)[:, :5]], axis=1),
    lambda a, b, given: stored(a.astype(al.float64)).astype(al.float32),
    lambda a, b, given: (stored(a.astype(al.int32)) + b.astype(al.int32)).astype(al.float32),
]


def drawn(seed: int) -> Function:
    """Random steps from values to values, some of which are wanted."""

    def function(z: Any, given: Any) -> Any:
        random = np.random.default_rng(seed)
        values = [z]
        for _ in range(random.integers(3, 15)):
            a, b = (values[-min(random.geometric(0.4), len(values))] for _ in range(2))
            values.append(STEPS[random.integers(len(STEPS))](a, b, given) % 7)
        return values[-random.integers(1, 4) :]

    return function


CASES = [
    backwards, forwards_again, neighbours, halves, gathered, several, summed, running, running_down,
    needed_later, windows, added_where_told, other_kinds, chained, of_parameters,
]  # fmt: skip


@pytest.fixture(params=[True, False], ids=["by column", "by row"], autouse=True)
def _chunks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "NARROW", 1 << 30 if request.param else -1)
    monkeypatch.setattr(sizes, "CHUNK_BYTES", 1 << 13)


@pytest.mark.parametrize("function", [*CASES, *map(drawn, range(12))])
def test_whole_numbers_come_out_exactly(function: Function) -> None:
    program, arrays = traced(product(function), GIVEN)
    for loop in loops(program):
        check_sound(Placed(loop))
    for wanted, got in zip(reference(program, arrays), native(program, arrays), strict=True):
        np.testing.assert_array_equal(got, wanted)


def test_random_steps_keep_what_they_need() -> None:
    placed = [
        Placed(x) for seed in range(100) for x in loops(traced(product(drawn(seed)), GIVEN)[0])
    ]
    assert sum(len(check_sound(one)) for one in placed) > 100
