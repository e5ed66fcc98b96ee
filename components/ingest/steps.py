"""Steps in columns: what rows and records of every format become before they are grouped."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from components.ingest import cells, ts_file
from components.ingest.hashes import Hashes, hash_text
from components.ingest.layout import Layout
from components.ingest.parsing import Converted, is_list, list_lengths, single_values
from components.ingest.piece import Piece, whole_column
from components.ingest.problems import Report, file_of, positions, row_of

# Columns of a batch of steps; a feature's is FEATURE + its name, a slice's SLICE + its name.
ID, KEY, POSITION, TIME, LABEL, LABEL_TIME = "id", "key", "position", "time", "label", "label_time"
FEATURE, SLICE = "feature:", "slice:"
MISSHAPEN = 1 << 39  # added to the number of a row with another number of cells, counted by itself

ONE_SERIES = "series"
_ODD = np.uint64(0x9E3779B97F4A7C15)  # 2^64 divided by the golden ratio, made odd


@dataclass(frozen=True)
class _Records:
    """N records whose features have one length each.

    Attributes:
      table: their columns; a cell is a value or a list of steps.
      ids: [N] ids that the format gives them, or None.
      rows: [N] positions.
      parents: [steps] the record of each step.
      bad: [N] true where a record cannot be used.
    """

    table: pa.Table
    ids: pa.Array | None
    rows: npt.NDArray[np.int64]
    parents: npt.NDArray[np.int64]
    bad: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.rows)


def to_steps(piece: Piece, file: int, layout: Layout, report: Report) -> pa.RecordBatch:
    """The rows or records of a piece as steps, one a row; what cannot be used goes to the report.

    Args:
      piece: N rows or records.
      file: number of the file they are from.
      layout: what the columns are.
      report: takes what is wrong; rows with a problem are left out of the result.

    Returns:
      One row a step: `id` string, `key` uint64 (decides the shard and the split: a hash of the id,
      or of the content where rows have none), `position` int64, `time` int64 or float64, `label`
      string or float64, `label_time`, a column per feature and per slice.
    """
    _report_misshapen(piece, file, report)
    _refuse_late_features(piece, file, layout, report)
    records = _usable_records(piece, file, layout, report)
    columns = dict(_convert(records, layout, report))
    columns |= _identity(columns, records, piece.name, layout)
    report.left_out += int(records.bad.sum())
    batch = pa.RecordBatch.from_arrays(list(columns.values()), list(columns))
    return batch.filter(pa.array(~records.bad[records.parents])) if records.bad.any() else batch


def _report_misshapen(piece: Piece, file: int, report: Report) -> None:
    report.rows += len(piece.table) + piece.misshapen
    report.left_out += piece.misshapen
    if piece.misshapen:
        where = positions(file, MISSHAPEN + piece.first_misshapen + np.arange(piece.misshapen))
        report.add(np.ones(piece.misshapen, bool), where, lambda place: piece.misshapen_texts[place])


def _refuse_late_features(piece: Piece, file: int, layout: Layout, report: Report) -> None:
    """Notes features that occur only after the records that were looked at, as TFRecords may have them."""
    if layout.inferred and layout.config.format == "tfrecord":
        for name in sorted(set(piece.table.column_names) - layout.columns):
            report.note_fatal(
                f"{layout.files[file].path}: feature {name!r} is in none of the first records; "
                "name all features in data.features"
            )


def _usable_records(piece: Piece, file: int, layout: Layout, report: Report) -> _Records:
    """The records without those that the reader found bad, that have no step, or uneven features."""
    table, ids, rows = _single_cells(piece.table, layout), piece.ids, positions(file, piece.rows)
    bad = np.zeros(len(rows), bool)
    for mask, describe in piece.bad:
        report.add(mask, rows, describe)
        bad |= mask
    lengths, uneven = _lengths(table, layout)
    report.add(uneven & ~bad, rows, lambda _: "expected features of one length and at least one step in each")
    bad |= uneven
    if bad.any():
        report.left_out += int(bad.sum())
        kept = pa.array(~bad)
        table, ids = table.filter(kept), None if ids is None else ids.filter(kept)
        rows, lengths = rows[~bad], lengths[~bad]
    return _Records(table, ids, rows, np.repeat(np.arange(len(rows)), lengths), np.zeros(len(rows), bool))


def _wanted(layout: Layout) -> Iterator[tuple[str, str, Callable[[pa.Array], Converted]]]:
    """The columns to convert: source column, column of the steps, how."""
    data = layout.data
    moments = partial(cells.moments, kind=layout.time)
    if layout.time is not None:
        yield (ts_file.TIME if layout.config.format == "ts" else str(data.time)), TIME, moments
    if layout.has_label and data.label_from is None:
        to_label = cells.number_label if layout.label_is_number else cells.class_label
        yield layout.config.label, LABEL, to_label
    if data.label_time is not None:
        yield data.label_time, LABEL_TIME, moments
    trim = layout.config.format == "csv"
    for name, kind in layout.kinds.items():
        yield name, FEATURE + name, partial(cells.feature, kind=kind, trim=trim)
    for name in data.slices:
        yield name, SLICE + name, partial(cells.feature, kind="category", trim=trim)
    if data.sequence_id is not None:
        yield data.sequence_id, ID, cells.identity


def _single_cells(table: pa.Table, layout: Layout) -> pa.Table:
    """Lists of at most one value, where one value a record is meant, as single cells."""
    data = layout.data
    for name in (data.sequence_id, layout.config.label, data.label_time, *data.slices):
        if name is None or name not in table.column_names or not is_list(table.column(name).type):
            continue
        column = whole_column(table.column(name))
        if not len(column) or list_lengths(column).max() == 1:
            table = table.set_column(table.column_names.index(name), name, single_values(column))
    return table


def _lengths(table: pa.Table, layout: Layout) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Steps of each record, and which have none, or features of different lengths."""
    used = [name for name, _, _ in _wanted(layout) if name in table.column_names]
    every = [
        list_lengths(whole_column(table.column(name))) for name in used if is_list(table.column(name).type)
    ]
    if not every:
        return np.ones(len(table), np.int64), np.zeros(len(table), bool)
    stacked = np.stack(every)
    longest = stacked.max(axis=0)
    return longest, (stacked.min(axis=0) != longest) | (longest == 0)


def _convert(records: _Records, layout: Layout, report: Report) -> Iterator[tuple[str, pa.Array]]:
    each_record = np.arange(len(records))
    for source, target, convert in _wanted(layout):
        # A feature of a TFRecord may be in none of the records of a block.
        has = source in records.table.column_names
        column = whole_column(records.table.column(source)) if has else pa.nulls(len(records), pa.string())
        of = each_record
        if is_list(column.type):
            column, of = column.flatten(), records.parents
        converted = convert(column)
        if converted.bad.any():
            report.add(converted.bad, records.rows[of], _describe(source, converted.expected, column))
            records.bad[of[converted.bad]] = True
        spread = of is each_record and len(records.parents) != len(records)
        yield target, converted.values.take(pa.array(records.parents)) if spread else converted.values


def _describe(name: str, expected: str, column: pa.Array) -> Callable[[int], str]:
    def describe(place: int) -> str:
        try:
            value = column[place].as_py()
        except (OverflowError, ValueError):  # a moment that Python has no date for
            value = pc.cast(column.slice(place, 1), pa.int64())[0].as_py()
        return f"column {name}: expected {expected}, got {'none' if value is None else repr(value)}"

    return describe


def _identity(
    columns: dict[str, pa.Array], records: _Records, name: str, layout: Layout
) -> dict[str, pa.Array]:
    """Position, id and key of each step."""
    parents, window = records.parents, layout.data.window
    found = {POSITION: pa.array(records.rows[parents])}
    if layout.config.one_series:
        split = layout.files[file_of(int(records.rows[0]))].split if len(records) else None
        found[ID] = pa.array([split or ONE_SERIES]).take(pa.array(np.zeros(len(parents), np.int64)))
    elif layout.data.sequence_id is None:
        numbers = pc.cast(pa.array(row_of(records.rows) + 1), pa.string())
        ids = pc.binary_join_element_wise(name, numbers, ":") if records.ids is None else records.ids
        found[ID] = ids.take(pa.array(parents))
    if layout.data.sequence_id is None and window is None:
        features = [values for column, values in columns.items() if column.startswith(FEATURE)]
        found[KEY] = pa.array(_hash_records(features, parents, len(records)))
    else:
        found[KEY] = pa.array(hash_text(found[ID] if ID in found else columns[ID]))
    return found


def _hash_records(features: list[pa.Array], parents: npt.NDArray[np.int64], records: int) -> Hashes:
    """A hash of each record's content, so that equal records are on one side of a split."""
    with np.errstate(over="ignore"):
        combined = np.zeros(len(parents), np.uint64)
        for place, values in enumerate(features):
            if pa.types.is_string(values.type):
                hashes = hash_text(values)
            else:
                hashes = pd.util.hash_array(values.to_numpy(zero_copy_only=False))
            combined = combined * _ODD + hashes + np.uint64(place)
        starts = np.searchsorted(parents, np.arange(records))
        in_record = (np.arange(len(parents)) - starts[parents]).astype(np.uint64)
        weighted = combined * (in_record * np.uint64(2) + np.uint64(1))
        totals = np.concatenate([np.zeros(1, np.uint64), np.cumsum(weighted, dtype=np.uint64)])
        ends = np.append(starts[1:], len(parents))
        per_record = totals[ends] - totals[starts]
    mixed: Hashes = pd.util.hash_array(per_record)
    return mixed[parents]


def by_shard(batch: pa.RecordBatch, shards: int) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Divides steps by their key: (shard, its steps in their order)."""
    if not len(batch):
        return
    shard = (batch.column(KEY).to_numpy() % np.uint64(shards)).astype(np.int64)
    order = np.argsort(shard, kind="stable")
    found, starts = np.unique(shard[order], return_index=True)
    ends = np.append(starts[1:], len(order))
    for number, start, end in zip(found, starts, ends, strict=True):
        whole = end - start == len(order)
        yield int(number), batch if whole else batch.take(pa.array(order[start:end]))


def empty(layout: Layout) -> pa.RecordBatch:
    """No steps, with the columns they would have."""
    sources = {source: pa.array([], pa.string()) for source, _, _ in _wanted(layout)}
    return to_steps(Piece(pa.table(sources), 0, ""), 0, layout, Report())
