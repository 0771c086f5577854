"""Level 5: robustness. Threads, repetition, memory, errors, interruption, large values."""

from collections.abc import Callable, Mapping

import numpy as np

from ..backend.reference import KERNELS
from ..compiler.program import Instruction
from ..dtypes import int32
from ..primitives import PRIMITIVES, Params
from . import interruption, scripts, stress, stress_scripts
from .case import program_of
from .check import Check, Fault
from .subject import Subject
from .values import Array

_BEYOND_GROUPS = 70_001  # more than 65,535, the most work groups along an axis of a GPU
_BEYOND_FLOAT = 2**24 + 3  # more than float32 counts without a gap


def checks() -> list[Check]:
    """What stands in the tables below."""
    made = [_large(name, _BEYOND_GROUPS) for name in _LARGE]
    made += [_large(name, _BEYOND_FLOAT) for name in _LARGEST]
    made += [
        Check(5, name, body, needs=("float32", *needs), script=_script(name))
        for name, body, *needs in _BODIES
    ]
    return made


def _script(name: str) -> Callable[[Subject], str]:
    return lambda subject: stress_scripts.script(name, subject.name)


def _large(name: str, size: int) -> Check:
    primitive, operands, params = _LARGE[name]
    step = Instruction(PRIMITIVES[primitive], tuple(range(len(operands))), params(size))

    def body(subject: Subject) -> None:
        fields = {"np": np, "n": size, "rng": np.random.default_rng([subject.seed, size])}
        arrays = [eval(text, fields) for text in operands]
        with np.errstate(all="ignore"):
            wanted = KERNELS[step.primitive](*arrays, *step.params)
        _, dtype = step.primitive.infer(arrays, step.params)
        for made in subject.run(program_of(arrays, [step]), arrays):
            _same(made[0], np.asarray(wanted, dtype), f"{name} of {size} elements")

    def script(subject: Subject) -> str:
        return scripts.large(subject.name, step, operands, size, subject.seed)

    thorough = size > _BEYOND_GROUPS
    needs = ("float32",)
    return Check(5, f"{name}-{size}", body, primitive, "", needs, thorough, script)


def _same(got: Array, wanted: Array, what: str) -> None:
    if got.shape != wanted.shape or got.dtype != wanted.dtype:
        raise Fault(f"{what}: it is {got.dtype}{list(got.shape)}")
    wrong = np.flatnonzero(got.reshape(-1) != wanted.reshape(-1))
    if wrong.size:
        first = int(wrong[0])
        raise Fault(
            f"{what}: element {first} is {got.reshape(-1)[first]}, not "
            f"{wanted.reshape(-1)[first]} ({wrong.size} of {got.size} elements are wrong)"
        )


# Operands as text, for a failing check prints it: of `n` elements, small whole numbers from `rng`.
_ONE = "rng.integers(-8, 9, n).astype('float32')"
_INT = "rng.integers(-8, 9, n).astype('int32')"
_BOOL = "rng.integers(0, 2, n).astype(bool)"
_ROWS = "rng.integers(-8, 9, (n // 10, 10)).astype('float32')"
_TALL = "rng.integers(-8, 9, (n, 2)).astype('float32')"
_SMALL = "rng.integers(-8, 9, (2, 3)).astype('float32')"
_PLACES = "rng.integers(0, n, n).astype('int32')"
_CROWD = "rng.integers(0, 257, n).astype('int32')"  # few places, so that many updates meet
_LAST = "np.eye(1, n, n - 1, dtype='float32')[0]"  # the extreme is the very last element
_NINE, _KEY = "np.array(9, 'float32')", "np.array([7, 42], 'uint32')"
_ZEROS = "np.zeros(257, 'float32')"
_BITS = np.dtype("uint32")
_LARGE: Mapping[str, tuple[str, tuple[str, ...], Callable[[int], Params]]] = {
    "add": ("add", (_ONE, _ONE), lambda n: ()), "neg-int": ("neg", (_INT,), lambda n: ()),
    "le": ("le", (_ONE, _ONE), lambda n: ()), "where": ("where", (_BOOL, _ONE, _ONE), lambda n: ()),
    "cast": ("cast", (_ONE,), lambda n: (int32,)), "flip": ("flip", (_ONE,), lambda n: ((0,),)),
    "permute": ("permute", (_ROWS,), lambda n: ((1, 0),)),
    "broadcast": ("broadcast", (_ONE,), lambda n: ((2, n),)),
    "slice": ("slice", (_ONE,), lambda n: ((1,), (n,), (3,))),
    "pad": ("pad", (_ONE, _NINE), lambda n: ((2,), (1,), (1,))),
    "concat": ("concat", (_ONE, _ONE), lambda n: (0,)), "sum": ("sum", (_ONE,), lambda n: ((0,),)),
    "sum-rows": ("sum", (_ROWS,), lambda n: ((1,),)),
    "sum-columns": ("sum", (_ROWS,), lambda n: ((0,),)),
    "max": ("max", (_LAST,), lambda n: ((0,),)),
    "argmax": ("argmax", (_LAST,), lambda n: ((0,),)),
    "cumsum": ("cumsum", (_INT,), lambda n: (0,)), "sort": ("sort", (_ONE,), lambda n: (0,)),
    "argsort": ("argsort", (_ONE,), lambda n: (0,)),
    "gather": ("gather", (_ONE, _PLACES), lambda n: (0,)),
    "scatter": ("scatter", (_ZEROS, _CROWD, _ONE), lambda n: (0, "add")),
    "dot": ("dot_general", (_TALL, _SMALL), lambda n: ((1,), (0,), (), ())),
    "dot-deep": ("dot_general", (_ONE, _ONE), lambda n: ((0,), (0,), (), ())),
    "iota": ("iota", (), lambda n: (n, int32)),
    "random_bits": ("random_bits", (_KEY,), lambda n: ((n,), _BITS)),
}  # fmt: skip
_LARGEST = ("add", "sum", "argmax", "cumsum", "flip", "iota", "random_bits", "gather")

_BODIES: tuple[tuple[str, Callable[[Subject], None], *tuple[str, ...]], ...] = (
    ("many-calls", stress.many_calls), ("alike-programs", stress.alike_programs),
    ("inputs-intact", stress.inputs_intact), ("donation", stress.donation),
    ("donated-results", stress.donated_results),
    ("deterministic", stress.same_bits_again, "deterministic"),
    ("another-thread", stress.another_thread), ("threads", stress.threads, "thread_safe"),
    ("flat-memory", stress.flat_memory), ("in-cycles", stress.in_cycles),
    ("too-large", stress.too_large),
    ("interrupted", interruption.interrupted), ("long-program", stress.long_program),
    ("many-outputs", stress.many_outputs),
)  # fmt: skip
