"""The closed table of primitive operations: name, arity, parameters, and shape and dtype rules.

A primitive is only a name with an `infer` rule. Its meaning in NumPy is in `backend/reference.py`,
its derivative in `autodiff/rules.py`, its batching in `autodiff/vmap.py` and its composition from
smaller primitives in `decompositions.py`: one table a transformation, keyed by these rows.

Conventions that every row obeys:
- a primitive has exactly one output; `params` is a hashable tuple in the order of the row's names;
- elementwise rows broadcast as NumPy does and take inputs of one dtype (casts are rows too);
- axes are non-negative and shapes concrete here: `functions/` normalises what users write.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol

from . import shapes
from .dtypes import ALL, DEFAULT_INT, FLOATS, INTEGERS, DType, bool_
from .errors import DTypeError, ShapeError
from .shapes import Shape

Params = tuple[Any, ...]
Inferred = tuple[Shape, DType]


class Typed(Protocol):
    """What `infer` needs to know of an input."""

    @property
    def shape(self) -> Shape: ...
    @property
    def dtype(self) -> DType: ...


class Kind(Enum):
    """How a primitive moves data, which is what a scheduler asks first."""

    ELEMENTWISE = "elementwise"
    VIEW = "view"  # every output element is one input element, found by index arithmetic
    REDUCE = "reduce"  # folds whole axes away
    SCAN = "scan"  # folds along an axis, keeping every step
    CONTRACT = "contract"
    INDEX = "index"  # data-dependent addresses
    SORT = "sort"
    CREATE = "create"  # no inputs, or only a key


@dataclass(frozen=True, slots=True, eq=False)
class Primitive:
    """One row of the table."""

    name: str
    kind: Kind
    arity: int | None  # None: one or more
    params: tuple[str, ...]
    infer: Callable[[Sequence[Typed], Params], Inferred]

    def __repr__(self) -> str:
        return self.name

    def __reduce__(self) -> tuple[Any, ...]:
        return _lookup, (self.name,)


PRIMITIVES: dict[str, Primitive] = {}


def _lookup(name: str) -> Primitive:
    return PRIMITIVES[name]


def _row(
    name: str,
    kind: Kind,
    arity: int | None,
    params: str,
    infer: Callable[[Sequence[Typed], Params], Inferred],
) -> Primitive:
    row = PRIMITIVES[name] = Primitive(name, kind, arity, tuple(params.split()), infer)
    return row


# ---- elementwise -------------------------------------------------------------------------------

NUMERIC = INTEGERS + FLOATS
LOGICAL = (bool_, *INTEGERS)


def _refuse_dtypes(name: str, inputs: Sequence[Typed], allowed: tuple[DType, ...]) -> DTypeError:
    got = ", ".join(x.dtype.name for x in inputs)
    if len({x.dtype for x in inputs}) > 1:
        return DTypeError(f"{name}: operands have different dtypes ({got}); cast to one of them")
    families = {NUMERIC: "numbers", LOGICAL: "booleans or integers", FLOATS: "floats"}
    wanted = families.get(allowed, ", ".join(d.name for d in allowed))
    return DTypeError(f"{name}: takes {wanted}, got {got}; cast with .astype(...)")


def _elementwise(
    name: str, arity: int, allowed: tuple[DType, ...] = ALL, result: DType | None = None
) -> Primitive:
    takes = frozenset(allowed)

    def infer(inputs: Sequence[Typed], params: Params) -> Inferred:
        first = inputs[0]
        dtype, shape = first.dtype, first.shape
        if dtype not in takes:
            raise _refuse_dtypes(name, inputs, allowed)
        if arity == 2:
            other = inputs[1]
            if other.dtype is not dtype and other.dtype != dtype:
                raise _refuse_dtypes(name, inputs, allowed)
            if other.shape != shape:
                shape = shapes.broadcast(name, shape, other.shape)
        return shape, dtype if result is None else result

    return _row(name, Kind.ELEMENTWISE, arity, "", infer)


neg = _elementwise("neg", 1, NUMERIC)
abs_ = _elementwise("abs", 1, NUMERIC)
sign = _elementwise("sign", 1, NUMERIC)
floor = _elementwise("floor", 1, FLOATS)
ceil = _elementwise("ceil", 1, FLOATS)
round_ = _elementwise("round", 1, FLOATS)  # half to even
sqrt = _elementwise("sqrt", 1, FLOATS)
exp = _elementwise("exp", 1, FLOATS)
expm1 = _elementwise("expm1", 1, FLOATS)
log = _elementwise("log", 1, FLOATS)
log1p = _elementwise("log1p", 1, FLOATS)
sin = _elementwise("sin", 1, FLOATS)
cos = _elementwise("cos", 1, FLOATS)
tan = _elementwise("tan", 1, FLOATS)
asin = _elementwise("asin", 1, FLOATS)
acos = _elementwise("acos", 1, FLOATS)
atan = _elementwise("atan", 1, FLOATS)
sinh = _elementwise("sinh", 1, FLOATS)
cosh = _elementwise("cosh", 1, FLOATS)
tanh = _elementwise("tanh", 1, FLOATS)
asinh = _elementwise("asinh", 1, FLOATS)
acosh = _elementwise("acosh", 1, FLOATS)
atanh = _elementwise("atanh", 1, FLOATS)
erf = _elementwise("erf", 1, FLOATS)
logistic = _elementwise("logistic", 1, FLOATS)  # 1 / (1 + exp(-x))
invert = _elementwise("invert", 1, LOGICAL)  # bitwise; logical not of a bool

add = _elementwise("add", 2, NUMERIC)
sub = _elementwise("sub", 2, NUMERIC)
mul = _elementwise("mul", 2, NUMERIC)
div = _elementwise("div", 2, FLOATS)
floordiv = _elementwise("floordiv", 2, NUMERIC)  # rounds down; an integer by 0 gives 0
mod = _elementwise("mod", 2, NUMERIC)  # has the divisor's sign; an integer by 0 gives 0
pow_ = _elementwise("pow", 2, NUMERIC)
atan2 = _elementwise("atan2", 2, FLOATS)
maximum = _elementwise("maximum", 2)  # NaN if either is
minimum = _elementwise("minimum", 2)
bit_and = _elementwise("bit_and", 2, LOGICAL)
bit_or = _elementwise("bit_or", 2, LOGICAL)
bit_xor = _elementwise("bit_xor", 2, LOGICAL)
shift_left = _elementwise("shift_left", 2, INTEGERS)  # 0 once every bit is shifted out
shift_right = _elementwise("shift_right", 2, INTEGERS)  # arithmetic for signed integers
eq = _elementwise("eq", 2, ALL, bool_)
ne = _elementwise("ne", 2, ALL, bool_)
lt = _elementwise("lt", 2, ALL, bool_)
le = _elementwise("le", 2, ALL, bool_)


def _infer_where(inputs: Sequence[Typed], params: Params) -> Inferred:
    condition, a, b = inputs
    if condition.dtype != bool_:
        raise DTypeError(f"where: the condition must be bool, got {condition.dtype}")
    if a.dtype != b.dtype:
        raise _refuse_dtypes("where", (a, b), ALL)
    shape = shapes.broadcast("where", a.shape, b.shape)
    return shapes.broadcast("where", condition.shape, shape), a.dtype


def _infer_bitcast(inputs: Sequence[Typed], params: Params) -> Inferred:
    (x,), (dtype,) = inputs, params
    if x.dtype.itemsize != dtype.itemsize:
        raise DTypeError(f"bitcast: {x.dtype} and {dtype} have different widths")
    return x.shape, dtype


where = _row("where", Kind.ELEMENTWISE, 3, "", _infer_where)
# From float to integer: towards zero; NaN gives 0, what does not fit gives the nearest end.
cast = _row("cast", Kind.ELEMENTWISE, 1, "dtype", lambda ins, p: (ins[0].shape, p[0]))
bitcast = _row("bitcast", Kind.ELEMENTWISE, 1, "dtype", _infer_bitcast)
# The same value under another node: what a transformation differentiates, batches or keeps apart.
alias = _row("alias", Kind.ELEMENTWISE, 1, "tag", lambda ins, p: (ins[0].shape, ins[0].dtype))

# ---- views, and what only moves data -----------------------------------------------------------


def _moved(name: str, params: str, rule: Callable[..., Shape]) -> Primitive:
    def infer(inputs: Sequence[Typed], params: Params) -> Inferred:
        return rule(inputs[0].shape, *params), inputs[0].dtype

    return _row(name, Kind.VIEW, 1, params, infer)


def _infer_pad(inputs: Sequence[Typed], params: Params) -> Inferred:
    x, value = inputs
    if value.shape != () or value.dtype != x.dtype:
        raise DTypeError(f"pad: the value must be a {x.dtype} scalar, got {value.dtype}")
    return shapes.pad(x.shape, *params), x.dtype


def _infer_concat(inputs: Sequence[Typed], params: Params) -> Inferred:
    if len({x.dtype for x in inputs}) > 1:
        raise _refuse_dtypes("concat", inputs, ALL)
    return shapes.concat([x.shape for x in inputs], params[0]), inputs[0].dtype


reshape = _moved("reshape", "shape", shapes.reshape)
permute = _moved("permute", "axes", shapes.permute)
broadcast = _moved("broadcast", "shape", shapes.broadcast_to)
slice_ = _moved("slice", "starts stops steps", shapes.slice_)
flip = _moved("flip", "axes", shapes.flip)
# Sliding windows: each of `axes` counts windows, and their elements are the last axes.
windows = _moved("windows", "axes sizes strides dilations", shapes.windows)
# lo and hi elements around, and `interior` ones between neighbours, all of the scalar value.
pad = _row("pad", Kind.VIEW, 2, "lo hi interior", _infer_pad)
concat = _row("concat", Kind.VIEW, None, "axis", _infer_concat)

# ---- reductions and scans ----------------------------------------------------------------------


def _along(
    name: str,
    kind: Kind,
    params: str,
    rule: Callable[..., Shape],
    allowed: tuple[DType, ...] = ALL,
    result: DType | None = None,
    needs_elements: bool = False,
) -> Primitive:
    takes = frozenset(allowed)

    def infer(inputs: Sequence[Typed], params: Params) -> Inferred:
        (x,) = inputs
        if x.dtype not in takes:
            raise _refuse_dtypes(name, inputs, allowed)
        if needs_elements:
            shapes.refuse_empty(name, x.shape, params[0])
        return rule(x.shape, *params), result or x.dtype

    return _row(name, kind, 1, params, infer)


# float16 is summed and multiplied up in float32, then rounded.
sum_ = _along("sum", Kind.REDUCE, "axes", shapes.reduce, NUMERIC)
prod = _along("prod", Kind.REDUCE, "axes", shapes.reduce, NUMERIC)
max_ = _along("max", Kind.REDUCE, "axes", shapes.reduce, needs_elements=True)
min_ = _along("min", Kind.REDUCE, "axes", shapes.reduce, needs_elements=True)
# The transpose of windows: adds overlapping windows up into an array of `shape`.
fold = _along("fold", Kind.INDEX, "axes sizes strides dilations shape", shapes.fold, NUMERIC)
# The first of equals; the first NaN if there is one.
argmax = _along("argmax", Kind.REDUCE, "axes", shapes.reduce, ALL, DEFAULT_INT, True)
argmin = _along("argmin", Kind.REDUCE, "axes", shapes.reduce, ALL, DEFAULT_INT, True)
cumsum = _along("cumsum", Kind.SCAN, "axis", shapes.same, NUMERIC)
cumprod = _along("cumprod", Kind.SCAN, "axis", shapes.same, NUMERIC)
cummax = _along("cummax", Kind.SCAN, "axis", shapes.same)
cummin = _along("cummin", Kind.SCAN, "axis", shapes.same)
# Ascending and stable, NaN last.
sort = _along("sort", Kind.SORT, "axis", shapes.same)
argsort = _along("argsort", Kind.SORT, "axis", shapes.same, ALL, DEFAULT_INT)

# ---- contraction, indexing ---------------------------------------------------------------------


def _infer_dot_general(inputs: Sequence[Typed], params: Params) -> Inferred:
    a, b = inputs
    if a.dtype != b.dtype or a.dtype not in NUMERIC:
        raise _refuse_dtypes("dot_general", inputs, NUMERIC)
    return shapes.dot_general(a.shape, b.shape, *params), a.dtype


def _need_integer_indices(name: str, indices: Typed) -> None:
    if indices.dtype not in INTEGERS:
        raise DTypeError(f"{name}: indices must be integers, got {indices.dtype}")


def _infer_gather(inputs: Sequence[Typed], params: Params) -> Inferred:
    (x, indices), (axis,) = inputs, params
    _need_integer_indices("gather", indices)
    if x.shape[axis] == 0 and 0 not in indices.shape:
        raise ShapeError(f"gather: axis {axis} of shape {x.shape} has no elements to take")
    return x.shape[:axis] + indices.shape + x.shape[axis + 1 :], x.dtype


def _infer_scatter(inputs: Sequence[Typed], params: Params) -> Inferred:
    (x, indices, updates), (axis, mode) = inputs, params
    _need_integer_indices("scatter", indices)
    if mode == "add" and x.dtype == bool_:
        raise _refuse_dtypes("scatter: mode 'add'", inputs[:1], NUMERIC)
    wanted = x.shape[:axis] + indices.shape + x.shape[axis + 1 :]
    if updates.shape != wanted or updates.dtype != x.dtype:
        raise ShapeError(
            f"scatter: updates must be {x.dtype} of shape {wanted}, "
            f"got {updates.dtype} of shape {updates.shape}"
        )
    return x.shape, x.dtype


# Output axes: batch, then what is left of lhs, then of rhs. float16 accumulates in float32.
dot_general = _row(
    "dot_general", Kind.CONTRACT, 2, "lhs_contract rhs_contract lhs_batch rhs_batch",
    _infer_dot_general,
)  # fmt: skip
# Indices take the place of `axis`; one that is out of bounds reads the nearest element.
gather = _row("gather", Kind.INDEX, 2, "axis", _infer_gather)
# mode "add" or "set" (the last of equal indices wins); out of bounds writes nothing.
scatter = _row("scatter", Kind.INDEX, 3, "axis mode", _infer_scatter)

# ---- creation ----------------------------------------------------------------------------------


def _infer_random_bits(inputs: Sequence[Typed], params: Params) -> Inferred:
    (key,), (shape, dtype) = inputs, params
    if key.shape != (2,) or key.dtype.name != "uint32":
        raise ShapeError(f"random_bits: a key is two uint32, got {key.dtype} of shape {key.shape}")
    return shape, dtype


full = _row("full", Kind.CREATE, 0, "shape value dtype", lambda ins, p: (p[0], p[2]))
iota = _row("iota", Kind.CREATE, 0, "size dtype", lambda ins, p: ((p[0],), p[1]))
# Threefry-2x32 of the element's row-major index: uint32 or uint64 words.
random_bits = _row("random_bits", Kind.CREATE, 1, "shape dtype", _infer_random_bits)
# The argument of a traced function: it has a shape and a dtype, and no value.
placeholder = _row("placeholder", Kind.CREATE, 0, "shape dtype", lambda ins, p: p)
