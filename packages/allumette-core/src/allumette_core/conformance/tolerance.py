"""How far a result may be off, in units in the last place (ULP). Backends may be better, not worse.

The table gives one number a primitive for float32 and float64, and 2.5 for all of float16, which
most compute in float32 and round once. A unit is the distance of neighbouring numbers at the exact
result; for what adds up (`SCALED`), at the sum of the magnitudes that were added, so that
cancellation is not held against anyone. Reductions may lose more with the number of elements.
"""

from collections.abc import Mapping

from ..dtypes import DType

_CORRECTLY_ROUNDED = 0.5
_ULP: Mapping[str, float] = {
    "div": 2.5, "sqrt": 2.5, "exp": 4, "expm1": 5, "log": 4, "log1p": 5, "sin": 4, "cos": 4,
    "tan": 6, "asin": 6, "acos": 6, "atan": 5, "atan2": 6, "sinh": 6, "cosh": 6, "tanh": 6,
    "asinh": 6, "acosh": 6, "atanh": 6, "erf": 6, "logistic": 6, "pow": 16, "floordiv": 2,
}  # fmt: skip
_HALF: Mapping[str, float] = dict.fromkeys(_ULP, 2.5)

SCALED = frozenset({"sum", "cumsum", "dot_general", "fold", "scatter"})
_STEPS = frozenset({"prod", "cumprod", "cumsum"})  # one rounding after another
_DEPTH = frozenset({"sum", "dot_general", "fold", "scatter"})

# Largest magnitude for which these are promised: reducing larger angles is not asked of a GPU.
MAX_ANGLE = {"float16": 1e3, "float32": 1e4, "float64": 1e6}


def ulps(primitive: str, dtype: DType, terms: int = 1) -> float:
    """The most that `primitive` may be off in `dtype`; `terms`: how many elements go into one.

    >>> import numpy as np
    >>> ulps("add", np.dtype("float32")), ulps("exp", np.dtype("float32"))
    (0.5, 4)
    """
    if dtype.kind != "f":
        return 0.0
    if primitive in _STEPS:
        # Each of the roundings, in whatever order, is half a unit of its own result, which is at
        # most one of the last. float16 is accumulated in float32, and rounded once.
        return 1.0 if dtype.name == "float16" else max(1.0, terms - 1)
    if primitive in _DEPTH:
        return 1.0 if dtype.name == "float16" else 8.0
    table = _HALF if dtype.name == "float16" else _ULP
    return table.get(primitive, _CORRECTLY_ROUNDED)


# -0.0 and 0.0 are told apart in the results of these; elsewhere IEEE 754 leaves it open, or adding
# in another order gives the other one.
SIGNED_ZERO = frozenset((
    *("neg", "abs", "floor", "ceil", "round", "sqrt", "expm1", "log1p", "sin", "tan", "asin"),
    *("atan", "sinh", "tanh", "asinh", "atanh", "erf", "add", "sub", "mul", "div", "atan2"),
    *("where", "cast", "bitcast", "alias", "reshape", "permute", "broadcast", "slice", "flip"),
    *("windows", "pad", "concat", "gather", "full"),
))  # fmt: skip
