"""Find out what kind of data a path holds, and read it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from allumette_core.errors import ArgumentError, FormatError

from allumette_train.data.csv_file import read_csv
from allumette_train.data.dataset import Dataset
from allumette_train.data.idx import read_idx_directory
from allumette_train.data.npz import read_npz
from allumette_train.data.opening import open_bytes

__all__ = ["read_data"]

_OTHERS = {
    b"PAR1": "Parquet",
    b"\x89HDF": "HDF5",
    b"\x93NUM": "a single NumPy array",
    b"\x89PNG": "an image",
    b"%PDF": "PDF",
    b"\x00\x00\x08\x01": "IDX labels",
    b"\x00\x00\x08\x03": "IDX images",
}


def read_data(
    path: str | Path,
    target: str | None = None,
    *,
    categorical: Sequence[str] = (),
    drop: Sequence[str] = (),
) -> Dataset:
    """Read a CSV file, an NPZ archive or a directory of IDX files, told apart by their content.

    Args:
        path: the file or directory.
        target: the column of a CSV file to predict; None for the other kinds.
        categorical: numeric columns of a CSV file to take as categories.
        drop: columns of a CSV file to leave out.

    Raises:
        FormatError: if the data are malformed; one line with the place and the remedy.
        ArgumentError: if columns are named for data that have none.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "flowers.csv")
    ...     _ = path.write_text("width,kind\\n1.5,rose\\n0.5,daisy\\n")
    ...     data = read_data(path, "kind")
    >>> data.classes, data.labels.tolist(), data.features.numbers.tolist()
    (('daisy', 'rose'), [1, 0], [[1.5], [0.5]])
    """
    path = Path(path)
    kind = _kind(path)
    if kind == "csv":
        return read_csv(path, target, categorical=categorical, drop=drop)
    if target is not None or categorical or drop:
        raise ArgumentError(f"{path}: is no CSV file, so it has no columns to name")
    return read_idx_directory(path) if kind == "idx" else read_npz(path)


def _kind(path: Path) -> str:
    if path.is_dir():
        return "idx"
    with open_bytes(path) as stream:
        magic = stream.read(4)
    if magic[:2] == b"PK" or path.suffix.lower() == ".npz":
        return "npz"
    if magic in _OTHERS:
        raise FormatError(
            f"{path}: is {_OTHERS[magic]}; what works is a CSV file, an NPZ archive with 'x' and "
            "'y', or a directory of IDX files"
        )
    return "csv"
