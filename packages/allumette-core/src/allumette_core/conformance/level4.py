"""Level 4: random programs, as one program, eagerly, under jit and row by row; and training."""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
from hypothesis import HealthCheck, Phase, given, seed, settings

from .. import expr
from ..autodiff.vmap import vmap
from ..compiler.program import Instruction
from ..convert import from_array
from ..dtypes import float32
from ..jit import jit
from ..tensor import Tensor, evaluate
from . import repro, training
from .arguments import ARGUMENTS
from .case import program_of
from .check import Check, Fault
from .graphs import Graph, bounds, graphs
from .judge import Expected, judge
from .subject import Subject
from .values import Array, exact

Results = list[Array]
Way = Callable[[Subject, Graph, Sequence[int]], list[Results]]
_SHRINK_SECONDS = 20
_DTYPES = ("float32", "int32", "bool")


def checks() -> list[Check]:
    """Each way of evaluating, with programs of several sizes; primitives by rows; training."""
    made = [
        Check(4, f"{way}-{most}-{part}", partial(_search, way, most, part), needs=_DTYPES)
        for way in _WAYS
        for most in (4, 12, 40)
        for part in range(4)
    ]
    made += [
        Check(4, f"rows-{name}", partial(_by_rows, name), name, "float32", needs=_DTYPES)
        for name in ARGUMENTS
    ]
    made += [
        Check(
            4, f"training-{name}", partial(training.parity, name), needs=_DTYPES,
            script=partial(training.script, name),
        )
        for name in training.RECIPES
    ]  # fmt: skip
    return made


def _search(way: str, most: int, part: int, subject: Subject) -> None:
    """Look for a graph on which the backend and the oracle differ; shrink it, for a while."""
    smallest: list[tuple[int, Fault]] = []
    until = float("inf")

    @seed(subject.seed * 1000 + part)
    @settings(
        max_examples=60 if subject.full else 8,
        phases=(Phase.generate, Phase.shrink),
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
    )
    @given(graphs(most))
    def hold(graph: Graph) -> None:
        nonlocal until
        if time.monotonic() > until:
            return
        try:
            _compare(way, graph, subject)
        except Fault as fault:
            until = min(until, time.monotonic() + _SHRINK_SECONDS)
            smallest.append((len(graph.steps) + len(graph.arrays), fault))
            raise

    try:
        hold()
    except Exception:  # when time is up, hypothesis takes the failure for a flaky one
        if not smallest:
            raise
    if smallest:
        raise min(smallest, key=lambda found: found[0])[1]


def _by_rows(name: str, subject: Subject) -> None:
    """`name` between elementwise primitives, as a network has it, with each row on its own."""
    rng, tried = subject.rng("rows", name), 0
    for shapes, params in ARGUMENTS[name]:
        drawn = (exact(float32, shape, rng) for shape in shapes)
        # Without zeros, which would hide how large a product gets on its way to 0.
        graph = Graph.of([np.where(x == 0, np.float32(1), x) for x in drawn])
        operands = [graph.add("neg", (i,)) and len(graph.values) - 1 for i in range(len(shapes))]
        if graph.add(name, operands, params) and graph.add("neg", (len(graph.values) - 1,)):
            _compare("streamed", graph, subject)
            tried += 1
        if tried == 4 and not subject.full:
            return


def _compare(way: str, graph: Graph, subject: Subject) -> None:
    """Fault, with the least that shows it, unless every output of `graph` is right."""
    outputs = graph.sinks()
    limits = bounds(graph, subject.rng("bounds"))
    at, problem = _first_problem(way, graph, subject, outputs, limits)
    if not problem:
        return
    for i in (at, *outputs):
        small, kept = graph.only((i,))
        last = len(kept) - 1
        if _first_problem(way, small, subject, (last,), [limits[k] for k in kept])[1]:
            raise Fault(f"{way}: {problem}", _repro(way, subject, small, (last,)))
    company = (at, *(i for i in outputs if i != at))  # no output is wrong alone
    raise Fault(f"{way}: {problem}", _repro(way, subject, graph, company))


def _first_problem(
    way: str, graph: Graph, subject: Subject, outputs: Sequence[int], limits: list[Array | None]
) -> tuple[int, str]:
    """The first of `outputs` that is wrong, and what is wrong with it, or nothing."""
    try:
        runs = _WAYS[way](subject, graph, outputs)
    except Exception as error:  # noqa: BLE001  whatever a backend raises is its failure
        return outputs[0], f"{type(error).__name__}: {error}"
    for results in runs:
        for i, got in zip(outputs, results, strict=True):
            if problem := _problem(got, graph, i, limits[i]):
                return i, problem
    return outputs[0], ""


def _expected(graph: Graph, i: int) -> Expected:
    wide = graph.values[i]
    value = wide.astype(np.longdouble) if wide.dtype.kind == "f" else wide
    return Expected(value, graph.dtypes[i])


def _problem(got: Array, graph: Graph, i: int, limit: Array | None) -> str:
    """What is wrong with the value `got` of `i`, or nothing."""
    if limit is None or got.shape != limit.shape or got.dtype != graph.dtypes[i]:
        return judge(got, _expected(graph, i)).problem
    error = np.abs(got.astype(np.float64) - graph.values[i])
    if np.all(error <= limit):
        return ""
    worst = np.unravel_index(int(np.argmax(np.where(np.isnan(error), np.inf, error))), error.shape)
    at = tuple(int(k) for k in worst)
    return f"{list(at)} is {got[at]}, not {graph.values[i][at]} (may be off by {limit[at]:.3g})"


def _repro(way: str, subject: Subject, graph: Graph, outputs: tuple[int, ...]) -> str:
    """The script of `outputs`, the first of which is compared."""
    i = outputs[0]
    wanted = _expected(graph, i)
    if graph.rough[i]:
        scale = np.full(graph.values[i].shape, np.max(np.abs(graph.values[i]), initial=0))
        wanted = Expected(wanted.value, wanted.dtype, 64, scale)
    return repro.script(subject.name, graph.arrays, graph.steps, wanted, way, outputs=outputs)


# ---- ways to evaluate: each gives the outputs of one or more runs --------------------------------


def _as_program(subject: Subject, graph: Graph, outputs: Sequence[int]) -> list[Results]:
    return subject.run(program_of(graph.arrays, graph.steps, outputs), graph.arrays)


def _nodes(steps: Sequence[Instruction], tensors: Sequence[Tensor]) -> list[Tensor]:
    made = list(tensors)
    for primitive, inputs, params in steps:
        made.append(Tensor(expr.apply(primitive, *[made[i]._node for i in inputs], params=params)))
    return made


def _tensors(subject: Subject, graph: Graph) -> list[Tensor]:
    return [from_array(x, subject.device) for x in graph.arrays]


def _lazily(subject: Subject, graph: Graph, outputs: Sequence[int]) -> list[Results]:
    """The whole graph, evaluated when its outputs are read."""
    made = _nodes(graph.steps, _tensors(subject, graph))
    wanted = [made[i] for i in outputs]
    del made
    evaluate(*wanted)
    return [[np.asarray(t) for t in wanted]]


def _eagerly(subject: Subject, graph: Graph, outputs: Sequence[int]) -> list[Results]:
    """Every value, as soon as it is made."""
    made = _tensors(subject, graph)
    for step in graph.steps:
        made.append(_nodes([step._replace(inputs=tuple(range(len(step.inputs))))],
                           [made[i] for i in step.inputs])[-1])  # fmt: skip
        evaluate(made[-1])
    return [[np.asarray(made[i]) for i in outputs]]


def _jitted(subject: Subject, graph: Graph, outputs: Sequence[int]) -> list[Results]:
    """Under jit, twice."""

    @jit
    def function(tensors: list[Tensor]) -> list[Tensor]:
        made = _nodes(graph.steps, tensors)
        return [made[i] for i in outputs]

    tensors = _tensors(subject, graph)
    return [[np.asarray(t) for t in function(tensors)] for _ in range(2)]


def _streamed(subject: Subject, graph: Graph, outputs: Sequence[int]) -> list[Results]:
    """As every third of many rows, the rest of which are zeros: a backend that takes them piece by
    piece must not mix them up."""

    @jit
    @vmap
    def function(*tensors: Tensor) -> list[Tensor]:
        made = _nodes(graph.steps, tensors)
        return [made[i] for i in outputs]

    rows = [from_array(repro.rows(x), subject.device) for x in graph.arrays]
    made = [np.asarray(t) for t in function(*rows)]
    return [list(results) for results in zip(*(m[:: repro.APART] for m in made), strict=True)]


_WAYS: Mapping[str, Way] = {
    "program": _as_program, "lazy": _lazily, "eager": _eagerly, "jit": _jitted,
    "streamed": _streamed,
}  # fmt: skip
