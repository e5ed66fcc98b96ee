"""Batches of sequences of similar length, from Transform's output."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tensorflow_transform as tft

from components.trainer.inputs import Inputs, pad, stack
from components.trainer.survey import read_records
from components.trainer.target import Target

_POOL = 32  # batches that are sorted by length together, or so many as fit
_POOL_BYTES = 64 << 20  # padded
_SHAPES = 4  # widths that batches are padded to where XLA compiles the training
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
      longest: steps of the longest sequence, where known: of long ones fewer are sorted together.
    """

    files: Sequence[str]
    transform: tft.TFTransformOutput
    inputs: Inputs
    target: Target
    label: str | None
    batch_size: int
    widths: tuple[int, ...] = ()
    longest: int = 1

    def part(self, chosen: npt.NDArray[np.bool_] | None, record_bytes: int = 0) -> "Part":
        """The sequences that a mask [sequences] chooses; None is all of them."""
        records = read_records(self.files)
        if chosen is not None:
            mask = tf.constant(chosen)
            records = records.enumerate().filter(lambda i, _: mask[i]).map(lambda _, record: record)
        return Part(self, records.cache() if 0 < record_bytes <= _KEPT_BYTES else records, record_bytes)

    @property
    def pool(self) -> int:
        """Batches that are sorted together, padded to one width."""
        batch_bytes = 4 * self.batch_size * max(1, self.longest) * len(self.inputs.names)
        return int(np.clip(_POOL_BYTES // batch_bytes, 1, _POOL))


@dataclass(frozen=True)
class Part:
    """Some sequences of `data`, [N] serialized transformed examples of `record_bytes` in all."""

    data: Data
    records: tf.data.Dataset
    record_bytes: int = 0

    def shuffled(self, seed: int | tf.Variable, sequences: int) -> tf.data.Dataset:
        """Batches of similar length, each time in the order that the value of `seed` alone decides.

        Args:
          seed: a variable, int64, is read whenever the batches are begun.
          sequences: how many there are.
        """
        per_record = max(1, self.record_bytes // max(1, sequences))
        buffer = min(_SHUFFLED, sequences, max(self.data.batch_size, _SHUFFLED_BYTES // per_record))

        def begin(_: tf.Tensor) -> tf.data.Dataset:
            now = tf.cast(seed, tf.int64)
            records = self.records.shuffle(max(1, buffer), seed=now, reshuffle_each_iteration=False)
            return self._batches(records, self.data.pool, now)

        return tf.data.Dataset.range(1).flat_map(begin).prefetch(tf.data.AUTOTUNE)

    def epochs(self, sequences: int, seed: int) -> Callable[[int], tf.data.Dataset]:
        """The batches of an epoch by its number; made once, for that takes as long as some batches.

        Args:
          sequences: how many there are.
          seed: of all epochs together.
        """
        with tf.device("CPU"):  # where batches are made: what is on a GPU could not be read there
            number = tf.Variable(0, dtype=tf.int64, trainable=False)
        batches = self.shuffled(number, sequences)

        def of(epoch: int) -> tf.data.Dataset:
            number.assign(seed * 1_000_003 + epoch)
            return batches

        return of

    def sorted(self) -> tf.data.Dataset:
        """Batches of similar length, always the same."""
        return self._batches(self.records, self.data.pool, None).prefetch(tf.data.AUTOTUNE)

    def in_order(self) -> tf.data.Dataset:
        """Batches in the order of the files."""
        return self._batches(self.records, 1, None).prefetch(tf.data.AUTOTUNE)

    def _batches(self, records: tf.data.Dataset, pool: int, seed: tf.Tensor | None) -> tf.data.Dataset:
        size = self.data.batch_size
        pools = records.batch(size * pool).map(
            lambda records: self._pool(records, sort=pool > 1), num_parallel_calls=tf.data.AUTOTUNE
        )

        def cut(number: tf.Tensor, whole: dict[str, Any]) -> tf.data.Dataset:
            starts = tf.range(0, tf.size(whole["weight"]), size)
            if seed is not None:
                starts = tf.random.experimental.stateless_shuffle(starts, tf.stack([seed, number]))
            places = tf.data.Dataset.from_tensor_slices(starts)
            return places.map(lambda start: self._batch(whole, start))

        return pools.enumerate().flat_map(cut)

    def _pool(self, records: tf.Tensor, *, sort: bool) -> dict[str, Any]:
        """Sequences padded to one width, by length, with target and weight."""
        data, spec = self.data, self.data.transform.transformed_feature_spec()
        wanted = {
            name: tf.io.RaggedFeature(spec[name].dtype, row_splits_dtype=tf.int64)
            for name in data.inputs.names
        }
        if data.label is not None:
            wanted[data.label] = spec[data.label]
        parsed = tf.io.parse_example(records, wanted)
        stacked = stack(parsed, data.inputs)
        lengths = next(iter(stacked.values())).row_lengths()
        count = tf.size(lengths)
        rows = tf.argsort(lengths, stable=True) if sort else tf.range(count)
        weight = tf.ones([count])
        if data.widths:  # the last batch, if it is not full, repeats its rows with no weight
            spare = -count % data.batch_size
            own = rows[count - (data.batch_size - spare) :]
            rows = tf.concat([rows, tf.gather(own, tf.range(spare) % tf.size(own))], axis=0)
            weight = tf.concat([weight, tf.zeros([spare])], axis=0)
        found = {"padded": pad({name: tf.gather(steps, rows) for name, steps in stacked.items()})}
        if data.label is None:
            return {**found, "weight": weight}
        target = tf.gather(_target(parsed[data.label], data.target), rows)
        if data.target.weights:
            ids = tf.cast(tf.reshape(target, [-1]), tf.int32)
            weight *= tf.gather(tf.constant(data.target.weights, tf.float32), ids)
        return {**found, "target": target, "weight": weight}

    def _batch(self, whole: dict[str, Any], start: tf.Tensor) -> Batch:
        data = self.data
        end = start + data.batch_size
        mask = whole["padded"]["mask"][start:end]
        width = tf.maximum(tf.reduce_max(tf.reduce_sum(tf.cast(mask, tf.int32), axis=1)), 2)
        if data.widths:
            widths = tf.constant(data.widths, tf.int32)
            width = tf.gather(widths, tf.searchsorted(widths, [width]))[0]
        inputs = {name: _as_wide_as(one[start:end], width) for name, one in whole["padded"].items()}
        if data.widths:
            inputs = {
                name: tf.ensure_shape(one, [data.batch_size, *one.shape[1:]]) for name, one in inputs.items()
            }
        weight = whole["weight"][start:end]
        if data.label is None:
            return _next_steps(inputs, weight)
        return inputs, whole["target"][start:end], weight


def widths_of(lengths: npt.NDArray[np.int64]) -> tuple[int, ...]:
    """A few widths that hold the sequences with little padding: quantiles of their lengths, ascending."""
    shares = np.linspace(0, 1, _SHAPES + 1)[1:]
    return tuple(sorted({max(2, int(width)) for width in np.quantile(lengths, shares, method="higher")}))


def _as_wide_as(padded: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
    """Padded steps [batch, steps, …] cut to a width, or padded on to it."""
    missing = tf.maximum(width - tf.shape(padded)[1], 0)
    beyond = [[0, 0], [0, missing], *[[0, 0]] * (padded.shape.rank - 2)]
    found = tf.pad(padded[:, :width], beyond)
    return tf.ensure_shape(found, [None, None, *padded.shape[2:]])


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
