"""The preprocessing graph: z-scores, label vocabulary and length buckets, learnt from the training split."""

import math
from typing import Any, TypedDict

import tensorflow as tf
import tensorflow_transform as tft

from pipeline.config import RESERVED_FEATURES
from pipeline.errors import DataRefused

LENGTH_BUCKETS = 4
SEQUENCE_LENGTH = "sequence_length"  # raw: steps; transformed: the name of the length bucket
_ROUNDING = 5e-7  # a few times the precision of float32: a smaller relative deviation of floats is none
VOCABULARY = "label"  # asset with the classes of the training split


class Settings(TypedDict):
    """What `preprocessing_fn` needs to know of the configuration.

    Attributes:
      label: name of the label feature.
      slices: features kept only to slice by.
      max_length: steps kept of a longer sequence; None keeps all.
      truncate: `last` or `first`, the steps that are kept.
      code: digest of the code, so that changed code is not served from the cache.
    """

    label: str
    slices: list[str]
    max_length: int | None
    truncate: str
    code: str


def preprocessing_fn(inputs: dict[str, Any], custom_config: Settings) -> dict[str, Any]:
    """Transforms a batch of raw sequences.

    Args:
      inputs: per feature the steps, float or integer, sparse [batch, steps]; NaN is a missing value.
        The label as text. What ingest writes beside them is left out.
      custom_config: see `Settings`.

    Returns:
      Per feature the z-scores, sparse [batch, steps], 0 for a missing value; the label as it came,
      [batch]; `sequence_length`, the name of the length bucket, [batch].

    Raises:
      DataRefused: there are features of text, which no model reads yet.
    """
    _refuse_text(inputs, {custom_config["label"], *custom_config["slices"]})
    names = feature_names(inputs, custom_config["label"])
    steps = {name: tf.RaggedTensor.from_sparse(inputs[name]) for name in names}
    outputs: dict[str, Any] = {
        SEQUENCE_LENGTH: _length_bucket(lengths(steps)),
        custom_config["label"]: _one_value(inputs[custom_config["label"]]),
    }
    tft.vocabulary(outputs[custom_config["label"]], vocab_filename=VOCABULARY)
    kept = {name: _cut(steps[name], custom_config["max_length"], custom_config["truncate"]) for name in names}
    kept = {name: one.with_values(tf.cast(one.values, tf.float64)) for name, one in kept.items()}
    rounding = [_ROUNDING if inputs[name].dtype == tf.float32 else 0.0 for name in names]
    mean, deviation = _mean_and_deviation([kept[name] for name in names], rounding)
    for place, name in enumerate(names):
        outputs[name] = (
            kept[name].with_values(_z_score(kept[name].values, mean[place], deviation[place])).to_sparse()
        )
    return outputs


def feature_names(inputs: dict[str, Any], label: str) -> list[str]:
    """The features a model sees: numbers but the label and what ingest adds, in alphabetical order."""
    numbers = (tf.float32, tf.int64)
    return sorted(
        name
        for name, value in inputs.items()
        if value.dtype in numbers and name != label and name not in RESERVED_FEATURES
    )


def _refuse_text(inputs: dict[str, Any], known: set[str]) -> None:
    texts = [name for name, value in inputs.items() if value.dtype == tf.string]
    if unread := sorted(set(texts) - known - set(RESERVED_FEATURES)):
        raise DataRefused(
            "features that no model can read yet",
            [f"{name}: expected numbers, got text; put it in data.ignore" for name in unread],
        )


def lengths(steps: dict[str, tf.RaggedTensor]) -> tf.Tensor:
    """Steps of each sequence, [batch] int64: the longest feature, for a shorter one is padded."""
    return tf.reduce_max(tf.stack([one.row_lengths() for one in steps.values()]), axis=0)


def pad(transformed: dict[str, tf.SparseTensor]) -> tuple[tf.Tensor, tf.Tensor]:
    """Pads transformed features to the longest sequence of the batch.

    Args:
      transformed: per feature the z-scores, sparse [batch, steps].

    Returns:
      Steps [batch, steps, features] float32, features in alphabetical order, and the mask
      [batch, steps] bool, False where a step is padding.
    """
    ordered = [transformed[name] for name in sorted(transformed)]
    length = lengths({name: tf.RaggedTensor.from_sparse(one) for name, one in transformed.items()})
    longest = tf.reduce_max(tf.concat([length, [1]], axis=0))  # an empty batch still has one step
    shape = tf.stack([tf.size(length, tf.int64), longest])
    columns = [tf.sparse.to_dense(tf.SparseTensor(one.indices, one.values, shape)) for one in ordered]
    return tf.stack(columns, axis=-1), tf.sequence_mask(length, longest)


def _cut(steps: tf.RaggedTensor, max_length: int | None, truncate: str) -> tf.RaggedTensor:
    if max_length is None:
        return steps
    return steps[:, -max_length:] if truncate == "last" else steps[:, :max_length]


def _mean_and_deviation(steps: list[tf.RaggedTensor], rounding: list[float]) -> tuple[tf.Tensor, tf.Tensor]:
    """Mean and standard deviation of each feature over all steps of the training split, [features].

    All features go through one analyzer, for each one more costs a second. NaN is left out of it,
    which holds for missing values as for the padding. In float64, so that the rounding of a mean
    over many steps is not taken for a deviation.
    """
    longest = tf.reduce_max([tf.reduce_max(tf.concat([one.row_lengths(), [0]], axis=0)) for one in steps])
    shape = tf.stack([steps[0].nrows(), longest])
    columns = []
    for one in steps:
        sparse = one.to_sparse()
        sparse = tf.SparseTensor(sparse.indices, sparse.values, shape)
        columns.append(tf.reshape(tf.sparse.to_dense(sparse, default_value=math.nan), [-1]))
    table = tf.ensure_shape(tf.stack(columns, axis=1), [None, len(steps)])
    table = tf.where(tf.math.is_finite(table), table, tf.constant(math.nan, tf.float64))
    mean = tft.mean(table, reduce_instance_dims=False)
    deviation = tf.sqrt(tft.var(table, reduce_instance_dims=False))
    constant = deviation <= tf.constant(rounding, tf.float64) * tf.abs(mean)
    return mean, tf.where(constant, tf.zeros_like(deviation), deviation)


def _z_score(values: tf.Tensor, mean: tf.Tensor, deviation: tf.Tensor) -> tf.Tensor:
    """(x - mean) / standard deviation; 0 where x is missing, or constant in the training split."""
    scaled = tf.math.divide_no_nan(values - mean, deviation)
    return tf.cast(tf.where(tf.math.is_finite(values), scaled, tf.zeros_like(values)), tf.float32)


def _one_value(label: tf.SparseTensor) -> tf.Tensor:
    """A sparse [batch, 1] text feature as [batch]; an absent value becomes empty text."""
    dense = tf.sparse.to_dense(tf.sparse.reset_shape(label, [label.dense_shape[0], 1]), default_value="")
    return tf.squeeze(dense, axis=1)


def _length_bucket(length: tf.Tensor) -> tf.Tensor:
    """Names the quarter of the training split's lengths a sequence falls into, such as `12-17` or `18+`."""
    edges = tf.reshape(tft.quantiles(length, LENGTH_BUCKETS, epsilon=0.001), [-1])
    edges = tf.unique(tf.cast(edges, tf.int64)).y
    low = tf.concat([tf.constant([0], tf.int64), edges], axis=0)
    high = edges - 1
    texts = tf.strings.as_string(low[:-1])
    closed = tf.where(low[:-1] == high, texts, tf.strings.join([texts, "-", tf.strings.as_string(high)]))
    names = tf.concat([closed, [tf.strings.as_string(low[-1]) + "+"]], axis=0)
    return tf.gather(names, tf.searchsorted(edges, length, side="right"))
