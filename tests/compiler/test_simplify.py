"""Simplification: less to do, and the same value for every input, down to the sign of zero."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from allumette_core import primitives as P
from allumette_core.backend.reference import NumpyBackend
from allumette_core.compiler.program import Program, build
from allumette_core.compiler.simplify import simplify
from allumette_core.expr import Node, apply, literal, placeholder
from hypothesis import given, settings
from hypothesis import strategies as st

F32, I32, BOOL = np.dtype("float32"), np.dtype("int32"), np.dtype("bool")
HOT = [0.0, -0.0, 1.0, -1.0, 0.5, 2.0, 3.0, np.nan, np.inf, -np.inf, 1e-45, 3.4e38]
X = np.array(HOT, F32)


def number(value: float, dtype: Any = F32) -> Node:
    return literal(value, np.dtype(dtype))


def program_of(function: Callable[..., Any], *inputs: Node) -> Program:
    made = function(*inputs)
    return build(inputs, made if isinstance(made, list) else [made])[0]


def floats() -> Node:
    return placeholder(X.shape, F32, None)


def integers() -> Node:
    return placeholder((3,), I32, None)


def run(program: Program, *arrays: Any) -> list[Any]:
    return [np.asarray(a) for a in NumpyBackend().compile(program, "numpy")(arrays)]


def same_values(before: Program, *arrays: Any) -> Program:
    """What `before` becomes; fails if a value changes, of which NaN is one."""
    after = simplify(before)
    for a, b in zip(run(before, *arrays), run(after, *arrays), strict=True):
        np.testing.assert_array_equal(a, b)
        if a.dtype.kind == "f":
            known = ~np.isnan(a)
            np.testing.assert_array_equal(np.signbit(a)[known], np.signbit(b)[known])
    return after


def names(program: Program) -> list[str]:
    return [i.primitive.name for i in program.instructions]


GONE: dict[str, Callable[[Node], Node]] = {
    "x - 0": lambda x: apply(P.sub, x, number(0.0)),
    "x + -0": lambda x: apply(P.add, x, number(-0.0)),
    "-0 + x": lambda x: apply(P.add, number(-0.0), x),
    "x * 1": lambda x: apply(P.mul, x, number(1.0)),
    "x / 1": lambda x: apply(P.div, x, number(1.0)),
    "x ** 1": lambda x: apply(P.pow_, x, number(1.0)),
    "--x": lambda x: apply(P.neg, apply(P.neg, x)),
    "max(x, x)": lambda x: apply(P.maximum, x, x),
    "where(c, x, x)": lambda x: apply(P.where, apply(P.lt, x, number(0.0)), x, x),
    "reshaped there and back": lambda x: apply(
        P.reshape, apply(P.reshape, x, params=((3, 4),)), params=(X.shape,)
    ),
    "the whole of it": lambda x: apply(P.slice_, x, params=((0,), X.shape, (1,))),
}


@pytest.mark.parametrize("name", GONE)
def test_what_changes_nothing_is_left_out(name: str) -> None:
    assert names(same_values(program_of(GONE[name], floats()), X)) == []


STAYS: dict[str, tuple[Callable[[Node], Node], str]] = {
    "x + 0": (lambda x: apply(P.add, x, number(0.0)), "add"),  # 0, where x is -0
    "0 + x": (lambda x: apply(P.add, number(0.0), x), "add"),
    "x - -0": (lambda x: apply(P.sub, x, number(-0.0)), "sub"),
    "x * 0": (lambda x: apply(P.mul, x, number(0.0)), "mul"),  # NaN, -0
    "x - x": (lambda x: apply(P.sub, x, x), "sub"),  # NaN where x is infinite
    "x / x": (lambda x: apply(P.div, x, x), "div"),
    "x == x": (lambda x: apply(P.eq, x, x), "eq"),
    "x / 3": (lambda x: apply(P.div, x, number(3.0)), "div"),  # 1/3 is rounded
    "x / 0": (lambda x: apply(P.div, x, number(0.0)), "div"),
    "x ** 0.5": (lambda x: apply(P.pow_, x, number(0.5)), "pow"),
}


@pytest.mark.parametrize("name", STAYS)
def test_what_ieee_754_tells_apart_stays(name: str) -> None:
    function, kept = STAYS[name]
    assert kept in names(same_values(program_of(function, floats()), X))


@pytest.mark.parametrize("power", [-149, -126, -1, 1, 10, 126, 127])
def test_division_by_a_power_of_two_is_the_product_only_where_that_is_exact(power: int) -> None:
    program = program_of(lambda x: apply(P.div, x, number(2.0**power)), floats())
    same_values(program, X)
    same_values(program, np.float32(2.0) ** np.linspace(-149, 127, X.size).astype(F32))


def test_squares_are_products() -> None:
    program = program_of(lambda x: apply(P.pow_, x, number(2.0)), floats())
    assert names(same_values(program, X)) == ["mul"]


def test_integers_times_zero_are_zero() -> None:
    program = program_of(lambda x: apply(P.mul, x, number(0, I32)), integers())
    assert "mul" not in names(same_values(program, np.array([-5, 0, 7], I32)))
    program = program_of(lambda x: apply(P.add, x, number(0, I32)), integers())
    assert names(same_values(program, np.array([-5, 0, 7], I32))) == []


def test_a_neutral_operand_that_widens_the_other_stays() -> None:
    wide = literal(1.0, F32, (4, 3))
    program = program_of(lambda x: apply(P.mul, x, wide), placeholder((3,), F32, None))
    assert same_values(program, np.ones(3, F32)).avals[-1].shape == (4, 3)


def test_equal_instructions_become_one() -> None:
    def twice(x: Node) -> Node:
        return apply(P.add, apply(P.exp, x), apply(P.exp, x))

    assert names(same_values(program_of(twice, floats()), X)) == ["exp", "add"]


def test_literals_are_told_apart_by_sign_and_not_by_being_nan() -> None:
    def divided(x: Node) -> list[Node]:
        return [apply(P.div, x, number(0.0)), apply(P.div, x, number(-0.0))]

    assert names(same_values(program_of(divided, floats()), X)).count("div") == 2

    def added(x: Node) -> list[Node]:
        return [apply(P.add, x, number(np.nan)), apply(P.add, x, number(np.nan))]

    assert names(same_values(program_of(added, floats()), X)).count("add") == 1


def test_constants_are_folded_as_the_reference_computes_them() -> None:
    def made(x: Node) -> Node:
        third = apply(P.div, number(1.0), number(3.0))
        never = apply(P.log, number(-1.0))
        return apply(P.add, apply(P.mul, x, third), apply(P.where, number(1, BOOL), third, never))

    after = same_values(program_of(made, floats()), X)
    assert set(names(after)) == {"full", "mul", "add"}
    assert {i.params[1] for i in after.instructions if i.primitive is P.full} == {
        float(np.float32(1) / np.float32(3))
    }


def test_what_nothing_needs_is_left_out_but_no_input() -> None:
    x, y = floats(), floats()
    program = build([x, y], [apply(P.neg, x)])[0]
    assert simplify(program).num_inputs == 2


VALUES = st.sampled_from([0.0, -0.0, 1.0, -1.0, 2.0, 0.5, 3.0])
UNARY = (P.neg, P.abs_, P.sign, P.floor)
BINARY = (P.add, P.sub, P.mul, P.div, P.maximum, P.pow_)


@st.composite
def chains(draw: Any) -> Program:
    x, y = floats(), floats()
    values = [x, y]
    for _ in range(draw(st.integers(1, 10))):
        a = draw(st.sampled_from(values))
        if draw(st.booleans()):
            values.append(apply(draw(st.sampled_from(UNARY)), a))
            continue
        b = draw(st.one_of(st.sampled_from(values), VALUES.map(number)))
        pair = (a, b) if draw(st.booleans()) else (b, a)
        values.append(apply(draw(st.sampled_from(BINARY)), *pair))
    return build([x, y], values[-2:])[0]


@settings(max_examples=300, deadline=None)
@given(program=chains(), shift=st.integers(0, len(HOT) - 1))
def test_any_chain_keeps_its_values(program: Program, shift: int) -> None:
    after = same_values(program, X, np.roll(X, shift))
    assert len(after.instructions) <= len(program.instructions)
