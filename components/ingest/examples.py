"""Writes whole sequences or windows as a standard TFX Examples split: GZIP TFRecords of tf.Example."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import tensorflow as tf

from components import complete_file
from components.ingest.ahead import ahead
from components.ingest.example_bytes import serialize
from components.ingest.layout import Layout
from components.ingest.piece import whole_column
from components.ingest.sequences import Examples, Places, Sequences, chunks, remaining_steps
from components.ingest.steps import FEATURE, ID, LABEL, LABEL_TIME, SLICE, TIME

_CHUNK_BYTES = 32 << 20  # of steps encoded at once
_MILLIONTHS = 1e6
_OPTIONS = {"compression_type": "GZIP", "compression_level": 1}  # the time goes into compression


def features(examples: Examples, sequences: Sequences, layout: Layout) -> dict[str, pa.Array]:
    """The features of each tf.Example, every one a list.

    `sequence_id`, `sequence_length` in steps, the label, a list of steps per feature; where there
    is time `step_time` (int64: microseconds or nanoseconds since 1970, or the whole number itself,
    or the millionths of a fractional one, which float32 would round) and `label_time`; for windows
    `series_id` and `window_start`, the number of their first step in the series; and the slices as
    they are at the last step.
    """
    steps, last = sequences.steps, examples.start + examples.length - 1
    places = _step_places(examples)
    offsets = pa.array(np.concatenate([[0], np.cumsum(examples.length)]).astype(np.int32))
    ids = steps.column(ID).take(pa.array(examples.start))
    found: dict[str, pa.Array] = {"sequence_length": _single(pa.array(examples.length))}
    if layout.data.window is None:
        found["sequence_id"] = _single(ids)
    else:
        start = pa.array(examples.start - sequences.starts[examples.sequence])
        found["series_id"] = _single(ids)
        found["window_start"] = _single(start)
        found["sequence_id"] = _single(pc.binary_join_element_wise(ids, pc.cast(start, pa.string()), "@"))
    if layout.has_label:
        found[layout.config.label] = _single(_labels(examples, sequences, layout))
    for name in steps.column_names:
        if name.startswith(FEATURE) or name == TIME:
            values = _array(steps.column(name).take(pa.array(places)))
            values = _whole_times(values) if name == TIME else values
            target = name.removeprefix(FEATURE) if name != TIME else "step_time"
            found[target] = pa.ListArray.from_arrays(offsets, values)
        elif name.startswith(SLICE):
            found[name.removeprefix(SLICE)] = _single(steps.column(name).take(pa.array(last)))
        elif name == LABEL_TIME:
            found["label_time"] = _single(
                _whole_times(_array(steps.column(name).take(pa.array(examples.label))))
            )
    return found


def write(
    examples: Examples, sequences: Sequences, layout: Layout, folder: str, shard: int, shards: int
) -> None:
    """Writes one shard of a split, which appears when it is complete; an older one is replaced."""
    tf.io.gfile.makedirs(folder)
    unfinished = complete_file.unfinished(folder.rsplit("/", 1)[0])
    with tf.io.TFRecordWriter(unfinished, tf.io.TFRecordOptions(**_OPTIONS)) as writer:
        for records in ahead(_serialized(examples, sequences, layout)):
            for record in records:  # the loop costs a microsecond a sequence, compression ten times that
                writer.write(record)
    tf.io.gfile.rename(unfinished, f"{folder}/data_tfrecord-{shard:05d}-of-{shards:05d}.gz", overwrite=True)


def _serialized(examples: Examples, sequences: Sequences, layout: Layout) -> Iterator[Any]:
    bytes_a_step = max(1, sequences.steps.nbytes // max(1, len(sequences.steps)))
    for chunk in chunks(examples, max(1, _CHUNK_BYTES // bytes_a_step)):
        yield serialize(features(chunk, sequences, layout)).to_pylist()


def _labels(examples: Examples, sequences: Sequences, layout: Layout) -> pa.Array:
    if layout.data.label_from == "remaining_steps":
        labels = pa.array(remaining_steps(sequences, examples.label))
    else:
        labels = _array(sequences.steps.column(LABEL).take(pa.array(examples.label)))
    if layout.data.label_max is not None:
        labels = pc.min_element_wise(pc.cast(labels, pa.float64()), layout.data.label_max)
    return pc.cast(labels, pa.float32()) if layout.label_is_number else labels


def _whole_times(times: pa.Array) -> pa.Array:
    if not pa.types.is_floating(times.type):
        return times
    return pa.array(np.rint(times.to_numpy(zero_copy_only=False) * _MILLIONTHS).astype(np.int64))


def _step_places(examples: Examples) -> Places:
    """Places of all steps of all examples, one example after the other."""
    ends = np.cumsum(examples.length)
    total = int(ends[-1]) if len(ends) else 0
    places: Places = np.arange(total) + np.repeat(examples.start - (ends - examples.length), examples.length)
    return places


def _single(values: pa.Array | pa.ChunkedArray) -> pa.Array:
    values = _array(values)
    return pa.ListArray.from_arrays(pa.array(np.arange(len(values) + 1, dtype=np.int32)), values)


def _array(values: pa.Array | pa.ChunkedArray) -> pa.Array:
    return whole_column(values) if isinstance(values, pa.ChunkedArray) else values
