"""Faults of a whole backend: compilation, state between calls, threads, declarations."""

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
from allumette_core.backend.spec import Buffer, Executable
from allumette_core.compiler.program import Program
from faulty import Faulty, Make, wrapped
from faulty_promises import (
    ChangesTier,
    Loosens,
    Misnamed,
    NoMemory,
    OnHost,
    Overpromises,
    Untraced,
    WrongIfJitted,
    WrongWhereReturned,
)
from faulty_transfers import (
    Canonical,
    InMemoryOrder,
    NoScalars,
    Overclaims,
    RepeatsAreZero,
    WideResults,
    WithoutCopy,
    WithoutOffset,
)
from wrongs import Array


class Leaks(Faulty):
    kept: list[Any]

    def compile(self, program: Program, device: str) -> Executable:
        run, kept = super().compile(program, device), self.__dict__.setdefault("kept", [])

        def leaking(buffers: Sequence[Buffer]) -> list[Buffer]:
            made = run(buffers)
            kept.append(made if made[0].size > 10_000 else None)
            return made

        return leaking


def _swallows(program: Program, run: Executable, buffers: Sequence[Buffer]) -> list[Buffer]:
    try:
        return run(buffers)
    except Exception:  # noqa: BLE001  that is the fault
        return [np.zeros((), np.float32) for _ in program.outputs]


def _own_errors(program: Program, run: Executable, buffers: Sequence[Buffer]) -> list[Buffer]:
    try:
        return run(buffers)
    except Exception as error:
        raise KeyError(str(error)) from error


def _writes_donated(program: Program, run: Executable, buffers: Sequence[Buffer]) -> list[Buffer]:
    """The first instruction's result goes where the donated input was, which is needed again."""
    for i in program.donated:
        if program.instructions[0].primitive.name == "add" and len(program.instructions) > 2:
            buffers[i][...] = buffers[i] + buffers[1 - i]
    return run(buffers)


def _writes_inputs(program: Program, run: Executable, buffers: Sequence[Buffer]) -> list[Buffer]:
    """Uses its first input as scratch memory."""
    made = [np.array(x) for x in run(buffers)]
    if len(program.instructions) > 4 and buffers[0].flags.writeable:
        buffers[0][...] = 0
    return made


class SecondCall(Faulty):
    def compile(self, program: Program, device: str) -> Executable:
        run, calls = super().compile(program, device), [0]

        def counted(buffers: Sequence[Buffer]) -> list[Buffer]:
            calls[0] += 1
            made = run(buffers)
            return made if calls[0] == 1 else [np.zeros_like(x) for x in made]

        return counted


class ReusesOutputs(Faulty):
    def compile(self, program: Program, device: str) -> Executable:
        run = super().compile(program, device)
        outputs: list[Array] = []

        def reusing(buffers: Sequence[Buffer]) -> list[Buffer]:
            made = run(buffers)
            if not outputs:
                outputs.extend(np.array(x) for x in made)
            for kept, new in zip(outputs, made, strict=True):
                kept[...] = new
            return list(outputs)

        return reusing


_FIRST_THREAD = threading.get_ident()


def _second_thread(program: Program, run: Executable, buffers: Sequence[Buffer]) -> list[Buffer]:
    made = run(buffers)
    return made if threading.get_ident() == _FIRST_THREAD else [np.zeros_like(x) for x in made]


class SharedScratch(Faulty):
    """Puts its inputs into memory that all threads share, and looks away for a moment."""

    def compile(self, program: Program, device: str) -> Executable:
        run = super().compile(program, device)
        scratch: list[Any] = [None]

        def racing(buffers: Sequence[Buffer]) -> list[Buffer]:
            scratch[0] = list(buffers)
            if threading.active_count() > 2:
                threading.Event().wait(0.0005)
            return run(scratch[0])

        return racing


def _longer(count: int) -> Make:
    """Right for single primitives, wrong once there is something to fuse."""

    def change(program: Program, run: Executable, buffers: Sequence[Buffer]) -> list[Buffer]:
        made = run(buffers)
        names = [i.primitive.name for i in program.instructions]
        if len(names) >= count and "mul" in names and "sum" in names:
            return [x * 2 if x.dtype.kind == "f" else x for x in made]
        return made

    return wrapped(change)


class CoarseCache(Faulty):
    """Programs are told apart by their primitives and shapes, and not by their parameters."""

    def compile(self, program: Program, device: str) -> Executable:
        cache = self.__dict__.setdefault("cache", {})
        key = (
            tuple((i.primitive, i.inputs) for i in program.instructions),
            program.avals,
            program.outputs,
        )
        if key not in cache:
            cache[key] = super().compile(program, device)
        found: Executable = cache[key]
        return found


class CacheWithoutInputs(Faulty):
    """Programs are told apart by everything but which value goes where."""

    def compile(self, program: Program, device: str) -> Executable:
        cache = self.__dict__.setdefault("cache", {})
        steps = tuple((i.primitive, repr(i.params)) for i in program.instructions)
        found: Executable = cache.setdefault(
            (steps, program.avals), super().compile(program, device)
        )
        return found


def _once(program: Program, run: Executable, buffers: Sequence[Buffer]) -> list[Buffer]:
    """An output that is asked for twice comes once."""
    made = run(buffers)
    seen = dict(zip(program.outputs, made, strict=True))
    return list(seen.values())


class Moody(Faulty):
    def compile(self, program: Program, device: str) -> Executable:
        run, rng = super().compile(program, device), np.random.default_rng()

        def noisy(buffers: Sequence[Buffer]) -> list[Buffer]:
            made = [np.array(x) for x in run(buffers)]
            for x in made:
                if x.dtype == np.float32 and x.size and program.instructions:
                    up = rng.random(x.shape) < 0.01
                    x[...] = np.where(up & np.isfinite(x), np.nextafter(x, np.float32(0)), x)
            return made

        return noisy


class BrokenByError(Faulty):
    def compile(self, program: Program, device: str) -> Executable:
        run = super().compile(program, device)

        def fragile(buffers: Sequence[Buffer]) -> list[Buffer]:
            if self.__dict__.get("broken"):
                raise RuntimeError("the device is lost")
            try:
                return run(buffers)
            except Exception:
                self.__dict__["broken"] = True
                raise

        return fragile


class LockedForGood(Faulty):
    """Takes a lock, and gives it back unless it is interrupted."""

    def compile(self, program: Program, device: str) -> Executable:
        lock = self.__dict__.setdefault("lock", threading.Lock())
        if not lock.acquire(timeout=2):
            raise RuntimeError("deadlock")
        made = super().compile(program, device)
        for _ in range(200):
            np.zeros(3)  # somewhere to be interrupted
        lock.release()
        return made


class HalfMade(Faulty):
    """Enters a program in its cache before it is finished."""

    def compile(self, program: Program, device: str) -> Executable:
        cache = self.__dict__.setdefault("cache", {})
        if program.key not in cache:
            cache[program.key] = None
            made = super().compile(program, device)
            for _ in range(200):
                np.zeros(3)
            cache[program.key] = made
        found: Executable = cache[program.key]
        return found


def _tail(program: Program, run: Executable, buffers: Sequence[Buffer]) -> list[Buffer]:
    """The last element of what is not a multiple of four is not computed."""
    made = [np.array(x) for x in run(buffers)]
    for x in made:
        if x.ndim == 1 and x.size % 4 == 3 and x.size > 64 and program.instructions:
            x[-1] = 0
    return made


BACKEND_FAULTS: tuple[tuple[str, Make], ...] = (
    ("from_host reads memory in order, whatever the strides", InMemoryOrder),
    ("from_host ignores the offset", WithoutOffset),
    ("from_host shares the caller's memory", WithoutCopy),
    ("from_host fills repeated rows with 0", RepeatsAreZero),
    ("from_host loses the sign of zero", Canonical),
    ("from_host narrows float64 to float32", Overclaims),
    ("to_host widens float16", WideResults),
    ("to_host gives scalars an axis", NoScalars),
    ("keeps every result it ever made", Leaks),
    ("swallows errors and answers zeros", wrapped(_swallows)),
    ("raises errors of its own kind", wrapped(_own_errors)),
    ("writes to a donated input that is needed again", wrapped(_writes_donated)),
    ("writes to an input that was not donated", wrapped(_writes_inputs)),
    ("is wrong on the second call", SecondCall),
    ("gives the same buffer on every call", ReusesOutputs),
    ("is wrong in a second thread", wrapped(_second_thread)),
    ("shares scratch memory between threads", SharedScratch),
    ("is wrong when it fuses two primitives", _longer(2)),
    ("is wrong in programs of eight or more primitives", _longer(8)),
    ("caches programs without their parameters", CoarseCache),
    ("caches programs without their wiring", CacheWithoutInputs),
    ("gives an output once that was asked for twice", wrapped(_once)),
    ("rounds differently from run to run", Moody),
    ("rounds otherwise from the eleventh call on", ChangesTier),
    ("is wrong behind a view once it compiles", WrongIfJitted),
    ("writes permuted products as they were once it compiles", WrongWhereReturned),
    ("declares a tighter tolerance than it keeps", Overpromises),
    ("declares a looser tolerance than is allowed", Loosens),
    ("is broken for good by one error", BrokenByError),
    ("keeps a lock when it is interrupted", LockedForGood),
    ("keeps half a program when it is interrupted", HalfMade),
    ("declares native what runs on the host", OnHost),
    ("does not say what it runs", Untraced),
    ("has a device of another name", Misnamed),
    ("tells its memory as a number", NoMemory),
    ("leaves out the tail of a vector", wrapped(_tail)),
)
