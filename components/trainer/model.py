"""The GRU: one builder for every task."""

from dataclasses import dataclass

import keras
from keras import KerasTensor, layers, ops, regularizers

from components.trainer.inputs import Inputs
from pipeline.config import Model

HEAD = "head"


@dataclass(frozen=True)
class Head:
    """What a model answers.

    Attributes:
      task: `binary`, `multiclass`, `regression` or `generation`.
      size: numbers it gives: classes, ids of tokens, values of a step; for `binary` and `regression` 1.
      scale: regression: standard deviation of the label; the model learns (label - offset) / scale.
      offset: regression: mean of the label.
    """

    task: str
    size: int = 1
    scale: float = 1.0
    offset: float = 0.0


def build(config: Model, inputs: Inputs, head: Head, *, answering: bool = False) -> keras.Model:
    """Embeddings, a stack of GRU layers, and a head.

    Keras' GRU is the variant that applies the reset gate after the matrix multiplication
    (`reset_after=True`), as in the first version of Cho et al., 2014
    (https://arxiv.org/abs/1406.1078v1). With the input x, the state h, W of the inputs, U of the
    state, and a bias for each:

        update z    = sigmoid(W_z x + b_z + U_z h + c_z)
        reset r     = sigmoid(W_r x + b_r + U_r h + c_r)
        candidate n = tanh(W_n x + b_n + r * (U_n h + c_n))
        state h'    = z * h + (1 - z) * n

    A sequence without any step gets the head's answer to the state before the first step, which is
    zero; padding leaves the state as it is.

    Args:
      config: units, dropout, regularisation and embedding.
      inputs: what the model reads.
      head: what it answers.
      answering: whether the model is one that only answers. It has no dropout, for Keras draws masks
        also where it applies none, and the random state they come from cannot be exported; and no
        cuDNN op, which would not run on a CPU server.

    Returns:
      A model of `numbers` [batch, steps, numbers] float32 and `tokens` [batch, steps, tokens] int32,
      where the inputs have them, and `mask` [batch, steps] bool, False where a step is padding. In
      training to the head's logits, or scaled value, [batch, size]; answering to probabilities
      [batch, classes] or the value in the label's unit [batch, 1]; for generation always to logits,
      or values, of the next step: [batch, steps, size].
    """
    dropout, recurrent_dropout = (0.0, 0.0) if answering else (config.dropout, config.recurrent_dropout)
    sources = _sources(inputs)
    hidden = _embedded(sources, inputs, config.embedding)
    every_step = head.task == "generation"
    for position, units in enumerate(config.units):
        layer = layers.GRU(
            units,
            return_sequences=every_step or position < len(config.units) - 1,
            dropout=dropout,
            recurrent_dropout=recurrent_dropout,
            kernel_regularizer=regularizers.L2(config.l2) if config.l2 else None,
            use_cudnn=False if answering else "auto",
            name=f"gru_{position}",
        )
        hidden = (layers.Bidirectional(layer) if config.bidirectional else layer)(
            hidden, mask=sources["mask"]
        )
    if dropout:
        hidden = layers.Dropout(dropout)(hidden)
    logits = layers.Dense(head.size, dtype="float32", name=HEAD)(hidden)
    return keras.Model(sources, _answer(logits, head) if answering else logits)


def _sources(inputs: Inputs) -> dict[str, KerasTensor]:
    sources = {"mask": keras.Input((None,), dtype="bool", name="mask")}
    if inputs.numbers:
        sources["numbers"] = keras.Input((None, len(inputs.numbers)), name="numbers")
    if inputs.tokens:
        sources["tokens"] = keras.Input((None, len(inputs.tokens)), dtype="int32", name="tokens")
    return sources


def _embedded(sources: dict[str, KerasTensor], inputs: Inputs, width: int) -> KerasTensor:
    parts = [sources["numbers"]] if inputs.numbers else []
    for place, size in enumerate(inputs.tokens.values()):
        embedding = layers.Embedding(size, width, name=f"embedding_{place}")
        parts.append(embedding(sources["tokens"][:, :, place]))
    return layers.Concatenate()(parts) if len(parts) > 1 else parts[0]


def _answer(logits: KerasTensor, head: Head) -> KerasTensor:
    if head.task == "binary":
        positive = ops.sigmoid(logits)
        return ops.concatenate([1 - positive, positive], axis=-1)
    if head.task == "multiclass":
        return ops.softmax(logits)
    if head.task == "regression":
        return layers.Rescaling(head.scale, head.offset, dtype="float32")(logits)
    return logits


def answering(model: keras.Model, config: Model, inputs: Inputs, head: Head) -> keras.Model:
    """A copy of a trained model that only answers, see `build`."""
    copy = build(config, inputs, head, answering=True)
    copy.set_weights(model.get_weights())
    return copy
