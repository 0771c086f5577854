"""Streaming: what runs in one loop over rows, and where a program is cut."""

from collections.abc import Callable
from typing import Any

import allumette_core as al
import numpy as np
import pytest
from allumette_core.compiler.expand import expand
from allumette_core.compiler.fusion import fuse
from allumette_core.compiler.lowering import renders
from allumette_core.compiler.program import Program, build
from allumette_core.compiler.rows import Phase
from allumette_core.compiler.schedule import Contract
from allumette_core.compiler.simplify import simplify
from allumette_core.compiler.stream import stream
from allumette_core.expr import placeholder

F32 = np.dtype("float32")
ROWS = 5003  # no other axis has as many


def phases(function: Callable[..., Any], *shapes: tuple[int, ...]) -> list[Phase]:
    inputs = [placeholder(shape, F32, None) for shape in shapes]
    made = al.tree.leaves(function(*map(al.Tensor, inputs)))
    program = expand(simplify(build(inputs, [t._node for t in made])[0]))
    found = stream(program, renders)
    sound(program, found)
    return found


def sound(program: Program, found: list[Phase]) -> None:
    """Fail unless each phase reads only what is there, and every output is made, once."""
    known, level = set(range(program.num_inputs)), 0
    ready: set[int] = set()
    for phase in found:
        if phase.level > level:
            known, level = known | ready, phase.level
        assert set(phase.inputs) <= known
        assert not set(phase.outputs) & (known | ready)
        ready |= set(phase.outputs)
    assert set(program.outputs) <= known | ready


def names(phase: Phase) -> list[str]:
    return [i.primitive.name for i in phase.program.instructions]


def test_a_chain_is_one_loop_over_its_elements() -> None:
    (phase,) = phases(lambda x: al.exp(x) * 2.0 + al.tanh(x), (ROWS, 3))
    assert phase.rows == ROWS * 3


def test_a_training_step_is_one_loop_over_the_batch_and_one_over_the_parameters() -> None:
    def step(w: Any, v: Any, x: Any, y: Any) -> Any:
        def loss(w: Any, v: Any) -> Any:
            return al.mean((al.relu(x @ w) @ v - y) ** 2)

        gradients = al.grad(loss, argnums=(0, 1))(w, v)
        return [p - 0.1 * g for p, g in zip((w, v), gradients, strict=True)]

    first, *rest = phases(step, (7, 20), (20, 9), (ROWS, 7), (ROWS, 9))
    assert first.rows == ROWS
    assert names(first).count("dot_general") >= 3
    assert all(first.folds(v) for v in first.program.outputs)  # sums alone leave the loop
    assert all(phase.rows != ROWS for phase in rest)
    assert "dot_general" not in [name for phase in rest for name in names(phase)]


def test_a_batch_norm_cuts_where_it_needs_a_finished_mean() -> None:
    def norm(x: Any) -> Any:
        centred = al.exp(x) - al.mean(al.exp(x), axis=0)
        return centred / al.sqrt(al.mean(centred * centred, axis=0) + 1e-5)

    found = [phase for phase in phases(norm, (ROWS, 8)) if phase.rows == ROWS]
    assert [phase.level for phase in found] == sorted({phase.level for phase in found})
    assert len(found) == 3  # the mean; the variance; the result
    assert any(found[0].folds(v) for v in found[0].program.outputs)
    assert not found[-1].folds(found[-1].program.outputs[0])


def test_a_norm_over_each_row_cuts_nothing() -> None:
    (phase,) = phases(lambda x: al.softmax(x, axis=1), (ROWS, 8))
    assert phase.rows == ROWS


def test_a_scan_over_the_rows_streams_along_the_other_axis() -> None:
    found = phases(lambda x: al.cumulative_sum(al.exp(x), axis=0), (ROWS, 40))
    assert all(phase.rows != ROWS or "cumsum" not in names(phase) for phase in found)


def test_what_no_renderer_knows_is_a_phase_of_its_own() -> None:
    found = phases(lambda x: al.exp(al.sort(al.tanh(x), axis=0)), (ROWS, 3))
    assert [phase.host for phase in found] == [False, True, False]
    assert names(found[1]) == ["sort"]


def test_what_is_small_beside_the_batch_runs_whole() -> None:
    found = phases(lambda x, b: [al.sum(al.exp(x), axis=0), al.exp(b) / 3], (ROWS, 4), (1, 7))
    assert sorted(phase.rows for phase in found) == [1, ROWS]


def test_constants_are_made_where_they_are_used() -> None:
    mask = phases(lambda x: al.where(al.arange(8) < 4, al.exp(x), 0.0), (ROWS, 8))
    assert len(mask) == 1
    assert "iota" in names(mask[0])


@pytest.mark.parametrize("rows", [0, 1, 2])
def test_any_number_of_rows(rows: int) -> None:
    phases(lambda x, w: al.sum(al.tanh(x @ w), axis=0), (rows, 8), (8, 9))


def test_of_two_axes_that_would_do_the_longer_one_is_taken() -> None:
    first, *_ = phases(lambda x, w: al.mean(al.relu(x @ w)), (ROWS, 30), (30, 64))
    assert first.rows == ROWS
    first, *_ = phases(lambda x, w: al.mean(al.relu(x @ w)), (64, 30), (30, ROWS))
    assert first.rows == ROWS


def test_of_equal_classes_the_one_with_the_least_beside_its_rows_is_taken() -> None:
    def moving(phase: Phase) -> tuple[int, ...]:
        position = names(phase).index("dot_general")
        flow = phase.flows[position]
        assert flow is not None
        return tuple(axis is not None for axis in (flow.out, *flow.ins))

    (phase, *_) = phases(lambda x, w: x @ w, (300, 300), (300, 300))
    assert moving(phase)[0]  # rows of the result, not the terms of all its sums
    (phase, *_) = phases(al.conv, (40, 16, 20, 20), (40, 16, 3, 3))
    assert moving(phase) == (True, False, True)  # of the images, not of the filters
    (phase, *_) = phases(al.conv, (8, 64, 56, 56), (64, 64, 3, 3))
    assert phase.rows == 8  # images, which are read once: lines of them share others
    (phase, *_) = phases(al.conv, (1, 8, 56, 56), (16, 8, 3, 3))
    (product,) = fuse(phase).statements
    assert phase.rows == 54
    assert isinstance(product, Contract)
    assert [d.rows for d in product.columns] == [True]  # one product of all lines of a chunk


@pytest.mark.parametrize(
    "function",
    [
        lambda x, b: x + b,
        lambda x, b: al.sum(x, axis=0) + b,
        lambda x, b: x - al.mean(x, axis=0) + b,
        lambda x, b: al.max(x.T * 2.0, axis=1) + b,
    ],
)
def test_a_large_array_is_not_read_in_narrow_stripes(function: Callable[..., Any]) -> None:
    for phase in phases(function, (ROWS, 100), (100,)):
        large = any(ROWS in aval.shape for aval in phase.program.avals)
        assert phase.rows == (ROWS if large else 1)
    (first, *_) = phases(lambda x: al.sum(x, axis=0), (40, 1_000_000))  # broad ones are no harm
    assert first.rows == 1_000_000


def test_windows_are_by_column_only_where_there_is_more_to_do_than_products() -> None:
    shapes = (128, 6, 12, 12), (16, 6, 5, 5)
    (phase,) = phases(al.conv, *shapes)
    assert not phase.by_column
    assert [type(s) for s in fuse(phase).statements] == [Contract]  # nothing is copied
    assert phases(lambda x, w: al.max_pool(al.conv(x, w), 2), *shapes)[0].by_column
    gradient = phases(lambda x, w: al.grad(lambda w: al.conv(x, w).sum())(w), *shapes)
    assert gradient[0].by_column


def copies(often: int | None, function: Callable[..., Any], *shapes: tuple[int, ...]) -> int:
    """The values that a phase has only as others in another order."""
    phase = phases(function, *shapes)[0]
    assert phase.by_column
    return sum(value >= len(phase.program.avals) for value in fuse(phase, often).memory)


def test_a_column_that_is_read_often_is_copied_once() -> None:
    def step(w: Any, v: Any, x: Any, y: Any) -> Any:
        return al.grad(lambda w: al.mean((al.relu(x @ w) @ v - y) ** 2))(w)

    def shapes(hidden: int) -> list[tuple[int, ...]]:
        return [(2, hidden), (hidden, 5), (ROWS, 2), (ROWS, 5)]

    assert copies(8, step, *shapes(50)) == 2  # of two columns, forward and backward
    assert copies(8, step, *shapes(7)) == 0
    assert copies(None, step, *shapes(50)) == 0


def test_what_all_rows_share_is_not_copied_for_each() -> None:
    def scaled(x: Any, by: Any) -> Any:
        return al.max(al.abs(x * al.broadcast_to(by, (ROWS, 1))), axis=1)

    assert copies(8, scaled, (ROWS, 12), (1,)) == 0
