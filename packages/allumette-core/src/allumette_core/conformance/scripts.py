"""Scripts, like those of `repro`, for what is not one program on given arrays: transfers, large
values, derivatives and training."""

import ast
import inspect
import textwrap
from collections.abc import Callable, Sequence
from typing import Any

from ..compiler.program import Instruction
from .case import Case
from .repro import assembled, literal, step
from .values import Array

_NUMBERS = (
    "import base64, zlib, numpy as np, allumette_core as al, allumette_core.functions as F",
    "from numpy import array, ascontiguousarray, dtype, inf, isclose, isnan, nan",
)


def transfer(backend: str, x: Array) -> str:
    """`x` goes to the device and back."""
    return _joined(
        *_NUMBERS,
        "from allumette_core.backend.registry import open_backend",
        f"backend = open_backend({backend!r}); device = backend.devices()[0]",
        f"x = {literal(x)}",
        "got = backend.to_host(backend.from_host(x, device))",
        "assert (got.shape, got.dtype) == (x.shape, x.dtype), (got, x)",
        "assert got.tobytes() == ascontiguousarray(x).tobytes(), (got, x)",
    )


def traced(backend: str, case: Case) -> str:
    """`case` runs on the backend, and not on the host."""
    steps = ", ".join(map(step, case.instructions()))
    return _joined(
        *_NUMBERS,
        "from allumette_core.backend.registry import open_backend",
        "from allumette_core.compiler.program import Aval, Instruction, Program",
        "from allumette_core.primitives import PRIMITIVES as P",
        f"inputs = [{', '.join(map(literal, case.arrays))}]",
        f"steps = [Instruction(*parts) for parts in [{steps}]]",
        "avals = [Aval(x.shape, x.dtype) for x in inputs]",
        "for p, at, params in steps: avals.append(Aval(*p.infer([avals[i] for i in at], params)))",
        f"backend = open_backend({backend!r}); device = backend.devices()[0]",
        "program = Program(tuple(avals), len(inputs), tuple(steps), (len(avals) - 1,))",
        "with al.profile() as ran:",
        "    backend.compile(program, device)([backend.from_host(x, device) for x in inputs])",
        "assert 'fallback' not in {mode for _, mode in ran.counts}, ran.counts",
    )


def large(backend: str, large: Instruction, operands: Sequence[str], n: int, seed: int) -> str:
    """`large` on operands that are given as text, against the reference."""
    params = "".join(f", {p!r}" for p in large.params)
    same = "got.dtype == want.dtype and got.shape == want.shape and (got == want).all()"
    return assembled(
        backend,
        f"n = {n}; rng = np.random.default_rng([{seed}, n]); inputs = [{', '.join(operands)}]",
        [large],
        "from allumette_core.backend.reference import KERNELS as K; "
        f"want = np.asarray(K[P[{large.primitive.name!r}]](*inputs{params}))",
        same,
        outputs=(len(operands),),
    )


def derivative(case: Case, device: str, lines: Sequence[str]) -> str:
    """`lines`, about the function `f` of the tensors `floats`: the floating-point operands."""
    primitive = f"P[{case.primitive.name!r}]"
    return _joined(
        *_NUMBERS,
        "from allumette_core import expr; from allumette_core.primitives import PRIMITIVES as P",
        f"inputs = [{', '.join(map(literal, case.arrays))}]",
        f"tensors = [al.asarray(x, device={device!r}) for x in inputs]",
        "floats = [t for t, x in zip(tensors, inputs) if x.dtype.kind == 'f']",
        "def f(*given):",
        "    rest = iter(given)",
        "    made = [next(rest) if x.dtype.kind == 'f' else t for t, x in zip(tensors, inputs)]",
        f"    return al.Tensor(expr.apply({primitive}, *[t._node for t in made], "
        f"params={case.params!r}))",
        *lines,
    )


def product(
    case: Case, device: str, text: str, along: Sequence[Array], wanted: Array, limit: float
) -> str:
    """The derivative `text` of core's, in the directions `along`."""
    made = f"along = [al.asarray(x, device={device!r}) for x in [{', '.join(map(literal, along))}]]"
    return derivative(case, device, (made, f"got = np.asarray(al.{text})", *_close(wanted, limit)))


def at_kink(function: str, at: Array, device: str, wanted: Array, limit: float) -> str:
    """The derivative of the sum of the text `function` of `t`."""
    return _joined(
        *_NUMBERS,
        f"x = al.asarray({literal(at)}, device={device!r})",
        f"got = np.asarray(al.grad(lambda t: al.sum({function}))(x))",
        *_close(wanted, limit),
    )


def _close(wanted: Array, limit: float) -> tuple[str, ...]:
    """The lines that compare `got`, which may be off by `limit` where `wanted` is finite."""
    near = f"(got == want) | (isnan(got) & isnan(want)) | (abs(got - want) <= {limit!r})"
    return f"want = {literal(wanted)}", f"assert ({near}).all(), (got, want)"


def training(
    loss: Callable[..., Any],
    rate: float,
    data: Sequence[Array],
    device: str,
    wanted: Sequence[float],
) -> str:
    """Steps of gradient descent, each loss of which should be as `wanted`."""
    source = ast.parse(textwrap.dedent(inspect.getsource(loss))).body[0]
    assert isinstance(source, ast.FunctionDef)
    names = ", ".join(argument.arg for argument in source.args.args)
    body = [ast.unparse(line) for line in source.body[1:]]  # after the docstring
    given = ", ".join(literal(x.astype("float32")) for x in data)
    return _joined(
        *_NUMBERS,
        f"def loss({names}):",
        *(f"    {line}" for line in body),
        f"x, y, *p = [al.asarray(a, device={device!r}) for a in [{given}]]",
        f"down = lambda p, g: [a - {rate} * b for a, b in zip(p, g)]",
        "both = lambda p, value, slopes: (value, down(p, slopes))",
        "step = al.jit(lambda p, x, y: both(p, *al.value_and_grad(loss)(p, x, y)))",
        f"for turn, want in enumerate({list(wanted)!r}):",
        "    got, p = step(p, *[d if turn % 3 else d[100:229] for d in (x, y)])",
        "    assert isclose(float(got), want, 1e-3, 1e-5), (turn, float(got), want)",
    )


def _joined(*lines: str) -> str:
    return "\n".join(lines) + "\n"
