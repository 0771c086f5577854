"""The forms in which a product of matrices reads its operands where they lie.

By strides; or its columns, or the terms of its sums, in runs that tables say the beginnings of, as
those of windows have to be.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from math import prod

from .schedule import Contract, Dim

LONG = 8  # elements: a run worth keeping contiguous
MOST_RUNS = 1 << 12  # that columns or terms come in
ONE = Dim(1, 0, 0, 0)
Groups = list[list[Dim]]  # batch, m, n, k


def forms(plain: Contract, groups: Groups) -> Iterator[Contract]:
    """`plain` with its dimensions, in every way in which the operands are matrices as they lie.

    What is no part of a matrix is looped over around it; terms only if they are added to what is
    there.
    """
    swapped = [[Dim(d.size, d.rhs, d.lhs, d.out, d.rows) for d in dims] for dims in groups]
    swapped[1:3] = swapped[2:0:-1]
    back = replace(plain, lhs=plain.rhs, rhs=plain.lhs, offsets=_swapped(plain.offsets))
    if (found := _by_strides(plain, groups)) is not None:
        yield found
    for form in (_runs_of_columns, _runs_of_terms):
        for product_, dims in ((plain, groups), (back, swapped)):
            if (found := form(product_, dims)) is not None:
                yield found


def _swapped(offsets: tuple[int, int, int]) -> tuple[int, int, int]:
    lhs, rhs, out = offsets
    return rhs, lhs, out


def _by_strides(plain: Contract, groups: Groups) -> Contract | None:
    """A product of matrices by strides: rows or columns of the result are contiguous."""
    batch, m, n, k = groups
    if len(k) > 1 and not plain.accumulate:
        return None
    (*ms, row), (*ns, column), (*ks, term) = (_main_last(dims) for dims in (m, n, k))
    writable = 1 in (row.out, column.out)
    if not writable and not any(dim.size == 1 and not dim.rows for dim in (row, column)):
        return None
    return replace(plain, batch=(*batch, *ms, *ns, *ks), m=row, n=column, k=term)


def _runs_of_columns(plain: Contract, groups: Groups) -> Contract | None:
    """A product whose columns are runs, contiguous in rhs and in the result."""
    *_, n, k = groups
    runs, columns, outer = _apart(n, lambda dim: dim.rhs == 1 and dim.out == 1)
    _, terms, adding = _apart(k, lambda dim: False)
    if not columns and _are_lines(runs, outer):
        columns, outer = outer, columns
    if not terms or not _even(terms, "lhs") or not _worthwhile(runs, columns, terms):
        return None
    found = replace(plain, runs="columns", n=runs[0], k=terms[-1])
    found = replace(found, columns=tuple(columns), terms=tuple(terms[:-1]))
    return _looped(found, groups, outer, adding)


def _runs_of_terms(plain: Contract, groups: Groups) -> Contract | None:
    """A product whose terms are runs, contiguous in both operands."""
    *_, n, k = groups
    runs, terms, adding = _apart(k, lambda dim: dim.lhs == 1 and dim.rhs == 1)
    _, columns, outer = _apart(n, lambda dim: False)
    even = bool(columns) and columns[-1].out == 1 and _even(columns, "out")
    if not even or not _worthwhile(runs, terms, columns):
        return None
    found = replace(plain, runs="terms", n=columns[-1], k=runs[0])
    found = replace(found, columns=tuple(columns[:-1]), terms=tuple(terms))
    return _looped(found, groups, outer, adding)


def _looped(
    found: Contract, groups: Groups, outer: list[Dim], adding: list[Dim]
) -> Contract | None:
    """`found` with the loops around it; None if terms would have to be added to what is there."""
    batch, m, *_ = groups
    *ms, row = m or [ONE]
    loops = (*batch, *ms, *outer, *adding)
    return replace(found, batch=loops, m=row) if found.accumulate or not adding else None


def _apart(
    dims: list[Dim], is_run: Callable[[Dim], bool]
) -> tuple[list[Dim], list[Dim], list[Dim]]:
    """The dimension that is a run, those of which a table can be made, and those over rows."""
    chosen = [i for i, dim in enumerate(dims) if is_run(dim)][-1:]
    others = [dim for i, dim in enumerate(dims) if i not in chosen]
    still, moving = ([dim for dim in others if dim.rows is rows] for rows in (False, True))
    return [dims[i] for i in chosen], still, moving


def _are_lines(run: list[Dim], outer: list[Dim]) -> bool:
    """Whether rows are lines of one picture, near enough to each other to be multiplied at once."""
    if len(run) != 1 or len(outer) != 1:
        return False
    (columns,), (line,) = run, outer
    return line.size == 1 and columns.size <= line.rhs < 2 * columns.size


def _even(dims: list[Dim], side: str) -> bool:
    """Whether steps of one operand over `dims` are as those over one dimension."""
    steps = [(getattr(dim, side), dim.size) for dim in dims]
    return all(x == y * size for (x, _), (y, size) in pairwise(steps))


def _worthwhile(run: list[Dim], runs: list[Dim], others: list[Dim]) -> bool:
    """Whether there are runs, long ones, and several but not too many for a table of them."""
    long = any(dim.size >= LONG or dim.rows for dim in run)
    most = max(prod(dim.size for dim in dims) for dims in (runs, others))
    return long and len(runs) + len(others) > 1 and most <= MOST_RUNS


def _main_last(dims: list[Dim]) -> list[Dim]:
    """`dims` with the one that is contiguous in the result, if there is one, as the last."""
    return sorted(dims, key=lambda dim: dim.out == 1) or [ONE]
