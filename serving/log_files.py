"""TFRecord files that follow one another, written without TensorFlow.

A record is its length as uint64, that length's checksum, its bytes and their checksum
(tensorflow/core/lib/io/record_writer.h). A file is written under a hidden name and gets its own when it
is complete; what a process that died left behind can be read up to its last whole record.
"""

import os
import struct
import threading
import time
from collections.abc import Iterable
from datetime import datetime, timezone
from pathlib import Path
from typing import IO

import google_crc32c

PREFIX, SUFFIX, UNFINISHED = "requests-", ".tfrecord", ".part"
_MASK = 0xA282EAD8
_SAME_SECOND = threading.Lock()


class LogFiles:
    """Writes records to one file after the other.

    Args:
      folder: made when the first record comes.
      file_bytes: size from which on the next file begins.
      max_bytes: of all files of the folder; the oldest are removed beyond it.
    """

    def __init__(self, folder: Path, file_bytes: int, max_bytes: int) -> None:
        self._folder, self._file_bytes, self._max_bytes = folder, file_bytes, max_bytes
        self._file: IO[bytes] | None = None
        self._written = 0

    def append(self, records: Iterable[bytes]) -> None:
        """Adds records, which reach the operating system before this ends.

        Raises:
          OSError: the disk is full, or the folder cannot be written; the file ends before them then.
        """
        content = b"".join(map(framed, records))
        file, rest = self._file or self._open(), memoryview(content)
        try:
            while rest:  # a nearly full disk takes a part, and only the next write fails
                rest = rest[file.write(rest) :]
        except OSError:
            self._cut(file)
            raise
        self._written += len(content)
        if self._written >= self._file_bytes:
            self.close()

    def close(self) -> None:
        """Gives the file its name; without a record in it there is none.

        Raises:
          OSError: it cannot be written.
        """
        file, self._file = self._file, None
        if file is None:
            return
        part = Path(file.name)
        with file:
            os.fsync(file.fileno())
        if not self._written:
            part.unlink(missing_ok=True)
            return
        part.replace(part.with_name(part.name.removeprefix(".").removesuffix(UNFINISHED)))
        self._remove_oldest()

    def _open(self) -> IO[bytes]:
        self._folder.mkdir(parents=True, exist_ok=True)
        with _SAME_SECOND:  # two logs of one process share no name
            stamp = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%S.%fZ")
            time.sleep(1e-5)
        path = self._folder / f".{PREFIX}{stamp}-{os.getpid()}{SUFFIX}{UNFINISHED}"
        self._file, self._written = path.open("xb", buffering=0), 0
        self._remove_oldest()
        return self._file

    def _cut(self, file: IO[bytes]) -> None:
        """Takes back what was written of records that did not fit, and ends the file there."""
        try:
            file.truncate(self._written)
            self.close()
        except OSError:
            self._file = None
            file.close()

    def _remove_oldest(self) -> None:
        files = [*self._folder.glob(f"{PREFIX}*{SUFFIX}"), *self._folder.glob(f".{PREFIX}*{UNFINISHED}")]
        sizes = {path: path.stat().st_size for path in files if path.exists()}
        too_much = sum(sizes.values()) + self._file_bytes * (self._file is not None) - self._max_bytes
        for path in sorted(sizes, key=lambda path: path.name.removeprefix(".")):
            if too_much <= 0:
                return
            if self._file is not None and path == Path(self._file.name):
                continue
            path.unlink(missing_ok=True)
            too_much -= sizes[path]


def framed(record: bytes) -> bytes:
    """A record as it stands in a TFRecord file."""
    length = struct.pack("<Q", len(record))
    return b"".join((length, _checksum(length), record, _checksum(record)))


def _checksum(content: bytes) -> bytes:
    crc = google_crc32c.value(content)
    return struct.pack("<I", (((crc >> 15) | (crc << 17)) + _MASK) & 0xFFFFFFFF)
