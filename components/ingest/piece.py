"""What every reader gives: rows or records of one file, in columns."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

SAMPLED_ROWS = 1_000


@dataclass
class Piece:
    """Some rows or records of a file.

    Attributes:
      table: [N] rows; a cell is a value, or a list with one value a step.
      first_row: number of the first of them in the file, from 0.
      name: what ids made of the file begin with.
      ids: [N] ids that the format itself gives its records; None where rows have none.
      bad: what the reader found wrong: (mask [N], describe a row).
      misshapen: how many rows are not in the table, for they have another number of cells.
      first_misshapen: how many such rows the file has before them.
      misshapen_texts: what is wrong with the first of them.
    """

    table: pa.Table
    first_row: int
    name: str
    ids: pa.Array | None = None
    bad: list[tuple[npt.NDArray[np.bool_], Callable[[int], str]]] = field(default_factory=list)
    misshapen: int = 0
    first_misshapen: int = 0
    misshapen_texts: list[str] = field(default_factory=list)

    @property
    def rows(self) -> npt.NDArray[np.int64]:
        """Numbers of the rows in the file, [N]."""
        return np.arange(self.first_row, self.first_row + len(self.table), dtype=np.int64)


def whole_column(column: pa.ChunkedArray) -> pa.Array:
    """A column as one array."""
    if column.num_chunks == 1:
        return column.chunk(0)
    return pa.concat_arrays(column.chunks or [pa.array([], column.type)])
