"""Reads long CSV: one row a step, sequences told apart by an id column."""

import csv as python_csv
import gzip
import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from components.ingest.names import refuse_unusable
from components.ingest.problems import SHOWN, Problems
from components.ingest.sequences import Sequences
from pipeline.config import Data
from pipeline.errors import DataRefused

_SAMPLE = 100  # distinct texts of a column that tell whether it was meant to be numbers
_BLOCK_BYTES = 16 << 20  # also the longest row that can be read


@dataclass(frozen=True)
class _Rows:
    """Rows of one or more files; every column is text, as it stands in the file."""

    table: pa.Table
    files: Sequence[str]
    ends: npt.NDArray[np.int64]  # rows up to and including each file
    _trimmed: dict[str, pa.Array] = field(default_factory=dict)

    def column(self, name: str) -> pa.Array:
        """A column without the blanks around its cells."""
        if name not in self._trimmed:
            column = self.table.column(name)
            whole = column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks)
            self._trimmed[name] = pc.utf8_trim_whitespace(whole)
        return self._trimmed[name]

    def place(self, row: int) -> str:
        """Where a row stands, as an editor counts lines."""
        file = int(np.searchsorted(self.ends, row, side="right"))
        before = int(self.ends[file - 1]) if file else 0
        return f"{self.files[file]}, line {_line(self.files[file], row - before)}"


def _line(path: str, row: int) -> int:
    """The line a data row ends in; blank lines and line breaks within quotes count as lines."""
    opened = gzip.open if path.endswith(".gz") else open
    with opened(path, "rt", encoding="utf-8", errors="replace", newline="") as file:
        lines = python_csv.reader(file)
        rows = (lines.line_num for cells in lines if cells)
        return next(itertools.islice(rows, row + 1, None))


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
    assert data.sequence_id is not None and data.label is not None  # the configuration requires both
    rows = _read_rows(paths)
    features = _feature_columns(rows, data)
    problems = Problems()
    columns = {name: _numbers(rows, name, problems) for name in features}
    time = None if data.time is None else _times(rows, data.time, problems)
    for role in (data.sequence_id, data.label):
        _refuse_empty(rows, role, problems)
    _refuse_line_breaks(rows, data.label, problems)
    problems.refuse("cells that cannot be read: {}")
    return _group(rows, data.sequence_id, data.label, columns, time)


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

    with _clear_errors(path):
        table = csv.read_csv(
            path,
            # Without threads the number of a wrong row is known.
            read_options=csv.ReadOptions(use_threads=False, block_size=_BLOCK_BYTES),
            parse_options=csv.ParseOptions(invalid_row_handler=note, newlines_in_values=True),
            convert_options=csv.ConvertOptions(
                column_types={name: pa.string() for name in names}, strings_can_be_null=False
            ),
        )
    if wrong:
        raise DataRefused(
            f"{path}: expected {len(names)} cells in every row, as in the header; {len(wrong):,} rows differ",
            wrong[:SHOWN],
        )
    if not len(table):
        raise DataRefused(f"{path}: expected rows after the header, got none")
    return table


def _header(path: str) -> list[str]:
    with _clear_errors(path):
        if not Path(path).stat().st_size:
            raise DataRefused(f"{path}: the file is empty")
        with Path(path).open("rb") as file:
            if file.read(2) == b"\x1f\x8b" and not path.endswith(".gz"):
                raise DataRefused(f"{path}: the content is gzip; name the file {Path(path).name}.gz")
        options = csv.ReadOptions(block_size=_BLOCK_BYTES)
        skip = csv.ParseOptions(invalid_row_handler=lambda _: "skip")
        with csv.open_csv(path, read_options=options, parse_options=skip) as reader:
            names: list[str] = reader.schema.names
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise DataRefused(f"{path}: columns occur twice", [f"{name!r}; rename one of them" for name in twice])
    return names


@contextmanager
def _clear_errors(path: str) -> Iterator[None]:
    """Says in words people know what Arrow could not read."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise DataRefused(f"{path}: expected UTF-8 text", [str(error)]) from error
    except (pa.ArrowInvalid, OSError, EOFError) as error:
        text = " ".join(str(error).split())
        if "Empty CSV file" in text:
            text = "expected a header and rows, got none"
        if "straddling" in text:
            text = f"a row is longer than {_BLOCK_BYTES >> 20} MB, or a quote is never closed"
        raise DataRefused(f"{path}: cannot be read as CSV", [text]) from error


def _feature_columns(rows: _Rows, data: Data) -> list[str]:
    names = rows.table.column_names
    roles = [role for role in (data.sequence_id, data.label, data.time) if role is not None]
    wanted = [*roles, *data.ignore, *(data.features or ())]
    if missing := [name for name in wanted if name not in names]:
        raise DataRefused(
            f"{rows.files[0]}: columns are missing",
            [f"{name!r} is in the configuration; the file has {', '.join(names)}" for name in missing],
        )
    features = list(data.features or (name for name in names if name not in {*roles, *data.ignore}))
    if not features:
        raise DataRefused(f"{rows.files[0]}: no column is left that could be a feature")
    refuse_unusable(features)
    return features


def _numbers(rows: _Rows, name: str, problems: Problems) -> pa.Array:
    """A feature column as float32, NaN where a cell is empty; notes the cells that are no numbers."""
    texts = rows.column(name)
    sample = [text for text in pc.unique(texts).slice(0, _SAMPLE).to_pylist() if text]
    if sample and not any(_casts(text.removeprefix("+"), pa.float32()) for text in sample):
        advice = f"expected numbers, got text such as {sample[0]!r}; put it in data.ignore"
        problems.note(f"column {name}: {advice}", len(texts))
        return texts
    filled = pc.if_else(pc.equal(texts, ""), "nan", texts)
    return _cast(rows, name, filled, pa.float32(), "a number", problems)


_NUMBERS = (pa.int64(), pa.float64())
_TIMESTAMPS = (pa.timestamp("us"), pa.timestamp("us", "UTC"), pa.timestamp("ns"), pa.timestamp("ns", "UTC"))


def _times(rows: _Rows, name: str, problems: Problems) -> pa.Array:
    """Whole numbers, numbers, or ISO 8601 timestamps: the first of these that fits the whole column."""
    texts = rows.column(name)
    if pc.any(pc.starts_with(texts, "+")).as_py():
        texts = _without_plus(texts)
    for kind in (*_NUMBERS, *_TIMESTAMPS):
        try:
            return _finite(rows, name, pc.cast(texts, kind), problems)
        except pa.ArrowInvalid:
            continue
    first = next((text for text in pc.unique(texts).to_pylist() if _kind_of(text)), "")
    numbers = _kind_of(first) in _NUMBERS
    kind, expected = (
        (pa.float64(), "a number")
        if numbers
        else (_kind_of(first) or pa.timestamp("us"), "an ISO 8601 timestamp")
    )
    other = f", as {first}" if first else ""
    return _cast(rows, name, texts, kind, f"{expected}{other}", problems)


def _kind_of(text: str) -> pa.DataType | None:
    return next((kind for kind in (*_NUMBERS, *_TIMESTAMPS) if _casts(text, kind)), None)


def _finite(rows: _Rows, name: str, times: pa.Array, problems: Problems) -> pa.Array:
    if pa.types.is_timestamp(times.type):
        return pc.cast(times, pa.timestamp(times.type.unit))
    problems.add(
        ~np.isfinite(times.to_numpy()),
        lambda row: f"{rows.place(row)}, column {name}: expected a moment, got {times[row].as_py()}",
    )
    return times


def _cast(
    rows: _Rows, name: str, texts: pa.Array, kind: pa.DataType, expected: str, problems: Problems
) -> pa.Array:
    """Text as another type; where a cell does not parse, notes it and gives null."""
    try:
        return pc.cast(texts, kind)
    except pa.ArrowInvalid:
        texts = _without_plus(texts)
        distinct = texts.dictionary_encode()  # each distinct text is tried once
    wrong = np.array([not _casts(text, kind) for text in distinct.dictionary.to_pylist()])
    wrong = wrong[distinct.indices.to_numpy()]
    problems.add(
        wrong,
        lambda row: f"{rows.place(row)}, column {name}: expected {expected}, got {texts[row].as_py()!r}",
    )
    return pc.cast(pc.if_else(pa.array(wrong), pa.scalar(None, pa.string()), texts), kind)


def _without_plus(texts: pa.Array) -> pa.Array:
    """Numbers as Arrow reads them, which knows no +1."""
    return pc.replace_substring_regex(texts, r"^\+", "")


def _casts(text: str, kind: pa.DataType) -> bool:
    try:
        pc.cast(pa.scalar(text), kind)
    except pa.ArrowInvalid:
        return False
    return True


def _refuse_empty(rows: _Rows, name: str, problems: Problems) -> None:
    problems.add(
        pc.equal(rows.column(name), "").to_numpy(zero_copy_only=False),
        lambda row: f"{rows.place(row)}, column {name}: expected a value, got none",
    )


def _refuse_line_breaks(rows: _Rows, name: str, problems: Problems) -> None:
    labels = rows.column(name)
    problems.add(
        pc.match_substring_regex(labels, r"[\r\n]").to_numpy(zero_copy_only=False),
        lambda row: (
            f"{rows.place(row)}, column {name}: expected a class on one line, got {labels[row].as_py()!r}"
        ),
    )


def _group(
    rows: _Rows, sequence_id: str, label: str, columns: dict[str, pa.Array], time: pa.Array | None
) -> Sequences:
    """Rows with one id become one sequence; sequences stand in the order of their first row."""
    ids = rows.column(sequence_id).dictionary_encode()
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
        labels=_labels(rows, label, codes, order[starts]),
        features={name: lists(values) for name, values in columns.items()},
        time=None if time is None else lists(time),
    )


def _labels(
    rows: _Rows, name: str, codes: npt.NDArray[np.int32], first_rows: npt.NDArray[np.int64]
) -> pa.Array:
    """The label of each sequence, which all its rows must repeat."""
    labels = rows.column(name)
    of_sequence = labels.take(pa.array(first_rows))
    problems = Problems()
    expected = of_sequence.take(pa.array(codes))
    problems.add(
        pc.not_equal(labels, expected).to_numpy(zero_copy_only=False),
        lambda row: f"{rows.place(row)}: expected {expected[row].as_py()!r}, got {labels[row].as_py()!r}",
    )
    problems.refuse(
        f"column {name}: a sequence has one label; rows that differ from the first of theirs: {{}}"
    )
    return of_sequence
