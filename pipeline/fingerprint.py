"""Digests of files and of code: what decides whether a stage's earlier result still holds."""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pipeline import locations

_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Digest:
    """Content of one file: SHA-256 in hex, and its size in bytes."""

    sha256: str
    size: int


class Readable(Protocol):
    """An open file."""

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes; none at the end."""


def digest_of(file: Readable, also: Callable[[bytes], object] = lambda _: None) -> Digest:
    """Reads a file to its end.

    Args:
      file: open for reading bytes.
      also: told each piece, in order.
    """
    sha256, size = hashlib.sha256(), 0
    while piece := file.read(_CHUNK_BYTES):
        sha256.update(piece)
        size += len(piece)
        also(piece)
    return Digest(sha256.hexdigest(), size)


def of_files(paths: Iterable[str | Path]) -> str:
    """SHA-256 over the names and contents of files, in the order given."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(Path(path).name.encode() + b"\0")
        digest.update(bytes.fromhex(of_file(path)))
    return digest.hexdigest()


def of_file(path: str | Path) -> str:
    """SHA-256 of one file's content."""
    with locations.open_bytes(str(path)) as file:
        return digest_of(file).sha256


def of_digests(files: Mapping[str, str]) -> str:
    """SHA-256 over the relative names and the digests, by `of_file`, of all files of a folder."""
    digest = hashlib.sha256()
    for name in sorted(files, key=lambda name: name.split("/")):
        digest.update(name.encode() + b"\0")
        digest.update(bytes.fromhex(files[name]))
    return digest.hexdigest()


def of_code(folders: Sequence[str]) -> str:
    """SHA-256 over the Python sources of folders of this project, such as `components/trainer`."""
    root = Path(__file__).resolve().parent.parent
    return of_files(path for folder in folders for path in sorted((root / folder).rglob("*.py")))
