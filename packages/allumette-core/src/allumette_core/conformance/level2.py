"""Level 2: layouts. Every primitive on host arrays that lie oddly in memory, and behind views."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from ..dtypes import DType, float32, int32
from ..primitives import Kind, Primitive
from . import values
from .case import Case, View
from .cases import TRIED, cases, takes
from .check import Check, Measure
from .level1 import most_axes, source
from .running import run_cases
from .subject import Subject
from .values import Array


def checks() -> list[Check]:
    """Each layout with each primitive that has an operand."""
    dtypes = {p: _dtype(p) for p in TRIED if p.arity != 0}
    made = [
        _check(p, dtype, f"host-{name}", _on_host(name))
        for p, dtype in dtypes.items()
        for name in values.HOST_LAYOUTS
    ]
    made += [
        _check(p, dtype, f"view-{name}", _behind(name))
        for p, dtype in dtypes.items()
        for name in _VIEWS
    ]
    return made


def _dtype(primitive: Primitive) -> DType:
    return next((d for d in (float32, int32) if takes(primitive, d)), np.dtype("uint32"))


Rearranged = Callable[[Case], Case]


def _check(primitive: Primitive, dtype: DType, layout: str, rearrange: Rearranged) -> Check:
    def body(subject: Subject) -> Measure:
        drawn = cases(primitive, dtype, source(subject, primitive, dtype))
        wanted = [c for c in drawn if 0 < max(x.size for x in c.arrays) <= 5_000]
        chosen = _chosen(primitive, wanted, subject.full)
        again = layout.startswith("view")
        chosen += [replace(case, repeats=again) for case in most_axes(wanted)]
        return run_cases(subject, map(rearrange, chosen))

    name = f"{primitive.name}-{layout}"
    return Check(2, name, body, primitive.name, dtype.name, (dtype.name,))


def _chosen(primitive: Primitive, cases: list[Case], full: bool) -> list[Case]:
    """All in a full run, else a few that differ in shape. Where elements do not meet, a third, or
    none, since one with many axes is tried beside these."""
    if primitive.kind is Kind.ELEMENTWISE:
        return cases[::3] if full else []
    return list(cases) if full else cases[:: max(1, len(cases) // 4)]


def _on_host(layout: str) -> Rearranged:
    def rearranged(case: Case) -> Case:
        lay = values.HOST_LAYOUTS[layout]
        arrays = tuple(lay(x) if _may(case, i) else x for i, x in enumerate(case.arrays))
        return replace(case, arrays=arrays)

    return rearranged


def _may(case: Case, operand: int) -> bool:
    """A random key keeps its two words, whatever else is rearranged."""
    return case.arrays[operand].ndim > 0


# ---- the same operand, as a view of another array ------------------------------------------------
# Each gives the array to start from, and the primitives that lead to the operand.

Detour = Callable[[Array], tuple[Array, list[tuple[str, tuple[object, ...]]]]]


def _by_flip(x: Array) -> tuple[Array, list[tuple[str, tuple[object, ...]]]]:
    axes = tuple(range(x.ndim))
    return np.flip(x).copy(), [("flip", (axes,))]


def _by_permute(x: Array) -> tuple[Array, list[tuple[str, tuple[object, ...]]]]:
    axes = tuple(reversed(range(x.ndim)))
    return np.array(x.T, order="C"), [("permute", (axes,))]


def _by_slice(x: Array) -> tuple[Array, list[tuple[str, tuple[object, ...]]]]:
    """Every second element of a larger array, not from its start."""
    wide = np.ones(tuple(2 * n + 3 for n in x.shape), x.dtype)
    bounds = (1,) * x.ndim, tuple(2 * n for n in x.shape), (2,) * x.ndim
    wide[tuple(slice(a, b, s) for a, b, s in zip(*bounds, strict=True))] = x
    return wide, [("slice", bounds)]


def _by_reshape(x: Array) -> tuple[Array, list[tuple[str, tuple[object, ...]]]]:
    return x.reshape(-1).copy(), [("reshape", (x.shape,))]


def _by_broadcast(x: Array) -> tuple[Array, list[tuple[str, tuple[object, ...]]]]:
    """The first row, repeated."""
    return x[:1].copy(), [("broadcast", (x.shape,))]


def _by_several(x: Array) -> tuple[Array, list[tuple[str, tuple[object, ...]]]]:
    start, steps = _by_flip(x)
    wide, more = _by_slice(start)
    turned, last = _by_permute(wide)
    return turned, [*last, *more, *steps]


_VIEWS: Mapping[str, Detour] = {
    "flip": _by_flip, "permute": _by_permute, "slice": _by_slice, "reshape": _by_reshape,
    "broadcast": _by_broadcast, "chain": _by_several,
}  # fmt: skip


def _behind(name: str) -> Rearranged:
    def rearranged(case: Case) -> Case:
        arrays, views = list(case.arrays), list[View]()
        for i, x in enumerate(case.arrays):
            if x.ndim:
                arrays[i], steps = _VIEWS[name](x)
                views += [(i, primitive, params) for primitive, params in steps]
        return replace(case, arrays=tuple(arrays), views=tuple(views))

    return rearranged
