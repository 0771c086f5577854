"""Random numbers from explicit keys: the same key gives the same numbers, on every backend.

A key is two uint32 in a tensor. Nothing is drawn from hidden state, so use a key once and `split`
it where more are needed:

>>> import allumette_core as al
>>> key, other = al.random.split(al.random.key(0))
>>> al.random.uniform(key, (2,)).shape, al.random.normal(other, (3,)).dtype
((2,), dtype('float32'))

Element i of a result depends on the key and on i in row-major order alone, so that a longer draw
begins with the shorter one. The words are those of Threefry-2x32 with 20 rounds (Salmon et al.,
"Parallel random numbers: as easy as 1, 2, 3", 2011), which passes the usual batteries of tests.
"""

from .choices import bernoulli, categorical, choice, permutation, randint
from .floats import gumbel, normal, uniform
from .keys import bits, fold_in, key, split

__all__ = [
    "bernoulli",
    "bits",
    "categorical",
    "choice",
    "fold_in",
    "gumbel",
    "key",
    "normal",
    "permutation",
    "randint",
    "split",
    "uniform",
]
