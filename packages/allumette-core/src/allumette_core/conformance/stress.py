"""The bodies of level 5 that are not about size: each a function of the subject."""

import gc
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from ..backend.reference import KERNELS
from ..compiler.program import Instruction, Program
from ..dtypes import float32
from ..errors import AllumetteError
from ..primitives import PRIMITIVES as P
from .case import program_of
from .check import Fault
from .level0 import same_bits
from .subject import Subject
from .values import Array, exact

_SIZE = 1000
Step = Instruction


def stress_steps() -> list[Instruction]:
    """(x + y) * x, and what a few other kinds of primitive make of it. Inputs: x, y."""
    return [
        Step(P["add"], (0, 1), ()),
        Step(P["mul"], (2, 0), ()),
        Step(P["flip"], (3,), ((0,),)),
        Step(P["maximum"], (4, 1), ()),
        Step(P["cumsum"], (5,), (0,)),
        Step(P["sum"], (6,), ((0,),)),
    ]


def arrays_for(subject: Subject, salt: object, size: int = _SIZE) -> list[Array]:
    """Inputs of a `stress_program`; others for every `salt`."""
    rng = subject.rng("stress", salt)
    return [exact(np.dtype("float32"), (size,), rng) for _ in range(2)]


def stress_program(size: int = _SIZE, donated: frozenset[int] = frozenset()) -> Program:
    """Outputs: the running sums, their sum, and the product."""
    like = [np.zeros(size, "float32")] * 2
    return program_of(like, stress_steps(), outputs=(6, 7, 3), donated=donated)


def _wanted(arrays: list[Array]) -> list[Array]:
    values = list(arrays)
    for primitive, inputs, params in stress_steps():
        values.append(KERNELS[primitive](*(values[i] for i in inputs), *params))
    return [np.asarray(values[i], "float32") for i in (6, 7, 3)]


def agree(got: list[Array], arrays: list[Array], what: str) -> None:
    for one, wanted in zip(got, _wanted(arrays), strict=True):
        if one.shape != wanted.shape or not np.array_equal(one, wanted):
            raise Fault(f"{what}: got {one}, not {wanted}")


def _still_works(subject: Subject, what: str) -> None:
    arrays = arrays_for(subject, what)
    for got in subject.run(stress_program(), arrays):
        agree(got, arrays, f"after {what}")


def many_calls(subject: Subject) -> None:
    """One executable, other inputs every time; what it gave before stays as it was."""
    run = subject.compile(stress_program())
    inputs = [arrays_for(subject, i) for i in range(40)]
    made = [run(subject.upload(arrays)) for arrays in inputs]
    for i, (buffers, arrays) in enumerate(zip(made, inputs, strict=True)):
        agree(subject.download(buffers), arrays, f"call {i + 1} of 40")


def inputs_intact(subject: Subject) -> None:
    """Nothing but donated inputs is written to, not even when an input is an output."""
    arrays = arrays_for(subject, "intact")
    buffers = subject.upload(arrays)
    run = subject.compile(stress_program())
    for _ in range(3):
        run(buffers)
    for got, wanted in zip(subject.download(buffers), arrays, strict=True):
        same_bits(got, wanted, "an input that was not donated")


def donation(subject: Subject) -> None:
    """A donated input is needed again later in the program; the other is not touched."""
    arrays = arrays_for(subject, "donated")
    run = subject.compile(stress_program(donated=frozenset({0})))
    for _ in range(20):
        buffers = subject.upload(arrays)
        agree(subject.download(run(buffers)), arrays, "with the first input donated")
        same_bits(subject.download(buffers[1:])[0], arrays[1], "the input that was not donated")


def donated_results(subject: Subject) -> None:
    """A loop that donates its state: results of earlier turns are not overwritten by later ones."""
    x = np.ones(_SIZE, "float32")
    steps = [Step(P["add"], (0, 1), ()), Step(P["neg"], (2,), ())]
    run = subject.compile(program_of([x, x], steps, outputs=(2, 3), donated=frozenset({0})))
    state, one = subject.upload([x, x])
    kept = []
    for _ in range(10):
        state, negated = run([state, one])
        kept.append(negated)
    for turn, got in enumerate(subject.download(kept)):
        same_bits(got, np.full(_SIZE, -(turn + 2.0), "float32"), f"a result of turn {turn + 1}")


def rounding_steps() -> list[Instruction]:
    """Exponentials, a product, and sums: what comes out depends on the order of adding."""
    return [
        Step(P["exp"], (0,), ()),
        Step(P["dot_general"], (1, 0), ((0,), (0,), (), ())),
        Step(P["sum"], (2,), ((0,),)),
        Step(P["cumsum"], (3,), (0,)),
        Step(P["sum"], (0,), ((0, 1),)),
    ]


def same_bits_again(subject: Subject) -> None:
    """Rounding included: in a fresh executable, and on each of many calls of one."""
    rng = subject.rng("bits")
    x = rng.standard_normal((257, 65)).astype("float32")
    program = program_of([x], rounding_steps(), outputs=(2, 3, 4, 5))
    first = subject.run(program, [x])[0]
    for _ in range(4):
        for made in subject.run(program, [x]):
            for got, wanted in zip(made, first, strict=True):
                same_bits(got, wanted, "the same program, run again")
    run = subject.compile(program)
    for turn in range(40):
        for got, wanted in zip(subject.call(run, [x]), first, strict=True):
            same_bits(got, wanted, f"call {turn + 1} of one executable")


def another_thread(subject: Subject) -> None:
    """All of it, in a thread that is not the one that opened the backend."""

    def work() -> None:
        _still_works(subject, "a second thread")
        many_calls(subject)

    with ThreadPoolExecutor(1) as pool:
        pool.submit(work).result()


def threads(subject: Subject) -> None:
    """One executable and several programs, from four threads that start together."""
    shared = subject.compile(stress_program())
    gate = threading.Barrier(4)

    def work(number: int) -> None:
        gate.wait()
        for turn in range(10):
            arrays = arrays_for(subject, (number, turn))
            agree(subject.download(shared(subject.upload(arrays))), arrays, f"thread {number}")
            size = 100 + number * 7 + turn
            other = arrays_for(subject, (number, turn), size)
            run = subject.compile(stress_program(size))
            agree(subject.download(run(subject.upload(other))), other, f"thread {number}")

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(work, number) for number in range(4)]:
            done.result()


def flat_memory(subject: Subject) -> None:
    """1,000 evaluations leave nothing behind."""
    arrays = arrays_for(subject, "memory", 16_384)
    run = subject.compile(stress_program(16_384))
    turns = 1000

    def work(count: int) -> None:
        for _ in range(count):
            run(subject.upload(arrays))
        subject.backend.synchronize(subject.device)
        gc.collect()

    work(20)
    before, live = _resident(), subject.backend.memory(subject.device).live_bytes
    work(turns)
    left = subject.backend.memory(subject.device).live_bytes
    if live is not None and left is not None and left > live + 4 * arrays[0].nbytes:
        raise Fault(f"live_bytes grew from {live} to {left} over {turns} evaluations")
    grown = _resident() - before
    if grown > turns * arrays[0].nbytes // 4:
        raise Fault(f"the process grew by {grown / 1e6:.0f} MB over {turns} evaluations")


def _resident() -> int:
    """Bytes of memory that the process holds, 0 where that cannot be told."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123
            return int(file.read().split()[1]) * 4096
    except OSError:
        if sys.platform == "win32":
            return 0
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def in_cycles(subject: Subject) -> None:
    """Buffers in cycles of references, which the garbage collector finalizes in any order."""
    run = subject.compile(stress_program())
    for turn in range(10):
        arrays = arrays_for(subject, ("cycle", turn))
        cycle: list[Any] = [subject.upload(arrays)]
        cycle += [run(cycle[0]), cycle]
        agree(subject.download(cycle[1]), arrays, f"turn {turn + 1}, after a garbage collection")
        del cycle
        gc.collect()


def too_large(subject: Subject) -> None:
    """What fits no memory is refused with an error, not answered; the backend goes on."""
    x = np.ones(1, "float32")
    steps = [Step(P["broadcast"], (0,), ((2**46,),)), Step(P["neg"], (1,), ())]
    try:
        made = subject.compile(program_of([x], steps))(subject.upload([x]))
    except (AllumetteError, MemoryError):
        _still_works(subject, "a value too large for memory")
        return
    except Exception as error:
        raise Fault(
            f"a value too large for memory raises {type(error).__name__}, which is neither an "
            f"AllumetteError nor MemoryError: {error}"
        ) from error
    raise Fault(f"a value of 2**46 elements was answered with {type(made[0]).__name__}")


def alike_steps() -> list[list[Instruction]]:
    """Of two matrices x and y."""
    return [
        *([Step(P["flip"], (0,), (axes,))] for axes in ((0,), (1,), (0, 1))),
        *([Step(P["sub"], pair, ())] for pair in ((0, 1), (1, 0))),
        *([Step(P["full"], (), ((2,), value, float32))] for value in (0.0, -0.0, 1.0, -1.0)),
        *([Step(P["cumsum"], (0,), (axis,))] for axis in (0, 1)),
        *([Step(P["neg"], (0,), ()), Step(P["abs"], (i,), ())] for i in (0, 1)),
    ]


def alike_programs(subject: Subject) -> None:
    """Programs that differ in one thing only, all compiled before the first of them runs."""
    rng = subject.rng("alike")
    x, y = (exact(np.dtype("float32"), (4, 4), rng) for _ in range(2))
    runs = [subject.compile(program_of([x, y], steps)) for steps in alike_steps()]
    for steps, run in zip(alike_steps(), runs, strict=True):
        values = [x, y]
        for primitive, inputs, params in steps:
            values.append(np.asarray(KERNELS[primitive](*(values[i] for i in inputs), *params)))
        (got,) = subject.call(run, [x, y])
        same_bits(got, values[-1], f"{steps}, among programs like it")


def long_program(subject: Subject) -> None:
    """2,000 instructions one after another."""
    x = np.arange(5, dtype="float32")
    steps = [Step(P["neg"], (i,), ()) for i in range(2000)]
    for made in subject.run(program_of([x], steps), [x]):
        same_bits(made[0], x, "2,000 times neg")


def many_outputs(subject: Subject) -> None:
    """Every value of a program is asked for, and they do not share memory that changes."""
    x = np.arange(64, dtype="float32")
    steps = [Step(P["add"], (i, 0), ()) for i in range(100)]
    program = program_of([x], steps, outputs=tuple(range(101)))
    for made in subject.run(program, [x]):
        for i, got in enumerate(made):
            same_bits(got, x * (i + 1), f"output {i}")
