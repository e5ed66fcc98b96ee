"""What the served model answers, by task."""

from collections.abc import Mapping
from typing import Any, ClassVar

import keras
import tensorflow as tf

Tensors = dict[str, Any]
Units = dict[str, Any]  # of an output, what a deviation of 1 is in it; 1 where it is absent


class ClassAnswer:
    """Probabilities, the likeliest class and its probability.

    Args:
      model: from padded features to probabilities [batch, classes].
      classes: text of each class, in the order of the probabilities; of two the last is the positive one.
    """

    units: ClassVar[Units] = {}

    def __init__(self, model: keras.Model, classes: tuple[str, ...]) -> None:
        self.model, self._classes = model, tf.constant(list(classes))

    def __call__(self, padded: Mapping[str, tf.Tensor]) -> Tensors:
        """Answers padded features, see `pad`."""
        probabilities = self.model(padded, training=False)
        # Of two equal ones the last: half is enough for the positive class, as in Keras and scikit-learn.
        backwards = tf.argmax(probabilities[:, ::-1], axis=-1, output_type=tf.int32)
        best = tf.shape(probabilities)[1] - 1 - backwards
        return {
            "probabilities": probabilities,
            "label": tf.gather(self._classes, best),
            "score": tf.reduce_max(probabilities, axis=-1),
            "classes": tf.tile(self._classes[tf.newaxis], [tf.shape(probabilities)[0], 1]),
        }


class NumberAnswer:
    """The label of a regression, in its own unit.

    Args:
      model: from padded features to [batch, 1], with a Rescaling as its last layer.
    """

    def __init__(self, model: keras.Model) -> None:
        self.model = model
        self.units: Units = {"prediction": float(model.layers[-1].scale)}

    def __call__(self, padded: Mapping[str, tf.Tensor]) -> Tensors:
        """Answers padded features, see `pad`."""
        return {"prediction": self.model(padded, training=False)[:, 0]}
