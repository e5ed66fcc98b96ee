"""Epoch after epoch: early stopping, learning rate, and what is told of it."""

import logging
import math
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import keras
import tensorflow as tf

from components.trainer.checkpoint import Checkpoint, State, variables
from components.trainer.model import Head
from pipeline.config import Training
from pipeline.errors import SluiceError
from pipeline.figures import figure

Error = Callable[[Any, Any], Any]  # (truth, logits or value) -> error of each sequence or step

log = logging.getLogger("sluice.training")


def compile_model(
    model: keras.Model,
    head: Head,
    training: Training,
    *,
    jit: bool,
    class_weights: Sequence[float] = (),
) -> None:
    """Loss, metrics and optimizer of a task.

    The loss is the mean over the sequences, or steps, that have a weight of 1; those of weight 0 are
    padding. `class_weights` [classes] multiply the loss of a sequence by its class; the mean is not
    divided by them, so that a class weighs the same whatever else is in its batch.
    """
    error, right = _measures(head.task, tokens="tokens" in model.input)
    if class_weights:
        error = _by_class(error, class_weights)
    metrics = [keras.metrics.MeanMetricWrapper(error, name="mean_loss")]
    if right is not None:
        metrics.append(keras.metrics.MeanMetricWrapper(right, name="accuracy"))
    model.compile(
        optimizer=keras.optimizers.Adam(training.learning_rate, global_clipnorm=training.clip_norm),
        loss=_MeanOf(error),
        weighted_metrics=metrics,
        jit_compile=jit,
    )


def _measures(task: str, *, tokens: bool) -> tuple[Error, Error | None]:
    """The error that a task minimises, and what is right, where an answer can be."""
    if task == "binary":
        return _cross_entropy_of_two, _sides_agree
    if task == "multiclass" or (task == "generation" and tokens):
        return _cross_entropy, keras.metrics.sparse_categorical_accuracy
    return (keras.losses.mean_squared_error if task == "regression" else _squared_error_of_known), None


class _MeanOf(keras.losses.Loss):
    """The mean of an error [batch, …] over what has weight."""

    def __init__(self, error: Error) -> None:
        super().__init__(reduction="mean_with_sample_weight")
        self._error = error

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return self._error(y_true, y_pred)


def _cross_entropy_of_two(truth: Any, logits: Any) -> Any:
    return keras.losses.binary_crossentropy(truth, logits, from_logits=True)


def _cross_entropy(truth: Any, logits: Any) -> Any:
    return keras.losses.sparse_categorical_crossentropy(truth, logits, from_logits=True)


def _squared_error_of_known(truth: Any, values: Any) -> Any:
    """The mean over the values of a step that are not missing, NaN, in the truth."""
    known = keras.ops.logical_not(keras.ops.isnan(truth))
    error = keras.ops.where(known, values - keras.ops.where(known, truth, 0.0), 0.0)
    count = keras.ops.sum(keras.ops.cast(known, error.dtype), axis=-1)
    return keras.ops.sum(error**2, axis=-1) / keras.ops.maximum(count, 1.0)


def _by_class(error: Error, weights: Sequence[float]) -> Error:
    def weighted(truth: Any, logits: Any) -> Any:
        found = error(truth, logits)
        ids = keras.ops.reshape(keras.ops.cast(truth, "int32"), keras.ops.shape(found))
        return found * keras.ops.take(keras.ops.convert_to_tensor(weights, found.dtype), ids)

    return weighted


def _sides_agree(truth: Any, logits: Any) -> Any:
    return keras.ops.cast(keras.ops.equal(truth > 0.5, logits >= 0), "float32")


def fit(
    model: keras.Model,
    batches: Callable[[int], tf.data.Dataset],
    validation: tf.data.Dataset,
    training: Training,
    checkpoint: Checkpoint,
    report: "Report",
) -> State:
    """Fits a compiled model until the validation loss has not fallen for `patience` epochs.

    Each epoch's batches depend on its number alone, and all that a step depends on is in the
    checkpoint: a training that goes on after a kill gives the result of one that was never killed.

    Args:
      model: compiled; has the weights of the best epoch afterwards.
      batches: of an epoch, by its number from 0.
      validation: batches that decide when to stop.
      training: epochs, patience, learning rate and its schedule.
      checkpoint: where the state of each epoch is kept.
      report: told of each epoch.

    Raises:
      SluiceError: the loss is no number any more.
    """
    state = checkpoint.read()
    if state is None:
        state = State(training.learning_rate)
    else:
        with model.distribute_strategy.scope():
            model.optimizer.build(model.trainable_variables)
        _assign(variables(model), state.variables)
        log.info("going on after epoch %d, which an earlier run had finished", len(state.epochs))
        report.repeat(state.epochs)
    while len(state.epochs) < training.epochs and not _patience_is_over(state, training):
        _one_epoch(model, batches(len(state.epochs)), validation, training, state)
        state.variables = [one.numpy() for one in variables(model)]
        checkpoint.write(state)
        report.epoch(state.epochs)
    model.set_weights(state.best)
    return state


def _one_epoch(
    model: keras.Model,
    batches: tf.data.Dataset,
    validation: tf.data.Dataset,
    training: Training,
    state: State,
) -> None:
    model.optimizer.learning_rate = state.learning_rate
    epoch, begun = len(state.epochs), time.perf_counter()
    devices = model.distribute_strategy.num_replicas_in_sync
    if devices > 1:
        batches, validation = _for_several(batches, devices), _for_several(validation, devices)
    fitted = {
        name: values[0] for name, values in model.fit(batches, verbose=0, shuffle=False).history.items()
    }
    judged = model.evaluate(validation, verbose=0, return_dict=True)
    metrics = {"loss": fitted.pop("mean_loss"), "val_loss": judged.pop("mean_loss")}
    objective = fitted.pop("loss")
    judged.pop("loss")
    metrics |= {name: float(value) for name, value in fitted.items()}
    metrics |= {f"val_{name}": float(value) for name, value in judged.items()}
    if not all(math.isfinite(value) for value in (objective, metrics["loss"], metrics["val_loss"])):
        raise SluiceError(
            "training diverged",
            [
                f"the loss of epoch {epoch + 1} is {objective}, on the validation sequences "
                f"{metrics['val_loss']}; lower training.learning_rate ({state.learning_rate:g}) or "
                f"training.clip_norm ({training.clip_norm:g}), and look for features with huge values"
            ],
        )
    seconds = round(time.perf_counter() - begun, 4)
    state.epochs.append({**metrics, "learning_rate": state.learning_rate, "seconds": seconds})
    if state.best_epoch < 0 or metrics["val_loss"] < state.epochs[state.best_epoch]["val_loss"]:
        state.best_epoch, state.best = epoch, model.get_weights()
    state.learning_rate = _next_rate(state, training)


def _for_several(batches: tf.data.Dataset, devices: int) -> tf.data.Dataset:
    """Batches that Keras can share out: to learn the shapes it takes the mean of what the devices get.

    So each gets as many rows, the last ones repeated without weight; and the mask is of integers,
    for bools have no mean. The model makes bools of them again.
    """

    def even(inputs: dict[str, tf.Tensor], target: tf.Tensor, weight: tf.Tensor) -> tuple[Any, ...]:
        count = tf.shape(weight)[0]
        rows = tf.minimum(tf.range(-(-count // devices) * devices), count - 1)
        inputs = {**inputs, "mask": tf.cast(inputs["mask"], tf.int32)}
        missing = tf.zeros_like(tf.gather(weight, rows[count:]))
        return (
            {name: tf.gather(one, rows) for name, one in inputs.items()},
            tf.gather(target, rows),
            tf.concat([weight, missing], axis=0),
        )

    return batches.map(even)


def _patience_is_over(state: State, training: Training) -> bool:
    return len(state.epochs) - 1 - state.best_epoch >= training.patience


def _next_rate(state: State, training: Training) -> float:
    """The learning rate of the next epoch.

    `cosine` falls to zero with the planned epochs along half a cosine (Loshchilov & Hutter, 2017,
    https://arxiv.org/abs/1608.03983, without restarts); `plateau` halves after every second epoch
    in a row without a better validation loss.
    """
    epoch = len(state.epochs)
    if training.schedule == "cosine":
        return training.learning_rate * (1 + math.cos(math.pi * epoch / training.epochs)) / 2
    waited = epoch - 1 - state.best_epoch
    if training.schedule == "plateau" and waited and waited % 2 == 0:
        return state.learning_rate / 2
    return state.learning_rate


def _assign(targets: Iterable[Any], values: Iterable[Any]) -> None:
    for target, value in zip(targets, values, strict=True):
        target.assign(value)


class Report:
    """Tells of each epoch: a line to the log, and scalars to TensorBoard.

    Args:
      head: of the model; a regression's errors are told in the label's unit.
      epochs: that are planned.
      folder: of TensorBoard's logs.
    """

    def __init__(self, head: Head, epochs: int, folder: str) -> None:
        self._head, self._planned = head, epochs
        self._writers = {
            part: tf.summary.create_file_writer(f"{folder}/{part}") for part in ("train", "validation")
        }

    def repeat(self, epochs: list[dict[str, float]]) -> None:
        """Writes the epochs of an earlier run to TensorBoard."""
        for count in range(1, len(epochs) + 1):
            self._summarise(epochs[:count])

    def epoch(self, epochs: list[dict[str, float]]) -> None:
        """Tells of the last of these epochs."""
        self._summarise(epochs)
        shown = self.shown(epochs[-1])
        train = "  ".join(f"{name} {figure(value)}" for name, value in shown["train"].items())
        held = "  ".join(f"{name} {figure(value)}" for name, value in shown["validation"].items())
        log.info("epoch %d/%d  %s  validation %s", len(epochs), self._planned, train, held)

    def shown(self, metrics: dict[str, float]) -> dict[str, dict[str, float]]:
        """The metrics of one epoch by part, in the words and units people know."""
        found = {}
        for part, prefix in (("train", ""), ("validation", "val_")):
            loss = metrics[f"{prefix}loss"]
            found[part] = {"loss": loss}
            if self._head.task == "regression":
                found[part]["rmse"] = math.sqrt(loss) * self._head.scale
            if f"{prefix}accuracy" in metrics:
                found[part]["accuracy"] = metrics[f"{prefix}accuracy"]
                if self._head.task == "generation":
                    found[part]["perplexity"] = math.exp(min(loss, 700.0))
        return found

    def _summarise(self, epochs: list[dict[str, float]]) -> None:
        for part, values in self.shown(epochs[-1]).items():
            with self._writers[part].as_default(step=len(epochs)):
                for name, value in values.items():
                    tf.summary.scalar(f"epoch_{name}", value)
            self._writers[part].flush()
