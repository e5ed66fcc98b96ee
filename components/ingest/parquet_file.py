"""Reads Parquet: one row a step, or lists of steps in the cells of a row."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq

from components.ingest.piece import SAMPLED_ROWS, Piece
from pipeline import locations
from pipeline.config import Data
from pipeline.errors import DataRefused

_BATCH_ROWS = 131_072


def columns(path: str, data: Data) -> list[str]:
    """Names of the columns.

    Raises:
      DataRefused: the file is no Parquet file, has no rows, or two columns of one name.
    """
    del data
    with _clear_errors(path), pq.ParquetFile(_source(path)) as file:
        names: list[str] = file.schema_arrow.names
        if not file.metadata.num_rows:
            raise DataRefused(f"{path}: expected rows, got none")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise DataRefused(f"{path}: columns occur twice", [f"{name!r}; rename one of them" for name in twice])
    return names


def sample(path: str, data: Data) -> pa.Table:
    """The first rows."""
    del data
    with _clear_errors(path), pq.ParquetFile(_source(path)) as file:
        return pa.Table.from_batches([next(file.iter_batches(SAMPLED_ROWS))])


def read(path: str, name: str, data: Data) -> Iterator[Piece]:
    """The rows in blocks.

    Raises:
      DataRefused: the file cannot be read.
    """
    del data
    first = 0
    with _clear_errors(path), pq.ParquetFile(_source(path)) as file:
        for batch in file.iter_batches(_BATCH_ROWS):
            yield Piece(pa.Table.from_batches([batch]), first, name)
            first += len(batch)


def places(
    path: str, data: Data, rows: Sequence[int], misshapen: Sequence[int]
) -> tuple[list[str], list[str]]:
    """Rows as people count them, from 1."""
    del path, data, misshapen
    return [f"row {row + 1}" for row in rows], []


def _source(path: str) -> str | IO[bytes]:
    """What Arrow opens itself, or reads through Python."""
    return locations.open_bytes(path) if locations.is_remote(path) else path


@contextmanager
def _clear_errors(path: str) -> Iterator[None]:
    try:
        if not locations.size(path):
            raise DataRefused(f"{path}: the file is empty")
        yield
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
        raise DataRefused(f"{path}: cannot be read as Parquet", [" ".join(str(error).split())]) from error
