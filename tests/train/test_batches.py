"""Splits and minibatches: every row once, and a seed determines which goes where."""

import numpy as np
import pytest
from allumette_core.errors import ArgumentError
from allumette_train import minibatches, split
from hypothesis import assume, given
from hypothesis import strategies as st

SEEDS = st.integers(0, 2**32 - 1)


@given(st.integers(2, 500), st.floats(0.01, 0.99), SEEDS)
def test_split_gives_every_row_to_one_side(rows: int, fraction: float, seed: int) -> None:
    assume(0 < round(rows * fraction) < rows)
    training, validation = split(rows, fraction, seed)
    assert len(validation) == round(rows * fraction)
    assert sorted([*training, *validation]) == list(range(rows))
    again = split(rows, fraction, seed)
    assert np.array_equal(training, again[0])
    assert np.array_equal(validation, again[1])


def test_split_depends_on_the_seed() -> None:
    assert not np.array_equal(split(100, 0.5, 0)[0], split(100, 0.5, 1)[0])


def test_split_without_validation() -> None:
    training, validation = split(3, 0.0, 0)
    assert training.tolist() == [0, 1, 2]
    assert len(validation) == 0


@pytest.mark.parametrize("fraction", [-0.1, 1.0, float("nan")])
def test_fraction_out_of_range(fraction: float) -> None:
    with pytest.raises(ArgumentError, match="from 0 to below 1 would work"):
        split(10, fraction, 0)


@pytest.mark.parametrize(("rows", "fraction"), [(1, 0.5), (2, 0.1), (10, 0.99)])
def test_split_that_leaves_a_side_empty(rows: int, fraction: float) -> None:
    with pytest.raises(ArgumentError, match="neither may be 0"):
        split(rows, fraction, 0)


@given(st.integers(0, 200), st.integers(1, 250), SEEDS, st.integers(0, 100))
def test_minibatches_give_every_row_once(rows: int, size: int, seed: int, epoch: int) -> None:
    batches = list(minibatches(rows, size, seed=seed, epoch=epoch))
    assert sorted(int(row) for batch in batches for row in batch) == list(range(rows))
    assert all(len(batch) == size for batch in batches[:-1])
    again = minibatches(rows, size, seed=seed, epoch=epoch)
    assert [b.tolist() for b in batches] == [b.tolist() for b in again]


def test_minibatches_depend_on_seed_and_epoch() -> None:
    def order(seed: int, epoch: int) -> list[int]:
        return next(minibatches(100, 100, seed=seed, epoch=epoch)).tolist()

    orders = [order(0, 0), order(0, 1), order(1, 0)]
    assert orders[0] != orders[1]
    assert orders[0] != orders[2]
    assert orders[1] != orders[2]


def test_minibatch_of_no_rows() -> None:
    with pytest.raises(ArgumentError, match="at least 1 would work"):
        next(minibatches(10, 0, seed=0, epoch=0))
