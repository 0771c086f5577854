"""Standardised numbers and one-hot texts, learnt from the training rows alone."""

import json
from typing import Any

import numpy as np
import pytest
from allumette_core.errors import FormatError
from allumette_train.data import Category, Features, Preprocessing
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp


def words(*texts: str) -> Category:
    known = tuple(dict.fromkeys(texts))
    return Category("word", np.array([known.index(t) for t in texts], np.int32), known)


@given(
    hnp.arrays(
        np.float64,
        st.tuples(st.integers(1, 20), st.integers(0, 4)),
        elements=st.floats(-1e6, 1e6) | st.sampled_from([0.0, -0.0, 1.0, 1e100, -1e100, 5e-324]),
    )
)
def test_numbers_get_mean_0_and_deviation_1(values: Any) -> None:
    features = Features(values)
    encoded = Preprocessing.learn(features).apply(features)
    assert encoded.dtype == np.float32
    assert encoded.shape == values.shape
    assert np.isfinite(encoded).all()
    for column, result in zip(values.T, encoded.T, strict=True):
        if (column == column[0]).all():
            assert not result.any()
        elif np.ptp(column) > 1e-9 * np.abs(column).max() > 1e-100:
            assert result.mean(dtype=np.float64) == pytest.approx(0, abs=1e-5)
            assert result.std(dtype=np.float64) == pytest.approx(1, abs=1e-5)


def test_pixels_are_divided_by_255() -> None:
    features = Features(np.array([[0, 255], [51, 51]], dtype=np.uint8))
    encoded = Preprocessing.learn(features).apply(features)
    assert encoded.tolist() == [[0, 1], [np.float32(0.2), np.float32(0.2)]]


def test_categories_come_from_the_training_rows() -> None:
    features = Features(np.empty((4, 0)), (), (words("b", "a", "b", "c"),))
    learnt = Preprocessing.learn(features.take([0, 1]))
    assert learnt.categories == (("word", ("a", "b")),)
    assert learnt.apply(features).tolist() == [[0, 1], [1, 0], [0, 1], [0, 0]]


def test_categories_are_known_by_text_not_by_code() -> None:
    learnt = Preprocessing.learn(Features(np.empty((2, 0)), (), (words("x", "y"),)))
    other = Features(np.empty((2, 0)), (), (words("y", "x"),))
    assert learnt.apply(other).tolist() == [[0, 1], [1, 0]]


def test_numbers_come_from_the_training_rows() -> None:
    features = Features(np.array([[0.0], [2.0], [100.0]]))
    learnt = Preprocessing.learn(features.take([0, 1]))
    assert learnt.apply(features).tolist() == [[-1], [1], [99]]


def test_numbers_too_large() -> None:
    with pytest.raises(FormatError, match="column 'mass': its numbers are too large"):
        Preprocessing.learn(Features(np.array([[1e308], [-1e308]]), ("mass",)))


def test_json_round_trip() -> None:
    features = Features(
        np.random.default_rng(0).random((9, 3)), ("a", "b", "c"), (words(*"xyzxyzxyz"),)
    )
    learnt = Preprocessing.learn(features)
    again = Preprocessing.from_dict(json.loads(json.dumps(learnt.to_dict())))
    assert np.array_equal(again.apply(features), learnt.apply(features))
    assert (again.names, again.categories) == (learnt.names, learnt.categories)
