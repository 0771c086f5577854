"""Scatters are deterministic: what falls on one element is taken in the order of the updates."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from allumette_core.compiler.program import Program

Same = Callable[..., None]
UPDATES, PLACES = 20_000, 37
RNG = np.random.default_rng(11)
INDICES = RNG.integers(-2, PLACES + 2, UPDATES).astype(np.int32)  # some of which write nothing
SIZES = 10.0 ** RNG.uniform(-6, 6, UPDATES)  # sums in another order differ


@pytest.mark.parametrize("mode", ["add", "set"])
def test_in_the_order_of_the_updates(same: Same, mode: str) -> None:
    """The reference takes one after another, too: the same bits."""
    x, updates = np.ones(PLACES, np.float32), (SIZES * RNG.normal(size=UPDATES)).astype(np.float32)
    same([x, INDICES, updates], ("scatter", (0, 1, 2), (0, mode)))


def test_the_same_bits_every_time(backend: Any, build_program: Callable[..., Program]) -> None:
    arrays = [np.zeros((2, PLACES), np.float32), INDICES, RNG.normal(size=(2, UPDATES))]
    arrays[2] = arrays[2].astype(np.float32)
    run = backend.compile(build_program(arrays, ("scatter", (0, 1, 2), (1, "add"))), "gpu")
    buffers = [backend.from_host(x, "gpu") for x in arrays]
    first, *others = (backend.to_host(run(buffers)[0]) for _ in range(5))
    for other in others:
        np.testing.assert_array_equal(first, other)
