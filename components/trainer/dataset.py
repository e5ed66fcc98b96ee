"""Batches of sequences of similar length, from Transform's output."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tensorflow_transform as tft

from components.trainer.inputs import Inputs, filled, known, pad, stack
from components.trainer.survey import read_records
from components.trainer.target import Target

_POOL = 32  # batches that are sorted by length together, or so many as fit
_POOL_BYTES = 64 << 20  # padded
_SHAPES = 4  # widths that batches are padded to where XLA compiles the training
_SHUFFLED = 50_000  # records in the shuffle buffer, and
_SHUFFLED_BYTES = 256 << 20  # bytes in it
_KEPT_BYTES = 512 << 20  # records of fewer bytes are parsed once and kept
_AT_ONCE = 4096  # records parsed together

Batch = tuple[dict[str, tf.Tensor], tf.Tensor, tf.Tensor]  # inputs, targets, weights
_Parsed = dict[str, Any]  # features, lengths and targets of some sequences
_Pool = dict[str, Any]  # inputs, target and weight of many batches, and the width of each


@dataclass(frozen=True)
class _Drawn:
    """A drawn order; read whenever batches are begun.

    Attributes:
      seed: int64, what decides it.
      order: of sequences that are kept, [N] int64.
      buffer: so many of those that are not kept are mixed.
    """

    seed: tf.Variable
    order: tf.Variable
    buffer: int


@dataclass(frozen=True)
class Data:
    """Transformed sequences as batches.

    Attributes:
      files: TFRecord files or patterns of transformed examples.
      transform: output of Transform.
      inputs: features of the model.
      target: what it learns.
      label: name of the label feature; None where there is none.
      batch_size: sequences in a batch; the last one repeats its own, with no weight, until it is full.
      widths: steps that batches are padded to, ascending: with few shapes XLA compiles few times.
        Empty: each batch is as long as its longest sequence.
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
        keeps = 0 < record_bytes <= _KEPT_BYTES
        return Part(self, records, record_bytes, self._kept(records) if keeps else None)

    def _kept(self, records: tf.data.Dataset) -> _Parsed | None:
        parts = list(records.batch(_AT_ONCE).map(self.parse, num_parallel_calls=tf.data.AUTOTUNE))
        return tf.nest.map_structure(lambda *one: tf.concat(one, axis=0), *parts) if parts else None

    def parse(self, records: tf.Tensor) -> _Parsed:
        """Serialized transformed examples [N] as features side by side, see `stack`, and targets."""
        spec = self.transform.transformed_feature_spec()
        wanted = {
            name: tf.io.RaggedFeature(spec[name].dtype, row_splits_dtype=tf.int64)
            for name in self.inputs.names
        }
        label = {} if self.label is None else {self.label: spec[self.label]}
        parsed = tf.io.parse_example(records, wanted | label)
        targets = {} if self.label is None else {"target": _target(parsed[self.label], self.target)}
        stacked = stack(parsed, self.inputs)
        found: _Parsed = {
            "stacked": stacked,
            "lengths": next(iter(stacked.values())).row_lengths(),
            **targets,
        }
        return found

    @property
    def pool(self) -> int:
        """Batches that are sorted together, padded to one width."""
        batch_bytes = 4 * self.batch_size * max(1, self.longest) * len(self.inputs.names)
        return int(np.clip(_POOL_BYTES // batch_bytes, 1, _POOL))


@dataclass(frozen=True)
class Part:
    """Some sequences of `data`.

    Attributes:
      data: what they are a part of.
      records: serialized transformed examples.
      record_bytes: of all records of the data together; 0 where that is not known.
      kept: the same parsed, where they are few enough to be kept in memory.
    """

    data: Data
    records: tf.data.Dataset
    record_bytes: int = 0
    kept: _Parsed | None = None

    def epochs(self, sequences: int, seed: int) -> Callable[[int], tf.data.Dataset]:
        """The batches of an epoch by its number, those of similar length together.

        Made once, for that takes as long as some batches: asked for another epoch, what was given
        for the last one has the order of the new one.

        Args:
          sequences: how many there are.
          seed: of all epochs together; with the epoch's number it decides the order.
        """
        with tf.device("CPU"):  # where batches are made: what is on a GPU could not be read there
            number = tf.Variable(0, dtype=tf.int64, trainable=False)
            order = tf.Variable(self._order(0), trainable=False)
        batches = self._batches(self.data.pool, _Drawn(number, order, self._buffer(sequences)))

        def of(epoch: int) -> tf.data.Dataset:
            now = seed * 1_000_003 + epoch
            number.assign(now)
            order.assign(self._order(now))
            return batches

        return of

    def _order(self, seed: int) -> tf.Tensor:
        places = tf.range(0 if self.kept is None else tf.size(self.kept["lengths"]))
        return tf.random.experimental.stateless_shuffle(tf.cast(places, tf.int64), [seed, 1])

    def _buffer(self, sequences: int) -> int:
        per_record = max(1, self.record_bytes // max(1, sequences))
        return max(1, min(_SHUFFLED, sequences, max(self.data.batch_size, _SHUFFLED_BYTES // per_record)))

    def sorted(self) -> tf.data.Dataset:
        """Batches of similar length, always the same."""
        return self._batches(self.data.pool, None)

    def in_order(self) -> tf.data.Dataset:
        """Batches in the order of the files."""
        return self._batches(1, None)

    def _batches(self, pool: int, drawn: _Drawn | None) -> tf.data.Dataset:
        pools = self._parsed(self.data.batch_size * pool, drawn).enumerate()
        whole = pools.map(
            lambda number, parsed: self._pool(number, parsed, drawn, sort=pool > 1),
            num_parallel_calls=tf.data.AUTOTUNE,
        )
        return whole.unbatch().map(self._batch).prefetch(tf.data.AUTOTUNE)

    def _parsed(self, size: int, drawn: _Drawn | None) -> tf.data.Dataset:
        """Parsed sequences, so many at once, in the order of the files or a drawn one."""
        if self.kept is not None:
            kept, count = self.kept, int(tf.size(self.kept["lengths"]))
            order = tf.range(count, dtype=tf.int64) if drawn is None else drawn.order

            def some(start: tf.Tensor) -> Any:
                return tf.nest.map_structure(lambda one: tf.gather(one, order[start : start + size]), kept)

            return tf.data.Dataset.range(0, count, size).map(some, num_parallel_calls=tf.data.AUTOTUNE)
        records = self.records
        if drawn is not None:
            records = tf.data.Dataset.range(1).flat_map(lambda _: _shuffled(self.records, drawn))
        return records.batch(size).map(self.data.parse, num_parallel_calls=tf.data.AUTOTUNE)

    def _pool(self, number: tf.Tensor, parsed: _Parsed, drawn: _Drawn | None, *, sort: bool) -> _Pool:
        """Sequences by length in full batches, [batches, batch_size, …], padded to one width."""
        data, lengths = self.data, parsed["lengths"]
        rows = tf.argsort(_mixed(lengths, drawn), stable=True) if sort else tf.range(tf.size(lengths))
        rows, weight = _in_full_batches(rows, data.batch_size)
        if drawn is not None:
            places = tf.range(tf.shape(rows)[0])
            places = tf.random.experimental.stateless_shuffle(places, tf.stack([drawn.seed, number]))
            rows, weight = tf.gather(rows, places), tf.gather(weight, places)
        widths = tf.maximum(tf.reduce_max(tf.gather(lengths, rows), axis=1), 2)  # a step and the next one
        if data.widths:
            allowed = tf.constant(data.widths, tf.int64)
            widths = tf.gather(allowed, tf.searchsorted(allowed, widths))
        flat = tf.reshape(rows, [-1])
        stacked = {name: tf.gather(steps, flat) for name, steps in parsed["stacked"].items()}
        padded = pad(stacked, tf.reduce_max(widths))
        whole = {"inputs": {name: _in_batches(one, rows) for name, one in padded.items()}, "widths": widths}
        if data.label is None:
            return {**whole, "weight": weight}
        target = tf.gather(parsed["target"], rows)
        return {**whole, "target": target, "weight": weight}

    def _batch(self, whole: _Pool) -> Batch:
        size, width = self.data.batch_size, whole["widths"]
        inputs = {name: _of_size(one[:, :width], size) for name, one in whole["inputs"].items()}
        if self.data.label is None:
            return _next_steps(inputs, whole["weight"])
        return inputs, _of_size(whole["target"], size), _of_size(whole["weight"], size)


def _shuffled(records: tf.data.Dataset, drawn: _Drawn) -> tf.data.Dataset:
    seed = tf.convert_to_tensor(drawn.seed)
    return records.shuffle(drawn.buffer, seed=seed, reshuffle_each_iteration=False)


def _mixed(lengths: tf.Tensor, drawn: _Drawn | None) -> tf.Tensor:
    """Lengths to sort by; in a drawn order a tenth more or less, for other neighbours each time."""
    by = tf.cast(lengths, tf.float32)
    if drawn is None:
        return by
    return by * tf.random.stateless_uniform(tf.shape(lengths), tf.stack([drawn.seed, 0]), 0.9, 1.1)


def _in_full_batches(rows: tf.Tensor, size: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Rows as [batches, size], and their weights.

    The last batch repeats its rows with weight 0 until it is full: all batches have one shape, and
    none holds a sequence without steps, which cuDNN could not take.
    """
    spare = -tf.size(rows) % size
    last = rows[tf.size(rows) - (size - spare) :]
    repeated = tf.gather(last, tf.range(spare) % tf.maximum(tf.size(last), 1))
    weight = tf.concat([tf.ones_like(rows), tf.zeros_like(repeated)], axis=0)
    shape = [-1, size]
    return tf.reshape(tf.concat([rows, repeated], axis=0), shape), tf.cast(
        tf.reshape(weight, shape), tf.float32
    )


def _in_batches(padded: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
    return tf.reshape(padded, tf.concat([tf.shape(rows), tf.shape(padded)[1:]], axis=0))


def _of_size(one: tf.Tensor, size: int) -> tf.Tensor:
    return tf.ensure_shape(one, [size, *one.shape[1:]])


def _target(label: tf.Tensor, target: Target) -> tf.Tensor:
    """The label as the loss takes it: scaled [batch, 1], 0 or 1 [batch, 1], or a class id [batch]."""
    if target.head.task == "regression":
        return ((tf.cast(label, tf.float32) - target.head.offset) / target.head.scale)[:, tf.newaxis]
    ids = tf.argmax(label[:, tf.newaxis] == tf.constant(target.classes), axis=1)
    return tf.cast(ids, tf.float32)[:, tf.newaxis] if target.head.task == "binary" else ids


def _next_steps(padded: dict[str, tf.Tensor], weight: tf.Tensor) -> Batch:
    """All steps but the last, and as target all but the first: what is learnt is the next step.

    A number that is missing stays NaN in the target, and a step weighs as much of 1 as it has numbers.
    """
    follows = tf.cast(padded["mask"][:, 1:], tf.float32) * weight[:, tf.newaxis]
    if "tokens" in padded:
        target = padded["tokens"][:, 1:, 0]
    else:
        target = padded["numbers"][:, 1:]
        follows *= tf.reduce_mean(tf.cast(known(target), tf.float32), axis=-1)
        padded = {**padded, "numbers": filled(padded["numbers"])}
    return {name: one[:, :-1] for name, one in padded.items()}, target, follows


def widths_of(lengths: npt.NDArray[np.int64]) -> tuple[int, ...]:
    """A few widths that hold the sequences with little padding: quantiles of their lengths, ascending."""
    shares = np.linspace(0, 1, _SHAPES + 1)[1:]
    return tuple(sorted({max(2, int(width)) for width in np.quantile(lengths, shares, method="higher")}))
