"""Opens files that may be packed with gzip, told by their content."""

import gzip
from typing import IO

from pipeline import locations


def is_gzip(path: str) -> bool:
    """Whether a file begins as gzip does."""
    with locations.open_bytes(path) as file:
        return file.read(2) == b"\x1f\x8b"


def open_unpacked(path: str) -> IO[bytes]:
    """Opens a file for reading what it holds, unpacked."""
    return open_gzip(path) if is_gzip(path) else locations.open_bytes(path)


def open_gzip(path: str) -> IO[bytes]:
    """Opens a gzip file for reading what it holds."""
    return gzip.open(locations.open_bytes(path) if locations.is_remote(path) else path)  # type: ignore[return-value]
