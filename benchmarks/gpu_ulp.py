"""How accurate the functions of the GPU backend are: errors in units in the last place (ULP).

    python benchmarks/gpu_ulp.py [count]

For each function and dtype: the largest and the mean error over numbers of every exponent, and the
input of the largest. The exact values come from NumPy in float64. Subnormal results are left out.
"""

import math
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from allumette_core.backend.registry import backend_of
from allumette_core.compiler.program import Aval, Instruction, Program
from allumette_core.primitives import PRIMITIVES
from numpy.typing import NDArray

Array = NDArray[Any]
FUNCTIONS: dict[str, tuple[Callable[..., Any], float, float]] = {
    "exp": (np.exp, -87, 88.7),
    "expm1": (np.expm1, -20, 88.7),
    "log": (np.log, 1e-37, 3e38),
    "log1p": (np.log1p, -0.9999, 3e38),
    "sin": (np.sin, -1e7, 1e7),
    "cos": (np.cos, -1e7, 1e7),
    "tan": (np.tan, -1e7, 1e7),
    "asin": (np.arcsin, -1, 1),
    "acos": (np.arccos, -1, 1),
    "atan": (np.arctan, -1e30, 1e30),
    "sinh": (np.sinh, -89, 89),
    "cosh": (np.cosh, -89, 89),
    "tanh": (np.tanh, -20, 20),
    "asinh": (np.arcsinh, -1e30, 1e30),
    "acosh": (np.arccosh, 1, 1e30),
    "atanh": (np.arctanh, -0.9999999, 0.9999999),
    "erf": (np.vectorize(math.erf), -4, 4),
    "logistic": (lambda x: np.where(x < 0, np.exp(-abs(x)), 1) / (1 + np.exp(-abs(x))), -87, 30),
    "sqrt": (np.sqrt, 0, 3e38),
    "pow": (np.power, 1e-30, 1e30),
    "atan2": (np.arctan2, -1e30, 1e30),
}


def inputs(low: float, high: float, count: int, dtype: str, rng: np.random.Generator) -> Array:
    """Numbers between the bounds, half of them of every exponent and half evenly spread."""
    if dtype == "float16":
        every = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
        numbers = every.astype(np.float64)
        return every[(numbers >= low) & (numbers <= high)]
    sizes = np.exp2(rng.uniform(-100, math.log2(max(abs(low), abs(high))), count))
    spread = np.where(rng.random(count) < 0.5, -sizes, sizes)
    drawn = np.concatenate([spread, rng.uniform(low, min(high, 1e30), count)]).astype(np.float32)
    return drawn[(drawn >= low) & (drawn <= high)]


def measured(name: str, count: int, dtype: str = "float32") -> tuple[float, float, str]:
    """The largest and the mean error, and where the largest is."""
    exact, low, high = FUNCTIONS[name]
    rng = np.random.default_rng(0)
    arrays = [inputs(low, high, count, dtype, rng)]
    if name in ("pow", "atan2"):
        bounds = (-40, 40) if name == "pow" else (low, high)
        other = inputs(*bounds, 3 * count, dtype, rng)
        size = min(arrays[0].size, other.size)
        arrays = [rng.permutation(arrays[0])[:size], rng.permutation(other)[:size]]
    with np.errstate(all="ignore"):
        wanted = exact(*(x.astype(np.float64) for x in arrays))
    got = run(name, arrays).astype(np.float64)
    limits = np.finfo(dtype)
    judged = (abs(wanted) >= limits.tiny) & (abs(wanted) <= limits.max)
    unit = np.spacing(abs(wanted[judged]).astype(dtype)).astype(np.float64)
    errors = abs(got[judged] - wanted[judged]) / unit
    worst = int(np.argmax(errors))
    return errors[worst], errors.mean(), ", ".join(str(x[judged][worst]) for x in arrays)


def run(name: str, arrays: list[Array]) -> Array:
    """The function on the GPU."""
    backend, primitive = backend_of("gpu"), PRIMITIVES[name]
    avals = [Aval(x.shape, x.dtype) for x in arrays]
    made = Aval(*primitive.infer(avals, ()))
    step = Instruction(primitive, tuple(range(len(arrays))), ())
    program = Program((*avals, made), len(arrays), (step,), (len(arrays),))
    buffers = [backend.from_host(x, "gpu") for x in arrays]
    return np.asarray(backend.to_host(backend.compile(program, "gpu")(buffers)[0]))


def main() -> None:
    """Print the table."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    backend: Any = backend_of("gpu")
    device = backend.device("gpu")
    print(f"{device.adapter_name}: about {2 * count} numbers of float32 each, and all of float16")
    print("| function | dtype | largest ULP | mean ULP | at |\n| --- | --- | --- | --- | --- |")
    for name in FUNCTIONS:
        for dtype in ("float32", "float16"):
            if dtype in device.dtypes:
                largest, mean, at = measured(name, count, dtype)
                print(f"| {name} | {dtype} | {largest:.2f} | {mean:.3f} | {at} |")


if __name__ == "__main__":
    main()
