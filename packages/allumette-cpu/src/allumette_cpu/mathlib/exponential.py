"""The exponential and what is made of it.

`exp(x) = 2^k exp(r)` with `k = rint(x / ln 2)` and `|r| <= ln(2) / 2`; the reduction subtracts ln 2
in two parts (Cody & Waite, "Software Manual for the Elementary Functions", 1980).
"""

from .numbers import Real, Word

LOG2_E = 1.4426950408889634
# The high part has zeros at its end, so that k times it is exact.
LN2_SINGLE = (0.693359375, -2.12194440e-4)
LN2_DOUBLE = (6.93147180369123816490e-01, 1.90821492927058770002e-10)

# (exp(r) - 1 - r) / r^2 on |r| <= 0.35, Chebyshev fits
_SINGLE = (
    *(0.5000000014286223, 0.16666666682534356, 0.04166645680967788, 0.008333310024225292),
    *(0.0013934541928270264, 0.0001989198131397769),
)
_DOUBLE = (
    *(0.5, 0.1666666666666667, 0.04166666666666667, 0.008333333333325544, 0.0013888888888883327),
    *(0.00019841269876864356, 2.4801587327007187e-05, 2.755725283351691e-06),
    *(2.75572718102198e-07, 2.5106274733573296e-08, 2.0915442297780116e-09),
)


def power_of_two(k: Word) -> Real:
    """2^k for exponents of normal numbers, of which only the lowest bits need be right."""
    mantissa, one = _format(k)
    return ((k << mantissa) + one).as_real()


def scale(x: Real, k: Word) -> Real:
    """x * 2^k, in two steps so that subnormal and overflowing results are right."""
    mantissa, one = _format(k)
    half = (k << (mantissa - 1)) & -(1 << mantissa)
    return x * (half + one).as_real() * ((k << mantissa) - half + one).as_real()


def _format(k: Word | Real) -> tuple[int, int]:
    """How many bits of a float are below its exponent, and the bits of 1."""
    mantissa, bias = (23, 127) if k.b.width == 32 else (52, 1023)
    return mantissa, bias << mantissa


def clamp(x: Real, low: float, high: float) -> Real:
    """x between the bounds; NaN stays."""
    x = (x < low).choose(low, x)
    return (x > high).choose(high, x)


def reduced(x: Real, correction: Real | None = None) -> tuple[Real, Word]:
    """(exp(r) - 1, k) with exp(x + correction) = 2^k exp(r); only the lowest bits of k are right.

    A sum with a float whose last place is 1 is rounded to an integer, which its last bits are.
    """
    ones = 1.5 * 2.0 ** _format(x)[0]
    shifted = x.fma(LOG2_E, ones)
    k = shifted - ones
    high, low = LN2_SINGLE if x.single else LN2_DOUBLE
    r = k.fma(-low, k.fma(-high, x))
    if correction is not None:
        r = r + correction
    return (r * r).fma(r.polynomial(_SINGLE if x.single else _DOUBLE), r), shifted.bits()


def _limits(x: Real) -> tuple[float, float]:
    """Where exp is 0, and where it is infinite."""
    return (-105.0, 90.0) if x.single else (-747.0, 711.0)


def exp(x: Real) -> Real:
    rest, k = reduced(clamp(x, *_limits(x)))
    return scale(rest + 1.0, k)


def exp_within(x: Real) -> Real:
    """exp where neither x nor the result is near an end of its range."""
    rest, k = reduced(x)
    return (rest + 1.0) * power_of_two(k)


def expm1(x: Real) -> Real:
    smallest = -20.0 if x.single else -40.0  # the result is -1 from here on
    rest, k = reduced(clamp(x, smallest, _limits(x)[1]))
    power = power_of_two(0 - k)  # no number, from some k on
    rest = rest + (1.0 - (power > 2.0**-100).choose(power, 2.0**-100))
    return x.equals(0.0).choose(x, scale(rest, k))


def logistic(x: Real) -> Real:
    """1 / (1 + exp(-x)), from exp(-|x|), so that neither end loses digits."""
    small = exp(-abs(x))
    return (x < 0.0).choose(small, 1.0) / (small + 1.0)


def tanh(x: Real) -> Real:
    """-m / (m + 2) for m = exp(-2|x|) - 1."""
    size = abs(x)
    end = 9.2 if x.single else 19.2  # the result is 1 from here on
    rest, k = reduced((size > end).choose(end, size) * -2.0)
    power = power_of_two(k)
    m = power.fma(rest, power - 1.0)
    return (-m / (m + 2.0)).signed_as(x)


def _half_exp(x: Real) -> Real:
    """exp(x) / 2 for x >= 0, which overflows only where sinh and cosh do."""
    rest, k = reduced(clamp(x, 0.0, _limits(x)[1]))
    return scale(rest + 1.0, k - 1)


def cosh(x: Real) -> Real:
    half = _half_exp(abs(x))
    return half + 0.25 / half


def sinh(x: Real) -> Real:
    size = abs(x)
    half, m = _half_exp(size), expm1((size < 1.0).choose(size, 1.0))
    result = (size < 1.0).choose((m + m / (m + 1.0)) * 0.5, half - 0.25 / half)
    return result.signed_as(x)
