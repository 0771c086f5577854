"""Scripts, like those of `repro`, for what fails with many calls, threads, donation or memory."""

from collections.abc import Mapping
from typing import NamedTuple

from .repro import step
from .stress import rounding_steps, stress_steps


class _Script(NamedTuple):
    """The program, as text, and lines about its executable `run`."""

    inputs: tuple[tuple[int, ...], ...]
    steps: str
    outputs: str
    lines: tuple[str, ...]
    donated: str = ""


_HEAD = """\
import gc, threading, numpy as np
from allumette_core.backend.registry import open_backend; from allumette_core.errors import AllumetteError
from allumette_core.compiler.program import Aval, Instruction, Program; from allumette_core.primitives import PRIMITIVES as P
backend = open_backend({backend!r}); device = backend.devices()[0]
values = [Aval(shape, np.dtype('float32')) for shape in {inputs!r}]
steps = [Instruction(*parts) for parts in {steps}]
for p, at, params in steps: values.append(Aval(*p.infer([values[i] for i in at], params)))
program = Program(tuple(values), {count}, tuple(steps), {outputs}, frozenset([{donated}]))
put = lambda arrays: [backend.from_host(x, device) for x in arrays]
"""  # noqa: E501  few lines count more than short ones
_RUN = "run = backend.compile(program, device)"


def _text(steps: list[str]) -> str:
    return f"[{', '.join(steps)}]"


_STRESS = _text([step(i) for i in stress_steps()])
_DATA = (
    _RUN,
    "data = np.random.default_rng(0).integers(-3, 4, (40, 2, *values[0].shape)).astype('float32')",
    "flow = lambda p, y: (c := np.cumsum(np.maximum(p[::-1], y)), c.sum(), p)",
    "right = lambda out, d: all((backend.to_host(o) == w).all() "
    "for o, w in zip(out, flow((d[0] + d[1]) * d[0], d[1])))",
)


def _stress(*lines: str, size: int = 1000, donated: str = "") -> _Script:
    return _Script(((size,), (size,)), _STRESS, "(6, 7, 3)", (*_DATA, *lines), donated)


_SCRIPTS: Mapping[str, _Script] = {
    "many-calls": _stress(
        "made = [run(put(d)) for d in data]",
        "assert all(right(out, d) for out, d in zip(made, data))",
    ),
    "inputs-intact": _stress(
        "given = put(data[0]); made = [run(given) for _ in range(3)]",
        "assert all((backend.to_host(b) == x).all() for b, x in zip(given, data[0]))",
    ),
    "donation": _stress(
        "given = put(data[0]); out = run(given)",
        "assert right(out, data[0]) and (backend.to_host(given[1]) == data[0, 1]).all()",
        donated="0",
    ),
    "donated-results": _Script(
        ((1000,), (1000,)),
        "[(P['add'], (0, 1), ()), (P['neg'], (2,), ())]",
        "(2, 3)",
        (
            f"{_RUN}; state, one = put(np.ones((2, 1000), 'float32')); kept = []",
            "for _ in range(10): state, negated = run([state, one]); kept.append(negated)",
            "assert all((backend.to_host(x) == -2 - i).all() for i, x in enumerate(kept))",
        ),
        "0",
    ),
    "deterministic": _Script(
        ((257, 65),),
        _text([step(i) for i in rounding_steps()]),
        "(2, 3, 4, 5)",
        (
            f"{_RUN}; x = np.random.default_rng(0).standard_normal((257, 65)).astype('float32')",
            "once = lambda: [backend.to_host(out).tobytes() for out in run(put([x]))]",
            "first = once()",
            "assert all(once() == first for _ in range(40))",
        ),
    ),
    "another-thread": _stress(
        "work = lambda: found.append(right(run(put(data[0])), data[0])); found = []",
        "t = threading.Thread(target=work); t.start(); t.join(); assert found == [True], found",
    ),
    "threads": _stress(
        "work = lambda d: found.append(all(right(run(put(d)), d) for _ in range(50))); found = []",
        "pool = [threading.Thread(target=work, args=(d,)) for d in data[:4]]; "
        "[t.start() for t in pool]; [t.join() for t in pool]; assert found == [True] * 4",
    ),
    "flat-memory": _stress(
        "import resource as r, sys; unit = 1 if sys.platform == 'darwin' else 1024; "
        "held = lambda: r.getrusage(r.RUSAGE_SELF).ru_maxrss * unit; run(put(data[0]))",
        "before = held(); [run(put(data[i % 40])) and None for i in range(1000)]; gc.collect(); "
        "assert held() - before < 250 * data[0, 0].nbytes, held() - before",
        size=16_384,
    ),
    "too-large": _Script(
        ((1,),),
        "[(P['broadcast'], (0,), ((2**46,),)), (P['neg'], (1,), ())]",
        "(2,)",
        (
            "try: backend.compile(program, device)(put(np.ones((1, 1), 'float32')))",
            "except (AllumetteError, MemoryError): pass",
            "else: raise AssertionError('it was answered')",
        ),
    ),
    "long-program": _Script(
        ((5,),),
        "[(P['neg'], (i,), ()) for i in range(2000)]",
        "(2000,)",
        (
            f"{_RUN}; x = np.arange(5, dtype='float32')",
            "assert (backend.to_host(run(put([x]))[0]) == x).all()",
        ),
    ),
    "many-outputs": _Script(
        ((64,),),
        "[(P['add'], (i, 0), ()) for i in range(100)]",
        "tuple(range(101))",
        (
            f"{_RUN}; x = np.arange(64, dtype='float32'); made = run(put([x]))",
            "assert all((backend.to_host(y) == x * (i + 1)).all() for i, y in enumerate(made))",
        ),
    ),
}


def script(name: str, backend: str) -> str:
    """The script of the check `name` of level 5, or nothing: it shows what a few lines can."""
    if name not in _SCRIPTS:
        return ""
    inputs, steps, outputs, lines, donated = _SCRIPTS[name]
    fields = {"inputs": inputs, "steps": steps, "count": len(inputs), "outputs": outputs}
    return _HEAD.format(backend=backend, donated=donated, **fields) + "\n".join(lines) + "\n"
