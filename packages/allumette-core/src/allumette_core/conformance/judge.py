"""Is a result right? Shape, dtype, NaN, infinities, signs of zero, and the distance in ULP."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..dtypes import DType

Array = NDArray[Any]
WIDE = np.longdouble
_SLACK = 1e-3  # of an ULP: the oracle's own rounding


@dataclass(frozen=True)
class Expected:
    """What should come out: `value` in higher precision (or exactly, if not floating-point).

    A unit in the last place is measured at `scale` where that is larger. `tolerance` is in ULP.
    """

    value: Array
    dtype: DType
    tolerance: float = 0.0
    scale: Array | None = None
    signed_zero: bool = False
    subnormals: bool = True


@dataclass(frozen=True)
class Verdict:
    """How far off a result is at its worst element, and in words what is wrong with it, if so."""

    ulp: float = 0.0
    problem: str = ""
    worst: tuple[int, ...] | None = None


def judge(got: Array, expected: Expected) -> Verdict:
    """Compare `got` with what was expected.

    >>> judge(np.float32([1, 2]), Expected(np.longdouble([1, 2]), np.dtype("float32")))
    Verdict(ulp=0.0, problem='', worst=(0,))
    """
    if got.shape != expected.value.shape:
        return _wrong(f"its shape is {got.shape}, not {expected.value.shape}")
    if got.dtype != expected.dtype:
        return _wrong(f"its dtype is {got.dtype}, not {expected.dtype}")
    if expected.dtype.kind != "f":
        return _first(got != expected.value, "is not equal", got, expected)
    return _judge_floats(got, expected)


def _wrong(problem: str) -> Verdict:
    return Verdict(np.inf, problem)


def _first(bad: Array, what: str, got: Array, expected: Expected) -> Verdict:
    """The verdict on elements that are `bad`, if there are any."""
    if not np.any(bad):
        return Verdict()
    at = tuple(int(i) for i in np.argwhere(bad)[0])
    wanted = expected.value[at]
    wrong = f"{int(np.sum(bad))} of {got.size} elements are"
    return Verdict(np.inf, f"[{_at(at)}] is {got[at]!s}, not {wanted!s}: {what} ({wrong})", at)


def _at(index: tuple[int, ...]) -> str:
    return ", ".join(map(str, index))


def rounded(value: Array, dtype: DType) -> Array:
    """`value` in `dtype`, overflowing to infinity."""
    with np.errstate(all="ignore"):
        return np.asarray(value.astype(dtype))


def _judge_floats(got: Array, expected: Expected) -> Verdict:
    value = expected.value
    with np.errstate(all="ignore"):
        for bad, what in (
            (np.isnan(got) != np.isnan(value), "NaN where there is none, or none where there is"),
            (np.isinf(value) & (got != value), "it is infinite"),
        ):
            verdict = _first(bad, what, got, expected)
            if verdict.problem:
                return verdict
        if expected.signed_zero:
            bad = (value == 0) & (got == 0) & (np.signbit(got) != np.signbit(value))
            verdict = _first(bad, "the sign of zero", got, expected)
            if verdict.problem:
                return verdict
        return _distance(got, expected)


def _distance(got: Array, expected: Expected) -> Verdict:
    error = error_in_ulp(got, expected)
    if not error.size:
        return Verdict()
    at = tuple(int(i) for i in np.unravel_index(int(np.argmax(error)), error.shape))
    ulp = float(error[at])
    if ulp <= expected.tolerance + _SLACK:
        return Verdict(ulp, "", at)
    many = int(np.sum(error > expected.tolerance + _SLACK))
    return Verdict(
        ulp,
        f"[{_at(at)}] is {got[at]!s}, not {rounded(expected.value[at], expected.dtype)!s}: "
        f"{ulp:.3g} ULP off, {expected.tolerance:.3g} allowed ({many} of {got.size} elements are)",
        at,
    )


def error_in_ulp(got: Array, expected: Expected) -> Array:
    """The distance of each element, 0 where both are NaN or infinite."""
    info = np.finfo(expected.dtype)
    # What would come after the largest number, where there is a wider type to hold it.
    beyond = WIDE(info.max) if np.finfo(WIDE).max == info.max else WIDE(2) ** info.maxexp

    def clipped(x: Array) -> Array:
        wide = np.where(np.isnan(x), WIDE(0), x.astype(WIDE))
        return np.asarray(np.clip(wide, -beyond, beyond))

    value = clipped(expected.value)
    size = np.abs(value)
    if expected.scale is not None:
        size = np.maximum(size, clipped(expected.scale))
    units = np.maximum(size, WIDE(info.tiny))
    spacing = WIDE(2) ** (np.floor(np.log2(units)) - info.nmant)
    error = np.abs(clipped(got) - value)
    if not expected.subnormals:
        error = np.where(error <= WIDE(info.tiny), 0, error)
    return np.asarray(error / spacing)
