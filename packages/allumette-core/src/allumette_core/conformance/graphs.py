"""Random programs of 2 to 40 primitives, built by hypothesis so that failures shrink.

Values are whole numbers small enough that every sum and product is exact, so that most results are
compared bit for bit. What goes through a smooth function is no longer exact ("rough"): it never
reaches a primitive that jumps (a comparison, floor, argmax), and is compared within a bound that
comes from running the same program with every rough value slightly disturbed.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from hypothesis import strategies as st

from ..backend.reference import KERNELS
from ..compiler.program import Instruction
from ..dtypes import DType, bool_, float32, float64, int32
from ..errors import AllumetteError
from ..primitives import PRIMITIVES, Kind, Params
from . import moves
from .values import Array, Generator, exact

_LIMIT = 2.0**18  # of whole numbers; sums of magnitudes may be 32 times that
_ROUGH_LIMIT = 1e4
_SMOOTH = ("exp", "tanh", "sin", "cos", "logistic", "erf", "atan", "asinh")
_JUMPS = frozenset((
    *("sign", "floor", "lt", "le", "eq", "ne", "argmax", "argmin", "argsort", "cast", "gather"),
    *("maximum", "minimum", "max", "min", "sort"),
))  # fmt: skip


@dataclass
class Graph:
    """A program as it grows: inputs, instructions, and the value of each with what is known of it.

    Floats are held as float64, whatever the program's dtype.
    """

    arrays: list[Array]
    steps: list[Instruction] = field(default_factory=list)
    values: list[Array] = field(default_factory=list)
    rough: list[bool] = field(default_factory=list)
    dtypes: list[DType] = field(default_factory=list)

    @classmethod
    def of(cls, arrays: list[Array]) -> "Graph":
        """The inputs alone."""
        graph = cls(arrays, rough=[False] * len(arrays), dtypes=[x.dtype for x in arrays])
        graph.values = [x.astype(float64) if x.dtype.kind == "f" else x for x in arrays]
        return graph

    def add(self, name: str, inputs: Sequence[int], params: Params = ()) -> bool:
        """Append a step, unless its inputs or its result are not what the module promises."""
        step = Instruction(PRIMITIVES[name], tuple(inputs), params)
        rough = name in _SMOOTH or any(self.rough[i] for i in inputs)
        if name in _JUMPS and any(self.rough[i] for i in inputs):
            return False
        try:
            shape, dtype = step.primitive.infer([self._typed(i) for i in inputs], params)
        except (AllumetteError, IndexError):
            return False
        if np.prod(shape) > 3000:
            return False
        value = wide_value(step, [self.values[i] for i in inputs])
        if not self._is_small(step, value, rough):
            return False
        self.steps.append(step)
        self.values.append(value)
        self.rough.append(rough)
        self.dtypes.append(dtype)
        return True

    def _typed(self, i: int) -> Array:
        return np.broadcast_to(np.zeros((), self.dtypes[i]), self.values[i].shape)

    def _is_small(self, step: Instruction, value: Array, rough: bool) -> bool:
        if value.dtype.kind == "b" or not value.size:
            return True
        if step.primitive.kind in (Kind.REDUCE, Kind.SCAN, Kind.CONTRACT):
            magnitudes = wide_value(step, [np.abs(self.values[i]) for i in step.inputs])
            if np.max(magnitudes) > 32 * _LIMIT:
                return False
        largest = float(np.max(np.abs(value)))
        return bool(np.isfinite(largest)) and largest <= (_ROUGH_LIMIT if rough else _LIMIT)

    def sinks(self) -> tuple[int, ...]:
        """What no step uses."""
        used = {i for step in self.steps for i in step.inputs}
        count = len(self.values)
        return tuple(i for i in range(len(self.arrays), count) if i not in used) or (count - 1,)

    def only(self, outputs: Sequence[int]) -> "tuple[Graph, list[int]]":
        """The graph of what `outputs` need, and the numbers its values have in this one."""
        needed, stack = set[int](), list(outputs)
        while stack:
            i = stack.pop()
            if i not in needed:
                needed.add(i)
                if i >= len(self.arrays):
                    stack.extend(self.steps[i - len(self.arrays)].inputs)
        kept = sorted(needed)
        numbers = {old: new for new, old in enumerate(kept)}
        graph = Graph([x for i, x in enumerate(self.arrays) if i in needed])
        for i in kept:
            graph.values.append(self.values[i])
            graph.rough.append(self.rough[i])
            graph.dtypes.append(self.dtypes[i])
            if i >= len(self.arrays):
                step = self.steps[i - len(self.arrays)]
                graph.steps.append(step._replace(inputs=tuple(numbers[k] for k in step.inputs)))
        return graph, kept


def wide_value(step: Instruction, operands: Sequence[Array]) -> Array:
    """What `step` gives in float64."""
    params = tuple(float64 if p == float32 else p for p in step.params)
    with np.errstate(all="ignore"):
        return np.asarray(KERNELS[step.primitive](*operands, *params))


def disturbed(graph: Graph, rng: Generator) -> list[Array]:
    """The values of `graph`, every rough one moved by about a rounding error of float32."""
    values = list(graph.values[: len(graph.arrays)])
    for i, step in enumerate(graph.steps, len(graph.arrays)):
        value = wide_value(step, [values[j] for j in step.inputs])
        if graph.rough[i] and value.dtype.kind == "f":
            value = value * (1 + 2.0**-22 * rng.uniform(-1, 1, value.shape))
        values.append(value)
    return values


def bounds(graph: Graph, rng: Generator) -> list[Array | None]:
    """How far off each value may be; None where it must be exact."""
    runs = [disturbed(graph, rng) for _ in range(4)]
    found: list[Array | None] = []
    for i, value in enumerate(graph.values):
        if not graph.rough[i] or value.dtype.kind != "f":
            found.append(None)
            continue
        spread = np.max([np.abs(run[i] - value) for run in runs], axis=0, initial=0)
        top = float(np.max(spread, initial=0))
        size = np.abs(value) + float(np.max(np.abs(value), initial=0)) / 16
        found.append(24 * spread + 6 * top + 2.0**-19 * size + 1e-30)
    return found


_TRIES = 4
_SIZES = (1, 2, 3, 5, 8, 33)


@st.composite
def graphs(draw: st.DrawFn, most: int) -> Graph:
    """A graph of up to `most` steps."""
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    rows, columns = draw(st.sampled_from(_SIZES)), draw(st.sampled_from(_SIZES))
    arrays = [exact(float32, (rows, columns), rng)]
    shapes = {"row": (columns,), "column": (rows, 1), "turned": (columns, rows), "flat": (rows,)}
    for name in draw(st.lists(st.sampled_from(sorted(shapes)), max_size=3)):
        arrays.append(exact(draw(st.sampled_from((float32, int32, bool_))), shapes[name], rng))
    graph = Graph.of(arrays)
    for _ in range(draw(st.integers(2, most))):
        # What was drawn may not fit; a few tries keep programs about as long as was drawn.
        next(filter(None, (grow(draw, graph) for _ in range(_TRIES))), None)
    if not graph.steps:
        graph.add("neg", (0,))
    return graph


def grow(draw: st.DrawFn, graph: Graph) -> bool:
    """Try to append one step and say whether it fitted; late values are taken more often."""
    count = len(graph.values)

    def pick(dtype: DType | None = None) -> int:
        fitting = [i for i in range(count) if dtype is None or graph.dtypes[i] == dtype]
        if not fitting:
            return count - 1
        return fitting[max(0, len(fitting) - 1 - draw(st.integers(0, 6)))]

    name = draw(st.sampled_from(_NAMES))
    return bool(_GROWTH[name](draw, graph, pick)) and len(graph.values) > count


Pick = Callable[..., int]
Growth = Callable[[st.DrawFn, Graph, Pick], object]


def _unary(name: str) -> Growth:
    return lambda draw, graph, pick: graph.add(name, (pick(),))


def _binary(name: str) -> Growth:
    def grown(draw: st.DrawFn, graph: Graph, pick: Pick) -> object:
        i = pick()
        return graph.add(name, (i, pick(graph.dtypes[i])))

    return grown


def _where(draw: st.DrawFn, graph: Graph, pick: Pick) -> object:
    i = pick()
    return graph.add("where", (pick(bool_), i, pick(graph.dtypes[i])))


def _cast(draw: st.DrawFn, graph: Graph, pick: Pick) -> object:
    target = draw(st.sampled_from((float32, int32, bool_)))
    i = pick()
    return target == graph.dtypes[i] or graph.add("cast", (i,), (target,))


def _moved(name: str) -> Growth:
    def grown(draw: st.DrawFn, graph: Graph, pick: Pick) -> object:
        i = pick()
        params = moves.params(name, graph.values[i].shape, lambda n: draw(st.integers(0, n)))
        return params is not None and graph.add(name, (i,), params)

    return grown


def _concat(draw: st.DrawFn, graph: Graph, pick: Pick) -> object:
    i = pick()
    j = pick(graph.dtypes[i])
    return graph.values[i].ndim > 0 and graph.add("concat", (i, j), (0,))


def _dot(draw: st.DrawFn, graph: Graph, pick: Pick) -> object:
    i = pick()
    j = pick(graph.dtypes[i])
    a, b = graph.values[i].ndim, graph.values[j].ndim
    if not a or not b:
        return False
    axes = (draw(st.integers(0, a - 1)),), (draw(st.integers(0, b - 1)),)
    return graph.add("dot_general", (i, j), (*axes, (), ()))


def _gather(draw: st.DrawFn, graph: Graph, pick: Pick) -> object:
    i, j = pick(), pick(int32)
    if not graph.values[i].ndim:
        return False
    axis = draw(st.integers(0, graph.values[i].ndim - 1))
    return graph.add("gather", (i, j), (axis,))


def _scatter(draw: st.DrawFn, graph: Graph, pick: Pick) -> object:
    """What was gathered goes back, added to where it came from."""
    i, j = pick(float32), pick(int32)
    if not graph.values[i].ndim or not graph.add("gather", (i, j), (0,)):
        return False
    return graph.add("scatter", (i, j, len(graph.values) - 1), (0, "add"))


_GROWTH: Mapping[str, Growth] = {
    **{n: _unary(n) for n in ("neg", "abs", "sign", "floor", "invert", *_SMOOTH)},
    **{
        n: _binary(n)
        for n in ("add", "sub", "mul", "maximum", "minimum", "lt", "le", "eq", "bit_xor")
    },
    **{n: _moved(n) for n in moves.NAMES},
    "where": _where, "cast": _cast, "concat": _concat, "dot_general": _dot, "gather": _gather,
    "scatter": _scatter,
}  # fmt: skip
# Arithmetic, and what backends fuse, comes up more often.
_NAMES = (
    *_GROWTH,
    "add",
    "mul",
    "sub",
    "maximum",
    "where",
    "sum",
    "sum",
    "broadcast",
    "dot_general",
)
