"""Matrix products: shapes, transposes, batches, many terms, through shared memory and without."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from allumette_gpu.kernels import dot

Same = Callable[..., None]
PLAIN = ((1,), (0,), (), ())


def whole(*shape: int, dtype: str = "float32") -> np.ndarray:
    """Small whole numbers, whose products are exact in any order."""
    return np.random.default_rng(3).integers(-4, 5, shape).astype(dtype)


@pytest.fixture(params=["direct", "direct, large tiles", "shared"])
def path(request: pytest.FixtureRequest, device: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    software = request.param != "shared"
    if request.param == "direct, large tiles":
        monkeypatch.setattr(dot, "LONG", 1)
    monkeypatch.setattr(device, "limits", replace(device.limits, software=software))
    return str(request.param)


@pytest.mark.parametrize(
    ("m", "k", "n"),
    [
        (5, 6, 7),
        (16, 16, 16),
        (17, 33, 65),
        (3, 700, 5),
        (64, 5, 64),
        (1, 9, 9),
        (9, 9, 1),
        (7, 0, 3),
    ],
)
def test_shapes(same: Same, path: str, m: int, k: int, n: int) -> None:
    same([whole(m, k), whole(k, n)], ("dot_general", (0, 1), PLAIN))


def test_many_terms_are_cut_into_pieces(same: Same, path: str) -> None:
    same([whole(3000, 9), whole(3000, 8)], ("dot_general", (0, 1), ((0,), (0,), (), ())))


def test_large_tiles(same: Same, path: str) -> None:
    same([whole(260, 20), whole(20, 260)], ("dot_general", (0, 1), PLAIN))


def test_axes_in_any_order(same: Same, path: str) -> None:
    a, b = whole(4, 5, 3, 6), whole(6, 3, 7, 4)
    same([a, b], ("dot_general", (0, 1), ((3, 2), (0, 1), (0,), (3,))))


@pytest.mark.parametrize("dtype", ["int32", "uint8", "int8"])
def test_integers_wrap_around(same: Same, dtype: str) -> None:
    a, b = whole(6, 40, dtype=dtype), whole(40, 5, dtype=dtype)
    same([a, b], ("dot_general", (0, 1), PLAIN))


def test_epilogue_and_prologue_fuse(same: Same, device: Any, path: str) -> None:
    arrays = [whole(20, 10), whole(10, 12), whole(12)]
    before = device.counters.dispatches
    same(
        arrays,
        ("permute", (0,), ((1, 0),)),
        ("neg", (3,), ()),
        ("dot_general", (4, 1), ((0,), (0,), (), ())),
        ("add", (5, 2), ()),
        ("maximum", (6, 5), ()),
    )
    assert device.counters.dispatches - before == 1
