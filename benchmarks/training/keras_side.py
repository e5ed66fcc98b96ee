"""Plain Keras' contender: `model.fit` on padded arrays in memory, of the model the Trainer builds.

`auto` compiles as Keras does when it is not told how, `xla` with `jit_compile=True`.
"""

import sys
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from benchmarks.training.network import head_of, inputs_of, model_of
from benchmarks.training.shapes import BATCH, CLIP_NORM, LEARNING_RATE, Shape, draw
from benchmarks.training.worker import Epoch, serve
from components.trainer.model import build


def make(shape: Shape, variant: str) -> Epoch:
    """What trains an epoch."""
    x, y = _arrays(shape)
    keras.utils.set_random_seed(1)
    model = build(model_of(shape), inputs_of(shape), head_of(shape))
    model.compile(
        optimizer=keras.optimizers.Adam(LEARNING_RATE, global_clipnorm=CLIP_NORM),
        loss=_loss(shape),
        metrics=None if shape.task == "regression" else ["accuracy"],
        jit_compile=True if variant == "xla" else "auto",
    )

    def epoch() -> None:
        model.fit(x, y, batch_size=BATCH, verbose=0)

    return epoch


def _arrays(shape: Shape) -> tuple[dict[str, Any], Any]:
    sequences = draw(shape)
    name = "tokens" if shape.tokens else "numbers"
    steps = sequences.steps[:, :, np.newaxis] if shape.tokens else sequences.steps
    if shape.task == "generation":
        x = {name: steps[:, :-1], "mask": sequences.mask[:, 1:]}
        return x, sequences.steps[:, 1:]
    labels = sequences.labels
    return {name: steps, "mask": sequences.mask}, labels if shape.task == "multiclass" else labels[:, None]


def _loss(shape: Shape) -> keras.losses.Loss:
    if shape.task == "regression":
        return keras.losses.MeanSquaredError()
    if shape.task == "binary":
        return keras.losses.BinaryCrossentropy(from_logits=True)
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


if __name__ == "__main__":
    tf.config.threading.set_intra_op_parallelism_threads(int(sys.argv[1]))
    tf.config.threading.set_inter_op_parallelism_threads(int(sys.argv[1]))
    serve(make)
