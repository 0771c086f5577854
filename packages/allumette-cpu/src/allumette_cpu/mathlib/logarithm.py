"""Logarithms, inverse hyperbolic functions and powers.

`log(x) = e ln 2 + log(m)` with `x = 2^e m` and m between sqrt(1/2) and sqrt(2).
"""

import math

from .exponential import LN2_DOUBLE, LN2_SINGLE, clamp, exp, reduced, scale
from .numbers import Real, in_double

# (log(1 + f) - f + f^2 / 2) / f^3, a Chebyshev fit
_SINGLE = (
    *(0.33333333281303745, -0.24999990247994666, 0.20000009954217907, -0.16668004341955114),
    *(0.142865330601006, -0.12450675430910385, 0.11037549650958263, -0.10646549710489510),
    *(0.1053269184240967, -0.06202957800992884),
)
# log(1 + f) in powers of (f / (2 + f))^2, of the FreeBSD library
_DOUBLE = (
    *(6.666666666666735130e-01, 3.999999999940941908e-01, 2.857142874366239149e-01),
    *(2.222219843214978396e-01, 1.818357216161805012e-01, 1.531383769920937332e-01),
    1.479819860511658591e-01,
)
LN2 = math.log(2)
_ATANH = tuple(2 / n for n in range(5, 27, 2))  # 2 atanh(s) in powers of s^2, from s^5 on


def split(x: Real) -> tuple[Real, Real]:
    """(e, m) with x = 2^e m and sqrt(1/2) <= m < sqrt(2), for finite x > 0."""
    digits, smallest, shift = (23, 2.0**-126, 25) if x.single else (52, 2.0**-1022, 54)
    subnormal = x < smallest
    x = subnormal.choose(x * 2.0**shift, x)
    root = x.const(math.sqrt(0.5)).bits()
    offset = x.bits() - root
    m = ((offset & ((1 << digits) - 1)) + root).as_real()
    return (offset >> digits).real() - subnormal.choose(float(shift), 0.0), m


def log(x: Real) -> Real:
    e, m = split(x)
    f = m - 1.0
    half_square = f * f * 0.5
    high, low = LN2_SINGLE if x.single else LN2_DOUBLE
    if x.single:
        tail = (f * f * f).fma(f.polynomial(_SINGLE), e * low) - half_square
    else:
        s = f / (f + 2.0)
        rest = (z := s * s) * z.polynomial(_DOUBLE)
        tail = s.fma(half_square + rest, e * low) - half_square
    result = e.fma(high, f + tail)
    result = (x < math.inf).choose(result, x)  # infinity and NaN are their own logarithms
    return (x <= 0.0).choose(x.equals(0.0).choose(-math.inf, math.nan), result)


def log1p(x: Real) -> Real:
    """log(u) + c / u, where u + c is 1 + x exactly."""
    u = x + 1.0
    back = u - 1.0
    c = (1.0 - (u - back)) + (x - back)
    inner = (u > 0.0) & (x < math.inf) & ~x.equals(0.0)
    result = log(u) + inner.choose(c, 0.0) / u
    result = inner.choose(result, log(u))
    return x.equals(0.0).choose(x, result)


@in_double
def asinh(x: Real) -> Real:
    size = abs(x)
    large = size > 2.0**500
    square = size * size
    near = size + square / ((square + 1.0).sqrt() + 1.0)
    result = log1p(large.choose(size, near)) + large.choose(LN2, 0.0)
    return x.equals(0.0).choose(x, result.signed_as(x))


@in_double
def acosh(x: Real) -> Real:
    large = x > 2.0**500
    t = x - 1.0
    near = t + (t * (t + 2.0)).sqrt()
    result = log1p(large.choose(x, near)) + large.choose(LN2, 0.0)
    return (x < 1.0).choose(math.nan, result)


@in_double
def atanh(x: Real) -> Real:
    size = abs(x)
    twice = size + size
    result = log1p(twice + twice * size / (1.0 - size)) * 0.5
    result = (size < 1.0).choose(result, size.equals(1.0).choose(math.inf, math.nan))
    return x.equals(0.0).choose(x, result.signed_as(x))


# ---- powers ------------------------------------------------------------------------------------


def _product(a: Real, b: Real) -> tuple[Real, Real]:
    """a * b and its rounding error."""
    high = a * b
    return high, a.fma(b, -high)


def _sum(a: Real, b: Real) -> tuple[Real, Real]:
    """a + b and its rounding error, for |a| >= |b|."""
    high = a + b
    return high, b - (high - a)


def _precise_log(x: Real) -> tuple[Real, Real]:
    """log(x) for finite x > 0 as an unevaluated sum, good to 2^-63: x = 2^e m, and log(m) is
    2 atanh(s) = 2s + 2/3 s^3 + ... with s = (m - 1) / (m + 1)."""
    e, m = split(x)
    f, g = m - 1.0, m + 1.0
    s = f / g
    s_low = ((-s).fma(g, f) - s * (m - (g - 1.0))) / g
    square, square_low = _product(s, s)
    square_low = (s + s).fma(s_low, square_low)
    cube, cube_low = _product(square, s)
    cube_low = square_low.fma(s, square.fma(s_low, cube_low))
    term, term_low = _product(cube, cube.const(2 / 3))
    term_low = cube_low.fma(2 / 3, cube.fma(3.700743415417188e-17, term_low))
    term_low = (cube * square).fma(square.polynomial(_ATANH), term_low)
    high, low = _sum(s + s, term)
    top, rest = _sum(e * LN2_DOUBLE[0], high)
    return _sum(top, e.fma(LN2_DOUBLE[1], (s_low + s_low) + term_low + low + rest))


def _double_power(size: Real, y: Real) -> Real:
    """size ** y for size > 0 in float64."""
    high, low = _precise_log(clamp(size, 5e-324, 1.7976931348623157e308))
    limited = clamp(y, -(2.0**65), 2.0**65)
    p, p_low = _product(high, limited)
    p_low = p_low + low * limited
    rest, k = reduced(clamp(p, -800.0, 800.0), (abs(p) < 800.0).choose(p_low, 0.0))
    return scale(rest + 1.0, k)


def power(x: Real, y: Real) -> Real:
    """x ** y with the special cases of C's pow."""
    size = abs(x)
    if x.single:
        wide, exponent = size.widened(), y.widened()
        result = exp(exponent * log(wide)).narrowed(x)
    else:
        result = _double_power(size, y)
        result = size.equals(0.0).choose((y > 0.0).choose(0.0, math.inf), result)
        result = size.equals(math.inf).choose((y > 0.0).choose(math.inf, 0.0), result)
    whole = y.rint().equals(y)
    odd = whole & ~(y * 0.5).rint().equals(y * 0.5)
    negative = x.const(1.0).signed_as(x) < 0.0
    result = (negative & odd).choose(-result, result)
    result = ((x < 0.0) & ~whole & (size < math.inf)).choose(math.nan, result)
    result = (size.equals(1.0) & abs(y).equals(math.inf)).choose(1.0, result)
    result = (x.is_nan() | y.is_nan()).choose(math.nan, result)
    return (x.equals(1.0) | y.equals(0.0)).choose(1.0, result)
