"""Directories of IDX files: what is read, and the one line that a malformed one gets."""

import gzip
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from allumette_core.errors import AllumetteError, FormatError
from allumette_train.data import read_data
from allumette_train.data.idx import read_idx
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

CODES = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}
IMAGES = np.arange(24, dtype=np.uint8).reshape(6, 2, 2)
LABELS = np.array([3, 7, 3, 7, 3, 3], dtype=np.uint8)


def idx(array: Any) -> bytes:
    head = struct.pack(
        f">BBBB{array.ndim}I", 0, 0, CODES[array.dtype.str[1:]], array.ndim, *array.shape
    )
    return head + array.astype(array.dtype.newbyteorder(">")).tobytes()


def fill(folder: Path, **parts: tuple[bytes, bytes]) -> Path:
    """Write images and labels for each of train and t10k."""
    for part, (images, labels) in parts.items():
        (folder / f"{part}-images-idx3-ubyte").write_bytes(images)
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(labels)
    return folder


@given(
    hnp.arrays(
        st.sampled_from(list(CODES)),
        hnp.array_shapes(max_dims=4, max_side=4, min_side=0),
        elements={"allow_nan": False},
    ),
    st.booleans(),
)
def test_round_trip(tmp_path_factory: pytest.TempPathFactory, array: Any, zipped: bool) -> None:
    path = tmp_path_factory.mktemp("idx") / "array"
    path.write_bytes(gzip.compress(idx(array)) if zipped else idx(array))
    read = read_idx(path)
    assert read.dtype == array.dtype
    assert read.dtype.isnative
    assert read.shape == array.shape
    assert read.tobytes() == array.tobytes()


def test_directory(tmp_path: Path) -> None:
    data = read_data(fill(tmp_path, train=(idx(IMAGES), idx(LABELS))))
    assert data.features.numbers.shape == (6, 4)
    assert data.classes == ("3", "7")
    assert data.labels.tolist() == [0, 1, 0, 1, 0, 0]
    assert data.test is None


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("separator", ["-", "."])
def test_names_of_files(tmp_path: Path, suffix: str, separator: str) -> None:
    for part, rows in (("train", 6), ("t10k", 2)):
        for kind, array in (("images-idx3", IMAGES), ("labels-idx1", LABELS)):
            content = idx(array[:rows])
            name = f"{part}-{kind}-ubyte{suffix}".replace("-idx", f"{separator}idx")
            (tmp_path / name).write_bytes(gzip.compress(content) if suffix else content)
    data = read_data(tmp_path)
    assert data.rows == 6
    assert data.test is not None
    assert data.test.labels.tolist() == [0, 1]


GOOD = (idx(IMAGES), idx(LABELS))
MALFORMED = {
    "truncated": ((GOOD[0][:-1], GOOD[1]), r"images-idx3-ubyte: truncated: 6x2x2 elements take 24"),
    "no-sizes": ((GOOD[0][:9], GOOD[1]), r"truncated: the sizes of 3 axes take 12 bytes, found 5"),
    "empty": ((GOOD[0], b""), r"labels-idx1-ubyte: truncated: the magic number take"),
    "spare": ((GOOD[0] + b"x", GOOD[1]), r"has bytes after its 6x2x2 elements"),
    "magic": ((b"\x89PNG" + GOOD[0], GOOD[1]), r"begins with bytes 89 50 4e 47, which is no IDX"),
    "dtype": ((b"\0\0\x07\x03" + GOOD[0][4:], GOOD[1]), r"begins with bytes 00 00 07 03"),
    "count": ((GOOD[0], idx(LABELS[:5])), r"6 images in .* but 5 labels in .*same download"),
    "swapped": ((GOOD[1], GOOD[0]), r"images have the shape \(6,\) and labels \(6, 2, 2\)"),
    "gzip": ((gzip.compress(GOOD[0])[:-9], GOOD[1]), r"images-idx3-ubyte: damaged gzip"),
    "terabytes": ((GOOD[0][:4] + b"\xff" * 12 + b"1234", GOOD[1]), r"truncated: .* found 4"),
    "one-class": ((GOOD[0], idx(LABELS * 0)), r"training labels: every label is '0'"),
    "nan": ((idx(np.full((6, 2, 2), np.nan, "f4")), GOOD[1]), r"image 0: holds NaN"),
    "no-images": ((idx(IMAGES[:0]), idx(LABELS[:0])), r"images have the shape \(0, 2, 2\)"),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_malformed_files_are_one_line(tmp_path: Path, case: str) -> None:
    parts, message = MALFORMED[case]
    with pytest.raises(FormatError, match=message) as caught:
        read_data(fill(tmp_path, train=parts))
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


TESTS = {
    "label": ((idx(IMAGES), idx(LABELS + 1)), r"test label 0: 4 is no label of the training"),
    "size": ((idx(IMAGES[:, :1]), idx(LABELS)), r"a test image is 2 of uint8, .* 4 of uint8"),
    "dtype": ((idx(IMAGES.astype("f4")), idx(LABELS)), r"a test image is 4 of float32"),
}


@pytest.mark.parametrize("case", TESTS)
def test_malformed_test_files(tmp_path: Path, case: str) -> None:
    parts, message = TESTS[case]
    with pytest.raises(FormatError, match=message):
        read_data(fill(tmp_path, train=GOOD, t10k=parts))


def test_missing_files(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"found no train-images-idx3-ubyte .* no file at all"):
        read_data(tmp_path)
    (tmp_path / "train-images-idx3-ubyte").write_bytes(GOOD[0])
    with pytest.raises(FormatError, match="found no train-labels-idx1-ubyte"):
        read_data(tmp_path)


def test_a_single_file_is_no_directory(tmp_path: Path) -> None:
    fill(tmp_path, train=GOOD)
    with pytest.raises(FormatError, match=r"is IDX images; what works is .* a directory"):
        read_data(tmp_path / "train-images-idx3-ubyte")


@given(st.integers(0, len(GOOD[0]) - 1), st.integers(0, 255))
def test_any_byte_changed_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, place: int, value: int
) -> None:
    folder = tmp_path_factory.mktemp("idx")
    images = GOOD[0][:place] + bytes([value]) + GOOD[0][place + 1 :]
    fill(folder, train=(images, GOOD[1]))
    try:
        rows = read_data(folder).rows
    except AllumetteError:
        rows = 0
    assert rows in (0, 6)
