"""Files and folders that are on the disk when the call returns, whatever happens next."""

import os
from pathlib import Path

from pipeline.fingerprint import Digest, Readable, digest_of

PART = ".part"  # ends the name of a file that is being written


def copy(source: Readable, target: Path) -> Digest:
    """Writes a new file from an open one, and says what was read."""
    with target.open("xb") as file:
        digest = digest_of(source, file.write)
        file.flush()
        os.fsync(file.fileno())
        if hasattr(os, "posix_fadvise"):  # so that reading it back asks the disk, not the memory
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return digest


def write(path: Path, text: str) -> None:
    """Writes a file; readers see the old one or the new one, never a half, also after a crash."""
    part = path.with_name(f"{path.name}{PART}")
    with part.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    sync_folder(path.parent)


def append(path: Path, line: str) -> None:
    """Adds a line to a file; after what a crash left half-written, a line of its own."""
    with path.open("a+b") as file:
        if file.tell() and not _ends_a_line(path):
            line = f"\n{line}"
        file.write(f"{line}\n".encode())
        file.flush()
        os.fsync(file.fileno())
    sync_folder(path.parent)


def _ends_a_line(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def sync_folder(folder: Path) -> None:
    """Makes the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(folder: Path) -> None:
    """Makes the names in a folder and in all below it durable, the deepest first."""
    for path, _, _ in os.walk(folder, topdown=False):
        sync_folder(Path(path))
