"""The folder of a SavedModel that is to be pushed."""

import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from pipeline.errors import SluiceError
from pipeline.fingerprint import Digest, Readable, digest_of

SAVED_MODEL = "saved_model.pb"
_SHOWN = 5


class Source(Protocol):
    """A folder of files, wherever it is."""

    path: str

    def files(self) -> list[str]:
        """Their names relative to the folder, with / between the parts."""

    def open(self, name: str) -> AbstractContextManager[Readable]:
        """One of them, for reading."""


class LocalFolder:
    """A folder of the local file system."""

    def __init__(self, path: str | Path) -> None:
        self.path = str(path)

    def files(self) -> list[str]:
        """See `Source`.

        Raises:
          SluiceError: it holds something that is neither a file nor a folder, or a name that is no text.
        """
        paths = {path.relative_to(self.path).as_posix(): path for path in _below(Path(self.path))}
        if unnamed := sorted(readable for name in paths if (readable := _readable(name)) != name):
            raise SluiceError(
                f"{self.path} cannot be pushed: its manifest could not name every file",
                [f"{name}: expected a name in UTF-8; rename the file" for name in unnamed],
            )
        others = [name for name, path in paths.items() if not stat.S_ISREG(path.lstat().st_mode)]
        if others:
            raise SluiceError(
                f"{self.path} cannot be pushed: what a link points to may be gone tomorrow",
                [f"{name}: expected a file, got {_kind(paths[name])}" for name in sorted(others)],
            )
        return list(paths)

    def open(self, name: str) -> AbstractContextManager[Readable]:
        """See `Source`."""
        return Path(self.path, name).open("rb")


def _below(folder: Path) -> Iterator[Path]:
    """All that is in a folder and below, but folders; links are not followed."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _below(Path(entry.path))
            else:
                yield Path(entry.path)


def _readable(name: str) -> str:
    """A name with escapes for the bytes that are no UTF-8."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _kind(path: Path) -> str:
    return f"a link to {path.readlink()}" if path.is_symlink() else "a device, pipe or socket"


def digests_of(source: Source) -> dict[str, Digest]:
    """What each file holds."""
    found = {}
    for name in sorted(source.files()):
        with source.open(name) as file:
            found[name] = digest_of(file)
    return found


def digests_of_model(source: Source, expected: Mapping[str, Digest] | None) -> dict[str, Digest]:
    """What each file of a SavedModel holds.

    Raises:
      SluiceError: it is not what was expected, or no SavedModel.
    """
    found = digests_of(source)
    if expected is not None:
        refuse_changes(expected, found, f"{source.path} is damaged; nothing was pushed")
    if SAVED_MODEL not in found:
        raise SluiceError(
            f"{source.path} cannot be pushed",
            [f"expected a SavedModel, got no {SAVED_MODEL}; run the pipeline again"],
        )
    return found


def refuse_changes(expected: Mapping[str, Digest], found: Mapping[str, Digest], summary: str) -> None:
    """Ends where files are not what they should be.

    Raises:
      SluiceError: `summary`, and which files.
    """
    problems = [
        f"{name}: {_change(expected.get(name), found.get(name))}"
        for name in sorted({*expected, *found})
        if expected.get(name) != found.get(name)
    ]
    more = [f"and {len(problems) - _SHOWN} more"] if len(problems) > _SHOWN else []
    if problems:
        raise SluiceError(summary, [*problems[:_SHOWN], *more])


def _change(expected: Digest | None, found: Digest | None) -> str:
    if expected is None:
        return "was not there before"
    wanted = f"expected {expected.size:,} bytes with SHA-256 {expected.sha256[:12]}…"
    return f"{wanted}, got {f'{found.size:,} with {found.sha256[:12]}…' if found else 'no such file'}"
