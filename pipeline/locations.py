"""Where files are: paths of this machine, and addresses of object stores such as `gs://bucket/data/*.csv`.

The operating system is asked about the former. The latter go through `tf.io.gfile`, and TensorFlow is
imported when the first of them occurs.
"""

import glob
import io
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from pipeline.errors import SluiceError

_READ_AHEAD_BYTES = 4 << 20  # each request to an object store costs tens of milliseconds


def is_remote(location: str) -> bool:
    """Whether a location is an address, not a path of this machine."""
    return "://" in location


def matches(pattern: str) -> list[str]:
    """The files that a path or glob names; a file that is there is taken by its name, whatever is in it.

    Raises:
      SluiceError: it is remote, and cannot be looked at.
    """
    if is_file(pattern):
        return [pattern]
    found = _remote_glob(pattern) if is_remote(pattern) else glob.glob(pattern, recursive=True)
    return [path for path in found if is_file(path)]


def _remote_glob(pattern: str) -> list[str]:
    with _in_words(pattern):
        return [path for path in _gfile(pattern).glob(pattern) if not _hidden(path, pattern)]


def _hidden(path: str, pattern: str) -> bool:
    """Whether a wildcard stands for a name with a dot before it, which Python's glob passes over."""
    parts = zip(path.split("/"), pattern.split("/"), strict=False)
    return any(name.startswith(".") and not asked.startswith(".") for name, asked in parts)


def is_file(path: str) -> bool:
    """Whether there is a file; see `matches` for what it raises."""
    return exists(path) and not is_folder(path) if is_remote(path) else os.path.isfile(path)  # noqa: PTH113 (False of what is too long to be a path)


def is_folder(path: str) -> bool:
    """Whether there is a folder, or something below a prefix; see `matches` for what it raises."""
    if not is_remote(path):
        return Path(path).is_dir()
    with _in_words(path):
        return bool(_gfile(path).isdir(path))


def exists(path: str) -> bool:
    """Whether there is a file or a folder; see `matches` for what it raises."""
    if not is_remote(path):
        return Path(path).exists()
    with _in_words(path):
        return bool(_gfile(path).exists(path))


def size(path: str) -> int:
    """Bytes in a file; see `matches` for what it raises."""
    if not is_remote(path):
        return Path(path).stat().st_size
    with _in_words(path):
        return int(_gfile(path).stat(path).length)


def files_below(folder: str) -> list[str]:
    """The files of a folder, local or remote, and of those in it, relative to it; it asks TensorFlow.

    Raises:
      SluiceError: it cannot be looked at.
    """
    found = []
    with _in_words(folder):
        for path, _, names in _gfile(folder).walk(folder):
            inside = path.rstrip("/").removeprefix(folder.rstrip("/")).strip("/")
            # Some stores list a folder in itself, with a slash or without a name.
            found += [f"{inside}/{name}".lstrip("/") for name in names if name and not name.endswith("/")]
    return sorted(found)


def open_bytes(path: str) -> IO[bytes]:
    """Opens a file for reading; of a remote one, what cannot be read raises SluiceError."""
    if not is_remote(path):
        return Path(path).open("rb")
    return io.BufferedReader(_RemoteFile(path), _READ_AHEAD_BYTES)


def read_bytes(path: str) -> bytes:
    """The content of a file; see `open_bytes` for what it raises."""
    with open_bytes(path) as file:
        return file.read()


@contextmanager
def local_copy(path: str) -> Iterator[str]:
    """A file by its path; a remote one as a copy of the same name, for the time being.

    Raises:
      SluiceError: it is remote, and cannot be copied.
    """
    if not is_remote(path):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="sluice-") as folder:
        copy = str(Path(folder, Path(path).name))
        with _in_words(path):
            _gfile(path).copy(path, copy)
        yield copy


class _RemoteFile(io.RawIOBase):
    """A file that `tf.io.gfile` reads, as Python's own libraries and Arrow take files."""

    _file: Any = None  # until it is open: one that cannot be opened is closed all the same

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path
        with _in_words(path):
            self._file = _gfile(path).GFile(path, "rb")

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        with _in_words(self._path):
            content: bytes = self._file.read(len(buffer))
        buffer[: len(content)] = content
        return len(content)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        with _in_words(self._path):
            self._file.seek(offset, whence)
        return self.tell()

    def tell(self) -> int:
        return int(self._file.tell())

    def close(self) -> None:
        if not self.closed and self._file is not None:
            self._file.close()
        super().close()


@contextmanager
def _in_words(location: str) -> Iterator[None]:
    """Says in a sentence what an object store refused."""
    import tensorflow as tf

    try:
        yield
    except tf.errors.OpError as error:
        raise refusal(location, error) from error


def refusal(location: str, error: Any) -> SluiceError:
    """One of TensorFlow's errors, a `tf.errors.OpError`, as a sentence."""
    import tensorflow as tf

    if isinstance(error, tf.errors.NotFoundError):
        return SluiceError(f"{location}: there is no such file")
    if isinstance(error, tf.errors.PermissionDeniedError | tf.errors.UnauthenticatedError):
        return SluiceError(
            f"{location}: access is denied; look at the credentials in the environment "
            "(GOOGLE_APPLICATION_CREDENTIALS for gs://), and at what they may do"
        )
    return SluiceError(f"{location}: cannot be used ({' '.join(error.message.split())[:300]})")


def _gfile(location: str) -> Any:
    """`tf.io.gfile`, with the file system of a location; that of tensorflow-io where TensorFlow has none."""
    import tensorflow as tf

    scheme = location.partition("://")[0] if is_remote(location) else ""
    if scheme not in tf.io.gfile.get_registered_schemes():
        try:
            import tensorflow_io  # noqa: F401 (which registers its file systems)
        except ImportError as error:
            raise SluiceError(
                f"{location}: there is no file system for {scheme}:// in this TensorFlow; "
                "install tensorflow-io, which brings those of s3://, hdfs:// and others"
            ) from error
        if scheme not in tf.io.gfile.get_registered_schemes():
            raise SluiceError(
                f"{location}: neither TensorFlow nor tensorflow-io has a file system {scheme}://"
            )
    return tf.io.gfile
