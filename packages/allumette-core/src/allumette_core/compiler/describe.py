"""A schedule in words: its phases, what is fused in each, and why it is cut where it is."""

from collections import Counter
from collections.abc import Iterator

from .expand import expand
from .flows import flows
from .fusion import fuse
from .lowering import renders
from .program import Aval, Program
from .rows import Phase
from .schedule import Contract, Dim, Leaf, Loop, Nest, Place
from .simplify import simplify
from .stream import SMALL, stream


def describe(program: Program) -> str:
    """The schedule of `program` in words."""
    whole = expand(simplify(program))
    phases = stream(whole, renders)
    made_in = {v: n for n, phase in enumerate(phases, 1) for v in phase.outputs}
    lines: list[str] = []
    for number, phase in enumerate(phases, 1):
        lines.append(f"phase {number}: {_kind(phase)}{_waits(phase, made_in, whole)}")
        lines += [f"  {line}" for line in ([] if phase.host else _statements(fuse(phase)))]
    return "\n".join(lines)


def _kind(phase: Phase) -> str:
    if phase.host:
        return f"{phase.program.instructions[-1].primitive} on the host: it has no fused form"
    if phase.rows > 1:
        return f"streams over {phase.rows} rows"
    free = [
        str(i.primitive)
        for position, i in enumerate(phase.program.instructions)
        if i.inputs and not flows(phase.program, position)
    ]
    if free:
        return f"whole arrays: no axis of {', '.join(dict.fromkeys(free))} can be cut into rows"
    return f"whole arrays: fewer than {SMALL} operations are not worth a loop over rows"


def _waits(phase: Phase, made_in: dict[int, int], whole: Program) -> str:
    """Which earlier phases have to be finished, and for what."""
    needed: dict[int, list[Aval]] = {}
    for value in phase.inputs:
        if value in made_in:
            needed.setdefault(made_in[value], []).append(whole.avals[value])
    if not needed:
        return ""
    return "; needs " + ", ".join(
        f"{_several(avals)} of phase {n}" for n, avals in sorted(needed.items())
    )


def _several(avals: list[Aval]) -> str:
    named = [str(aval) for aval in dict.fromkeys(avals)]
    return ", ".join(named[:3]) + (" ..." if len(named) > 3 else "")


def _statements(loop: Loop) -> Iterator[str]:
    for statement in loop.statements:
        yield _nest(loop, statement) if isinstance(statement, Nest) else _product(statement)
    kept = [m for m in loop.memory.values() if m.place is Place.CHUNK and m.moves]
    if loop.phase.rows > 1:
        size = sum(m.layout.size * m.dtype.itemsize for m in kept) // loop.phase.rows
        yield (
            f"in a chunk: {len(kept)} intermediate values, {size} bytes a row"
            if kept
            else "in a chunk: nothing is stored between the statements"
        )


def _nest(loop: Loop, nest: Nest) -> str:
    terms = [loop.terms[t].op for t in loop.body(nest)]
    operations = Counter(str(op) for op in terms if not isinstance(op, Leaf))
    names = [name if n == 1 else f"{name} x{n}" for name, n in operations.items()] or ["copy"]
    folds = Counter(store.fold for store in nest.stores if store.fold)
    done = " ".join(names) + "".join(f", {n} {fold}" for fold, n in folds.items())
    stored = []
    for store in nest.stores:
        memory = loop.memory[store.access.value]
        over = " folded over rows" if memory.place is Place.FOLD else ""
        stored.append(f"{Aval(memory.layout.shape, memory.dtype)}{over}")
    return f"nest {_space(loop, nest)}: {done} -> {', '.join(stored)}"


def _space(loop: Loop, nest: Nest) -> str:
    sizes = [str(size) for size in nest.shape]
    if nest.rows:
        each = nest.shape[0] // loop.phase.rows
        sizes[0] = "rows" if each == 1 else f"rows*{each}"
    return f"[{', '.join(sizes)}]"


def _product(product: Contract) -> str:
    def size(dim: Dim) -> str:
        if not dim.rows:
            return str(dim.size)
        return "rows" if dim.size == 1 else f"rows*{dim.size}"

    sizes = (product.m,), (*product.columns, product.n), (*product.terms, product.k)
    m, n, k = ("*".join(size(d) for d in dims if d.size > 1 or d.rows) or "1" for dims in sizes)
    text = f"product [{m}, {k}] @ [{k}, {n}]"
    if product.batch:
        text += f", {'*'.join(size(dim) for dim in product.batch)} times"
    return text + (" added up over rows" if product.accumulate else "")
