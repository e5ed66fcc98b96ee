"""What a model of the next step of numbers answers: the next step, and how a series goes on."""

from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf

from components.trainer.answers import Units
from components.trainer.inputs import Inputs, filled, known
from components.trainer.recurrence import Recurrence
from components.trainer.scaling import Scaling

Tensors = dict[str, Any]


class SeriesAnswer:
    """The next steps of series, in the features' own units.

    Args:
      model: from padded z-scores to those of the next step, [batch, steps, numbers].
      inputs: features of numbers.
      scaling: of these features.
    """

    def __init__(self, model: keras.Model, inputs: Inputs, scaling: Scaling) -> None:
        self.model, self._names = model, inputs.numbers
        self._recurrence = Recurrence(model)
        self.units: Units = {"prediction": scaling.deviation.tolist()}
        self._mean = tf.constant(scaling.mean, tf.float32)
        self._deviation = tf.constant(scaling.deviation, tf.float32)

    def __call__(self, padded: Mapping[str, tf.Tensor]) -> Tensors:
        """Says the next step: `prediction` [batch, numbers], the features in alphabetical order."""
        states = self._recurrence.read(filled(padded["numbers"]), padded["mask"])
        return {"prediction": self._own_units(self._recurrence.answer(states))}

    def judged(self, padded: Mapping[str, tf.Tensor]) -> Tensors:
        """Sums over the steps but the first, in standard deviations of each feature, all [batch].

        A value that is missing counts nowhere.
        """
        truth, numbers = padded["numbers"][:, 1:], filled(padded["numbers"])
        counted = tf.logical_and(padded["mask"][:, 1:, tf.newaxis], known(truth))
        predicted = self.model({"numbers": numbers[:, :-1], "mask": padded["mask"][:, :-1]}, training=False)
        error = tf.where(counted, predicted - numbers[:, 1:], tf.zeros_like(truth))
        values = tf.reduce_sum(tf.cast(counted, tf.int64), axis=[1, 2])
        return {
            "squared_error": tf.reduce_sum(error**2, axis=[1, 2]),
            "absolute_error": tf.reduce_sum(tf.abs(error), axis=[1, 2]),
            "values": values,
        }

    def continued(self, padded: Mapping[str, tf.Tensor], count: tf.Tensor) -> tf.Tensor:
        """The next `count` steps, [batch, count, numbers]: each the expectation given those before."""
        states = self._recurrence.read(filled(padded["numbers"]), padded["mask"])
        count = tf.maximum(count, 0)
        taken = tf.maximum(count, 1)  # an array of no step cannot be stacked in a graph
        found = tf.TensorArray(tf.float32, size=taken, element_shape=[None, len(self._names)])

        def step(at: tf.Tensor, states: Any, found: tf.TensorArray) -> Any:
            score = self._recurrence.answer(states)
            return at + 1, self._recurrence.advance(score, states), found.write(at, score)

        _, _, found = tf.while_loop(lambda at, *_: at < taken, step, (tf.constant(0), states, found))
        return self._own_units(tf.transpose(found.stack(), [1, 0, 2])[:, :count])

    def _own_units(self, scores: tf.Tensor) -> tf.Tensor:
        return scores * self._deviation + self._mean
