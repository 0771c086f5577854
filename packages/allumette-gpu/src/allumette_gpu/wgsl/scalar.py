"""Elementwise primitives as WGSL expressions of their operands."""

from collections.abc import Callable

from allumette_core import primitives as P
from allumette_core.dtypes import DType
from allumette_core.primitives import Params, Primitive

from .types import computed, literal, rounded

Rule = Callable[..., str]

_FUNCTIONS = (
    *(P.exp, P.expm1, P.log, P.log1p, P.sin, P.cos, P.tan, P.asin, P.acos, P.atan, P.sinh, P.cosh),
    *(P.tanh, P.asinh, P.acosh, P.atanh, P.erf, P.logistic, P.sqrt, P.atan2, P.pow_, P.mod),
    *(P.floordiv, P.floor, P.ceil, P.round_, P.sign),
)
_OPERATORS = {P.add: "+", P.sub: "-", P.mul: "*", P.div: "/"}
_COMPARISONS = {P.eq: "==", P.lt: "<", P.le: "<="}
_BITWISE = {P.bit_and: "&", P.bit_or: "|", P.bit_xor: "^"}
_EXTREMES = {P.maximum: ("maximum", ">"), P.minimum: ("minimum", "<")}
_BOOLS: dict[Primitive, str] = {
    P.maximum: "({} | {})", P.minimum: "({} & {})", P.bit_and: "({} & {})", P.bit_or: "({} | {})",
    P.bit_xor: "({} != {})", P.eq: "({} == {})", P.ne: "({} != {})", P.lt: "(!{} & {})",
    P.le: "(!{} | {})", P.invert: "(!{})",
}  # fmt: skip


def compute(
    primitive: Primitive, params: Params, inputs: tuple[DType, ...], out: DType, texts: list[str]
) -> str:
    """The WGSL expression of `primitive` on operands that are names."""
    dtype = inputs[-1]
    if primitive is P.where:
        return f"select({texts[2]}, {texts[1]}, {texts[0]})"
    if primitive is P.alias:
        return texts[0]
    if primitive is P.cast:
        return cast(texts[0], dtype, out)
    if primitive is P.bitcast:
        return bitcast(texts[0], dtype, out)
    if dtype.kind == "b":
        return _BOOLS[primitive].format(*texts)
    if primitive is P.ne:
        return f"(!({texts[0]} == {texts[1]}))"
    if primitive in _COMPARISONS:
        return f"({texts[0]} {_COMPARISONS[primitive]} {texts[1]})"
    return rounded(_arithmetic(primitive, dtype, texts), dtype)


def _arithmetic(primitive: Primitive, dtype: DType, texts: list[str]) -> str:
    kind = computed(dtype)
    if primitive in _OPERATORS:
        a, b = texts
        if dtype.kind == "f" and primitive is not P.mul:
            # x - x and (x + x) - x are no 0 and x where they are infinite.
            return f"exact({a} {_OPERATORS[primitive]} apart({b}))"
        return f"({a} {_OPERATORS[primitive]} {b})"
    if primitive in _BITWISE:
        return f"({texts[0]} {_BITWISE[primitive]} {texts[1]})"
    if primitive in _EXTREMES:
        return extreme(primitive, dtype, *texts)
    if primitive in _SPECIAL:
        return _SPECIAL[primitive](dtype, *texts)
    if primitive in _FUNCTIONS:
        return f"{primitive.name}_{kind}({', '.join(texts)})"
    raise NotImplementedError(primitive.name)


def extreme(primitive: Primitive, dtype: DType, a: str, b: str) -> str:
    """The larger or smaller of two; NaN if either is."""
    name, sign = _EXTREMES[primitive]
    if dtype.kind == "b":
        return _BOOLS[primitive].format(a, b)
    return f"{name}_f32({a}, {b})" if dtype.kind == "f" else f"select({b}, {a}, {a} {sign} {b})"


def _neg(dtype: DType, x: str) -> str:
    if dtype.kind == "f":
        return f"bitcast<f32>(bitcast<u32>({x}) ^ 0x80000000u)"
    return f"({literal(0, dtype)} - {x})"


def _abs(dtype: DType, x: str) -> str:
    if dtype.kind == "f":
        return f"bitcast<f32>(bitcast<u32>({x}) & 0x7fffffffu)"
    zero = literal(0, dtype)
    return x if dtype.kind == "u" else f"select({x}, {zero} - {x}, {x} < {zero})"


def _sign(dtype: DType, x: str) -> str:
    if dtype.kind == "f":
        return f"sign_f32({x})"
    zero, one = literal(0, dtype), literal(1, dtype)
    positive = f"select({zero}, {one}, {x} > {zero})"
    return positive if dtype.kind == "u" else f"select({positive}, -{one}, {x} < {zero})"


def _invert(dtype: DType, x: str) -> str:
    return f"(~{x})"


def _shift(symbol: str) -> Rule:
    """Counts outside of 0 ... bits - 1 shift everything out, as in NumPy."""

    def rule(dtype: DType, x: str, count: str) -> str:
        bits, zero = 8 * dtype.itemsize, literal(0, dtype)
        unsigned = "u64" if bits == 64 else "u32"
        inside = f"{unsigned}({count}) < {bits}{'lu' if bits == 64 else 'u'}"
        safe = f"select(0u, u32({count}), {inside})"
        out = zero
        if symbol == ">>" and dtype.kind == "i":
            out = f"select({zero}, {literal(-1, dtype)}, {x} < {zero})"
        return f"select({out}, {x} {symbol} {safe}, {inside})"

    return rule


_SPECIAL: dict[Primitive, Rule] = {
    P.neg: _neg,
    P.abs_: _abs,
    P.sign: _sign,
    P.invert: _invert,
    P.shift_left: _shift("<<"),
    P.shift_right: _shift(">>"),
}


def cast(text: str, source: DType, target: DType) -> str:
    """`text` of dtype `source` as `target`."""
    kind = computed(target)
    if source == target:
        return text
    if target.kind == "b":
        return f"(!({text} == {literal(0, source)}))"
    if source.kind == "b":
        return f"select({literal(0, target)}, {literal(1, target)}, {text})"
    if target.kind == "f":
        number = text if source.kind == "f" else f"f32({text})"
        return f"to_f16({number})" if target.name == "float16" else number
    if source.kind != "f":
        return rounded(_widened(text, computed(source), kind), target)
    if target.itemsize >= 4:
        return f"to_{kind}({text})"
    low, high = (literal(end, target) for end in _ends(target))
    return f"clamp(to_{kind}({text}), {low}, {high})"


def _widened(text: str, source: str, target: str) -> str:
    """An integer as another type; naga extends by the sign of the target, not of the source."""
    if source == target:
        return text
    if source == "i32" and target == "u64":
        return f"bitcast<u64>(i64({text}))"
    if source == "u32" and target == "i64":
        return f"bitcast<i64>(u64({text}))"
    return f"{target}({text})"


def _ends(dtype: DType) -> tuple[int, int]:
    bits = 8 * dtype.itemsize
    return (-(1 << bits - 1), (1 << bits - 1) - 1) if dtype.kind == "i" else (0, (1 << bits) - 1)


def bitcast(text: str, source: DType, target: DType) -> str:
    """The bits of `text` read as `target`, which is as wide."""
    if source == target:
        return text
    if "b" in (source.kind, target.kind):
        return cast(text, source, target)
    bits = text
    if source.name == "float16":
        bits = f"(pack2x16float(vec2<f32>({text}, 0.0f)) & 0xffffu)"
    elif source.kind == "f" or computed(source) != computed(target):
        bits = f"bitcast<{'u64' if source.itemsize == 8 else 'u32'}>({text})"
    if target.name == "float16":
        return f"unpack2x16float({bits}).x"
    same = computed(target) in bits[:12] or bits == text
    made = bits if same else f"bitcast<{computed(target)}>({bits})"
    return rounded(made, target)
