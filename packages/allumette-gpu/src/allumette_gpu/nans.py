"""Where a NaN comes from: the instruction that makes one of numbers that are none.

A program that gives a NaN for inputs without one is run again with every value as an output. From
the NaN backwards there is then an instruction that has none among its inputs.
"""

import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from allumette_core.compiler.program import Program
from allumette_core.errors import BackendError
from allumette_core.primitives import Kind
from numpy.typing import NDArray

Arrays = Sequence[NDArray[Any]]
_PACKAGES = ("allumette_core", "allumette_gpu", "allumette_train")


def warn(
    program: Program, inputs: Arrays, outputs: Arrays, kernel: str, run: Callable[[Program], Arrays]
) -> None:
    """Warn, at the user's line, of a NaN among `outputs` if `inputs` hold none.

    `kernel` is what wrote the first NaN; `run` runs a program on the same inputs.
    """
    output = next((v for v, x in zip(program.outputs, outputs, strict=True) if has_nan(x)), None)
    if output is None or any(map(has_nan, inputs)):
        return
    every = tuple(range(program.num_inputs, len(program.avals)))
    try:
        values = [*inputs, *run(replace(program, outputs=every, donated=frozenset()))]
        text = _described(program, values, _first(program, values, output))
    except BackendError as error:  # such as that there is no memory for all values at once
        text = f"something makes a NaN; it could not be found, since {error}"
    level, frame = 1, sys._getframe()
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] in _PACKAGES:
        frame, level = frame.f_back, level + 1
    warnings.warn(f"kernel {kernel!r}: {text}", RuntimeWarning, stacklevel=level)


def has_nan(array: NDArray[Any]) -> bool:
    """Whether `array` holds a NaN."""
    return array.dtype.kind == "f" and bool(np.isnan(array).any())


def _first(program: Program, values: Arrays, output: int) -> int:
    """The value that `output` has its NaN from, made of values without one."""
    value: int | None = output
    while value is not None:
        found, inputs = value, program.instructions[value - program.num_inputs].inputs
        value = next((i for i in inputs if has_nan(values[i])), None)
    return found


def _described(program: Program, values: Arrays, value: int) -> str:
    """What makes the NaN in `value`, where, and of what."""
    number = value - program.num_inputs
    primitive, inputs, _ = program.instructions[number]
    operands = ", ".join(str(program.avals[i]) for i in inputs)
    text = f"{primitive.name}({operands}), instruction {number + 1} of {len(program.instructions)}"
    places = np.argwhere(np.isnan(values[value]))
    if not len(places):
        return f"{text}, makes a NaN unless its inputs are kept in memory"
    place = tuple(places[0].tolist())
    text += f", makes a NaN at {list(place)}"
    if primitive.kind is Kind.ELEMENTWISE:
        shape = program.avals[value].shape
        text += f" of {', '.join(str(np.broadcast_to(values[i], shape)[place]) for i in inputs)}"
    return text
