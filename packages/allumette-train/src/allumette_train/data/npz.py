"""NumPy's archives of arrays: ``np.savez("data.npz", x=..., y=...)``."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from allumette_core.errors import FormatError

from allumette_train.data.dataset import Dataset, Features, Part
from allumette_train.data.labels import encode_array
from allumette_train.data.opening import open_bytes

__all__ = ["read_npz"]

# Whatever zipfile runs into when offsets, sizes and names are not what they were.
_DAMAGE = (
    *(zipfile.BadZipFile, zlib.error, struct.error, EOFError),
    *(OSError, RuntimeError, ValueError, KeyError, OverflowError),
)


def read_npz(path: Path) -> Dataset:
    """Read ``x``, (N, ...) real numbers, and ``y``, (N,) labels; no pickled objects.

    The names may also be ``x_train`` and ``y_train``; rows for a final test are read from
    ``x_test`` and ``y_test`` if they are there. The axes of ``x`` after the first are flattened.

    Raises:
        FormatError: if the file is damaged, an array is missing or has another shape or dtype
            than it should, counts differ, or a number is NaN or infinite.
    """
    arrays = _load(path)
    suffix = "" if "x" in arrays or "y" in arrays else "_train"
    features = _features(path, arrays, f"x{suffix}")
    values = _labels(path, arrays, f"y{suffix}", features.rows, f"x{suffix}")
    labels, classes = encode_array(values, f"{path}, array 'y{suffix}'")
    test = None
    if "x_test" in arrays or "y_test" in arrays:
        test = _test(path, arrays, features, np.unique(values))
    return Dataset(path.stem, features, labels, classes, test)


def _test(
    path: Path, arrays: dict[str, npt.NDArray[Any]], training: Features, known: npt.NDArray[Any]
) -> Part:
    features = _features(path, arrays, "x_test")
    if features.numbers.shape[1] != training.numbers.shape[1]:
        raise FormatError(
            f"{path}, array 'x_test': has {features.numbers.shape[1]} numbers a row, the training "
            f"rows have {training.numbers.shape[1]}; give both the same shape"
        )
    if (features.numbers.dtype == np.uint8) != (training.numbers.dtype == np.uint8):
        raise FormatError(
            f"{path}, array 'x_test': is {features.numbers.dtype}, the training rows are "
            f"{training.numbers.dtype}; give both the same dtype"
        )
    values = _labels(path, arrays, "y_test", features.rows, "x_test")
    unknown = np.flatnonzero(~np.isin(values, known))
    if unknown.size:
        raise FormatError(
            f"{path}, array 'y_test', row {unknown[0]}: {values[unknown[0]]} is no label of the "
            "training rows; remove the row, or train on rows of that class"
        )
    return Part(features, np.searchsorted(known, values).astype(np.int32))


def _load(path: Path) -> dict[str, npt.NDArray[Any]]:
    wanted = {"x", "y", "x_train", "y_train", "x_test", "y_test"}
    with open_bytes(path) as raw:
        data = io.BytesIO(raw.read())
    if not data.getbuffer():
        raise FormatError(
            f"{path}: the file is empty; save it with numpy.savez(file, x=..., y=...)"
        )
    try:
        with zipfile.ZipFile(data) as archive:
            members = {name.removesuffix(".npy"): name for name in archive.namelist()}
            if not wanted & members.keys():
                found = ", ".join(sorted(members)[:8]) or "nothing"
                raise FormatError(f"{path}: holds {found}; it should hold arrays 'x' and 'y'")
            return {
                name: _array(path, name, _unpack(archive, members[name]))
                for name in sorted(wanted & members.keys())
            }
    except FormatError:
        raise
    except _DAMAGE as error:
        raise FormatError(
            f"{path}: a damaged or truncated NPZ ({error}); save or fetch it again"
        ) from None


def _unpack(archive: zipfile.ZipFile, member: str) -> bytes:
    kind = archive.getinfo(member).compress_type
    if kind not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):  # all that NumPy ever writes
        raise zipfile.BadZipFile(f"{member} is compressed with method {kind}")
    return archive.read(member)


def _array(path: Path, name: str, data: bytes) -> npt.NDArray[Any]:
    # Mapped over the bytes in memory: a header that promises more than is there allocates nothing.
    stream = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(stream)
        read = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }[version]
        shape, fortran, dtype = read(stream)
        if dtype.hasobject:
            raise FormatError(
                f"{path}, array {name!r}: holds Python objects; save it as plain numbers"
            )
        flat = np.frombuffer(data, dtype=dtype, offset=stream.tell())
        return flat.reshape(shape, order="F" if fortran else "C")
    except FormatError:
        raise
    except (ValueError, KeyError, TypeError, SyntaxError, OverflowError) as error:
        raise FormatError(
            f"{path}, array {name!r}: damaged ({error}); save or fetch it again"
        ) from None


def _get(path: Path, arrays: dict[str, npt.NDArray[Any]], name: str) -> npt.NDArray[Any]:
    if name not in arrays:
        found = ", ".join(map(repr, arrays))
        raise FormatError(f"{path}: holds {found} but no array {name!r}; add it")
    return arrays[name]


def _features(path: Path, arrays: dict[str, npt.NDArray[Any]], name: str) -> Features:
    x = _get(path, arrays, name)
    where = f"{path}, array {name!r}"
    if x.dtype.kind not in "biuf":
        raise FormatError(f"{where}: its dtype is {x.dtype}; it should hold real numbers")
    if x.ndim < 2 or x.size == 0:
        raise FormatError(
            f"{where}: its shape is {x.shape}; it should be (rows, features), neither of them 0"
        )
    x = x.reshape(len(x), -1)
    if x.dtype.kind == "f" and not np.isfinite(x).all():
        row, column = np.argwhere(~np.isfinite(x))[0]
        raise FormatError(
            f"{where}, row {row}, column {column}: found {x[row, column]}; "
            "write a number or remove the row"
        )
    return Features(x)


def _labels(
    path: Path, arrays: dict[str, npt.NDArray[Any]], name: str, rows: int, other: str
) -> npt.NDArray[Any]:
    y = _get(path, arrays, name)
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1:
        raise FormatError(
            f"{path}, array {name!r}: its shape is {y.shape}; it should be (rows,), one label a "
            "row: for one-hot labels save y.argmax(axis=1)"
        )
    if len(y) != rows:
        raise FormatError(
            f"{path}: {other!r} has {rows} rows and {name!r} has {len(y)}; they should agree"
        )
    return y
