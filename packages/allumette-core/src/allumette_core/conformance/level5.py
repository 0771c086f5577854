"""Level 5: robustness. Threads, repetition, memory, errors, interruption, large values."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..backend.reference import KERNELS
from ..dtypes import float32, int32
from ..primitives import PRIMITIVES, Params
from . import interruption, stress
from .case import Case
from .check import Check, Fault
from .subject import Subject
from .values import Array, exact

_BEYOND_GROUPS = 70_001  # more than 65,535, the most work groups along an axis of a GPU
_BEYOND_FLOAT = 2**24 + 3  # more than float32 counts without a gap


def checks() -> list[Check]:
    """What stands in the tables below."""
    made = [_large(name, _BEYOND_GROUPS) for name in _LARGE]
    made += [_large(name, _BEYOND_FLOAT) for name in _LARGEST]
    made += [Check(5, name, body, needs=("float32", *needs)) for name, body, *needs in _BODIES]
    return made


Operands = tuple[Array, ...]
Make = Callable[[Subject, int], Operands]


def _large(name: str, size: int) -> Check:
    def body(subject: Subject) -> None:
        primitive, make, params = _LARGE[name]
        case = Case(PRIMITIVES[primitive], make(subject, size), params(size))
        with np.errstate(all="ignore"):
            wanted = KERNELS[case.primitive](*case.arrays, *case.params)
        _, dtype = case.primitive.infer(case.arrays, case.params)
        for made in subject.run(case.program(), case.arrays):
            _same(made[0], np.asarray(wanted, dtype), str(case))

    primitive_ = _LARGE[name][0]
    thorough = size > _BEYOND_GROUPS
    return Check(5, f"{name}-{size}", body, primitive_, needs=("float32",), full_only=thorough)


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


def _one(dtype: Any = float32) -> Make:
    """Small whole numbers, along one axis."""
    return lambda subject, size: (exact(dtype, (size,), subject.rng(size)),)


def _two(subject: Subject, size: int) -> Operands:
    rng = subject.rng(size)
    return exact(float32, (size,), rng), exact(float32, (size,), rng)


def _choice(subject: Subject, size: int) -> Operands:
    return (exact(np.dtype("bool"), (size,), subject.rng("choice")), *_two(subject, size))


def _taken(subject: Subject, size: int) -> Operands:
    rng = subject.rng(size)
    return exact(float32, (size,), rng), rng.integers(0, size, (size,)).astype("int32")


def _crowded(subject: Subject, size: int) -> Operands:
    """Many updates of few elements, whose sums are exact."""
    rng = subject.rng(size)
    indices = rng.integers(0, 257, (size,)).astype("int32")
    return np.zeros(257, "float32"), indices, exact(float32, (size,), rng)


def _rows(subject: Subject, size: int) -> Operands:
    return (exact(float32, (size // 10, 10), subject.rng(size)),)


def _tall(subject: Subject, size: int) -> Operands:
    rng = subject.rng(size)
    return exact(float32, (size, 2), rng), exact(float32, (2, 3), rng)


def _first_last(subject: Subject, size: int) -> Operands:
    """The extreme is the very last element."""
    x = np.zeros(size, "float32")
    x[-1] = 1
    return (x,)


def _nothing(subject: Subject, size: int) -> Operands:
    return ()


def _key(subject: Subject, size: int) -> Operands:
    return (np.array([7, 42], "uint32"),)


def _padded(subject: Subject, size: int) -> Operands:
    return (*_one()(subject, size), np.array(9, "float32"))


_BITS = np.dtype("uint32")
_LARGE: Mapping[str, tuple[str, Make, Callable[[int], Params]]] = {
    "add": ("add", _two, lambda n: ()), "neg-int": ("neg", _one(int32), lambda n: ()),
    "le": ("le", _two, lambda n: ()), "where": ("where", _choice, lambda n: ()),
    "cast": ("cast", _one(), lambda n: (int32,)), "flip": ("flip", _one(), lambda n: ((0,),)),
    "permute": ("permute", _rows, lambda n: ((1, 0),)),
    "broadcast": ("broadcast", _one(), lambda n: ((2, n),)),
    "slice": ("slice", _one(), lambda n: ((1,), (n,), (3,))),
    "pad": ("pad", _padded, lambda n: ((2,), (1,), (1,))),
    "concat": ("concat", _two, lambda n: (0,)), "sum": ("sum", _one(), lambda n: ((0,),)),
    "sum-rows": ("sum", _rows, lambda n: ((1,),)),
    "sum-columns": ("sum", _rows, lambda n: ((0,),)),
    "max": ("max", _first_last, lambda n: ((0,),)),
    "argmax": ("argmax", _first_last, lambda n: ((0,),)),
    "cumsum": ("cumsum", _one(int32), lambda n: (0,)), "sort": ("sort", _one(), lambda n: (0,)),
    "argsort": ("argsort", _one(), lambda n: (0,)), "gather": ("gather", _taken, lambda n: (0,)),
    "scatter": ("scatter", _crowded, lambda n: (0, "add")),
    "dot": ("dot_general", _tall, lambda n: ((1,), (0,), (), ())),
    "dot-deep": ("dot_general", _two, lambda n: ((0,), (0,), (), ())),
    "iota": ("iota", _nothing, lambda n: (n, int32)),
    "random_bits": ("random_bits", _key, lambda n: ((n,), _BITS)),
}  # fmt: skip
_LARGEST = ("add", "sum", "argmax", "cumsum", "flip", "iota", "random_bits", "gather")

_BODIES: tuple[tuple[str, Callable[[Subject], None], *tuple[str, ...]], ...] = (
    ("many-calls", stress.many_calls), ("alike-programs", stress.alike_programs),
    ("inputs-intact", stress.inputs_intact), ("donation", stress.donation),
    ("donated-results", stress.donated_results),
    ("deterministic", stress.same_bits_again, "deterministic"),
    ("another-thread", stress.another_thread), ("threads", stress.threads, "thread_safe"),
    ("flat-memory", stress.flat_memory), ("too-large", stress.too_large),
    ("interrupted", interruption.interrupted), ("long-program", stress.long_program),
    ("many-outputs", stress.many_outputs),
)  # fmt: skip
