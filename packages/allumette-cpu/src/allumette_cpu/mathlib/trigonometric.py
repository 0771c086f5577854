"""Sine, cosine, tangent and their inverses.

An argument x = m 2^e, m an integer, is reduced for the whole range with a table of 2^e * 2/pi
modulo 4 (after Payne & Hanek, "Radian reduction for trigonometric functions", 1983): multiples of 4
vanish from m times an entry, and a few exact products leave the fraction of a quarter turn. What is
asked for in float32 is worked out in float64: there four entries do, which need no table.
"""

import math
from functools import cache

from .numbers import Real, Truth, in_double

HALF_PI, HALF_PI_LOW = 1.5707963267948966, 6.123233995736766e-17

# sin(r) / r - 1 and cos(r) - 1 + r^2 / 2 in powers of r^2 on |r| <= pi / 4, of the FreeBSD library
_SINE = (
    *(-1.66666666666666324348e-01, 8.33333333332248946124e-03, -1.98412698298579493134e-04),
    *(2.75573137070700676789e-06, -2.50507602534068634195e-08, 1.58969099521155010221e-10),
)
_COSINE = (
    *(4.16666666666666019037e-02, -1.38888888888741095749e-03, 2.48015872894767294178e-05),
    *(-2.75573143513906633035e-07, 2.08757232129817482790e-09, -1.13596475577881948265e-11),
)
# the same for results in float32, Chebyshev fits
_SHORT_SINE = (
    *(-0.16666666663741367, 0.00833333183062943, -0.00019840063040804117),
    2.7246868722877944e-06,
)
_SHORT_COSINE = (
    *(0.04166666666422613, -0.0013888887635227975, 2.4800580601354642e-05),
    -2.7298407652795173e-07,
)
# sin(r pi / 2) / r in powers of r^2 on |r| <= 1, for results in float32, a Chebyshev fit
_SHORT_HALF_TURN = (
    *(1.570796326768066, -0.645964095574125, 0.07969260368557585, -0.004681657707277992),
    *(0.00016025459023725092, -3.431788991798387e-06),
)
# (asin(r) / r - 1) / r^2 and (atan(r) / r - 1) / r^2 in powers of r^2, Chebyshev fits
_ARC_SINE = (
    *(0.16666666666666669, 0.07499999999998425, 0.04464285714637338, 0.030381944137085216),
    *(0.022372173002005596, 0.017352391265909227, 0.013971235301124539, 0.011478952690257387),
    *(0.010324318288744113, 0.00545087818772055, 0.017419357964884856, -0.014881409392818064),
    0.02877844261259304,
)
_ARC_TANGENT = (
    *(-0.3333333333333333, 0.199999999999998, -0.14285714285659165, 0.1111111110509085),
    *(-0.09090908750288565, 0.07692296282215248, -0.06666423219768516, 0.05878909855219278),
    *(-0.05230313376902839, 0.045509509538062015, -0.034554055081361584, 0.016267475499798706),
)

RANGES = 0, 31, 62, 93  # the exponents of the entries for float32

# ---- reduction ---------------------------------------------------------------------------------

Table = tuple[tuple[float, ...], ...]


@cache
def _table(digits: tuple[int, ...], first: int, last: int) -> Table:
    """For e from `first` to `last`: 2^e * 2/pi modulo 4 as a sum of numbers of `digits` bits."""
    bits = 1400
    two_over_pi = 2 * _inverse_pi(bits)  # times 2^bits
    rows = []
    for e in range(first, last + 1):
        rest = (two_over_pi << (e - first)) % (1 << (bits + 2 - first))
        row = []
        for count in digits:
            shift = max(rest.bit_length() - count, 0)
            row.append(math.ldexp(rest >> shift, shift - bits + first))
            rest &= (1 << shift) - 1
        rows.append(tuple(row))
    return tuple(rows)


def _inverse_pi(bits: int) -> int:
    """2^bits / pi, from Machin's formula."""

    def inverse_atan(n: int, one: int) -> int:
        total = term = one // n
        k, square = 3, n * n
        while term:
            term = -term // square
            total += term // k
            k += 2
        return total

    one = 1 << (bits + 64)
    pi = 4 * (4 * inverse_atan(5, one) - inverse_atan(239, one))
    return (one << bits) // pi


def _product(a: Real, b: Real) -> tuple[Real, Real]:
    high = a * b
    return high, a.fma(b, -high)


def _modulo_4(x: Real) -> Real:
    return (x * 0.25).rint().fma(-4.0, x)


def _accurate_sum(terms: list[Real]) -> tuple[Real, Real]:
    """The sum of `terms` as a number and what it lacks: two passes of exact additions."""
    for _ in range(2):
        for i in reversed(range(1, len(terms))):
            a, b = terms[i - 1], terms[i]
            high = a + b
            back = high - a
            terms[i - 1], terms[i] = high, (a - (high - back)) + (b - back)
    return terms[0], terms[1] + terms[2]


def _split(x: Real, table_name: str, table: Table, digits: int, first: int) -> list[Real]:
    """m of x = m 2^e, m of `digits` bits, and the table's row for e; x >= 0 is a float64."""
    word = x.bits()
    e = ((word >> 52) - (1023 + digits - 1)).at_least(first).at_most(first + len(table) - 1)
    m = ((word & ((1 << 52) - 1)) + ((1023 + digits - 1) << 52)).as_real()
    row = e - first
    return [m] + [row.table(table_name, table, column) for column in range(len(table[0]))]


def _reduce_double(size: Real) -> tuple[Real, Real, Real]:
    table = _table((53,) * 4, -54, 971)
    m, *row = _split(size, "quarter_turns_double", table, 53, -54)
    a, a_low = _product(m, row[0])
    b, b_low = _product(m, row[1])
    c, c_low = _product(m, row[2])
    a = _modulo_4(a)
    k = (a + a_low + b).rint()
    turn, rest = _accurate_sum([a - k, a_low, b, b_low, c, m.fma(row[3], c_low)])
    r = turn * HALF_PI
    return r, turn.fma(HALF_PI, -r) + turn.fma(HALF_PI_LOW, rest * HALF_PI), k


def _turns_single(size: Real) -> tuple[Real, Real, Real]:
    """Quarter turns modulo 4 as two exact numbers, and what `size` times which is the rest."""
    entries = _table((29, 29, 53), 0, RANGES[-1])
    # Below 2^54 times its power of two, x is a multiple of that, and its products are exact.
    parts = [size.const(part) for part in entries[0]]
    for e in RANGES[1:]:
        far = size >= 2.0 ** (54 + e - RANGES[1])
        row = [math.ldexp(part, -e) for part in entries[e]]
        parts = [far.choose(new, old) for new, old in zip(row, parts, strict=True)]
    return _modulo_4(size * parts[0]), _modulo_4(size * parts[1]), parts[2]


def _reduce(x: Real) -> tuple[Real, Real | None, Real]:
    """(r, tail, k) in float64: |x| is k quarter turns and r + tail."""
    size = abs(x.widened())
    if x.single:
        turn, further, rest = _turns_single(size)
        k = (turn + further).rint()
        return size.fma(rest, (turn - k) + further) * HALF_PI, None, k
    small = size < math.pi / 4
    r, tail, k = _reduce_double(size)
    return small.choose(size, r), small.choose(0.0, tail), small.choose(0.0, k)


def _sine(r: Real, tail: Real | None) -> Real:
    square = r * r
    if tail is None:
        return (r * square).fma(square.polynomial(_SHORT_SINE), r)
    return r + (r * square).fma(square.polynomial(_SINE), square.fma(-0.5, 1.0) * tail)


def _cosine(r: Real, tail: Real | None) -> Real:
    square = r * r
    main = square.fma(-0.5, 1.0)
    if tail is None:
        return (square * square).fma(square.polynomial(_SHORT_COSINE), main)
    rest = square.fma(-0.5, 1.0 - main)
    return main + (square * square).fma(square.polynomial(_COSINE), rest - r * tail)


def _quadrant(k: Real) -> tuple[Truth, Truth]:
    """Whether k, a small integer, is odd, and whether it is 2 or 3 modulo 4."""
    word = (k + 1.5 * 2.0**52).bits()  # its last bits are those of k
    return ~(word & 1).equals(0), ~(word & 2).equals(0)


def _sine_of(x: Real, turns: float) -> Real:
    """sin(|x| + turns * pi / 2) in float64."""
    if x.single:
        return _sine_single(abs(x.widened()), turns)
    r, tail, k = _reduce(x)
    odd, negative = _quadrant(k + turns)
    result = odd.choose(_cosine(r, tail), _sine(r, tail))
    return negative.choose(-result, result)


def _sine_single(size: Real, turns: float) -> Real:
    """The same, as exact as float32 needs it, from what half turns leave: one polynomial."""
    turn, further, rest = _turns_single(size)
    half = ((turn + further + turns) * 0.5).rint()
    left = size.fma(rest, (turn - half.fma(2.0, -turns)) + further)
    odd, _ = _quadrant(half)
    result = left * (left * left).polynomial(_SHORT_HALF_TURN)
    return odd.choose(-result, result)


def sin(x: Real) -> Real:
    result = _sine_of(x, 0.0).narrowed(x)
    result = (x < 0.0).choose(-result, result)
    return _finite(x, (abs(x) < 2.0**-30).choose(x, result))


def cos(x: Real) -> Real:
    return _finite(x, _sine_of(x, 1.0).narrowed(x))


def tan(x: Real) -> Real:
    r, tail, k = _reduce(x)
    odd, _ = _quadrant(k)
    s, c = _sine(r, tail), _cosine(r, tail)
    result = (odd.choose(-c, s) / odd.choose(s, c)).narrowed(x)
    result = (x < 0.0).choose(-result, result)
    return _finite(x, (abs(x) < 2.0**-30).choose(x, result))


def _finite(x: Real, result: Real) -> Real:
    return (abs(x) < math.inf).choose(result, math.nan)


# ---- inverses ----------------------------------------------------------------------------------


def _arc_sine(r: Real) -> Real:
    """asin(r) - r for |r| <= 1/2."""
    square = r * r
    return r * square * square.polynomial(_ARC_SINE)


def _near_one(size: Real) -> tuple[Real, Real]:
    """asin(sqrt((1 - size) / 2)) as a sum."""
    root = ((1.0 - size) * 0.5).sqrt()
    return root, _arc_sine(root)


# The sign is put on after rounding: LLVM would round a wide sign straight to float16, with a
# library function that is not there.


@in_double
def _asin_of(size: Real) -> Real:
    root, rest = _near_one(size)
    far = HALF_PI - ((root + rest) * 2.0 - HALF_PI_LOW)
    return (size < 0.5).choose(size + _arc_sine(size), far)


def asin(x: Real) -> Real:
    return _asin_of(abs(x)).signed_as(x)


@in_double
def acos(x: Real) -> Real:
    root, rest = _near_one(abs(x))
    twice = (root + rest) * 2.0
    far = (x < 0.0).choose((HALF_PI - (twice * 0.5 - HALF_PI_LOW)) * 2.0, twice)
    near = HALF_PI - (x - (HALF_PI_LOW - _arc_sine(x)))
    return (abs(x) < 0.5).choose(near, far)


def _arc_tangent(r: Real) -> Real:
    """atan(r) - r for |r| <= tan(pi / 8)."""
    square = r * r
    return r * square * square.polynomial(_ARC_TANGENT)


def _first_octants(opposite: Real, adjacent: Real) -> Real:
    """atan(opposite / adjacent) for 0 <= both, not both 0."""
    low, high = opposite < adjacent * 0.41421356237309503, opposite > adjacent * 2.414213562373095
    numerator = low.choose(opposite, high.choose(-adjacent, opposite - adjacent))
    denominator = low.choose(adjacent, high.choose(opposite, opposite + adjacent))
    r = numerator / denominator
    turn = low.choose(0.0, high.choose(HALF_PI, HALF_PI / 2))
    turn_low = low.choose(0.0, high.choose(HALF_PI_LOW, HALF_PI_LOW / 2))
    return turn + (r + (_arc_tangent(r) + turn_low))


@in_double
def _atan_of(size: Real) -> Real:
    size = (size > 2.0**60).choose(2.0**60, size)
    return _first_octants(size, size.const(1.0))


def atan(x: Real) -> Real:
    return _atan_of(abs(x)).signed_as(x)


@in_double
def _atan2_of(above: Real, x: Real) -> Real:
    """The angle of the point (x, above), above the axis."""
    beside, undefined = abs(x), x.is_nan() | above.is_nan()
    infinite = above.equals(math.inf) & beside.equals(math.inf)
    above, beside = infinite.choose(1.0, above), infinite.choose(1.0, beside)
    beside = (above.equals(0.0) & beside.equals(0.0)).choose(1.0, beside)
    # Keep the sum of two large numbers finite, and all digits of products of small ones.
    small = (above < 2.0**-900) & (beside < 2.0**-900)
    large = (above > 2.0**1000) | (beside > 2.0**1000)
    scale = large.choose(2.0**-4, small.choose(2.0**100, 1.0))
    angle = _first_octants(above * scale, beside * scale)
    left = x.const(1.0).signed_as(x) < 0.0
    angle = left.choose((HALF_PI - (angle * 0.5 - HALF_PI_LOW)) * 2.0, angle)
    return undefined.choose(math.nan, angle)


def atan2(y: Real, x: Real) -> Real:
    return _atan2_of(abs(y), x).signed_as(y)
