"""Level 0: data goes there and back, and programs that compute nothing."""

import re
from collections.abc import Callable

import numpy as np

from ..backend.spec import MemoryStats
from ..compiler.program import Instruction
from ..dtypes import ALL, DType
from ..primitives import PRIMITIVES
from ..shapes import Shape
from . import data_scripts, scripts, values
from .case import program_of
from .check import Check, Fault
from .subject import Subject
from .tolerance import ulps
from .values import Array

_SHAPES: tuple[Shape, ...] = (*values.SHAPES, (65_537,), (1025, 65))


def checks() -> list[Check]:
    """Transfers by dtype, shape and layout; then the rest."""
    made = [_transfer(f"transfer-{d.name}", _hot(d), (d.name,), d) for d in ALL]
    made += [_transfer(f"shape-{_named(s)}", _shaped(s), ("float32",)) for s in _SHAPES]
    made += [
        _transfer(f"empty-{_named(s)}", _shaped(s), ("float32", "zero_size")) for s in values.EMPTY
    ]
    made += [_transfer(f"layout-{name}", _laid(name), ("float32",)) for name in values.HOST_LAYOUTS]
    return made + [
        Check(0, name, body, needs=("float32",), script=_script(name))
        for name, body in _OTHERS.items()
    ]


def _script(name: str) -> Callable[[Subject], str]:
    return lambda subject: data_scripts.script(name, subject.name)


def _named(shape: Shape) -> str:
    return "x".join(map(str, shape)) or "scalar"


def _transfer(
    name: str, make: Callable[[Subject], Array], needs: tuple[str, ...], dtype: DType | None = None
) -> Check:
    def body(subject: Subject) -> None:
        x = make(subject)
        (back,) = subject.download(subject.upload([x]))
        same_bits(back, x, "from_host, then to_host")

    def script(subject: Subject) -> str:
        return scripts.transfer(subject.name, make(subject))

    return Check(0, name, body, dtype=dtype.name if dtype else "", needs=needs, script=script)


def same_bits(got: Array, wanted: Array, what: str) -> None:
    """Fault unless both arrays are equal in shape, dtype and bits."""
    if (got.shape, got.dtype) != (wanted.shape, wanted.dtype):
        raise Fault(
            f"{what}: {wanted.dtype} of shape {wanted.shape} became {got.dtype} of shape "
            f"{got.shape}"
        )
    if got.tobytes() != np.ascontiguousarray(wanted).tobytes():
        raise Fault(f"{what}: the values differ: {got} for {wanted}")


def _hot(dtype: DType) -> Callable[[Subject], Array]:
    return lambda subject: values.hot_spots(dtype)


def _shaped(shape: Shape) -> Callable[[Subject], Array]:
    return lambda subject: values.ordinary(np.dtype("float32"), shape, subject.rng(shape))


def _laid(name: str) -> Callable[[Subject], Array]:
    return lambda subject: values.HOST_LAYOUTS[name](_shaped((5, 7))(subject))


def _copy(subject: Subject) -> None:
    x = np.arange(6, dtype="float32")
    (buffer,) = subject.upload([x])
    x[:] = -1
    same_bits(subject.download([buffer])[0], np.arange(6, dtype="float32"), "writing to the array")


def _devices(subject: Subject) -> None:
    devices = list(subject.backend.devices())
    if devices[0] != subject.name or len(set(devices)) != len(devices):
        raise Fault(f"devices() is {devices}; the first must be {subject.name!r}, none twice")
    for device in devices:
        if not re.fullmatch(rf"{re.escape(subject.name)}(:\d+)?", device):
            raise Fault(f"device {device!r} is not named {subject.name!r} or '{subject.name}:N'")


def _declaration(subject: Subject) -> None:
    c = subject.capabilities
    primitives = {*(c.native or ()), *c.max_ulp}
    wrong = set(c.dtypes) - {d.name for d in ALL} | primitives - set(PRIMITIVES)
    if wrong:
        raise Fault(f"capabilities name {sorted(wrong)}, which do not exist")
    loose = [name for name, most in c.max_ulp.items() if most > ulps(name, np.dtype("float32"))]
    if loose:
        raise Fault(f"max_ulp allows more than the contract does for {sorted(loose)}")
    if not {"bool", "int32"} <= c.dtypes:
        raise Fault("bool and int32, the dtypes of comparisons and indices, must be declared")


def _memory(subject: Subject) -> None:
    found = subject.backend.memory(subject.device)
    if not isinstance(found, MemoryStats):
        raise Fault(f"memory() returned a {type(found).__name__}, not a MemoryStats")


def _nothing(subject: Subject) -> None:
    x, y = np.arange(3, dtype="float32"), np.ones((2, 2), "int32")
    program = program_of([x, y], [], outputs=(1, 0, 0))
    for made in subject.run(program, [x, y]):
        for got, wanted in zip(made, (y, x, x), strict=True):
            same_bits(got, wanted, "a program without instructions")


def _unused(subject: Subject) -> None:
    """An input and an instruction that nothing needs, and one output given twice."""
    x = np.arange(3, dtype="float32")
    neg = PRIMITIVES["neg"]
    steps = [Instruction(neg, (0,), ()), Instruction(neg, (2,), ()), Instruction(neg, (1,), ())]
    program = program_of([x, x + 1], steps, outputs=(3, 3, 2))
    for made in subject.run(program, [x, x + 1]):
        for got, wanted in zip(made, (x, x, -x), strict=True):
            same_bits(got, wanted, "a program with unused values")


def _trace(subject: Subject) -> None:
    x = np.arange(3, dtype="float32")
    steps = [Instruction(PRIMITIVES["neg"], (0,), ()), Instruction(PRIMITIVES["add"], (0, 1), ())]
    subject.run(program_of([x], steps), [x])
    if not subject.traced:
        raise Fault(
            "neg and add ran, but the profile names nothing: count what runs with "
            "allumette_core.profile.recorders"
        )


def _rank(subject: Subject) -> None:
    shape = (1,) * (subject.capabilities.max_rank - 1) + (3,)
    x = np.arange(3, dtype="float32").reshape(shape)
    for made in subject.run(program_of([x], [Instruction(PRIMITIVES["neg"], (0,), ())]), [x]):
        same_bits(made[0], -x, f"rank {len(shape)}")


_OTHERS: dict[str, Callable[[Subject], None]] = {
    "copies": _copy, "devices": _devices, "declaration": _declaration, "memory": _memory,
    "no-instructions": _nothing, "unused-values": _unused, "trace": _trace, "max-rank": _rank,
}  # fmt: skip
