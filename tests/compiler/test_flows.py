"""Flows: rows that move together are computed alike whether all at once or piece by piece."""

from typing import Any

import numpy as np
import pytest
from allumette_core import primitives as P
from allumette_core.backend.reference import KERNELS
from allumette_core.compiler.flows import Flow, accumulates, flows
from allumette_core.compiler.program import Program, build
from allumette_core.expr import apply, placeholder
from allumette_core.primitives import Kind, Primitive

F32 = np.dtype("float32")
Case = tuple[Primitive, list[tuple[int, ...]], tuple[Any, ...]]

CASES: dict[str, Case] = {
    "exp": (P.exp, [(4, 6)], ()),
    "add": (P.add, [(4, 6), (4, 6)], ()),
    "add a row": (P.add, [(4, 6), (6,)], ()),
    "add a column": (P.add, [(4, 6), (4, 1)], ()),
    "add a number": (P.add, [(4, 6), ()], ()),
    "permute": (P.permute, [(4, 6, 2)], ((2, 0, 1),)),
    "broadcast": (P.broadcast, [(6,)], ((4, 6),)),
    "slice": (P.slice_, [(4, 6)], ((0, 1), (4, 5), (1, 2))),
    "flip": (P.flip, [(4, 6)], ((1,),)),
    "windows": (P.windows, [(4, 6)], ((1,), (3,), (1,), (1,))),
    "concat": (P.concat, [(4, 6), (4, 2)], (1,)),
    "sum over rows": (P.sum_, [(4, 6)], ((0,),)),
    "sum over columns": (P.sum_, [(4, 6)], ((1,),)),
    "max over both": (P.max_, [(4, 6)], ((0, 1),)),
    "argmax": (P.argmax, [(4, 6)], ((1,),)),
    "cumsum": (P.cumsum, [(4, 6)], (1,)),
    "sort": (P.sort, [(4, 6)], (0,)),
    "matrix product": (P.dot_general, [(4, 6), (6, 2)], ((1,), (0,), (), ())),
    "products in a batch": (P.dot_general, [(4, 3, 6), (4, 6, 2)], ((2,), (1,), (0,), (0,))),
}


def program_of(case: Case) -> Program:
    primitive, shapes, params = case
    inputs = [placeholder(shape, F32, None) for shape in shapes]
    return build(inputs, [apply(primitive, *inputs, params=params)])[0]


def pieces(flow: Flow, arrays: list[Any], start: int, count: int) -> list[Any]:
    """The inputs of `count` rows from `start`."""
    taken = []
    for array, axis in zip(arrays, flow.ins, strict=True):
        at: list[Any] = [slice(None)] * array.ndim
        if axis is not None:
            at[axis] = slice(start, start + count)
        taken.append(array[tuple(at)])
    return taken


@pytest.mark.parametrize("name", CASES)
def test_rows_of_the_result_need_those_rows_of_the_inputs_alone(name: str) -> None:
    primitive, shapes, params = case = CASES[name]
    random = np.random.default_rng(0)
    arrays = [random.integers(-4, 5, shape).astype(F32) for shape in shapes]
    whole = np.asarray(KERNELS[primitive](*arrays, *params))
    found = flows(program_of(case), 0)
    assert found
    for flow in found:
        if set(flow.ins) == {None}:  # each row of a view may be taken, from all of its operand
            continue
        rows = [a.shape[i] for a, i in zip(arrays, flow.ins, strict=True) if i is not None]
        size = rows[0] if flow.out is None else whole.shape[flow.out]
        parts = []
        for start in range(size):
            taken = pieces(flow, arrays, start, 1)
            if primitive in (P.broadcast, P.slice_) and flow.out is not None:
                continue  # their params hold sizes: the rows themselves are compared below
            parts.append(np.asarray(KERNELS[primitive](*taken, *params)))
        if not parts:
            assert all(n == size for n in rows)
        elif flow.out is None:
            assert primitive.kind in (Kind.REDUCE, Kind.CONTRACT)
            assert accumulates(program_of(case).instructions[0])
            together = np.max(parts, axis=0) if primitive is P.max_ else np.sum(parts, axis=0)
            np.testing.assert_array_equal(together, whole)
        else:
            np.testing.assert_array_equal(np.concatenate(parts, axis=flow.out), whole)


def axes(case: Case) -> set[tuple[int | None, tuple[int | None, ...]]]:
    return {(flow.out, flow.ins) for flow in flows(program_of(case), 0)}


def test_what_mixes_rows_has_no_flow_along_them() -> None:
    assert axes(CASES["cumsum"]) == {(0, (0,))}
    assert axes(CASES["sort"]) == {(1, (1,))}
    assert axes(CASES["flip"]) >= {(0, (0,))}
    assert (1, (1,)) not in axes(CASES["flip"])
    assert (1, (1, 1)) not in axes(CASES["concat"])
    assert (None, (1,)) not in axes(CASES["argmax"])


def test_a_product_moves_with_its_rows_its_columns_and_what_is_added_up() -> None:
    assert axes(CASES["matrix product"]) == {
        (0, (0, None)), (1, (None, 1)), (None, (1, 0)),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("before", "after", "wanted"),
    [
        ((4, 6), (24,), {(0, 0)}),
        ((24,), (4, 6), {(0, 0)}),
        ((4, 6), (4, 2, 3), {(0, 0), (1, 1)}),
        ((4, 6), (4, 6, 1), {(0, 0), (1, 1)}),
        ((1, 4), (4,), {(0, 1)}),
        ((4, 6), (6, 4), set()),
    ],
)
def test_reshapes_keep_the_axes_that_they_keep(
    before: tuple[int, ...], after: tuple[int, ...], wanted: set[tuple[int, int]]
) -> None:
    moving = {(out, ins[0]) for out, ins in axes((P.reshape, [before], (after,))) if ins != (None,)}
    assert moving == wanted
