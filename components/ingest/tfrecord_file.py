"""Reads TFRecords of tf.Example or tf.SequenceExample, plain or GZIP."""

import zlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.ingest.packed import is_gzip, open_gzip
from components.ingest.parsing import list_lengths, single_values
from components.ingest.piece import SAMPLED_ROWS, Piece, whole_column
from pipeline import locations
from pipeline.config import Data
from pipeline.errors import DataRefused

_BATCH_RECORDS = 8192
_BUFFER_BYTES = 4 << 20
_WORDS = {"example": "tf.Example", "sequence_example": "tf.SequenceExample"}
_STEPS = "##SEQUENCE##"  # what tfx_bsl calls the feature lists of a SequenceExample


def columns(path: str, data: Data) -> list[str]:
    """Names of the features that the first records have."""
    return list(sample(path, data).column_names)


def sample(path: str, data: Data) -> pa.Table:
    """The first records."""
    for records in _batches(path, SAMPLED_ROWS):
        return _table(path, records, 0, data)
    raise DataRefused(f"{path}: expected records, got none")


def read(path: str, name: str, data: Data) -> Iterator[Piece]:
    """The records in blocks, every feature a list.

    Raises:
      DataRefused: the file is truncated, or a record is of another payload.
    """
    first = 0
    for records in _batches(path, _BATCH_RECORDS):
        table = _table(path, records, first, data)
        numbers = pc.cast(pa.array(range(first + 1, first + len(records) + 1)), pa.string())
        ids = pc.binary_join_element_wise(name, numbers, ":") if data.payload == "sequence_example" else None
        yield Piece(table, first, name, ids=ids)
        first += len(records)


def places(
    path: str, data: Data, rows: Sequence[int], misshapen: Sequence[int]
) -> tuple[list[str], list[str]]:
    """Records as people count them, from 1."""
    del path, data, misshapen
    return [f"record {row + 1}" for row in rows], []


def _batches(path: str, size: int) -> Iterator[Any]:
    """Blocks of serialized records, each an object array."""
    import tensorflow as tf

    if not locations.size(path):
        raise DataRefused(f"{path}: the file is empty")
    packed = is_gzip(path)
    read = 0
    try:
        records = tf.data.TFRecordDataset(path, "GZIP" if packed else "", _BUFFER_BYTES)
        for batch in records.batch(size).as_numpy_iterator():
            yield batch
            read += len(batch)
    except tf.errors.DataLossError as error:
        raise DataRefused(
            f"{path}: cannot be read as TFRecord",
            [f"after {read:,} records or more: {error.message}; it was cut off, or is no TFRecord"],
        ) from error
    except tf.errors.OpError as error:
        raise locations.refusal(path, error) from error
    if packed:
        _refuse_cut_gzip(path)


def _refuse_cut_gzip(path: str) -> None:
    """TensorFlow takes the end of a truncated gzip, between two records, for the end of the file."""
    try:
        with open_gzip(path) as file:
            while file.read(1 << 24):
                pass
    except (OSError, EOFError, zlib.error) as error:
        raise DataRefused(f"{path}: cannot be unpacked", [str(error)]) from error


def _table(path: str, records: Any, first: int, data: Data) -> pa.Table:
    """Records in columns: every feature of tf.Examples a list; context features single cells."""
    from tfx_bsl.coders.example_coder import ExamplesToRecordBatchDecoder
    from tfx_bsl.coders.sequence_example_coder import SequenceExamplesToRecordBatchDecoder

    try:
        steps = SequenceExamplesToRecordBatchDecoder(_STEPS).DecodeBatch(list(records))
        if data.payload == "sequence_example":
            return _merged(path, pa.Table.from_batches([steps]))
        # A SequenceExample parses as an Example without its steps.
        if _STEPS in steps.schema.names and steps.schema.field(_STEPS).type.num_fields:
            raise DataRefused(
                f"{path}: the records have feature lists",
                ["they are tf.SequenceExample: give data.payload: sequence_example"],
            )
        return pa.Table.from_batches([ExamplesToRecordBatchDecoder().DecodeBatch(list(records))])
    except (RuntimeError, ValueError, pa.ArrowInvalid) as error:
        raise DataRefused(
            f"{path}: cannot be read as {_WORDS[data.payload]}",
            [f"records {first + 1:,} to {first + len(records):,}: {error}; expected what data.payload says"],
        ) from error


def _merged(path: str, table: pa.Table) -> pa.Table:
    """Context features beside feature lists, each a column; a step holds one value."""
    steps = (
        whole_column(table.column(_STEPS)) if _STEPS in table.column_names else pa.array([], pa.struct([]))
    )
    if not steps.type.num_fields:
        raise DataRefused(
            f"{path}: the records have no feature lists",
            ["they are tf.Example: give data.payload: example"],
        )
    context = {
        name: _single(path, name, whole_column(table.column(name)))
        for name in table.column_names
        if name != _STEPS
    }
    lists = {
        field.name: _one_a_step(path, field.name, values)
        for field, values in zip(steps.type, steps.flatten(), strict=True)
    }
    if both := sorted(set(context) & set(lists)):
        raise DataRefused(f"{path}: {both[0]!r} is a context feature and a feature list; rename one")
    return pa.table({**context, **lists})


def _single(path: str, name: str, values: pa.Array) -> pa.Array:
    """The one value of a context feature, null where it has none."""
    longest = list_lengths(values).max(initial=0)
    if longest > 1:
        raise DataRefused(f"{path}: context feature {name!r}: expected one value, got {longest}")
    return single_values(values)


def _one_a_step(path: str, name: str, values: pa.Array) -> pa.Array:
    """A feature list, as a list of its steps' values."""
    inner = values.flatten()
    lengths = list_lengths(inner)
    if len(lengths) and (lengths.min(), lengths.max()) != (1, 1):
        got = f"got {lengths.min()} to {lengths.max()}"
        raise DataRefused(f"{path}: feature list {name!r}: expected one value a step, {got}")
    sizes = list_lengths(values)
    offsets = pa.array(np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32))
    return pa.ListArray.from_arrays(offsets, inner.flatten())
