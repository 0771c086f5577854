"""Largest and smallest floats among NaN of either sign, infinities, and zeros of either sign."""

from typing import Any

import allumette_core as al
import numpy as np
import pytest

from .rendering import Array, native, traced

COLUMNS = 400  # more than a loop with several vectors at a time takes


def bits(dtype: str, *floats: float) -> Array:
    """Their representations, and those of NaN with either sign and with a few of its bits set."""
    word = np.dtype(f"u{np.dtype(dtype).itemsize}")
    infinite = np.array([np.inf, -np.inf], dtype).view(word)
    nans = [infinite + word.type(1), infinite | word.type(np.array(np.nan, dtype).view(word) | 3)]
    return np.concatenate([np.array(floats, dtype).view(word), *nans])


def rows(dtype: str) -> Array:
    """One number in all columns but one, where there is another one; every two numbers."""
    info: Any = np.finfo(dtype)
    ends = [0.0, info.smallest_subnormal, info.tiny, 1.0, info.max, np.inf]
    every = bits(dtype, *ends, *(-x for x in ends))
    pairs = np.stack(np.meshgrid(every, every), axis=-1).reshape(-1, 2)
    made = np.repeat(pairs[:, :1], COLUMNS, axis=1)
    made[np.arange(len(made)), np.arange(len(made)) * 37 % COLUMNS] = pairs[:, 1]
    return made.view(dtype)


def exact(x: Array, name: str) -> Array:
    """NaN if one is there, else the last or first in order, where -0 is before +0."""
    order = np.lexsort((~np.signbit(x), x))
    ends = x[np.arange(len(x)), order[:, -1 if name == "max" else 0]]
    return np.where(np.isnan(x).any(axis=1), np.array(np.nan, x.dtype), ends)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("name", ["max", "min"])
def test_of_special_numbers(name: str, dtype: str) -> None:
    x, extreme = rows(dtype), getattr(al, name)
    wanted = exact(x, name)
    for array, axis in ((x, 1), (np.ascontiguousarray(x.T), 0)):
        program, arrays = traced(lambda t, axis=axis: extreme(t, axis=axis), array)
        (got,) = native(program, arrays)
        np.testing.assert_array_equal(got, wanted)
        numbers = ~np.isnan(wanted)
        np.testing.assert_array_equal(np.signbit(got)[numbers], np.signbit(wanted)[numbers])
    program, arrays = traced(lambda t: extreme(t), x)
    assert np.isnan(native(program, arrays)[0])
