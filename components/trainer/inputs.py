"""What a model reads: padded steps of numbers and of token ids, and the mask that says what is padding."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import tensorflow as tf
import tensorflow_transform as tft

from components.transform.preprocessing import feature_names, vocabulary_name
from components.transform.tokens import FIRST_TOKEN


@dataclass(frozen=True)
class Inputs:
    """The features of a model.

    Attributes:
      numbers: features of numbers, in the order they stand beside each other.
      tokens: features of tokens, each with the number of its ids, padding and unknown included.
    """

    numbers: tuple[str, ...]
    tokens: Mapping[str, int]

    @property
    def names(self) -> tuple[str, ...]:
        """All features."""
        return (*self.numbers, *self.tokens)


def read_inputs(transform: tft.TFTransformOutput, label: str) -> Inputs:
    """The features that Transform made."""
    spec = transform.transformed_feature_spec()
    names = feature_names(spec, label)
    return Inputs(
        tuple(name for name in names if spec[name].dtype == tf.float32),
        {
            name: FIRST_TOKEN + int(transform.vocabulary_size_by_name(vocabulary_name(name)))
            for name in names
            if spec[name].dtype == tf.int64
        },
    )


def read_vocabulary(transform: tft.TFTransformOutput, feature: str) -> list[str]:
    """The tokens of a feature as they stand in its vocabulary, the first with the id `FIRST_TOKEN`."""
    return [line.decode() for line in transform.vocabulary_by_name(vocabulary_name(feature))]


def stack(features: Mapping[str, Any], inputs: Inputs) -> dict[str, tf.RaggedTensor]:
    """Features side by side.

    Args:
      features: of each name of `inputs` the steps, ragged [batch, (steps)], all of the same lengths.
      inputs: what the model reads.

    Returns:
      `numbers` [batch, (steps), numbers] float32 and `tokens` [batch, (steps), tokens] int32, where
      there are any.
    """
    found = {}
    for name, members, kind in (("numbers", inputs.numbers, tf.float32), ("tokens", inputs.tokens, tf.int32)):
        if members:
            columns = [tf.cast(features[member].values, kind) for member in members]
            found[name] = features[next(iter(members))].with_values(tf.stack(columns, axis=1))
    return found


def known(numbers: tf.Tensor) -> tf.Tensor:
    """Where a z-score is that of a value, and not NaN, which stands for a missing one."""
    return tf.logical_not(tf.math.is_nan(numbers))


def filled(numbers: tf.Tensor) -> tf.Tensor:
    """Z-scores with 0, the mean, where a value is missing: what the model of a series reads."""
    return tf.where(known(numbers), numbers, tf.zeros_like(numbers))


def pad(stacked: Mapping[str, tf.RaggedTensor], width: Any = None) -> dict[str, tf.Tensor]:
    """Stacked features as a model takes them.

    Args:
      stacked: see `stack`.
      width: steps to pad to; None is the longest sequence of the batch, and at least two: a step and
        the next one.

    Returns:
      Of each the same, padded with 0 to [batch, width, …], and `mask` [batch, width] bool, False
      where a step is padding.
    """
    length = next(iter(stacked.values())).row_lengths()
    width = tf.reduce_max(tf.concat([length, [2]], axis=0)) if width is None else width
    width = tf.cast(width, tf.int64)
    padded = {
        name: steps.to_tensor(shape=tf.stack([-1, width, steps.shape[2]])) for name, steps in stacked.items()
    }
    return {**padded, "mask": tf.sequence_mask(length, width)}
