"""Scripts of the checks of level 0 that are not transfers."""

from collections.abc import Mapping

from ..dtypes import ALL, float32
from ..primitives import PRIMITIVES
from .tolerance import ulps

_HEAD = """\
import re, numpy as np
from allumette_core.backend.registry import open_backend; from allumette_core.profile import profile
from allumette_core.backend.spec import MemoryStats; from allumette_core.primitives import PRIMITIVES as P
from allumette_core.compiler.program import Aval, Instruction, Program
backend = open_backend({backend!r}); device = backend.devices()[0]; c = backend.info.capabilities
x, neg, devices = np.arange(3, dtype='float32'), P['neg'], list(backend.devices())
put = lambda arrays: [backend.from_host(a, device) for a in arrays]
of = lambda *arrays: tuple(Aval(a.shape, a.dtype) for a in arrays)
"""  # noqa: E501  few lines count more than short ones
_RUN = "run = backend.compile(program, device)"
_TWICE = (
    "for got in [[backend.to_host(b) for b in run(put(given))] for _ in range(2)]:",
    "    assert all((g.shape, g.dtype) == (w.shape, w.dtype) and (g == w).all() "
    "for g, w in zip(got, want, strict=True)), got",
)
_LINES: Mapping[str, tuple[str, ...]] = {
    "copies": (
        "(buffer,) = put([x]); x[:] = -1",
        "assert (backend.to_host(buffer) == [0, 1, 2]).all(), backend.to_host(buffer)",
    ),
    "devices": (
        "name = backend.info.name; assert devices[0] == name, devices",
        "assert len(set(devices)) == len(devices), devices",
        "assert all(re.fullmatch(re.escape(name) + r'(:\\d+)?', d) for d in devices), devices",
    ),
    "declaration": (
        "assert {{'bool', 'int32'}} <= c.dtypes <= {dtypes!r}, c.dtypes",
        "assert {{*(c.native or ()), *c.max_ulp}} <= {{*P}}, {{*(c.native or ()), *c.max_ulp}} - {{*P}}",  # noqa: E501
        "most = {limits!r}",
        "assert all(ulp <= most[name] for name, ulp in c.max_ulp.items()), c.max_ulp",
    ),
    "memory": ("found = backend.memory(device); assert isinstance(found, MemoryStats), found",),
    "no-instructions": (
        "given = [x, np.ones((2, 2), 'int32')]; want = [given[1], x, x]",
        "program = Program(of(*given), 2, (), (1, 0, 0))",
        _RUN,
        *_TWICE,
    ),
    "unused-values": (
        "given = [x, x + 1]; want = [x, x, -x]",
        "steps = tuple(Instruction(neg, (i,), ()) for i in (0, 2, 1))",
        "program = Program(of(x, x, x, x, x), 2, steps, (3, 3, 2))",
        _RUN,
        *_TWICE,
    ),
    "trace": (
        "steps = Instruction(neg, (0,), ()), Instruction(P['add'], (0, 1), ())",
        "program = Program(of(x, x, x), 1, steps, (2,))",
        "with profile() as ran: backend.compile(program, device)(put([x]))",
        "assert ran.counts, 'neg and add ran, but the profile names nothing'",
    ),
    "max-rank": (
        "x = x.reshape((1,) * (c.max_rank - 1) + (3,)); given, want = [x], [-x]",
        "program = Program(of(x, x), 1, (Instruction(neg, (0,), ()),), (1,))",
        _RUN,
        *_TWICE,
    ),
}


def script(name: str, backend: str) -> str:
    """The script of the check `name` of level 0."""
    fields = {
        "backend": backend,
        "dtypes": {d.name for d in ALL},
        "limits": {name: ulps(name, float32) for name in PRIMITIVES},
    }
    return (_HEAD + "\n".join(_LINES[name]) + "\n").format(**fields)
