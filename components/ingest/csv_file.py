"""Reads long CSV: one row a step, sequences told apart by an id column."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from components.ingest.problems import SHOWN, Problems
from components.ingest.sequences import Sequences
from pipeline.config import RESERVED_FEATURES, Data
from pipeline.errors import DataRefused


@dataclass(frozen=True)
class _Rows:
    """Rows of one or more files; every column is text, as it stands in the file."""

    table: pa.Table
    files: Sequence[str]
    ends: npt.NDArray[np.int64]  # rows up to and including each file

    def place(self, row: int) -> str:
        """Where a row stands, as an editor counts (the header is line 1)."""
        file = int(np.searchsorted(self.ends, row, side="right"))
        before = int(self.ends[file - 1]) if file else 0
        return f"{self.files[file]}, line {row - before + 2}"


def read_csv(paths: Sequence[str], data: Data) -> Sequences:
    """Reads long CSV files as one table and groups its rows into sequences.

    Steps are ordered by `data.time`, rows of one time by their order in the files. Every column
    that has no role and is not ignored is a feature where `data.features` is absent. An empty cell
    of a feature is a missing value and becomes NaN.

    Args:
      paths: the files, in the order in which their rows follow one another.
      data: names of the columns.

    Raises:
      DataRefused: with file, line, column and text of what could not be read.
    """
    rows = _read_rows(paths)
    features = _feature_columns(rows, data)
    problems = Problems()
    columns = {name: _numbers(rows, name, problems) for name in features}
    time = None if data.time is None else _times(rows, data.time, problems)
    for role in (data.sequence_id, data.label):
        _refuse_empty(rows, role, problems)
    problems.refuse("{} cells cannot be read")
    return _group(rows, data, columns, time)


def _read_rows(paths: Sequence[str]) -> _Rows:
    tables = [_read_table(path) for path in paths]
    names = tables[0].column_names
    for path, table in zip(paths, tables, strict=True):
        if sorted(table.column_names) != sorted(names):
            raise DataRefused(
                f"{path}: other columns than in {paths[0]}",
                [f"expected {', '.join(names)}, got {', '.join(table.column_names)}"],
            )
    table = pa.concat_tables([table.select(names) for table in tables]).combine_chunks()
    return _Rows(table, list(paths), np.cumsum([len(part) for part in tables]))


def _read_table(path: str) -> pa.Table:
    names = _header(path)
    wrong: list[str] = []

    def note(row: csv.InvalidRow) -> str:
        wrong.append(f"row {row.number or '?'}: {row.actual_columns} cells: {row.text[:80]!r}")
        return "skip"

    try:
        table = csv.read_csv(
            path,
            read_options=csv.ReadOptions(use_threads=False),  # without threads the row number is known
            parse_options=csv.ParseOptions(invalid_row_handler=note, newlines_in_values=True),
            convert_options=csv.ConvertOptions(
                column_types={name: pa.string() for name in names}, strings_can_be_null=False
            ),
        )
    except (pa.ArrowInvalid, OSError, EOFError) as error:
        raise DataRefused(f"{path}: cannot be read as CSV", [" ".join(str(error).split())]) from error
    if wrong:
        raise DataRefused(
            f"{path}: expected {len(names)} cells in every row, as in the header; {len(wrong):,} rows differ",
            wrong[:SHOWN],
        )
    if not len(table):
        raise DataRefused(f"{path}: expected rows after the header, got none")
    return table


def _header(path: str) -> list[str]:
    if not Path(path).stat().st_size:
        raise DataRefused(f"{path}: the file is empty")
    try:
        with csv.open_csv(
            path, parse_options=csv.ParseOptions(invalid_row_handler=lambda _: "skip")
        ) as reader:
            names: list[str] = reader.schema.names
    except (pa.ArrowInvalid, OSError, EOFError) as error:
        raise DataRefused(f"{path}: cannot be read as CSV", [" ".join(str(error).split())]) from error
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise DataRefused(f"{path}: columns occur twice", [f"{name!r}; rename one of them" for name in twice])
    return names


def _feature_columns(rows: _Rows, data: Data) -> list[str]:
    names = rows.table.column_names
    roles = [role for role in (data.sequence_id, data.label, data.time) if role is not None]
    wanted = [*roles, *data.ignore, *(data.features or ())]
    if missing := [name for name in wanted if name not in names]:
        raise DataRefused(
            f"{rows.files[0]}: columns are missing",
            [f"{name!r} is in the configuration; the file has {', '.join(names)}" for name in missing],
        )
    if data.features is not None:
        return list(data.features)
    features = [name for name in names if name not in {*roles, *data.ignore}]
    if taken := [name for name in features if name in RESERVED_FEATURES]:
        raise DataRefused(
            f"{rows.files[0]}: column names that ingest itself writes",
            [f"{name!r}: rename the column, or put it in data.ignore" for name in taken],
        )
    if not features:
        raise DataRefused(f"{rows.files[0]}: no column is left that could be a feature")
    return features


def _numbers(rows: _Rows, name: str, problems: Problems) -> pa.Array:
    """A feature column as float32, NaN where a cell is empty; notes the cells that are no numbers."""
    texts = _column(rows, name)
    return _cast(
        rows, name, pc.if_else(pc.equal(texts, ""), "nan", texts), pa.float32(), "a number", problems
    )


def _times(rows: _Rows, name: str, problems: Problems) -> pa.Array:
    """Numbers as float64, or ISO 8601 timestamps as int64 microseconds since 1970; as the first row is."""
    texts = _column(rows, name)
    if _casts(texts[0].as_py(), pa.float64()):
        return _cast(rows, name, texts, pa.float64(), "a number, as in the first row", problems)
    times = _cast(rows, name, texts, pa.timestamp("us"), "a number or an ISO 8601 timestamp", problems)
    return pc.cast(times, pa.int64())


def _cast(
    rows: _Rows, name: str, texts: pa.Array, kind: pa.DataType, expected: str, problems: Problems
) -> pa.Array:
    """Text as another type; where a cell does not parse, notes it and gives null."""
    try:
        return pc.cast(texts, kind)
    except pa.ArrowInvalid:
        distinct = texts.dictionary_encode()  # each distinct text is tried once
    wrong = np.array([not _casts(text, kind) for text in distinct.dictionary.to_pylist()])
    wrong = wrong[distinct.indices.to_numpy()]
    problems.add(
        wrong,
        lambda row: f"{rows.place(row)}, column {name}: expected {expected}, got {texts[row].as_py()!r}",
    )
    return pc.cast(pc.if_else(pa.array(wrong), pa.scalar(None, pa.string()), texts), kind)


def _casts(text: str, kind: pa.DataType) -> bool:
    try:
        pc.cast(pa.scalar(text), kind)
    except pa.ArrowInvalid:
        return False
    return True


def _refuse_empty(rows: _Rows, name: str | None, problems: Problems) -> None:
    if name is not None:
        problems.add(
            pc.equal(_column(rows, name), "").to_numpy(zero_copy_only=False),
            lambda row: f"{rows.place(row)}, column {name}: expected a value, got none",
        )


def _column(rows: _Rows, name: str) -> pa.Array:
    column = rows.table.column(name)
    column = column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks)
    return pc.utf8_trim_whitespace(column)


def _group(rows: _Rows, data: Data, columns: dict[str, pa.Array], time: pa.Array | None) -> Sequences:
    """Rows with one id become one sequence; sequences stand in the order of their first row."""
    assert data.sequence_id is not None and data.label is not None  # the configuration requires both
    ids = _column(rows, data.sequence_id).dictionary_encode()
    codes = ids.indices.to_numpy()
    keys = (codes,) if time is None else (time.to_numpy(), codes)
    order = np.lexsort(keys)
    starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
    offsets = pa.array(np.append(starts, len(order)).astype(np.int32))
    taken = pa.array(order)

    def lists(values: pa.Array) -> pa.Array:
        return pa.ListArray.from_arrays(offsets, values.take(taken))

    return Sequences(
        ids=ids.dictionary,
        labels=_labels(rows, data, codes, order[starts]),
        features={name: lists(values) for name, values in columns.items()},
        time=None if time is None else lists(time),
    )


def _labels(
    rows: _Rows, data: Data, codes: npt.NDArray[np.int32], first_rows: npt.NDArray[np.int64]
) -> pa.Array:
    """The label of each sequence, which all its rows must repeat."""
    assert data.label is not None
    labels = _column(rows, data.label)
    of_sequence = labels.take(pa.array(first_rows))
    problems = Problems()
    expected = of_sequence.take(pa.array(codes))
    problems.add(
        pc.not_equal(labels, expected).to_numpy(zero_copy_only=False),
        lambda row: f"{rows.place(row)}: expected {expected[row].as_py()!r}, got {labels[row].as_py()!r}",
    )
    problems.refuse(
        f"column {data.label}: a sequence has one label, and {{}} rows differ from the first of theirs"
    )
    return of_sequence
