"""erf, near 0 as x times a polynomial in x^2, further out as 1 - erfc(x)."""

from .exponential import exp_within
from .numbers import Real

# float32: after N. Juffa
_NEAR_SINGLE = (
    *(1.28379166e-1, -3.76125336e-1, 1.12819925e-1, -2.67681349e-2, 4.99119423e-3),
    -5.96761703e-4,
)
_LOG_SINGLE = (  # log(erfc(t)) / t + 1
    *(-1.28717512e-1, -6.34846687e-1, -1.06777877e-1, 2.42546219e-2, -3.88396438e-3),
    *(3.83197126e-4, -1.72853470e-5),
)
# (erf(x) / x - 1) in powers of x^2 on |x| <= 1, a Chebyshev fit
_NEAR_DOUBLE = (
    *(0.1283791670955126, -0.3761263890318375, 0.11283791670954879, -0.026866170645076792),
    *(0.0052239776248180145, -0.000854832698083379, 0.0001205533111164271),
    *(-1.4925595266831182e-05, 1.6461000484121368e-06, -1.6350312701054695e-07),
    *(1.4659775274047436e-08, -1.1372848856791674e-09, 5.957176147748911e-11),
)
# exp(t^2) erfc(t) in powers of (t - 5/2) / (t + 5/2) for t from 1 to 6, a Chebyshev fit
_FAR_DOUBLE = (
    *(0.2108063640611436, -0.37173673394897294, 0.2517131932174488, -0.12503305237891782),
    *(0.03992253907546523, -0.003993701160123029, -0.0026423659518134547),
    *(0.0008759152875774328, 0.0002283799633257643, -0.00012887483134837842),
    *(-3.4175718896856294e-05, 1.8596747731144528e-05, 7.499735050763299e-06),
    *(-2.2328516517555215e-06, -1.587633893127344e-06),
)


def erf(x: Real) -> Real:
    size = abs(x)
    if x.single:
        near = x.fma((x * x).polynomial(_NEAR_SINGLE), x)
        t = (size > 4.0).choose(4.0, size)
        far = 1.0 - exp_within(t.fma(t.polynomial(_LOG_SINGLE), -t))
        edge = 0.921875
    else:
        near = x.fma((x * x).polynomial(_NEAR_DOUBLE), x)
        t = (size > 6.0).choose(6.0, size)
        far = 1.0 - exp_within(-t * t) * ((t - 2.5) / (t + 2.5)).polynomial(_FAR_DOUBLE)
        edge = 1.0
    return (size < edge).choose(near, far.signed_as(x))
