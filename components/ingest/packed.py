"""Opens files that may be packed with gzip, told by their content."""

import gzip
from pathlib import Path
from typing import IO


def is_gzip(path: str) -> bool:
    """Whether a file begins as gzip does."""
    with Path(path).open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


def open_unpacked(path: str) -> IO[bytes]:
    """Opens a file for reading what it holds, unpacked."""
    return gzip.open(path) if is_gzip(path) else Path(path).open("rb")  # type: ignore[return-value]
