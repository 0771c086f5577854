"""Directories of IDX files, the format of MNIST and of the datasets made in its image.

An IDX file is big-endian: two zero bytes, a byte for the dtype, a byte for the rank, a 32-bit
size for each axis, and the elements. Source: http://yann.lecun.com/exdb/mnist/.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
from allumette_core.errors import FormatError

from allumette_train.data.dataset import Dataset, Features, Part
from allumette_train.data.labels import encode_array
from allumette_train.data.opening import open_bytes

__all__ = ["read_idx", "read_idx_directory"]

_DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_STEMS = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}


def read_idx_directory(path: Path) -> Dataset:
    """Read ``train-images-idx3-ubyte`` and ``train-labels-idx1-ubyte``, each perhaps ``.gz``.

    Rows for a final test are read from the files called ``t10k`` in place of ``train``, if they
    are there. Images are flattened.

    Raises:
        FormatError: if a file is missing, damaged or of another format, or counts differ.
    """
    features, values = _read_part(path, *_STEMS["train"])
    labels, classes = encode_array(values, f"{path}, training labels")
    test = None
    if any(_find(path, stem) for stem in _STEMS["test"]):
        test = _test(path, features, np.unique(values))
    return Dataset(path.resolve().name, features, labels, classes, test)


def _test(path: Path, training: Features, known: npt.NDArray[Any]) -> Part:
    features, values = _read_part(path, *_STEMS["test"])
    here, there = features.numbers, training.numbers
    if (here.shape[1], here.dtype) != (there.shape[1], there.dtype):
        raise FormatError(
            f"{path}: a test image is {here.shape[1]} of {here.dtype}, a training image "
            f"{there.shape[1]} of {there.dtype}; both should be the same"
        )
    unknown = np.flatnonzero(~np.isin(values, known))
    if unknown.size:
        raise FormatError(
            f"{path}, test label {unknown[0]}: {values[unknown[0]]} is no label of the training "
            f"images, which have {known[0]} to {known[-1]}"
        )
    return Part(features, np.searchsorted(known, values).astype(np.int32))


def _read_part(path: Path, images: str, labels: str) -> tuple[Features, npt.NDArray[Any]]:
    x, y = read_idx(_need(path, images)), read_idx(_need(path, labels))
    if x.ndim < 2 or y.ndim != 1 or x.size == 0:
        raise FormatError(
            f"{path}: images have the shape {x.shape} and labels {y.shape}; "
            "(N, height, width) and (N,) would work"
        )
    if len(x) != len(y):
        raise FormatError(
            f"{path}: {len(x)} images in {images} but {len(y)} labels in {labels}; "
            "take both files from the same download"
        )
    if x.dtype.kind == "f" and not np.isfinite(x).all():
        row = int(np.argwhere(~np.isfinite(x))[0][0])
        raise FormatError(f"{path}, {images}, image {row}: holds NaN or infinity; remove it")
    return Features(x.reshape(len(x), -1)), y


def _find(path: Path, stem: str) -> Path | None:
    dotted = stem.replace("-idx", ".idx")  # as some downloads call them
    names = (stem, f"{stem}.gz", dotted, f"{dotted}.gz")
    return next((path / name for name in names if (path / name).is_file()), None)


def _need(path: Path, stem: str) -> Path:
    found = _find(path, stem)
    if found is None:
        held = sorted(entry.name for entry in path.iterdir())
        names = ", ".join(held[:4]) + (", ..." if len(held) > 4 else "")
        raise FormatError(
            f"{path}: found no {stem} or {stem}.gz, but {names or 'no file at all'}; "
            "a directory should hold IDX files named as those of MNIST"
        )
    return found


def read_idx(path: Path) -> npt.NDArray[Any]:
    """Read one IDX file, gzip or not.

    Returns:
        An array of the file's rank, in the machine's byte order.

    Raises:
        FormatError: if it is truncated, has bytes to spare, or has another magic number.
    """
    with open_bytes(path) as stream:
        head = _read(path, stream, 4, "the magic number")
        dtype = _DTYPES.get(head[2])
        if head[:2] != b"\0\0" or dtype is None or not 1 <= head[3] <= 8:
            raise FormatError(
                f"{path}: begins with bytes {head.hex(' ')}, which is no IDX file; "
                "those of MNIST begin with 00 00 08"
            )
        sizes = _read(path, stream, 4 * head[3], f"the sizes of {head[3]} axes")
        shape = tuple(np.frombuffer(sizes, dtype=">u4").tolist())
        what = f"{'x'.join(map(str, shape))} elements"
        data = _read(path, stream, math.prod(shape) * np.dtype(dtype).itemsize, what)
        if stream.read(1):
            raise FormatError(f"{path}: has bytes after its {what}; fetch the file again")
    array = np.frombuffer(data, dtype=dtype).reshape(shape)
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _read(path: Path, stream: IO[bytes], size: int, what: str) -> bytes:
    """Exactly ``size`` bytes, in pieces: a damaged size must not allocate terabytes."""
    data = bytearray()
    while len(data) < size and (piece := stream.read(min(size - len(data), 1 << 22))):
        data += piece
    if len(data) < size:
        raise FormatError(
            f"{path}: truncated: {what} take {size} bytes, found {len(data)}; fetch the file again"
        )
    return bytes(data)
