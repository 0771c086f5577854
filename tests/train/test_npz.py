"""NPZ archives: what is read, and the one line that a malformed one gets."""

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from allumette_core.errors import AllumetteError, ArgumentError, FormatError
from allumette_train.data import read_data
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

X = np.arange(12.0).reshape(6, 2)
Y = np.array([3, 7, 3, 7, 3, 3])


def write(folder: Path, **arrays: Any) -> Path:
    path = folder / "data.npz"
    np.savez(path, **arrays)
    return path


def packed(**arrays: Any) -> bytes:
    out = io.BytesIO()
    np.savez_compressed(out, **arrays)
    return out.getvalue()


def test_x_and_y(tmp_path: Path) -> None:
    data = read_data(write(tmp_path, x=X, y=Y))
    assert np.array_equal(data.features.numbers, X)
    assert data.classes == ("3", "7")
    assert data.labels.tolist() == [0, 1, 0, 1, 0, 0]
    assert data.test is None


def test_train_and_test_arrays(tmp_path: Path) -> None:
    images = np.arange(24, dtype=np.uint8).reshape(6, 2, 2)
    path = write(tmp_path, x_train=images, y_train=Y, x_test=images[:2], y_test=Y[:2, None])
    data = read_data(path)
    assert data.features.numbers.shape == (6, 4)
    assert data.features.numbers.dtype == np.uint8
    assert data.test is not None
    assert data.test.labels.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (np.array(["b", "a", "b", "a", "b", "b"]), ("a", "b")),
        (np.array([True, False, True, True, False, True]), ("False", "True")),
        (np.array([1.0, 0.0, 2.0, 1.0, 0.0, 2.0]), ("0", "1", "2")),
    ],
    ids=["texts", "booleans", "floats"],
)
def test_kinds_of_labels(tmp_path: Path, labels: Any, classes: tuple[str, ...]) -> None:
    data = read_data(write(tmp_path, x=X, y=labels))
    assert data.classes == classes
    assert [data.classes.index(classes[label]) for label in data.labels] == data.labels.tolist()


@given(
    x=hnp.arrays(
        st.sampled_from([np.float32, np.float64, np.int16, np.uint8, np.bool_]),
        hnp.array_shapes(min_dims=2, max_dims=4, max_side=4),
        elements={"allow_nan": False, "allow_infinity": False},
    ),
    order=st.sampled_from("CF"),
)
def test_round_trip(tmp_path_factory: pytest.TempPathFactory, x: Any, order: Any) -> None:
    y = np.arange(len(x) + 1) % 2
    x = np.concatenate([x, x[:1]])
    path = write(tmp_path_factory.mktemp("npz"), x=np.asarray(x, order=order), y=y)
    data = read_data(path)
    assert data.features.numbers.dtype == x.dtype
    assert np.array_equal(data.features.numbers, x.reshape(len(x), -1))
    assert data.labels.tolist() == y.tolist()


HOLE = X.copy()
HOLE[4, 1] = np.nan
MALFORMED = {
    "no-y": ({"x": X}, r"holds 'x' but no array 'y'; add it"),
    "no-x": ({"y": Y}, r"holds 'y' but no array 'x'"),
    "other": ({"images": X}, r"holds images; it should hold arrays 'x' and 'y'"),
    "count": ({"x": X, "y": Y[:5]}, r"'x' has 6 rows and 'y' has 5; they should agree"),
    "one-hot": ({"x": X, "y": np.eye(6)}, r"array 'y': its shape is \(6, 6\);.*argmax"),
    "rank": ({"x": X[:, 0], "y": Y}, r"array 'x': its shape is \(6,\)"),
    "no-rows": ({"x": X[:0], "y": Y[:0]}, r"array 'x': its shape is \(0, 2\)"),
    "nan": ({"x": HOLE, "y": Y}, r"array 'x', row 4, column 1: found nan"),
    "complex": ({"x": X * 1j, "y": Y}, r"array 'x': its dtype is complex128"),
    "objects": ({"x": X, "y": Y.astype(object)}, r"array 'y': holds Python objects"),
    "complex-y": ({"x": X, "y": Y * 1j}, r"array 'y': its dtype is complex128; labels are"),
    "nan-y": ({"x": X, "y": HOLE[:, 1]}, r"array 'y', row 4: found nan; every row needs a label"),
    "one-class": ({"x": X, "y": Y * 0}, r"array 'y': every label is '0'"),
    "test-shape": (
        {"x": X, "y": Y, "x_test": X[:, :1], "y_test": Y},
        r"array 'x_test': has 1 numbers a row, the training rows have 2",
    ),
    "test-dtype": (
        {"x": X, "y": Y, "x_test": X.astype(np.uint8), "y_test": Y},
        r"array 'x_test': is uint8, the training rows are float64",
    ),
    "test-label": (
        {"x": X, "y": Y, "x_test": X, "y_test": Y + 4},
        r"array 'y_test', row 1: 11 is no label of the training rows",
    ),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_malformed_archive_is_one_line(tmp_path: Path, case: str) -> None:
    arrays, message = MALFORMED[case]
    with pytest.raises(FormatError, match=message) as caught:
        read_data(write(tmp_path, **arrays))
    assert "data.npz" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_empty_and_foreign_files(tmp_path: Path) -> None:
    path = tmp_path / "data.npz"
    path.write_bytes(b"")
    with pytest.raises(FormatError, match="the file is empty"):
        read_data(path)
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(FormatError, match="damaged or truncated NPZ"):
        read_data(path)


def test_columns_are_for_csv(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="no CSV file, so it has no columns"):
        read_data(write(tmp_path, x=X, y=Y), "y")


def test_a_header_that_promises_terabytes(tmp_path: Path) -> None:
    member = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        member, {"descr": "<f8", "fortran_order": False, "shape": (1 << 40, 8)}
    )
    path = tmp_path / "data.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", member.getvalue() + bytes(64))
        archive.writestr("y.npy", member.getvalue())
    with pytest.raises(FormatError, match="array 'x': damaged"):
        read_data(path)


GOOD = packed(x=X, y=Y)


@given(st.integers(0, len(GOOD) - 1))
def test_any_truncation_is_refused(tmp_path_factory: pytest.TempPathFactory, size: int) -> None:
    path = tmp_path_factory.mktemp("npz") / "data.npz"
    path.write_bytes(GOOD[:size])
    with pytest.raises(FormatError, match=r"data\.npz"):
        read_data(path)


@given(st.integers(0, len(GOOD) - 1), st.integers(0, 255))
def test_any_byte_changed_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, place: int, value: int
) -> None:
    path = tmp_path_factory.mktemp("npz") / "data.npz"
    path.write_bytes(GOOD[:place] + bytes([value]) + GOOD[place + 1 :])
    try:
        rows = read_data(path).rows
    except AllumetteError:
        rows = 0
    assert rows in (0, 6)
