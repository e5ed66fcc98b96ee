"""Reads plain text: each file is one series, each character, or word, a step."""

import zlib
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.ingest.packed import open_unpacked
from components.ingest.piece import SAMPLED_ROWS, Piece
from pipeline.config import Data
from pipeline.errors import DataRefused

COLUMN = "text"
PIECE = r"( ?[\pL\pM\pN]+| ?[^\s\pL\pM\pN]+|\s)"  # a word, a run of marks, or a blank that is before neither
BETWEEN = "\x1f"  # unit separator: stands between pieces while they are cut


def columns(path: str, data: Data) -> list[str]:
    """The one column, `text`."""
    del path, data
    return [COLUMN]


def sample(path: str, data: Data) -> pa.Table:
    """The first steps."""
    (piece,) = read(path, "", data)
    return pa.table({COLUMN: pa.array([piece.table.column(COLUMN)[0].as_py()[:SAMPLED_ROWS]])})


def read(path: str, name: str, data: Data) -> Iterator[Piece]:
    """The characters of the file, or its words, as one record with a list.

    A word or a run of marks has the blank before it: joined they are the text again.

    Raises:
      DataRefused: the file is empty or not UTF-8.
    """
    try:
        with open_unpacked(path) as file:
            text = file.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataRefused(f"{path}: expected UTF-8 text", [str(error)]) from error
    except (OSError, EOFError, zlib.error) as error:
        raise DataRefused(f"{path}: cannot be unpacked", [str(error)]) from error
    if not text:
        raise DataRefused(f"{path}: the file is empty")
    tokens = _words(text) if data.tokens == "words" else _characters(text)
    steps = pa.ListArray.from_arrays(pa.array([0, len(tokens)], pa.int32()), tokens)
    yield Piece(pa.table({COLUMN: steps}), 0, name, ids=pa.array([name]))


def _characters(text: str) -> pa.Array:
    letters = np.frombuffer(text.encode("utf-32-le"), "<u4")
    distinct, codes = np.unique(letters, return_inverse=True)
    return pa.array([chr(letter) for letter in distinct]).take(pa.array(codes.ravel()))


def _words(text: str) -> pa.Array:
    # Arrow and TensorFlow both match with RE2, so a prompt is cut as the text was.
    marked = pc.replace_substring_regex(pa.array([text]), PIECE, rf"\1{BETWEEN}")
    words = pc.split_pattern(marked, BETWEEN).flatten()
    return words.filter(pc.not_equal(words, ""))


def places(
    path: str, data: Data, rows: Sequence[int], misshapen: Sequence[int]
) -> tuple[list[str], list[str]]:
    """There is one record."""
    del path, data, misshapen
    return ["the text" for _ in rows], []
