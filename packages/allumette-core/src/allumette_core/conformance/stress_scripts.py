"""Scripts, like those of `repro`, for what fails with many calls, threads, donation, memory or an
interruption."""

from collections.abc import Mapping
from typing import NamedTuple

from ..compiler.program import Instruction
from .repro import step
from .stress import alike_steps, rounding_steps, stress_steps


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


def _steps(steps: list[Instruction]) -> str:
    return _text(list(map(step, steps)))


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
        "of = lambda n: Program(tuple(Aval((n,) * len(v.shape), v.dtype) for v in values), 2, "
        "tuple(steps), (6, 7, 3)); found = []; good = lambda p, d: right(p(put(d)), d); "
        "work = lambda d, n: found.append(all(good(run, d) and "
        "good(backend.compile(of(m), device), d[:, :m]) for m in range(n, n + 10)))",
        "pool = [threading.Thread(target=work, args=(d, 100 + i * 7)) for i, d in "
        "enumerate(data[:4])]; [t.start() for t in pool]; [t.join() for t in pool]; "
        "assert found == [True] * 4, found",
    ),
    "in-cycles": _stress(
        "for d in data[:10]: cycle = [put(d)]; cycle += [run(cycle[0]), cycle]; "
        "good = right(cycle[1], d); del cycle; gc.collect(); assert good"
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


# Those that are not about one program.
_ALIKE = (
    """\
import numpy as np
from numpy import dtype
from allumette_core.backend.reference import KERNELS
from allumette_core.backend.registry import open_backend
from allumette_core.compiler.program import Aval, Instruction, Program
from allumette_core.primitives import PRIMITIVES as P
backend = open_backend({backend!r}); device = backend.devices()[0]; made = []
given = list(np.random.default_rng(0).integers(-8, 9, (2, 4, 4)).astype('float32'))
"""
    + f"for steps in [{', '.join(map(_steps, alike_steps()))}]:"
    + """
    values = list(given)
    for p, at, params in steps: values.append(np.asarray(KERNELS[p](*[values[i] for i in at], *params)))
    program = Program(tuple(Aval(v.shape, v.dtype) for v in values), 2, tuple(Instruction(*s) for s in steps), (len(values) - 1,))
    made.append((steps, backend.compile(program, device), values[-1]))
for steps, run, want in made:
    got = backend.to_host(run([backend.from_host(x, device) for x in given])[0]); assert got.tobytes() == want.tobytes(), (steps, got, want)
"""  # noqa: E501
)
_INTERRUPTED = """\
import sys, threading, numpy as np
from allumette_core.backend.registry import open_backend; from allumette_core.primitives import PRIMITIVES as P
from allumette_core.compiler.program import Aval, Instruction, Program
backend = open_backend({backend!r}); device = backend.devices()[0]; left, found = [0], []
def interrupt(frame, event, argument):
    left[0] -= event in ('call', 'c_return')
    if left[0] == 0: raise KeyboardInterrupt
def work(n):
    run = backend.compile(Program((Aval((n,), np.dtype('float32')),) * 2, 1, (Instruction(P['neg'], (0,), ()),), (1,)), device)
    found.append((backend.to_host(run([backend.from_host(np.ones(n, 'float32'), device)])[0]) == -1).all())
for left[0] in range(1, 500):
    n = left[0]; sys.setprofile(interrupt)
    try: work(n)
    except KeyboardInterrupt: found.clear(); again = threading.Thread(target=work, args=(n,), daemon=True); again.start(); again.join(20)
    sys.setprofile(None); assert found and found[-1], f'after an interruption at event {{n}}'
"""  # noqa: E501
_WHOLE = {"alike-programs": _ALIKE, "interrupted": _INTERRUPTED}


def script(name: str, backend: str) -> str:
    """The script of the check `name` of level 5."""
    if name in _WHOLE:
        return _WHOLE[name].format(backend=backend)
    inputs, steps, outputs, lines, donated = _SCRIPTS[name]
    fields = {"inputs": inputs, "steps": steps, "count": len(inputs), "outputs": outputs}
    return _HEAD.format(backend=backend, donated=donated, **fields) + "\n".join(lines) + "\n"
