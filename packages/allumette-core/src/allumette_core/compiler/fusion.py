"""From the program of a phase to statements: what is computed together, at every point of a space.

Elementwise instructions become scalar terms. A view of a term is the same term with the view
applied to the layouts of what it loads, so views vanish. A value gets memory when something reads
it that needs memory (a product), or when it is used more than once and would cost more to compute
again than to load; what is only used inside its nest of loops is never stored.
"""

from collections.abc import Callable
from math import prod

from .. import primitives as P
from ..layout import Layout
from ..primitives import Kind, Primitive
from ..shapes import Shape
from .flows import is_free
from .lowering import RULES
from .nests import Nests
from .program import Aval, Instruction
from .pruning import without_dead_stores
from .rows import Phase
from .schedule import Access, Leaf, Loop, Memory, Place, Store, Term, arranged, by_column
from .terms import Terms

_VIEWS: dict[Primitive, Callable[..., Layout | None]] = {
    P.reshape: Layout.reshape, P.permute: Layout.permute, P.broadcast: Layout.broadcast,
    P.slice_: Layout.slice, P.flip: Layout.flip, P.windows: Layout.windows,
}  # fmt: skip
_CHEAP = frozenset(
    (P.neg, P.abs_, P.add, P.sub, P.mul, P.maximum, P.minimum, P.eq, P.ne, P.lt, P.le, P.where)
    + (P.bit_and, P.bit_or, P.bit_xor, P.invert, P.cast)
)
CHEAP_TERMS = 2  # as many cheap operations are repeated rather than stored
CHEAP_LOADS = 2
OFTEN = 8  # times that something is read, after which a copy by column has paid


def fuse(phase: Phase, often: int | None = OFTEN) -> Loop:
    """The statements of `phase`. Where it is kept by column, so is a copy of rows that are read
    `often`; None: there are no such copies."""
    return Fusion(phase, often).loop()


class Fusion:
    """Terms, memory and statements of one phase, while they are being made."""

    def __init__(self, phase: Phase, often: int | None = OFTEN) -> None:
        self.phase = phase
        self.program = phase.program
        self.terms = Terms()
        self.nests = Nests(self.terms)
        self.term_of: dict[int, int] = {}  # of a value that is not in memory
        self.memory: dict[int, Memory] = {}
        self.copies: dict[object, Access] = {}
        self.avals = list(self.program.avals)
        self.uses = self._uses()
        self.by_column = phase.by_column
        self.often = often if self.by_column else None
        for value in range(self.program.num_inputs):
            self.claim(value)

    def _uses(self) -> list[int]:
        """How often each value is read, a view being read through."""
        uses = [0] * len(self.avals)
        for value in reversed(range(self.program.num_inputs, len(self.avals))):
            instruction = self.program.instructions[value - self.program.num_inputs]
            for source in set(instruction.inputs):
                uses[source] += uses[value] if is_free(instruction) else 1
        return uses

    def loop(self) -> Loop:
        outputs = frozenset(self.program.outputs)
        for value, instruction in enumerate(self.program.instructions, self.program.num_inputs):
            if value not in self.memory:  # it may have been made with what it is a view of
                self._lower(value, instruction)
            if value in outputs:
                self.access(value)
        statements, used = without_dead_stores(self.nests.statements, self.terms, outputs)
        memory = {v: m for v, m in self.memory.items() if v in used}
        return Loop(self.phase, statements, tuple(self.terms), memory)

    # ---- terms

    def load(self, access: Access) -> int:
        """The term that is loaded from there."""
        return self.terms.load(access, self.avals[access.value].dtype)

    def value(self, value: int) -> int:
        """The term that is `value` at each point of its shape."""
        if value in self.term_of:
            return self.term_of[value]
        return self.load(Access(value, self.memory[value].layout))

    def over(self, value: int, shape: Shape) -> int:
        """The term of `value` broadcast to `shape`."""
        if self.avals[value].shape == shape:
            return self.value(value)
        self._settle(value, shape)
        viewed = self.terms.view(self.value(value), lambda layout: layout.broadcast(shape))
        assert viewed is not None
        return viewed

    # ---- memory

    def claim(self, value: int, order: Shape | None = None) -> Layout:
        """Give `value` memory, which the caller then stores to.

        The axes of a chunk by column are in `order`; None: the rows last.
        """
        shape, dtype = self.avals[value]
        axis = self.phase.axis(value)
        if self.phase.folds(value):
            place = Place.FOLD
        elif value < self.program.num_inputs or value in self.program.outputs:
            place = Place.WHOLE
        else:
            place = Place.CHUNK
        columns = place is Place.CHUNK and self.by_column
        order = by_column(range(len(shape)), axis) if order is None else order
        layout = arranged(shape, order) if columns else Layout.contiguous(shape)
        self.memory[value] = Memory(place, layout, dtype, axis is not None)
        self.term_of.pop(value, None)
        return layout

    def access(self, value: int) -> Access:
        """`value` in memory, or a view of something there."""
        if value not in self.memory:
            term = self.terms[self.term_of[value]]
            if term.op is Leaf.LOAD and value not in self.program.outputs:
                assert term.access is not None
                return term.access
            self.keep(value)
        return Access(value, self.memory[value].layout)

    def keep(self, value: int) -> None:
        """Store the term of `value`."""
        term, shape = self.term_of[value], self.avals[value].shape
        self.nests.store(
            shape, self.phase.axis(value), Store(Access(value, self.claim(value)), term)
        )

    def destination(self, value: int) -> Access | None:
        """The output that is `value`, maybe with its axes in another order, as memory for it, if
        nothing else is made of it."""
        program, axes = self.program, tuple(range(len(self.avals[value].shape)))
        while not self.phase.folds(value):
            if value in program.outputs:
                back = tuple(axes.index(axis) for axis in range(len(axes)))
                return Access(value, Layout.contiguous(self.avals[value].shape).permute(back))
            if self.uses[value] != 1:
                break
            steps = enumerate(program.instructions, program.num_inputs)
            value, (primitive, _, params) = next((v, s) for v, s in steps if value in s.inputs)
            if primitive is P.permute:
                axes = tuple(axes[axis] for axis in params[0])
            elif primitive is not P.alias:
                break
        return None

    def copy(
        self, source: Access, axis: int | None, order: Shape, *, exactly: bool = False
    ) -> Access:
        """The elements of `source`, copied so that its axes are nested in `order`; unless
        `exactly` so, one copy serves every product that wants one."""
        shape, strides = source.layout.shape, source.layout.strides
        layout, rest = arranged(shape, order), [a for a in order if shape[a] != 1]
        nested = source.layout.offset, *((shape[a], strides[a], a == axis) for a in rest)
        key = (source.value, nested) if exactly else (source, axis)
        if key not in self.copies:
            value, dtype = len(self.avals), self.memory[source.value].dtype
            self.avals.append(Aval(shape, dtype))
            self.memory[value] = Memory(Place.CHUNK, layout, dtype, axis is not None)
            self.copies[key] = Access(value, layout)
            self.nests.store(shape, axis, Store(self.copies[key], self.load(source)))
        made = self.copies[key]
        return Access(made.value, layout) if exactly else made

    # ---- instructions

    def _lower(self, value: int, instruction: Instruction) -> None:
        primitive, inputs, params = instruction
        shape, dtype = self.avals[value]
        if primitive.kind is Kind.ELEMENTWISE:
            operands = tuple(self.over(i, shape) for i in inputs)
            self.define(value, self.terms.number(Term(primitive, operands, params, dtype)))
        elif primitive in _VIEWS:
            self._view(value, primitive, inputs[0], params)
        else:
            RULES[primitive](self, value, instruction)

    def define(self, value: int, term: int) -> None:
        """`value` is `term` at each point; it gets memory if computing it twice costs too much."""
        self.term_of[value] = term
        if self.uses[value] > 1 and not self._is_cheap(term):
            self.keep(value)

    def _is_cheap(self, term: int) -> bool:
        terms = [self.terms[t] for t in self.terms.under(term)]
        operations = [t.op for t in terms if not isinstance(t.op, Leaf)]
        loads = sum(t.op is Leaf.LOAD for t in terms)
        return (
            len(operations) <= CHEAP_TERMS
            and loads <= CHEAP_LOADS
            and all(op in _CHEAP for op in operations)
        )

    def _view(
        self, value: int, primitive: Primitive, source: int, params: tuple[object, ...]
    ) -> None:
        change = _VIEWS[primitive]
        self._settle(source, self.avals[value].shape)
        flow = self.phase.flow(value)
        slides = primitive is P.windows and self.by_column
        term = self._turned(source, flow.ins[0] if flow and slides else None)
        viewed = self.terms.view(term, lambda layout: change(layout, *params))
        if viewed is None and self._reshaped_in_place(value, source, term):
            return
        if viewed is None:  # elements that are not in order are put in order first
            order = tuple(range(len(self.avals[source].shape)))
            axis = self.phase.axis(source)
            ordered = self.copy(self.access(source), axis, order, exactly=True)
            viewed = self.terms.view(self.load(ordered), lambda layout: change(layout, *params))
            assert viewed is not None
        self.term_of[value] = viewed

    def _reshaped_in_place(self, value: int, source: int, term: int) -> bool:
        """Write an output that is a reshape of `source` as that: its elements are all in order."""
        output, shape = self.destination(value), self.avals[source].shape
        if output is None or (back := output.layout.reshape(shape)) is None:
            return False
        self.claim(output.value)
        store = Store(Access(output.value, back), term)
        self.nests.store(shape, self.phase.axis(source), store)
        self.term_of[value] = self.load(output)
        return True

    def _turned(self, value: int, axis: int | None) -> int:
        """The term of a value, of a copy if its rows are along `axis` and it is not by column."""
        if axis is None or self.access(value).layout.strides[axis] in (0, 1):
            return self.value(value)
        order = by_column(range(len(self.avals[value].shape)), axis)
        copy = self.copy(self.access(value), axis, order, exactly=True)
        return self.load(copy)

    def _settle(self, value: int, shape: Shape) -> None:
        """Compute `value` once before it is spread over more points, if that is worth it; or have
        its rows one after another, if it is read so often."""
        size, points = prod(self.avals[value].shape), prod(shape)
        if value not in self.term_of or points <= size:
            return
        term = self.term_of[value]
        if not self._is_cheap(term):
            self.access(value)
        elif self.often and points >= size * self.often and self.terms[term].op is Leaf.LOAD:
            self.term_of[value] = self._turned(value, self.phase.axis(value))
