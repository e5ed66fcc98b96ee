"""TensorFlow's `ram://` for Beam, as Beam has `gs://` of itself: files in the memory of this process."""

import io
from collections.abc import Iterator, Sequence
from typing import IO

import pytest
import tensorflow as tf
from apache_beam.io.filesystem import CompressedFile, CompressionTypes, FileMetadata, FileSystem
from tensorflow.python.lib.io import file_io

gfile = tf.io.gfile


class RamFileSystem(FileSystem):
    """Beam finds it by its scheme among all subclasses, once this module is imported."""

    @classmethod
    def scheme(cls) -> str:
        return "ram"

    def join(self, basepath: str, *paths: str) -> str:
        return "/".join([basepath.rstrip("/"), *(path.strip("/") for path in paths)])

    def split(self, path: str) -> tuple[str, str]:
        folder, _, name = path.rpartition("/")
        return folder, name

    def mkdirs(self, path: str) -> None:
        gfile.makedirs(path)

    def has_dirs(self) -> bool:
        return True

    def _list(self, dir_or_prefix: str) -> Iterator[FileMetadata]:
        for folder, _, names in gfile.walk(dir_or_prefix):
            for name in names:
                yield self.metadata(f"{folder.rstrip('/')}/{name}")

    def create(
        self, path: str, mime_type: str = "", compression_type: str = CompressionTypes.AUTO
    ) -> IO[bytes]:
        del mime_type
        gfile.makedirs(self.split(path)[0])
        return self._unpacking(_Written(path), path, compression_type)

    def open(
        self, path: str, mime_type: str = "", compression_type: str = CompressionTypes.AUTO
    ) -> IO[bytes]:
        del mime_type
        with gfile.GFile(path, "rb") as file:
            return self._unpacking(_Read(file.read()), path, compression_type)

    def _unpacking(self, file: IO[bytes], path: str, compression_type: str) -> IO[bytes]:
        kind = self._get_compression_type(path, compression_type)
        return file if kind == CompressionTypes.UNCOMPRESSED else CompressedFile(file, kind)

    def copy(self, source_file_names: Sequence[str], destination_file_names: Sequence[str]) -> None:
        for source, target in zip(source_file_names, destination_file_names, strict=True):
            gfile.copy(source, target, overwrite=True)

    def rename(self, source_file_names: Sequence[str], destination_file_names: Sequence[str]) -> None:
        for source, target in zip(source_file_names, destination_file_names, strict=True):
            gfile.makedirs(self.split(target)[0])
            gfile.rename(source, target, overwrite=True)

    def exists(self, path: str) -> bool:
        return gfile.exists(path)

    def size(self, path: str) -> int:
        return gfile.stat(path).length

    def last_updated(self, path: str) -> float:
        return gfile.stat(path).mtime_nsec / 1e9

    def metadata(self, path: str) -> FileMetadata:
        return FileMetadata(path, self.size(path), self.last_updated(path))

    def delete(self, paths: Sequence[str]) -> None:
        for path in paths:
            (gfile.rmtree if gfile.isdir(path) else gfile.remove)(path)


class _Read(io.BytesIO):
    """A file's content; Beam asks for the mode."""

    mode = "rb"


class _Written(io.BytesIO):
    """Becomes a file when it is closed, as an upload does."""

    mode = "wb"

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path

    def close(self) -> None:
        if not self.closed:
            with gfile.GFile(self._path, "wb") as file:
                file.write(self.getvalue())
        super().close()


def as_an_object_store(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mends what `ram://` does otherwise than object stores do.

    It renames and removes a folder without what is in it, and lists of `assets` also `assets.extra`, as
    `.extra`. All of `tf.io.gfile` goes through these functions; its own get replaced while models are saved.
    """
    native = file_io._pywrap_file_io
    plain_list, plain_rename, plain_remove = native.GetChildren, native.RenameFile, native.DeleteRecursively

    def list_folder(folder: bytes) -> list[str]:
        path = folder.decode().rstrip("/")
        return [name for name in plain_list(folder) if not _is_ram(folder) or gfile.exists(f"{path}/{name}")]

    def rename(source: bytes, target: bytes, overwrite: bool) -> None:
        if not (_is_ram(source) and gfile.isdir(source.decode())):
            plain_rename(source, target, overwrite)
            return
        for path in _below(source.decode()):
            moved = target.decode().rstrip("/") + path.removeprefix(source.decode().rstrip("/"))
            gfile.makedirs(moved.rpartition("/")[0])
            plain_rename(path.encode(), moved.encode(), True)
        remove(source)

    def remove(folder: bytes) -> None:
        if not _is_ram(folder):
            plain_remove(folder)
            return
        for path, _, names in list(gfile.walk(folder.decode(), topdown=False)):
            for name in [*names, ""]:
                gfile.remove(f"{path}/{name}".rstrip("/"))

    for name, mended in (("GetChildren", list_folder), ("RenameFile", rename), ("DeleteRecursively", remove)):
        monkeypatch.setattr(native, name, mended)


def _is_ram(path: bytes) -> bool:
    return path.startswith(b"ram://")


def _below(folder: str) -> list[str]:
    return [f"{path.rstrip('/')}/{name}" for path, _, names in gfile.walk(folder) for name in names]
