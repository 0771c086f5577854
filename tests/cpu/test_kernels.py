"""Sorting, where it is done otherwise than by the reference."""

import numpy as np
import pytest
from allumette_core import primitives as P
from allumette_core.backend.reference import KERNELS as REFERENCE
from allumette_cpu.kernels import KERNELS

DTYPES = ["bool", "int8", "int16", "int32", "int64", "uint8", "uint32", "uint64"]
DTYPES += ["float16", "float32", "float64"]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["sort", "argsort"])
def test_as_the_reference_and_stable(name: str, dtype: str) -> None:
    rng, kind = np.random.default_rng(0), np.dtype(dtype)
    x = rng.integers(0, 40, (3, 500, 2)).astype(dtype)
    if kind.kind in "iu":
        x[:, :20] = np.iinfo(kind).min
        x[:, 40:60] = np.iinfo(kind).max
    if kind.kind == "f":
        x[:, 100:400:7] *= -1
        x[:, ::31], x[:, 5:50:5] = np.nan, -np.nan
        x[:, 60:90:3], x[:, 61:90:3] = np.inf, -np.inf
        x[:, 70:99:4], x[:, 71:99:4] = 0.0, -0.0
    primitive = P.PRIMITIVES[name]
    for axis in range(3):
        got, wanted = KERNELS[primitive](x, axis), REFERENCE[primitive](x, axis)
        assert got.dtype == wanted.dtype
        np.testing.assert_array_equal(got, wanted)
