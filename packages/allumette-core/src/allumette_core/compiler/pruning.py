"""Leaving out what was stored in case something would read it, when nothing did."""

from collections.abc import Sequence

from .schedule import Nest, Statement, Term, reachable


def without_dead_stores(
    statements: Sequence[Statement], terms: list[Term], outputs: frozenset[int]
) -> tuple[tuple[Statement, ...], set[int]]:
    """The statements without stores to what nothing reads, and the values that are used."""
    used = set(outputs)
    kept: list[Statement] = []
    for statement in reversed(statements):
        if isinstance(statement, Nest):
            stores = tuple(s for s in statement.stores if s.access.value in used)
            if not stores:
                continue
            statement = Nest(statement.shape, statement.rows, stores)
            accesses = [terms[number].access for number in reachable(terms, stores)]
            used.update(access.value for access in accesses if access is not None)
        else:
            used.update((statement.lhs, statement.rhs))
        kept.append(statement)
    return tuple(reversed(kept)), used
