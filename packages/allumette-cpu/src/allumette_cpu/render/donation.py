"""Which outputs are written over a donated input: where nothing needs the input any more.

Steps run one after another, so an input may go once the step before has read it last. Within a
step, pieces of rows run in any order: there an output may only take the place of an input that the
same nest reads element by element, each where it is written.
"""

from collections.abc import Sequence

from allumette_core.compiler.program import Program
from allumette_core.compiler.rows import Phase
from allumette_core.compiler.schedule import Loop, Nest, Place
from allumette_core.layout import Layout

Step = Phase | Loop


def in_place(program: Program, steps: Sequence[Step]) -> tuple[tuple[int, int], ...]:
    """Pairs of an output's number and the donated input whose buffer it takes."""
    last = {value: n for n, step in enumerate(steps) for value in _phase(step).inputs}
    made = {value: n for n, step in enumerate(steps) for value in _phase(step).outputs}
    # What is read late fits the fewest outputs, so it is offered first.
    free = sorted(program.donated, key=lambda source: (-last.get(source, -1), source))
    found = []
    for number, value in enumerate(program.outputs):
        step = made[value]
        for source in free:
            read = last.get(source, -1)
            done = read < step or (read == step and _gives_way(steps[step], source, value))
            if done and program.avals[source] == program.avals[value]:
                free.remove(source)
                found.append((number, source))
                break
    return tuple(found)


def _phase(step: Step) -> Phase:
    return step.phase if isinstance(step, Loop) else step


def _gives_way(step: Step, source: int, value: int) -> bool:
    """Whether `value` may be written over `source`, which the same step reads."""
    if not isinstance(step, Loop):
        return False
    phase = step.phase
    made = phase.program.outputs[phase.outputs.index(value)]
    if step.memory[made].place is Place.FOLD:  # written when all blocks are done
        return True
    read = phase.inputs.index(source)
    stores = [(s, one) for s in step.statements if isinstance(s, Nest) for one in s.stores]
    writers = [(nest, store) for nest, store in stores if store.access.value == made]
    if len(writers) != 1:
        return False
    ((nest, store),) = writers
    once = nest.rows or phase.rows == 1  # what does not move is done by every block
    return once and not store.fold and _reads_only(step, read, nest, store.access.layout)


def _reads_only(step: Loop, read: int, writer: Nest, layout: Layout) -> bool:
    """Whether `read` is loaded nowhere but in `writer`, and there only as `layout` has it."""
    for statement in step.statements:
        if isinstance(statement, Nest):
            loads = step.loads(statement)
            if read in loads and (statement is not writer or loads[read] != layout):
                return False
        elif read in (statement.lhs, statement.rhs):
            return False
    return True
