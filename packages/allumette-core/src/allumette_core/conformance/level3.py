"""Level 3: derivatives, run on the backend: against differences in float64, and the reference."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np

from .. import functions as F
from ..autodiff.check import check_grads
from ..autodiff.rules import RULES, bind
from ..autodiff.transforms import grad, jvp, vjp
from ..dtypes import DType, float32, float64
from ..errors import GradientError
from ..jit import jit
from ..primitives import Kind, Primitive
from ..tensor import Tensor
from . import scripts
from .case import Case
from .cases import cases
from .check import Check, Fault
from .level1 import source
from .subject import Subject
from .values import Array, Generator

REFERENCE = "numpy"
_ULP = 64  # of the largest element: a derivative is a composition of a few primitives

# Where a function is smooth, and its derivatives are of everyday size.
_DOMAINS: Mapping[str, tuple[float, float]] = {
    "sqrt": (0.3, 3), "log": (0.3, 3), "log1p": (-0.5, 2), "asin": (-0.8, 0.8), "tan": (-1, 1),
    "acos": (-0.8, 0.8), "acosh": (1.3, 3), "atanh": (-0.8, 0.8), "pow": (0.4, 2),
    "div": (0.5, 2), "mod": (0.55, 0.95), "atan2": (0.3, 2),
}  # fmt: skip
_UNTESTED = frozenset({"alias", "cast"})


def checks() -> list[Check]:
    """For each primitive with a rule: first and second order, both ways; then the kinks."""
    tried = [p for p in RULES if p.name not in _UNTESTED]
    made = [
        Check(3, f"{p.name}-differences", partial(_differences, p), p.name, "float64", ("float64",))
        for p in tried
    ]
    made += [
        Check(3, f"{p.name}-reference", partial(_against_reference, p), p.name, "float32", _FLOAT32)
        for p in tried
    ]
    made += [
        Check(3, f"at-{name}", partial(_kink, *row), "", "float32", (*_FLOAT32, "nan_inf"))
        for name, row in _KINKS.items()
    ]
    return made


_FLOAT32 = ("float32", "int32", "bool")


def _differences(primitive: Primitive, subject: Subject) -> None:
    for case in _smooth(primitive, float64, subject, 3 if subject.full else 2):
        function, arguments = _function(case, subject.device)
        order, seed = 2 if subject.full else 1, int(subject.rng(str(case)).integers(2**31))
        try:
            check_grads(function, arguments, order=order, seed=seed)
        except Exception as error:
            again = f"al.check_grads(f, floats, order={order}, seed={seed})"
            repro = scripts.derivative(case, subject.device, [again])
            kind = "" if isinstance(error, GradientError) else f"{type(error).__name__}: "
            raise Fault(f"{case}: {kind}{error}", repro) from error


def _against_reference(primitive: Primitive, subject: Subject) -> None:
    for case in _smooth(primitive, float32, subject, 6 if subject.full else 3):
        rng = subject.rng("directions", str(case))
        shape, _ = primitive.infer(case.arrays, case.params)
        cotangent = rng.standard_normal(shape).astype("float32")
        floats = [x for x in case.arrays if x.dtype.kind == "f"]
        tangents = [rng.standard_normal(x.shape).astype("float32") for x in floats]
        wide = Case(primitive, tuple(map(_widened, case.arrays)), case.params)
        wanted = _derivatives(wide, REFERENCE, list(map(_widened, tangents)), _widened(cotangent))
        ways = [("jvp(f, tuple(floats), tuple(along))[1]", tangents)]
        back = "vjp(f, *floats)[1](*along)"
        if _is_jitted(case):
            back = "jit(lambda c, *x: al.vjp(f, *x)[1](c))(*along, *floats)"
        ways += [(f"{back}[{i}]", [cotangent]) for i in range(len(floats))]
        found = _derivatives(case, subject.device, tangents, cotangent)
        for (text, along), other in zip(ways, wanted, strict=True):
            script = partial(scripts.product, case, subject.device, text, along)
            near(partial(next, found), other, f"{text.split('(')[0]} of {case}", script)


def near(
    make: Callable[[], Array], wanted: Array, what: str, script: Callable[[Array, float], str]
) -> None:
    """Fault unless what `make` gives is within a few units of the largest finite element of
    `wanted`; `script` shows it, given what is wanted and how far off that may be."""
    finite = np.isfinite(wanted)
    size = max(1e-6, float(np.max(np.abs(wanted[finite]), initial=0)))
    limit = _ULP * float(np.finfo(np.float32).eps) * size
    try:
        got = make()
    except Exception as error:
        problem = f"{what}: {type(error).__name__}: {error}"
        raise Fault(problem, script(wanted, limit)) from error
    with np.errstate(all="ignore"):
        off = np.where(finite, np.abs(got.astype(np.float64) - wanted), 0)
        strange = np.where(finite, False, ~((got == wanted) | (np.isnan(got) & np.isnan(wanted))))
    if got.shape != wanted.shape or strange.any() or not (off <= limit).all():
        raise Fault(f"{what}: got {got}, not {wanted}", script(wanted, limit))


def _derivatives(
    case: Case, device: str, tangents: list[Array], cotangent: Array
) -> Iterator[Array]:
    """Along `tangents`, then back from `cotangent` to each of the operands."""
    function, arguments = _function(case, device)
    _, forward = jvp(function, arguments, tuple(F.asarray(t, device=device) for t in tangents))
    yield np.asarray(forward)

    def pull(c: Tensor, *x: Tensor) -> Any:
        return vjp(function, *x)[1](c)

    pulled = jit(pull) if _is_jitted(case) else pull
    yield from map(np.asarray, pulled(F.asarray(cotangent, device=device), *arguments))


def _is_jitted(case: Case) -> bool:
    """Some backends compile no other programs, and those of what goes element by element are tried
    anyway. Indices are no arguments of the function."""
    floats = all(x.dtype.kind == "f" for x in case.arrays)
    return floats and case.primitive.kind is not Kind.ELEMENTWISE


def _widened(x: Array) -> Array:
    return x.astype(np.float64) if x.dtype.kind == "f" else x


def _function(case: Case, device: str) -> tuple[Callable[..., Tensor], tuple[Tensor, ...]]:
    """The primitive as a function of its floating-point operands, and these."""
    given = [F.asarray(x, device=device) for x in case.arrays]
    floats = [i for i, x in enumerate(case.arrays) if x.dtype.kind == "f"]

    def function(*tensors: Tensor) -> Tensor:
        operands = list(given)
        for i, tensor in zip(floats, tensors, strict=True):
            operands[i] = tensor
        return bind(case.primitive, *operands, params=case.params)

    return function, tuple(given[i] for i in floats)


def _smooth(primitive: Primitive, dtype: DType, subject: Subject, most: int) -> list[Case]:
    """Cases with small operands, at points where the function is smooth."""
    rng = subject.rng("smooth", primitive.name)
    drawn = cases(primitive, dtype, source(subject, primitive, dtype))
    fitting = [c for c in drawn if 0 < max(x.size for x in c.arrays) <= 64 and _is_real(c)]
    if primitive.kind is Kind.ELEMENTWISE:
        fitting = [c for c in fitting if max(x.ndim for x in c.arrays) > 1] or fitting
    return [
        Case(c.primitive, tuple(_moved(primitive, x, rng) for x in c.arrays), c.params)
        for c in fitting[:: max(1, len(fitting) // most)][:most]
    ]


def _is_real(case: Case) -> bool:
    """Setting elements at repeated indices is not differentiable where they differ."""
    return "set" not in case.params or len(np.unique(case.arrays[1])) == case.arrays[1].size


def _moved(primitive: Primitive, x: Array, rng: Generator) -> Array:
    """Values of the domain in the place of the floats of `x`, no two of them alike."""
    if x.dtype.kind != "f":
        return x
    low, high = _DOMAINS.get(primitive.name, (-1.5, 1.5))
    steps = (rng.permutation(x.size) + 0.5 + 0.3 * rng.uniform(-1, 1, x.size)) / max(x.size, 1)
    return np.asarray(low + (high - low) * steps, x.dtype).reshape(x.shape)


# ---- where a derivative is a convention, or infinite --------------------------------------------

Wanted = list[float]


def _kink(text: str, at: Wanted, wanted: Wanted, subject: Subject) -> None:
    x = np.array(at, "float32")
    function = eval(f"lambda t: {text}", {"al": F, "np": np})

    def got() -> Array:
        return np.asarray(grad(lambda t: F.sum(function(t)))(F.asarray(x, device=subject.device)))

    script = partial(scripts.at_kink, text, x, subject.device)
    near(got, np.array(wanted, float), f"derivative of {text} at {at}", script)


_INF, _NAN = float("inf"), float("nan")
# The function as text, since a failing check prints it, where, and its derivative there.
_KINKS: Mapping[str, tuple[str, Wanted, Wanted]] = {
    "relu": ("al.relu(t)", [-1.0, -0.0, 0.0, 1.0], [0, 0, 0, 1]),
    "abs": ("al.abs(t)", [-2.0, 0.0, 3.0], [-1, 0, 1]),
    "sqrt": ("al.sqrt(t)", [0.0, 4.0], [_INF, 0.25]),
    "log": ("al.log(t)", [0.0, 2.0], [_INF, 0.5]),
    "max-tie": ("al.max(t)", [1.0, 3.0, 3.0], [0, 0.5, 0.5]),
    "min-tie": ("al.min(t)", [1.0, 3.0, 1.0], [0.5, 0, 0.5]),
    "maximum-tie": ("al.maximum(t, 1.0)", [0.0, 1.0, 2.0], [0, 0.5, 1]),
    "prod-zero": ("al.prod(t)", [2.0, 0.0, 3.0], [0, 6, 0]),
    "prod-zeros": ("al.prod(t)", [0.0, 0.0, 3.0], [0, 0, 0]),
    "where-log": (
        "al.where(t > 0, al.log(al.where(t > 0, t, 1.0)), 0.0)", [-1.0, 2.0], [0, 0.5],
    ),
    "sigmoid-far": ("al.sigmoid(t)", [-200.0, 0.0, 200.0], [0, 0.25, 0]),
    "repeated-index": (
        "t[al.asarray(np.array([1, 1, 0], 'int32'), device=t.device)]",
        [1.0, 2.0, 3.0], [1, 2, 0],
    ),
    "nan": ("al.tanh(t)", [_NAN, 0.0], [_NAN, 1]),
}  # fmt: skip
