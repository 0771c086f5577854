"""The scalar terms of a phase, each once, whichever values have it."""

from collections.abc import Callable

from ..dtypes import DType
from ..layout import Layout
from .schedule import Access, Leaf, Store, Term, reachable


class Terms(list[Term]):
    """Terms by their numbers, operands before users."""

    def __init__(self) -> None:
        super().__init__()
        self._numbers: dict[object, int] = {}

    def number(self, term: Term) -> int:
        """The number of `term`; equal terms have one number."""
        key = (*term[:2], repr(term.params), *term[3:]) if term.op is Leaf.CONST else term
        number = self._numbers.setdefault(key, len(self))
        if number == len(self):
            self.append(term)
        return number

    def load(self, access: Access, dtype: DType) -> int:
        return self.number(Term(Leaf.LOAD, (), (), dtype, access))

    def const(self, value: object, dtype: DType) -> int:
        return self.number(Term(Leaf.CONST, (), (value,), dtype))

    def under(self, term: int) -> list[int]:
        """`term` and all that it is made of."""
        return reachable(self, [Store(_NOWHERE, term)])

    def view(self, term: int, change: Callable[[Layout], Layout | None]) -> int | None:
        """`term` with `change` applied to every layout in it; None where one cannot be changed."""
        renamed: dict[int, int] = {}
        for number in self.under(term):
            old = self[number]
            access = old.access
            if access is not None:
                layout = change(access.layout)
                if layout is None:
                    return None
                access = Access(access.value, layout)
            operands = tuple(renamed[i] for i in old.operands)
            renamed[number] = self.number(old._replace(operands=operands, access=access))
        return renamed[term]


_NOWHERE = Access(-1, Layout((), ()))
