"""The preprocessing graph: what a model reads, made of raw sequences, all learnt from the training split.

Numbers become z-scores, categories and words become ids of a vocabulary. Everything a model reads of
a sequence has one length: its steps.
"""

import math
from collections.abc import Mapping
from typing import Any, TypedDict

import tensorflow as tf
import tensorflow_transform as tft

from components.ingest.names import argument_name
from components.transform import times, tokens
from pipeline.config import RESERVED_FEATURES

BUCKETS = 4
SEQUENCE_LENGTH = "sequence_length"  # raw: steps; transformed: the name of the length bucket
STEP_TIME = "step_time"  # raw: of each step; transformed: the period of the last one
IDENTITY = ("sequence_id", "series_id", "window_start")  # passed on, to hold out whole series
EMPTY_VOCABULARY = "49d0cd50-04bb-48c0-bc6f-5b575dce351a"  # what tft.vocabulary writes for no token
CLASSES = "label"  # vocabulary with the classes of the training split
_ROUNDING = 5e-7  # a few times the precision of float32: a smaller relative deviation of floats is none
_SEEN_ONCE = 1  # tokens that occur this often are unknown ones: so `unknown` is learnt


class Settings(TypedDict):
    """What `preprocessing_fn` needs to know of the configuration.

    Attributes:
      task: `binary`, `multiclass`, `regression` or `generation`.
      label: name of the label feature.
      texts: features of text, whose words are steps; other features of bytes are categories.
      slices: features kept only to slice by.
      timed: whether the evaluation is sliced by time.
      max_length: steps kept of a longer sequence; None keeps all.
      truncate: `last` or `first`, the steps that are kept.
      vocabulary: most frequent tokens kept of each feature.
      code: digest of the code, so that changed code is not served from the cache.
    """

    task: str
    label: str
    texts: list[str]
    slices: list[str]
    timed: bool
    max_length: int | None
    truncate: str
    vocabulary: int
    code: str


def preprocessing_fn(inputs: dict[str, Any], custom_config: Settings) -> dict[str, Any]:
    """Transforms a batch of raw sequences.

    A text is read word by word: each word is a step, and the other features of its step stand
    beside each of its words.

    Args:
      inputs: per feature the steps, sparse [batch, steps]: float or integer, where NaN is a missing
        value, or bytes; the label, and what ingest writes beside them.
      custom_config: see `Settings`.

    Returns:
      Per feature of numbers the z-scores, sparse [batch, steps] float32, 0 for a missing value, but
      NaN for `generation`, which must not learn to say it; per
      feature of bytes the ids of its tokens, sparse [batch, steps] int64, see `components.transform.tokens`;
      the label as it came, [batch]; `sequence_length`, the name of the length bucket, and `step_time`,
      the begin of the period that the last step lies in, both [batch]; and what tells the series, [batch].
    """
    settings = custom_config
    names = feature_names(inputs, settings["label"], settings["slices"])
    length, columns = _aligned({name: inputs[name] for name in names})
    if texts := [name for name in settings["texts"] if name in names]:
        cut = tokens.pieces if settings["task"] == "generation" else tokens.words
        length, columns = _by_word(length, columns, {name: cut(columns[name]) for name in texts})
    outputs: dict[str, Any] = {SEQUENCE_LENGTH: _bucket(length)}
    columns = {
        name: _cut(column, length, settings["max_length"], settings["truncate"])
        for name, column in columns.items()
    }
    rounding = {name: _ROUNDING if inputs[name].dtype == tf.float32 else 0.0 for name in names}
    missing = math.nan if settings["task"] == "generation" else 0.0
    numbers = {name: columns[name] for name in names if not _is_text(inputs[name])}
    outputs |= _z_scores(numbers, rounding, missing)
    for name in names:
        if _is_text(inputs[name]):
            outputs[name] = _ids(columns[name], vocabulary_name(name), settings["vocabulary"])
    outputs |= {name: _one_value(inputs[name]) for name in IDENTITY if name in inputs}
    if settings["timed"]:
        outputs[STEP_TIME] = times.period(_latest(inputs[STEP_TIME]))
    if settings["task"] != "generation":
        outputs[settings["label"]] = _one_value(inputs[settings["label"]])
    if settings["task"] in ("binary", "multiclass"):
        tft.vocabulary(outputs[settings["label"]], vocab_filename=CLASSES)
    return {name: one.to_sparse() if name in names else one for name, one in outputs.items()}


def feature_names(
    features: Mapping[str, Any], label: str, slices: list[str] | tuple[str, ...] = ()
) -> list[str]:
    """The features a model reads, in alphabetical order: all but the label, slices and what ingest adds."""
    return sorted(set(features) - {label, *slices, *RESERVED_FEATURES})


def vocabulary_name(feature: str) -> str:
    """The file with the tokens of a feature of bytes; an asset of the served model."""
    return f"tokens_{argument_name(feature)}"


def _is_text(feature: tf.SparseTensor) -> bool:
    return bool(feature.dtype == tf.string)


def _aligned(features: dict[str, tf.SparseTensor]) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
    """All features with as many steps as the longest one of the sequence.

    Returns:
      Steps of each sequence, [batch] int64; and per feature the values of all steps of the batch,
      one sequence after the other: float64 with NaN, or text that is empty, where there is none.
    """
    ragged = {name: tf.RaggedTensor.from_sparse(one) for name, one in features.items()}
    length = tf.reduce_max(tf.stack([one.row_lengths() for one in ragged.values()]), axis=0)
    mask = tf.sequence_mask(length)
    columns = {}
    for name, one in ragged.items():
        one = one if one.dtype == tf.string else tf.cast(one, tf.float64)
        missing = "" if one.dtype == tf.string else math.nan
        columns[name] = tf.boolean_mask(one.to_tensor(missing, shape=tf.shape(mask)), mask)
    return length, columns


def _by_word(
    length: tf.Tensor, columns: dict[str, tf.Tensor], texts: dict[str, tf.RaggedTensor]
) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
    """Each step as often as its longest text has words, and at least once; see `preprocessing_fn`."""
    counts = tf.reduce_max(tf.stack([one.row_lengths() for one in texts.values()]), axis=0)
    counts = tf.maximum(counts, 1)
    mask = tf.sequence_mask(counts)
    spread = {name: tf.repeat(column, counts) for name, column in columns.items() if name not in texts}
    spread |= {
        name: tf.boolean_mask(one.to_tensor("", shape=tf.shape(mask)), mask) for name, one in texts.items()
    }
    return tf.reduce_sum(tf.RaggedTensor.from_row_lengths(counts, length), axis=1), spread


def _cut(column: tf.Tensor, length: tf.Tensor, max_length: int | None, truncate: str) -> tf.RaggedTensor:
    steps = tf.RaggedTensor.from_row_lengths(column, length)
    if max_length is None:
        return steps
    return steps[:, -max_length:] if truncate == "last" else steps[:, :max_length]


def _ids(steps: tf.RaggedTensor, vocabulary: str, size: int) -> tf.RaggedTensor:
    """The id of each token: from `FIRST_TOKEN` on by frequency; `UNKNOWN` for others and empty ones."""
    texts = tokens.on_one_line(steps.values)
    known = tft.vocabulary(texts, top_k=size, frequency_threshold=_SEEN_ONCE + 1, vocab_filename=vocabulary)
    found = tft.apply_vocabulary(texts, known, default_value=tokens.UNKNOWN - tokens.FIRST_TOKEN)
    return steps.with_values(found + tokens.FIRST_TOKEN)


def _z_scores(
    steps: dict[str, tf.RaggedTensor], rounding: dict[str, float], missing: float
) -> dict[str, tf.RaggedTensor]:
    """(x - mean) / standard deviation; 0 where x is constant in the training split."""
    if not steps:
        return {}
    table = tf.stack([one.values for one in steps.values()], axis=1)
    table = tf.ensure_shape(table, [None, len(steps)])
    mean, deviation = _mean_and_deviation(table, [rounding[name] for name in steps])
    scaled = tf.math.divide_no_nan(table - mean, deviation)
    scaled = tf.where(tf.math.is_finite(table), scaled, tf.constant(missing, tf.float64))
    scaled = tf.cast(scaled, tf.float32)
    return {name: one.with_values(scaled[:, at]) for at, (name, one) in enumerate(steps.items())}


def _mean_and_deviation(table: tf.Tensor, rounding: list[float]) -> tuple[tf.Tensor, tf.Tensor]:
    """Mean and standard deviation of each feature over all steps of the training split, [features].

    All features go through one analyzer, for each one more costs a second. What is not finite is
    left out of it. In float64, so that the rounding of a mean over many steps is not taken for a
    deviation.
    """
    table = tf.where(tf.math.is_finite(table), table, tf.constant(math.nan, tf.float64))
    mean = tft.mean(table, reduce_instance_dims=False)
    deviation = tf.sqrt(tft.var(table, reduce_instance_dims=False))
    constant = deviation <= tf.constant(rounding, tf.float64) * tf.abs(mean)
    return mean, tf.where(constant, tf.zeros_like(deviation), deviation)


def _one_value(feature: tf.SparseTensor) -> tf.Tensor:
    """A sparse [batch, 1] feature as [batch]; an absent value becomes empty text, or 0."""
    missing = "" if feature.dtype == tf.string else 0
    dense = tf.sparse.to_dense(tf.sparse.reset_shape(feature, [feature.dense_shape[0], 1]), missing)
    return tf.squeeze(dense, axis=1)


def _latest(times_of_steps: tf.SparseTensor) -> tf.Tensor:
    """Time of the last step of each sequence, [batch]; 0 without steps."""
    steps = tf.RaggedTensor.from_sparse(times_of_steps)
    latest = tf.reduce_max(steps, axis=1)
    return tf.where(steps.row_lengths() > 0, latest, tf.zeros_like(latest))


def _bucket(length: tf.Tensor) -> tf.Tensor:
    """Names the quarter of the training split's lengths a sequence falls into, such as `12-17` or `18+`."""
    edges = tf.reshape(tft.quantiles(length, BUCKETS, epsilon=0.001), [-1])
    edges = tf.unique(tf.cast(edges, tf.int64)).y
    low = tf.concat([tf.constant([0], tf.int64), edges], axis=0)
    high = edges - 1
    texts = tf.strings.as_string(low[:-1])
    closed = tf.where(low[:-1] == high, texts, tf.strings.join([texts, "-", tf.strings.as_string(high)]))
    names = tf.concat([closed, [tf.strings.as_string(low[-1]) + "+"]], axis=0)
    return tf.gather(names, tf.searchsorted(edges, length, side="right"))
