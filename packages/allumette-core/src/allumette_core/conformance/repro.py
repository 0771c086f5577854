"""A failing case as a script of at most 15 lines that needs no kit."""

import base64
import ctypes
import zlib
from collections.abc import Sequence

import numpy as np
from numpy.lib.array_utils import byte_bounds

from ..compiler.program import Instruction
from .judge import Expected
from .values import Array


def literal(x: Array) -> str:
    """An expression that gives `x`, strides, offset and all."""
    base = x.base
    if isinstance(base, np.ndarray) and base.dtype == x.dtype and x.flags.c_contiguous:
        start = (_address(x) - _address(base)) // x.itemsize
        if start and base.ndim == 1 and base.flags.c_contiguous and base.flags.aligned:
            return f"{literal(base)}[{start}:{start + x.size}].reshape({x.shape})"
    if x.flags.c_contiguous and x.flags.aligned and x.nbytes <= 2000:
        return f"array({x.tolist()!r}, {x.dtype.name!r})"
    low, high = byte_bounds(x)
    if not x.size:
        return f"np.zeros({x.shape}, {x.dtype.name!r})"
    start = _address(x)
    memory = bytes((ctypes.c_uint8 * (high - low)).from_address(low))
    packed = base64.b64encode(zlib.compress(memory, 9)).decode()
    raw = f"bytearray(zlib.decompress(base64.b64decode({packed!r})))"
    return f"np.ndarray({x.shape}, {x.dtype.name!r}, {raw}, {start - low}, {x.strides})"


def _address(x: Array) -> int:
    return int(x.__array_interface__["data"][0])


APART, TIMES = 3, 22
"""How far apart the rows are that are alike, which no piece of 2**n rows is, and their number."""


def rows(x: Array) -> Array:
    """`x` in every third one of 66 rows; the rest are zeros."""
    return np.stack([x, *[np.zeros_like(x)] * (APART - 1)] * TIMES)


def step(instruction: Instruction) -> str:
    """An expression that gives the parts of `instruction`."""
    primitive, inputs, params = instruction
    return f"(P[{primitive.name!r}], {inputs}, {params!r})"


_BY_PROGRAM = (
    "avals = [Aval(x.shape, x.dtype) for x in inputs]",
    "for p, at, params in steps: avals.append(Aval(*p.infer([avals[i] for i in at], params)))",
    "backend = open_backend({backend!r}); device = backend.devices()[0]",
    "made = tuple(Instruction(*s) for s in steps)",
    "run = backend.compile(Program(tuple(avals), len(inputs), made, {outputs}{more}), device)",
)
_GOT_BY_PROGRAM = (
    "[backend.to_host(run([backend.from_host(x, device) for x in inputs])[0]) for _ in range(2)]"
)
_BY_FUNCTION = (
    "def f(*made):",
    "    made = list(made)",
    "    for p, at, params in steps:",
    "        made.append(al.Tensor(expr.apply(p, *[made[i]._node for i in at], params=params)))",
    "        al.evaluate(made[-1])",
    "    made = [made[i] for i in {outputs}]{together}; return made",
)
_GOT_BY_FUNCTION = (
    "[np.asarray(f(*[al.asarray(x, device={backend!r}) for x in inputs])[0]) for _ in range(2)]"
)
_ROWS = f"inputs = [np.stack([x, *[np.zeros_like(x)] * {APART - 1}] * {TIMES}) for x in inputs]"
_GOT_BY_ROWS = (
    f"np.asarray(f(*[al.asarray(x, device={{backend!r}}) for x in inputs])[0])[::{APART}]"
)
_WRAPPED = {"jit": ("f = al.jit(f)",), "streamed": (f"f = al.jit(al.vmap(f)); {_ROWS}",)}
_IMPORTS_OF_PROGRAM = (
    "from allumette_core.backend.registry import open_backend",
    "from allumette_core.compiler.program import Aval, Instruction, Program",
    "from allumette_core.primitives import PRIMITIVES as P",
)
_EXPR = "from allumette_core import expr; from allumette_core.primitives import PRIMITIVES as P"


def script(
    backend: str,
    arrays: Sequence[Array],
    steps: Sequence[Instruction],
    expected: Expected,
    way: str = "program",
    *,
    outputs: tuple[int, ...] = (),
    repeats: bool = False,
) -> str:
    """The script: it fails for as long as the backend is wrong."""
    wanted = expected.value
    if expected.dtype.kind == "f":
        with np.errstate(over="ignore"):
            wanted = wanted.astype(np.float64)
    return assembled(
        backend,
        f"inputs = [{', '.join(map(literal, arrays))}]",
        steps,
        f"want = {literal(np.ascontiguousarray(wanted).reshape(wanted.shape))}",
        _comparison(expected),
        way,
        outputs=outputs or (len(arrays) + len(steps) - 1,),
        repeats=repeats,
    )


def assembled(
    backend: str,
    inputs: str,
    steps: Sequence[Instruction],
    want: str,
    comparison: str,
    way: str = "program",
    *,
    outputs: tuple[int, ...],
    repeats: bool = False,
) -> str:
    """The script of lines that make `inputs` and `want`, and an expression that compares `got`,
    the first of `outputs`."""
    by_program = way == "program"
    body = _BY_PROGRAM if by_program else _BY_FUNCTION
    got = _GOT_BY_PROGRAM if by_program else _GOT_BY_FUNCTION
    got = _GOT_BY_ROWS if way == "streamed" else got
    more = ", repeats=True" * repeats
    together = "; al.evaluate(*made)" * (way in ("lazy", "eager"))
    fields = {"backend": backend, "outputs": outputs, "more": more, "together": together}
    lines = [
        "import base64, zlib, numpy as np",
        "from numpy import array, dtype, inf, nan",
        *(_IMPORTS_OF_PROGRAM if by_program else ("import allumette_core as al", _EXPR)),
        inputs,
        f"steps = [{', '.join(map(step, steps))}]",
        *(
            line.format(**fields)
            for line in body
            if "evaluate(made[-1])" not in line or way == "eager"
        ),
        want,
        *_WRAPPED.get(way, ()),
        f"for got in {got.format(**fields)}:",
        f"    assert {comparison}, (got, want)",
    ]
    return "\n".join(lines) + "\n"


def _comparison(expected: Expected) -> str:
    same = f"got.dtype == {expected.dtype.name!r} and got.shape == want.shape"
    if expected.dtype.kind != "f":
        return f"{same} and (got == want).all()"
    name = f"np.{expected.dtype.name}"
    unit = "want"
    if expected.scale is not None:
        unit = literal(np.asarray(expected.scale).astype(expected.dtype))
    near = f"abs(got - want) <= {expected.tolerance} * np.spacing(abs({name}({unit})))"
    parts = [f"({name}(want) == got)", "(np.isnan(got) & np.isnan(want))", f"({near})"]
    if expected.signed_zero:
        zeros = "((want != 0) | (got != 0) | (np.signbit(got) == np.signbit(want)))"
        return f"{same} and ({zeros} & ({' | '.join(parts)})).all()"
    return f"{same} and ({' | '.join(parts)}).all()"
