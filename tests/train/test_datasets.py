"""The built-in datasets: their rules, and that a seed determines them."""

import numpy as np
import pytest
from allumette_core.errors import ArgumentError
from allumette_train.datasets import DATASETS, STAR, make
from hypothesis import given
from hypothesis import strategies as st

RULES = {
    "simple": lambda x, y: x < 0.5,
    "diag": lambda x, y: x + y < np.float32(0.5),
    "split": lambda x, y: x < np.float32(0.2) or x > np.float32(0.8),
    "xor": lambda x, y: (x < 0.5 and y >= 0.5) or (x >= 0.5 and y < 0.5),
    "circle": lambda x, y: (x - np.float32(0.5)) ** 2 + (y - np.float32(0.5)) ** 2 < 0.2,
}


@pytest.mark.parametrize("name", DATASETS)
@given(rows=st.integers(0, 50), seed=st.integers(0, 2**63))
def test_points_lie_in_the_unit_square(name: str, rows: int, seed: int) -> None:
    data = make(name, rows, seed)
    points = data.features.numbers
    assert points.shape == (rows, 2)
    assert points.dtype == np.float32
    assert data.labels.shape == (rows,)
    assert data.labels.dtype == np.int32
    assert ((points >= 0) & (points < 1)).all()
    assert set(data.labels.tolist()) <= {0, 1}


@pytest.mark.parametrize("name", RULES)
def test_rule(name: str) -> None:
    data = make(name, 2000, seed=3)
    expected = [int(RULES[name](x, y)) for x, y in data.features.numbers]
    assert data.labels.tolist() == expected


def winding_number(x: float, y: float) -> int:
    """How often the star's outline turns around a point, by summing angles: an oracle."""
    corners = np.array([*STAR, STAR[0]], dtype=np.float64) - (x, y)
    angles = np.unwrap(np.arctan2(corners[:, 1], corners[:, 0]))
    return round(abs(angles[-1] - angles[0]) / (2 * np.pi))


def test_star_agrees_with_the_winding_number() -> None:
    data = make("star", 2000, seed=4)
    expected = [winding_number(float(x), float(y)) for x, y in data.features.numbers]
    assert data.labels.tolist() == expected
    assert 0.2 < data.labels.mean() < 0.5


@pytest.mark.parametrize("name", DATASETS)
def test_seed_determines_everything(name: str) -> None:
    first, again, other = make(name, 100, 7), make(name, 100, 7), make(name, 100, 8)
    assert np.array_equal(first.features.numbers, again.features.numbers)
    assert np.array_equal(first.labels, again.labels)
    assert not np.array_equal(first.features.numbers, other.features.numbers)


def test_unknown_name_says_what_would_work() -> None:
    with pytest.raises(
        ArgumentError, match=r"'strr' \(did you mean star\?\); choose one of simple"
    ):
        make("strr", 10)


@pytest.mark.parametrize(("rows", "seed"), [(-1, 0), (1, -1)])
def test_negative_arguments(rows: int, seed: int) -> None:
    with pytest.raises(ValueError, match="must not be negative"):
        make("star", rows, seed)
