"""Open a file as bytes, unpacking gzip, with every way that can fail turned into one line."""

from __future__ import annotations

import contextlib
import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from allumette_core.errors import FormatError

__all__ = ["open_bytes"]


@contextlib.contextmanager
def open_bytes(path: Path) -> Iterator[IO[bytes]]:
    """Open ``path`` for reading; what begins with gzip's magic number is unpacked.

    Raises:
        FormatError: if it cannot be opened or read, or is damaged gzip; also for errors of this
            kind inside the ``with`` block.
    """
    try:
        with path.open("rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            if not packed:
                yield raw
                return
            with gzip.open(raw) as unpacked:
                yield unpacked  # type: ignore[misc]  # reads bytes, though no IO[bytes] by name
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise FormatError(f"{path}: damaged gzip ({error}); fetch or compress it again") from None
    except OSError as error:
        reason = error.strerror or str(error)
        raise FormatError(f"{path}: cannot be read ({reason}); check its name and rights") from None
