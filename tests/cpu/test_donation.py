"""Donated inputs are overwritten where nothing needs them any more, and nowhere else."""

import copy
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import allumette_core as al
import numpy as np
import pytest
from allumette_core import evaluation
from allumette_core.compiler import rows
from allumette_core.compiler.program import Program
from allumette_core.expr import Node
from allumette_cpu.render import plan
from allumette_cpu.runtime.bind import bind
from allumette_cpu.runtime.memory import Allocator, Frames
from allumette_train import MLP, Adam
from allumette_train.scoring import Totals
from allumette_train.training import make_step
from hypothesis import given, settings

from .rendering import Array, make, program_of
from .test_render_random import programs


def run(program: Program, arrays: Sequence[Array], threads: int) -> tuple[list[Array], list[Array]]:
    """The outputs of compiled code, and the inputs as it leaves them."""
    memory, inputs = Allocator(), [np.array(a) for a in arrays]
    bound = bind(program, plan(program), threads, memory, Frames(memory))
    return bound(inputs), inputs


def same(program: Program, arrays: Sequence[Array]) -> tuple[tuple[int, int], ...]:
    """What is done in place when everything is donated; fails if that changes a bit."""
    everything = replace(program, donated=frozenset(range(program.num_inputs)))
    wanted, _ = run(program, arrays, 1)
    pairs = plan(everything).aliases
    for threads in (1, 3):
        got, left = run(everything, arrays, threads)
        for a, b in zip(wanted, got, strict=True):
            np.testing.assert_array_equal(a, b)
        for number, source in pairs:
            assert got[number] is left[source]
        for source in set(range(program.num_inputs)) - {source for _, source in pairs}:
            np.testing.assert_array_equal(left[source], arrays[source])
    return pairs


@pytest.mark.parametrize("narrow", [True, False], ids=["by column", "by row"])
@settings(max_examples=100, deadline=None, derandomize=True)
@given(program=programs())
def test_random_programs_compute_the_same_in_place(narrow: bool, program: Program) -> None:
    random = np.random.default_rng(0)
    shapes = [aval.shape for aval in program.avals[: program.num_inputs]]
    arrays = [random.integers(-8, 9, shape).astype("float32") / 4 for shape in shapes]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows, "MANY_ROWS", 1)
        patch.setattr(rows, "NARROW", 1 << 30 if narrow else -1)
        same(program, arrays)


N, M = 40_000, 6  # many blocks


def flipped(x: Node, y: Node) -> Node:
    return make.add(make.flip(x, (0,)), y)


def shifted(x: Node, y: Node) -> Node:
    return make.concat(
        make.slice(x, (1, 0), (N, M), (1, 1)), make.slice(y, (0, 0), (1, M), (1, 1)), 0
    )


def centred(x: Node, y: Node) -> Node:
    return make.sub(x, make.broadcast(make.sum(x, (0,)), (N, M)))


def running(x: Node, y: Node) -> Node:
    return make.cumsum(x, 0)


def padded(x: Node, y: Node) -> Node:
    return make.pad(
        make.slice(x, (0, 0), (N - 1, M), (1, 1)), make.const(2.0), (1, 0), (0, 0), (0, 0)
    )


CASES: list[tuple[Callable[[Node, Node], Any], int]] = [
    (lambda x, y: make.add(x, y), 1),
    (lambda x, y: [make.add(x, y), make.sub(x, y)], 2),
    (lambda x, y: [make.alias(y, "copy"), make.alias(x, "copy")], 2),  # they change places
    (lambda x, y: make.tanh(x), 1),
    (flipped, 1),  # over y: x is read from the other end
    (lambda x, y: make.flip(x, (0,)), 1),  # over y, which nothing reads
    (lambda x, y: [make.flip(x, (0,)), make.flip(y, (1,))], 1),
    (centred, 1),
    (lambda x, y: [make.sum(x, (0,)), make.neg(x)], 1),
    (lambda x, y: [make.cumsum(x, 0), make.flip(y, (0,))], 1),
]  # fmt: skip


@pytest.mark.parametrize("case", range(len(CASES)))
def test_cases(case: int) -> None:
    function, count = CASES[case]
    random = np.random.default_rng(1)
    arrays = [random.integers(-8, 9, (N, M)).astype("float32") for _ in range(2)]
    assert len(same(program_of(function, arrays), arrays)) == count


@pytest.mark.parametrize("function", [shifted, padded, running, flipped])
def test_what_reads_other_rows_keeps_them(function: Callable[[Node, Node], Any]) -> None:
    random = np.random.default_rng(2)
    arrays = [random.integers(-8, 9, (N, M)).astype("float32") for _ in range(2)]
    assert 0 not in [source for _, source in same(program_of(function, arrays), arrays)]


def test_other_shapes_and_dtypes_are_never_taken() -> None:
    arrays = [np.ones((4, 3), "float32"), np.ones((3, 4), "float32"), np.ones((4, 3), "int32")]
    program = program_of(lambda a, b, c: make.permute(b, (1, 0)), arrays)
    assert plan(replace(program, donated=frozenset({1, 2}))).aliases == ()


# ---- through jit ---------------------------------------------------------------------------------


@pytest.fixture(params=["always", "auto", "never"])
def tier(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("ALLUMETTE_CPU_COMPILE", request.param)
    monkeypatch.setattr(evaluation, "_executables", OrderedDict())
    return str(request.param)


def test_an_array_that_was_seen_is_never_written(tier: str) -> None:
    step = al.jit(lambda x: x + 1, donate_argnums=0)
    x = al.asarray(np.zeros(50_000, np.float32), device="par")
    for turn in range(3):
        before = x.numpy()
        part = x.numpy()[5:9]
        x = step(x)
        assert (before == turn).all()
        assert (part == turn).all()
    assert (x.numpy() == 3).all()


def test_tensors_of_one_value_do_not_share_a_donated_buffer(tier: str) -> None:
    step = al.jit(lambda x, y: (x + y, x), donate_argnums=0)
    zero = al.zeros((), device="par")
    x, again = zero + 0.0, al.zeros((), device="par")
    total, passed = step(al.zeros((), device="par"), 5.0)
    total, _ = step(total, 1.0)
    assert [float(t) for t in (zero, x, again, total, passed)] == [0, 0, 0, 6, 0]


def test_no_two_tensors_share_a_buffer_that_is_written(tier: str) -> None:
    step = al.jit(lambda x: x + 100, donate_argnums=0)
    for _ in range(3):  # one literal of one kept program
        zero = al.zeros((), device="par")
        al.evaluate(zero)
        assert step(zero).item() == 100
    whole = al.asarray(np.arange(6, dtype=np.float32), device="par")
    views = [whole.reshape(2, 3), whole.reshape(3, 2)[:, :], copy.copy(whole), whole[1:4]]
    al.evaluate(*views)
    assert [step(view).size for view in views] == [6, 6, 6, 3]
    assert whole.tolist() == [0, 1, 2, 3, 4, 5]
    product = al.ones((3, 4), device="par") @ al.ones(4, device="par")
    again = product.reshape(3, 1)
    al.evaluate(product, again)
    step(product)
    assert again.tolist() == [[4], [4], [4]]


def test_training_in_place_takes_less_memory() -> None:
    from allumette_core.backend.registry import open_backend

    memory = open_backend("seq").memory
    step = al.jit(lambda p, g: al.tree.map(lambda p, g: p - 0.1 * g, p, g), donate_argnums=0)
    p, g = (
        {k: al.asarray(np.ones(1 << 20, np.float32), device="seq") for k in "ab"} for _ in range(2)
    )
    p = step(p, g)
    before = memory("seq").live_bytes
    addresses = [p[k]._node.buffer.ctypes.data for k in "ab"]
    for _ in range(3):
        p = step(p, g)
        assert memory("seq").live_bytes == before
    assert [p[k]._node.buffer.ctypes.data for k in "ab"] == addresses
    np.testing.assert_allclose(p["a"].numpy(), 0.6, rtol=1e-6)


def test_a_step_of_adam_keeps_its_parameters_and_moments_where_they_are() -> None:
    optimizer = Adam(0.002)
    network = MLP.init(al.random.key(0, "par"), (30, 40, 40, 10))
    state, totals = optimizer.init(network), Totals.zero("par")
    step = make_step(optimizer)
    rng = np.random.default_rng(0)
    x = al.asarray(rng.normal(size=(300, 30)).astype("f"), device="par")
    y = al.asarray(rng.integers(0, 10, 300).astype("int32"), device="par")
    seen = []
    for _ in range(3):
        network, state, totals = step(network, state, totals, x, y, None, 1.0)
        leaves = al.tree.leaves((network, state.mean, state.square))
        seen.append({leaf._node.buffer.ctypes.data for leaf in leaves})
    assert seen[0] == seen[1] == seen[2]
    assert len(seen[0]) == 18
