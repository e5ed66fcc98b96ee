"""Reads plain text: each file is one series, each character a step."""

import zlib
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from components.ingest.packed import open_unpacked
from components.ingest.piece import SAMPLED_ROWS, Piece
from pipeline.config import Data
from pipeline.errors import DataRefused

COLUMN = "text"


def columns(path: str, data: Data) -> list[str]:
    """The one column, `text`."""
    del path, data
    return [COLUMN]


def sample(path: str, data: Data) -> pa.Table:
    """The first characters."""
    (piece,) = read(path, "", data)
    return pa.table({COLUMN: pa.array([piece.table.column(COLUMN)[0].as_py()[:SAMPLED_ROWS]])})


def read(path: str, name: str, data: Data) -> Iterator[Piece]:
    """The characters of the file, as one record with a list.

    Raises:
      DataRefused: the file is empty or not UTF-8.
    """
    del data
    try:
        with open_unpacked(path) as file:
            text = file.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataRefused(f"{path}: expected UTF-8 text", [str(error)]) from error
    except (OSError, EOFError, zlib.error) as error:
        raise DataRefused(f"{path}: cannot be unpacked", [str(error)]) from error
    if not text:
        raise DataRefused(f"{path}: the file is empty")
    letters = np.frombuffer(text.encode("utf-32-le"), "<u4")
    distinct, codes = np.unique(letters, return_inverse=True)
    characters = pa.array([chr(letter) for letter in distinct]).take(pa.array(codes.ravel()))
    steps = pa.ListArray.from_arrays(pa.array([0, len(letters)], pa.int32()), characters)
    yield Piece(pa.table({COLUMN: steps}), 0, name, ids=pa.array([name]))


def places(
    path: str, data: Data, rows: Sequence[int], misshapen: Sequence[int]
) -> tuple[list[str], list[str]]:
    """There is one record."""
    del path, data, misshapen
    return ["the text" for _ in rows], []
