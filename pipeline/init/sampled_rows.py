"""Looks at the rows of files nobody has described yet."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from components.ingest import cells, csv_file
from components.ingest.inference import first_moment, infer_kind
from components.ingest.layout import READERS
from components.ingest.parsing import flat, is_list, single_values
from components.ingest.piece import SAMPLED_ROWS, whole_column
from pipeline.config import Data, FeatureKind
from pipeline.errors import DataRefused

ENOUGH_ROWS = 50_000
_UNITS = {"text": "characters", "ts": "cases", "tfrecord": "records"}  # else rows

Codes = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Column:
    """What is known of a column after a look at its values; N values.

    Attributes:
      name: its name.
      kind: what ingest would make of it as a feature.
      doubt: why ingest would not take it as a feature by itself.
      steps: whether its cells are lists, a value a step.
      row: [N] the row of each value; lists have several.
      codes: [N] equal values have equal codes, a missing one has its own.
      distinct: the distinct values as text, in the order in which they occur.
      moment: type of the values read as moments or numbers; None where they are neither.
      numbers: [N] the values so read; empty where they are neither.
      unread: share of the values that could not be read so.
    """

    name: str
    kind: FeatureKind
    doubt: str | None
    steps: bool
    row: Codes
    codes: Codes
    distinct: tuple[str, ...]
    moment: pa.DataType | None
    numbers: npt.NDArray[Any]
    unread: float

    @property
    def is_timestamp(self) -> bool:
        """Whether it holds dates or timestamps."""
        return self.moment is not None and bool(pa.types.is_timestamp(self.moment))

    @property
    def is_whole(self) -> bool:
        """Whether it holds whole numbers."""
        return self.moment is not None and bool(pa.types.is_integer(self.moment))

    @property
    def is_fractional(self) -> bool:
        """Whether it holds numbers that need not be whole."""
        return self.moment is not None and bool(pa.types.is_floating(self.moment))

    @property
    def is_text(self) -> bool:
        """Whether it holds neither numbers nor moments."""
        return self.moment is None


@dataclass(frozen=True)
class Table:
    """The rows looked at.

    Attributes:
      columns: their columns, those of the steps of records included.
      rows: how many.
      file: [rows] the number of the file each is from.
      complete: whether that is all of them.
      unit: what a row is, in words.
    """

    columns: tuple[Column, ...]
    rows: int
    file: Codes
    complete: bool
    unit: str = "rows"

    @property
    def records(self) -> bool:
        """Whether a row holds a whole sequence, in lists of steps."""
        return any(column.steps for column in self.columns)

    @property
    def looked_at(self) -> str:
        """How much was looked at, in words."""
        count = len(self.columns[0].row) if self.unit == "characters" else self.rows
        return f"{'all' if self.complete else 'the first'} {count:,} {self.unit}"


def read_table(paths: Sequence[str], data: Data, kind: str) -> Table:
    """Reads the first rows, at least ENOUGH_ROWS where there are so many."""
    tables: list[Any] = []
    files: list[Codes] = []
    complete = True
    for number, part in (
        (number, part) for number, path in enumerate(paths) for part in _parts(path, data, kind)
    ):
        if len(part) and sum(len(table) for table in tables) >= ENOUGH_ROWS:
            complete = False
            break
        tables.append(part)
        files.append(np.full(len(part), number))
    table = pa.concat_tables([each.cast(tables[0].schema) for each in tables]) if tables else pa.table({})
    if not len(table):
        raise DataRefused(f"{paths[0]}: expected rows, got none")
    arrays = {name: _one_value_a_row(whole_column(table.column(name))) for name in table.column_names}
    columns = tuple(_column(name, values) for name, values in arrays.items())
    return Table(columns, len(table), np.concatenate(files), complete, _UNITS.get(kind, "rows"))


def _parts(path: str, data: Data, kind: str) -> Iterator[pa.Table]:
    if kind == "csv":
        first = csv_file.sample(path, data, ENOUGH_ROWS + 1)
        yield from (first.slice(0, ENOUGH_ROWS), first.slice(ENOUGH_ROWS))
    else:
        yield from (piece.table for piece in READERS[kind].read(path, "", data))


def _column(name: str, values: pa.Array) -> Column:
    row, steps = np.arange(len(values)), is_list(values.type)
    if steps:
        row = np.repeat(row, pc.fill_null(pc.list_value_length(values), 0).to_numpy())
        values = flat(values)
    if pa.types.is_string(values.type):
        values = pc.utf8_trim_whitespace(values)
    first = pa.chunked_array([values.slice(0, SAMPLED_ROWS)])
    kind, doubt = infer_kind(first)
    encoded = _encoded(values)
    codes = pc.fill_null(encoded.indices, len(encoded.dictionary)).to_numpy().astype(np.int64)
    moment = first_moment(first)
    numbers, unread = np.zeros(0), 1.0
    if moment is not None:
        read = cells.moments(values, moment)
        numbers, unread = read.values.to_numpy(zero_copy_only=False), float(read.bad.mean())
    distinct = tuple(pc.cast(encoded.dictionary, pa.string()).to_pylist())
    return Column(name, kind, doubt, steps, row, codes, distinct, moment, numbers, unread)


def _encoded(values: pa.Array) -> pa.Array:
    """Codes and the distinct values, as text where they cannot be text."""
    if pa.types.is_dictionary(values.type):
        return values
    try:
        encoded = values.dictionary_encode()
        pc.cast(encoded.dictionary, pa.string())
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):  # structures and bytes, no feature of ingest's
        return pa.array([str(value) for value in values.to_pylist()]).dictionary_encode()
    return encoded


def _one_value_a_row(values: pa.Array) -> pa.Array:
    """Lists that never hold more than one value, as TFRecords have them, as single values."""
    if not is_list(values.type) or (pc.max(pc.list_value_length(values)).as_py() or 0) > 1:
        return values
    return single_values(values)
