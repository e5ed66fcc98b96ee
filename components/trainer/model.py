"""The GRU classifier."""

import keras
from keras import layers, regularizers

from pipeline.config import Model


def build(model: Model, features: int, classes: int) -> keras.Model:
    """A stack of GRU layers with a softmax head.

    Keras' GRU is the variant that applies the reset gate after the matrix multiplication
    (`reset_after=True`), as in the second version of Cho et al., 2014 (https://arxiv.org/abs/1406.1078).

    Args:
      model: units, dropout and regularisation.
      features: features of a step.
      classes: number of classes.

    Returns:
      A model of `steps` [batch, steps, features] float32 and `mask` [batch, steps] bool (False is
      padding, which changes no answer) to class probabilities [batch, classes].
    """
    steps = keras.Input((None, features), name="steps")
    mask = keras.Input((None,), dtype="bool", name="mask")
    hidden = steps
    for position, units in enumerate(model.units):
        last = position == len(model.units) - 1
        layer = layers.GRU(
            units,
            return_sequences=not last,
            dropout=model.dropout,
            recurrent_dropout=model.recurrent_dropout,
            kernel_regularizer=regularizers.L2(model.l2) if model.l2 else None,
            use_cudnn=False,  # a cuDNN op in the export would not run on a CPU server
        )
        hidden = (layers.Bidirectional(layer) if model.bidirectional else layer)(hidden, mask=mask)
    hidden = layers.Dropout(model.dropout)(hidden)
    probabilities = layers.Dense(classes, activation="softmax", name="probabilities")(hidden)
    return keras.Model({"steps": steps, "mask": mask}, probabilities)
