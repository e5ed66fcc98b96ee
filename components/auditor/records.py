"""Reads TFRecord files of tf.Examples as columns, whatever is wrong with single records."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import tensorflow as tf
from tfx_bsl.coders import example_coder

from components.auditor.lists import ARROW_TYPES, Ints, Lists, Mask, kind_of

_BUFFER_BYTES = 4 << 20
_FILE_SHIFT = 40  # a reference is the number of the file, then 40 bits for the record in it


@dataclass(frozen=True)
class Source:
    """A file of a split, and its number among all files of all splits."""

    split: str
    path: str
    number: int


@dataclass(frozen=True)
class Batch:
    """N Examples of one split in columns.

    Attributes:
      split: the split.
      refs: [N] what tells each record from all others.
      columns: the features.
      wrong: feature to [N], true where it has another type than the schema says; it counts as missing there.
      wrong_kinds: feature to the types that were found instead.
      unreadable: references of records between them that are no tf.Example.
    """

    split: str
    refs: Ints
    columns: Mapping[str, Lists]
    wrong: Mapping[str, Mask] = field(default_factory=dict)
    wrong_kinds: Mapping[str, list[str]] = field(default_factory=dict)
    unreadable: Sequence[int] = ()

    def __len__(self) -> int:
        return len(self.refs)


class Damaged(Exception):
    """A file cannot be read any further.

    Attributes:
      ref: the record at which it ends.
      reason: in words.
    """

    def __init__(self, ref: int, reason: str) -> None:
        super().__init__(reason)
        self.ref, self.reason = ref, reason


def sources(examples: str, splits: Sequence[str]) -> list[Source]:
    """The files of an Examples artifact, in the order of their names."""
    found = [
        (split, path)
        for split in splits
        for path in sorted(tf.io.gfile.glob(f"{examples.rstrip('/')}/Split-{split}/*"))
        if not tf.io.gfile.isdir(path)
    ]
    return [Source(split, path, number) for number, (split, path) in enumerate(found)]


def file_of(ref: int) -> int:
    """The number of the file that a reference is of."""
    return ref >> _FILE_SHIFT


def record_of(ref: int) -> int:
    """The place of a record in its file, from 0."""
    return ref & ((1 << _FILE_SHIFT) - 1)


def read(source: Source, types: Mapping[str, str], records_at_once: int) -> Iterator[Batch]:
    """The records of a file, in batches.

    Args:
      source: the file.
      types: feature to the type it should have; what has another counts as missing and is noted.
      records_at_once: records in a batch.

    Raises:
      Damaged: the file is cut off or its bytes are not those that were written; all batches before
        that were given.
    """
    first = 0
    for records in serialized(source, records_at_once):
        yield decode(records, (source.number << _FILE_SHIFT) + first, source.split, types)
        first += len(records)


def serialized(source: Source, records_at_once: int) -> Iterator[list[bytes]]:
    """The records of a file as they are.

    Raises:
      Damaged: as `read` does.
    """
    records = tf.data.TFRecordDataset(source.path, _compression(source.path), _BUFFER_BYTES)
    done = 0
    try:
        for batch in records.batch(records_at_once).prefetch(1).as_numpy_iterator():
            yield list(batch)
            done += len(batch)
    except tf.errors.OpError:
        yield from _until_damage(records.skip(done), source, done)


def _until_damage(records: tf.data.Dataset, source: Source, done: int) -> Iterator[list[bytes]]:
    """What can be read one by one; then the damage is raised. TensorFlow loses the block around it, too."""
    whole: list[bytes] = []
    try:
        for record in records.as_numpy_iterator():
            whole.append(record)  # noqa: PERF402 (what came before the damage is kept)
    except tf.errors.OpError as error:
        if whole:
            yield whole
        ref = (source.number << _FILE_SHIFT) + done + len(whole)
        reason = re.sub(r"^\{\{.*?\}\}\s*", "", error.message.split("\n")[0])
        raise Damaged(ref, reason) from error
    yield whole


def _compression(path: str) -> str:
    with tf.io.gfile.GFile(path, "rb") as file:
        return "GZIP" if file.read(3) == b"\x1f\x8b\x08" else ""


def decode(records: list[bytes], first: int, split: str, types: Mapping[str, str]) -> Batch:
    """Records of a split as columns; `first` is the reference of the first of them."""
    parts, unreadable = _decoded_parts(records, first)
    refs = np.concatenate([refs for refs, _ in parts] or [np.zeros(0, np.int64)])
    names = sorted({name for _, part in parts for name in part.schema.names})
    columns, wrong, wrong_kinds = {}, {}, {}
    for name in names:
        found = [
            part.column(part.schema.names.index(name)) if name in part.schema.names else None
            for _, part in parts
        ]
        kinds = [None if column is None else kind_of(column.type) for column in found]
        kind = types.get(name) or next((kind for kind in kinds if kind), None)
        if kind is None:
            continue
        if others := {other for other in kinds if other not in (None, kind)}:
            masks = [
                ~np.asarray(column.is_null())
                if column is not None and other not in (None, kind)
                else np.zeros(len(refs_), bool)
                for column, other, (refs_, _) in zip(found, kinds, parts, strict=True)
            ]
            wrong[name], wrong_kinds[name] = np.concatenate(masks), sorted(filter(None, others))
        usable = [
            column if other == kind else pa.nulls(len(refs_), ARROW_TYPES[kind])
            for column, other, (refs_, _) in zip(found, kinds, parts, strict=True)
        ]
        columns[name] = Lists.of(usable[0] if len(usable) == 1 else pa.concat_arrays(usable))
    return Batch(split, refs, columns, wrong, wrong_kinds, tuple(unreadable))


def _decoded_parts(records: list[bytes], first: int) -> tuple[list[tuple[Ints, pa.RecordBatch]], list[int]]:
    """Record batches of records that can be decoded together, and the references of those that cannot."""
    try:
        return [(first + np.arange(len(records)), _DECODER.DecodeBatch(records))], []
    except RuntimeError:
        if len(records) == 1:
            return [], [first]
    half = len(records) // 2
    left, left_unreadable = _decoded_parts(records[:half], first)
    right, right_unreadable = _decoded_parts(records[half:], first + half)
    return left + right, left_unreadable + right_unreadable


_DECODER = example_coder.ExamplesToRecordBatchDecoder()
