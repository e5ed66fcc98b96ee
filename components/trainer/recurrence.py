"""The layers of a trained model, taken a step at a time."""

from typing import Any

import keras
import tensorflow as tf

from components.trainer.model import HEAD

States = tuple[tf.Tensor, ...]  # of each GRU layer, [batch, units]


class Recurrence:
    """What an answer to one more step needs: the state of each GRU layer, and the head.

    Args:
      model: of the next step, without dropout.
    """

    def __init__(self, model: keras.Model) -> None:
        self._layers = [layer for layer in model.layers if isinstance(layer, keras.layers.GRU)]
        self._head = model.get_layer(HEAD)

    def read(self, hidden: tf.Tensor, mask: tf.Tensor) -> States:
        """The states after padded steps [batch, steps, values]; before the first step they are zero."""
        states = []
        length = tf.reduce_sum(tf.cast(mask, tf.int32), axis=1)
        for layer in self._layers:
            hidden = layer(hidden, mask=mask)
            last = tf.gather(hidden, tf.maximum(length - 1, 0), batch_dims=1)
            states.append(tf.where((length > 0)[:, tf.newaxis], last, tf.zeros_like(last)))
        return tuple(states)

    def answer(self, states: States) -> Any:
        """The head's answer in these states, [batch, size]."""
        return self._head(states[-1])

    def advance(self, hidden: tf.Tensor, states: States) -> States:
        """The states after one more step [batch, values]."""
        after = []
        for layer, state in zip(self._layers, states, strict=True):
            hidden, _ = layer.cell(hidden, [state], training=False)
            after.append(hidden)
        return tuple(after)
