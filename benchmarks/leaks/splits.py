"""Both splits of a data set as Arrow tables: read from an Examples folder, changed, written again."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import tensorflow as tf
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx_bsl.coders.example_coder import ExamplesToRecordBatchDecoder

from components.ingest.example_bytes import serialize
from pipeline.config import RESERVED_FEATURES, Config

Numbers = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]
_FILE = "data_tfrecord-00000-of-00001.gz"
_STEP_COLUMNS = ("step_time",)  # a value per step, though no feature


@dataclass(frozen=True)
class Splits:
    """Examples of both splits, one row a sequence or window.

    Every column is a list of float32, int64 or binary; a null list is a feature that the Example
    does not have.

    Attributes:
      config: the configuration the Examples were made with.
      train: the training split.
      eval: the evaluation split.
      rest: windows of the evaluation split that the sample left out, so that a window can be had
        at any step.
      schema: a reviewed schema; None: inferred from the training split, as SchemaGen does.
    """

    config: Config
    train: pa.Table
    eval: pa.Table
    rest: pa.Table | None = None
    schema: schema_pb2.Schema | None = None

    @property
    def label(self) -> str:
        """Name of the label."""
        return self.config.label

    @property
    def features(self) -> list[str]:
        """Names of what the model may see."""
        return [name for name in self.train.column_names if name not in (*RESERVED_FEATURES, self.label)]

    @property
    def numeric(self) -> list[str]:
        """Names of the features that are numbers."""
        return [name for name in self.features if not _is_binary(self.train, name)]

    @property
    def texts(self) -> list[str]:
        """Names of the features that are texts or categories."""
        return [name for name in self.features if _is_binary(self.train, name)]

    @property
    def is_regression(self) -> bool:
        """Whether the label is a number to be estimated."""
        return self.config.task == "regression"

    def both(self, train: pa.Table, evaluation: pa.Table) -> "Splits":
        """The same data set with other rows."""
        return replace(self, train=train, eval=evaluation)


def _is_binary(table: pa.Table, name: str) -> bool:
    return bool(pa.types.is_binary(table.schema.field(name).type.value_type))


# --- columns: flat values and where each row's begin ---------------------------------------------


def values(table: pa.Table, name: str) -> Numbers:
    """All values of a column, row after row, as a copy."""
    found: Numbers = table.column(name).combine_chunks().flatten().to_numpy(zero_copy_only=False).copy()
    return found


def lengths(table: pa.Table, name: str) -> Numbers:
    """[N] how many values each row has."""
    found: Numbers = pc.fill_null(pc.list_value_length(table.column(name)), 0).to_numpy().astype(np.int64)
    return found


def starts(table: pa.Table, name: str) -> Numbers:
    """[N + 1] where each row's values begin in `values`."""
    return np.concatenate([[0], np.cumsum(lengths(table, name))])


def rows_of(table: pa.Table, name: str) -> Numbers:
    """The row of every value."""
    return np.repeat(np.arange(len(table)), lengths(table, name))


def with_values(table: pa.Table, name: str, flat: Any, counts: Numbers | None = None) -> pa.Table:
    """The table with new values in a column; a new column where there is none of that name.

    Args:
      table: N rows.
      name: the column.
      flat: all values, row after row.
      counts: [N] values per row; default: as many as before, or one each.
    """
    if counts is None:
        counts = lengths(table, name) if name in table.column_names else np.ones(len(table), np.int64)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    column = pa.ListArray.from_arrays(pa.array(offsets), _typed(flat))
    if name in table.column_names:
        return table.set_column(table.column_names.index(name), name, column)
    return table.append_column(name, column)


def _typed(flat: Any) -> pa.Array:
    flat = np.asarray(flat)
    if flat.dtype.kind == "f":
        return pa.array(flat.astype(np.float32))
    if flat.dtype.kind in "iub":
        return pa.array(flat.astype(np.int64))
    return pc.cast(pa.array(flat.tolist()), pa.binary()) if len(flat) else pa.array([], pa.binary())


def without(table: pa.Table, name: str, gone: Mask) -> pa.Table:
    """The table whose rows in `gone` do not have a column."""
    column = table.column(name).combine_chunks()
    kept = pc.if_else(pa.array(gone), pa.scalar(None, column.type), column)
    return table.set_column(table.column_names.index(name), name, kept)


def step_columns(data: Splits) -> list[str]:
    """Columns with one value per step."""
    return [name for name in data.train.column_names if name in (*data.features, *_STEP_COLUMNS)]


def keep_steps(table: pa.Table, names: Sequence[str], keep: Mask) -> pa.Table:
    """Leaves steps out of all step columns, with the sequence's length to match.

    Args:
      table: N rows whose step columns all have `sequence_length` values.
      names: the step columns.
      keep: one value per step of the table.
    """
    rows = rows_of(table, names[0])
    counts = np.bincount(rows[keep], minlength=len(table))
    for name in names:
        table = with_values(table, name, values(table, name)[keep], counts)
    return with_values(table, "sequence_length", counts)


def replaced(table: pa.Table, rows: Numbers, source: pa.Table, names: Sequence[str]) -> pa.Table:
    """The table whose `rows` have the named columns of the rows of `source`, in that order."""
    take = np.arange(len(table))
    take[rows] = len(table) + np.arange(len(source))
    for name in names:
        column = table.column(name).combine_chunks()
        joined = pa.concat_arrays([column, source.column(name).combine_chunks()])
        table = table.set_column(table.column_names.index(name), name, joined.take(pa.array(take)))
    return table


# --- files -----------------------------------------------------------------------------------------


def read(folder: str | Path) -> pa.Table:
    """Reads one split as record batches are read in the pipeline."""
    records = records_of(folder)
    batch = ExamplesToRecordBatchDecoder().DecodeBatch(records)
    kinds = {pa.float32(): pa.float32(), pa.int64(): pa.int64()}
    columns = {
        name: pc.cast(column, pa.list_(kinds.get(column.type.value_type, pa.binary())))
        for name, column in zip(batch.schema.names, batch.columns, strict=True)
    }
    return pa.table(columns)


def records_of(folder: str | Path) -> list[bytes]:
    """The serialized Examples of a split, file after file."""
    files = sorted(map(str, Path(folder).glob("*.gz")))
    return list(tf.data.TFRecordDataset(files, "GZIP").as_numpy_iterator()) if files else []


def write(table: pa.Table, folder: Path) -> None:
    """Writes one split as one GZIP file of tf.Examples, in the order of the rows."""
    folder.mkdir(parents=True)
    options = tf.io.TFRecordOptions(compression_type="GZIP", compression_level=1)
    with tf.io.TFRecordWriter(str(folder / _FILE), options) as writer:
        for record in encoded(table):
            writer.write(record)


def encoded(table: pa.Table) -> list[bytes]:
    """Serialized Examples; rows that lack the same columns are encoded together."""
    if not len(table):
        return []
    absent = np.stack([column.is_null().to_numpy() for column in table.columns], axis=1)
    patterns, of = np.unique(absent, axis=0, return_inverse=True)
    records = np.empty(len(table), object)
    for number, pattern in enumerate(patterns):
        rows = np.flatnonzero(of.ravel() == number)
        part = table.take(pa.array(rows))
        there = [name for name, gone in zip(table.column_names, pattern, strict=True) if not gone]
        lists = {name: _compact(part.column(name).combine_chunks()) for name in there}
        records[rows] = serialize(lists).to_pylist()
    return list(records)


def _compact(column: pa.ListArray) -> pa.ListArray:
    counts = pc.list_value_length(column).to_numpy(zero_copy_only=False)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), column.flatten())
