"""Batches of sequences of similar length, from Transform's output."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tensorflow_transform as tft

from components.trainer.inputs import Inputs, pad, stack
from components.trainer.survey import read_records
from components.trainer.target import Target

_POOL = 32  # batches that are sorted by length together
_SHUFFLED = 50_000  # records in the shuffle buffer, and
_SHUFFLED_BYTES = 256 << 20  # bytes in it
_KEPT_BYTES = 512 << 20  # records of fewer bytes are unpacked once and kept

Batch = tuple[dict[str, tf.Tensor], tf.Tensor, tf.Tensor]  # inputs, targets, weights


@dataclass(frozen=True)
class Data:
    """Transformed sequences as batches.

    Attributes:
      files: TFRecord files or patterns of transformed examples.
      transform: output of Transform.
      inputs: features of the model.
      target: what it learns.
      label: name of the label feature; None where there is none.
      batch_size: sequences in a batch.
      widths: steps that batches are padded to, ascending, each batch full: with few shapes XLA
        compiles few times. Empty: batches are as long as their longest sequence, the last may be smaller.
    """

    files: Sequence[str]
    transform: tft.TFTransformOutput
    inputs: Inputs
    target: Target
    label: str | None
    batch_size: int
    widths: tuple[int, ...] = ()

    def part(self, chosen: npt.NDArray[np.bool_] | None, record_bytes: int = 0) -> "Part":
        """The sequences that a mask [sequences] chooses; None is all of them."""
        records = read_records(self.files)
        if chosen is not None:
            mask = tf.constant(chosen)
            records = records.enumerate().filter(lambda i, _: mask[i]).map(lambda _, record: record)
        return Part(self, records.cache() if 0 < record_bytes <= _KEPT_BYTES else records, record_bytes)


@dataclass(frozen=True)
class Part:
    """Some sequences of `data`, [N] serialized transformed examples of `record_bytes` in all."""

    data: Data
    records: tf.data.Dataset
    record_bytes: int = 0

    def shuffled(self, seed: int, sequences: int) -> tf.data.Dataset:
        """Batches of similar length in an order that the seed alone decides."""
        per_record = max(1, self.record_bytes // max(1, sequences))
        buffer = min(_SHUFFLED, sequences, max(self.data.batch_size, _SHUFFLED_BYTES // per_record))
        return self._batches(self.records.shuffle(max(1, buffer), seed=seed), _POOL, seed)

    def sorted(self) -> tf.data.Dataset:
        """Batches of similar length, always the same."""
        return self._batches(self.records, _POOL, None)

    def in_order(self) -> tf.data.Dataset:
        """Batches in the order of the files."""
        return self._batches(self.records, 1, None)

    def _batches(self, records: tf.data.Dataset, pool: int, seed: int | None) -> tf.data.Dataset:
        size = self.data.batch_size
        pools = records.batch(size * pool).map(self._parse, num_parallel_calls=tf.data.AUTOTUNE)

        def cut(number: tf.Tensor, parsed: dict[str, Any]) -> tf.data.Dataset:
            steps = next(iter(parsed["stacked"].values()))
            lengths = steps.row_lengths()
            order = tf.argsort(lengths, stable=True) if pool > 1 else tf.range(tf.size(lengths))
            starts = tf.range(0, tf.size(lengths), size)
            if seed is not None:
                starts = tf.random.experimental.stateless_shuffle(starts, [seed, tf.cast(number, tf.int32)])
            places = tf.data.Dataset.from_tensor_slices(starts)
            return places.map(lambda start: self._batch(parsed, order[start : start + size]))

        return pools.enumerate().flat_map(cut).prefetch(tf.data.AUTOTUNE)

    def _parse(self, records: tf.Tensor) -> dict[str, Any]:
        data, spec = self.data, self.data.transform.transformed_feature_spec()
        wanted = {
            name: tf.io.RaggedFeature(spec[name].dtype, row_splits_dtype=tf.int64)
            for name in data.inputs.names
        }
        if data.label is not None:
            wanted[data.label] = spec[data.label]
        parsed = tf.io.parse_example(records, wanted)
        found: dict[str, Any] = {"stacked": stack(parsed, data.inputs)}
        if data.label is not None:
            found["target"] = _target(parsed[data.label], data.target)
        return found

    def _batch(self, parsed: dict[str, Any], rows: tf.Tensor) -> Batch:
        data, real = self.data, tf.size(rows)
        weight = tf.ones_like(rows, tf.float32)
        if data.widths:  # a batch that is not full repeats its rows, with no weight
            places = tf.range(data.batch_size)
            rows, weight = tf.gather(rows, places % real), tf.cast(places < real, tf.float32)
        stacked = {name: tf.gather(steps, rows) for name, steps in parsed["stacked"].items()}
        longest = tf.reduce_max(next(iter(stacked.values())).row_lengths())
        width = tf.maximum(longest, 2)  # a step and the next one
        if data.widths:
            widths = tf.constant(data.widths, tf.int64)
            width = tf.gather(widths, tf.searchsorted(widths, [width]))[0]
        inputs = pad(stacked, width)
        if data.widths:
            inputs = {name: _of_size(one, data.batch_size) for name, one in inputs.items()}
        if "target" not in parsed:
            return _next_steps(inputs, weight)
        target = tf.gather(parsed["target"], rows)
        if data.target.weights:
            ids = tf.cast(tf.reshape(target, [-1]), tf.int32)
            weight *= tf.gather(tf.constant(data.target.weights, tf.float32), ids)
        return inputs, target, weight


def _of_size(one: tf.Tensor, batch_size: int) -> tf.Tensor:
    return tf.ensure_shape(one, [batch_size, *one.shape[1:]])


def _target(label: tf.Tensor, target: Target) -> tf.Tensor:
    """The label as the loss takes it: scaled [batch, 1], 0 or 1 [batch, 1], or a class id [batch]."""
    if target.head.task == "regression":
        return ((tf.cast(label, tf.float32) - target.head.offset) / target.head.scale)[:, tf.newaxis]
    ids = tf.argmax(label[:, tf.newaxis] == tf.constant(target.classes), axis=1)
    return tf.cast(ids, tf.float32)[:, tf.newaxis] if target.head.task == "binary" else ids


def _next_steps(inputs: dict[str, tf.Tensor], weight: tf.Tensor) -> Batch:
    """All steps but the last, and as target all but the first: what is learnt is the next step."""
    target = inputs["tokens"][:, 1:, 0] if "tokens" in inputs else inputs["numbers"][:, 1:]
    follows = tf.cast(inputs["mask"][:, 1:], tf.float32) * weight[:, tf.newaxis]
    return {name: one[:, :-1] for name, one in inputs.items()}, target, follows
